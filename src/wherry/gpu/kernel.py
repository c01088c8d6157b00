"""A .wgsl file to a pipeline: its parameters by name, its bindings in order."""

import re
import struct
from dataclasses import dataclass
from typing import Any

_STRUCT = re.compile(r"struct Params\s*\{([^}]*)\}")
_FIELD = re.compile(r"(\w+)\s*:\s*(u32|i32|f32)")
_UNROLL = re.compile(r"//unroll (\w+) (\d+|[A-Z]\w*)\n(.*?)//end \1\n", re.DOTALL)
_CODES = {"u32": "I", "i32": "i", "f32": "f"}


@dataclass(frozen=True)
class Kernel:
    """A compiled entry point. `fields` are those of the shader's `struct Params`, in order."""

    name: str
    pipeline: Any
    layout: Any
    fields: tuple[tuple[str, str], ...]

    def pack(self, params: dict[str, int | float]) -> bytes:
        """The uniform buffer's bytes, padded to 16. Raises TypeError for a missing or unknown name."""
        if params.keys() != {name for name, _ in self.fields}:
            raise TypeError(f"{self.name}: found parameters {sorted(params)}, expected {[name for name, _ in self.fields]}")
        data = b"".join(struct.pack("<" + _CODES[kind], params[name]) for name, kind in self.fields)
        return data + bytes(-len(data) % 16)


def fields_of(source: str) -> tuple[tuple[str, str], ...]:
    """The names and types of `struct Params`: u32, i32 or f32."""
    found = _STRUCT.search(source)
    return tuple(_FIELD.findall(found.group(1))) if found else ()


def unroll(source: str, constants: dict[str, int]) -> str:
    """Repeat what stands between `//unroll NAME COUNT` and `//end NAME`, with $NAME = 0, 1, … COUNT - 1.

    COUNT is a number or one of `constants`. WGSL has no such means, and compilers keep an array of accumulators that is
    indexed in a loop in memory: named variables stay in registers (17 times faster in naga).
    """
    while found := _UNROLL.search(source):
        name, count, body = found.groups()
        times = int(count) if count.isdecimal() else constants[count]
        copies = "".join(body.replace(f"${name}", str(i)) for i in range(times))
        source = source[: found.start()] + copies + source[found.end() :]
    return source
