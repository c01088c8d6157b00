"""Tensors of wasi-nn without numpy."""

import sys
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod

from wherry.errors import InputError

# wasi-nn's names -> bytes of an element.
ELEMENT_BYTES = {"fp16": 2, "fp32": 4, "fp64": 8, "bf16": 2, "u8": 1, "i32": 4, "i64": 8}
_ARRAYS = {"fp32": "f", "fp64": "d", "u8": "B", "i32": "i", "i64": "q"}


@dataclass(frozen=True)
class Tensor:
    """`dimensions` of elements of `type` (wasi-nn's names), row by row in little-endian `data`. Raises InputError."""

    dimensions: tuple[int, ...]
    type: str
    data: bytes

    def __post_init__(self) -> None:
        if self.type not in ELEMENT_BYTES:
            raise InputError(f'tensor: found type "{self.type}", expected one of {" ".join(ELEMENT_BYTES)}')
        expected = prod(self.dimensions) * ELEMENT_BYTES[self.type]
        if len(self.data) != expected:
            raise InputError(
                f"tensor: found {len(self.data)} bytes, expected {expected} for {list(self.dimensions)} of {self.type}"
            )

    @classmethod
    def from_numbers(cls, numbers: Iterable[float], *, type: str = "fp32", dimensions: Sequence[int] | None = None) -> "Tensor":
        """dimensions: by default one row of all. Raises InputError for a type that Python's `array` does not have."""
        values = array(_code(type), numbers)
        if sys.byteorder == "big":
            values.byteswap()
        return cls(tuple(dimensions or (1, len(values))), type, values.tobytes())

    @classmethod
    def from_text(cls, text: str) -> "Tensor":
        """UTF-8 in u8, as prompts are passed."""
        data = text.encode()
        return cls((len(data),), "u8", data)

    def numbers(self) -> list[float]:
        """The elements in order. Raises InputError for a type that Python's `array` does not have."""
        values = array(_code(self.type), self.data)
        if sys.byteorder == "big":
            values.byteswap()
        return list(values)

    def text(self) -> str:
        """The bytes as UTF-8. Raises UnicodeDecodeError."""
        return self.data.decode()


def _code(type: str) -> str:
    if type not in _ARRAYS:
        raise InputError(f'tensor: found type "{type}", expected one of {" ".join(_ARRAYS)} for numbers of Python')
    return _ARRAYS[type]
