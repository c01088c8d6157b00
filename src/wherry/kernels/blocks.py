"""Products with weights as they lie in their file, and what stands between them in a language model, compiled at start."""

import ctypes
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.kernels.compiled import Call, compiled, engine_of
from wherry.kernels.operations import QuantizedWeight

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Weight = NDArray[Any] | QuantizedWeight

FORMATS = ("f32", "f16", "bf16", "q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q4_k", "q5_k", "q6_k")
COLUMNS = 32  # a matrix has rows of a multiple of this
LANES = 16  # any other row is a multiple of this
HEAD_LANES = 8  # and a head of this
_ARGUMENTS = {
    "rms_norm": "pppiif",
    "gate": "pppii",
    "add": "pppi",
    "rotate": "pppiiiiii",
    "store": "pppiiii",
    "attend": "pppppiiiiiiff",
    **{f"matvec_{name}": "pppiiii" for name in FORMATS},
    **{f"widen_{name}": "ppi" for name in FORMATS},
}
_TYPES = {"p": ctypes.c_void_p, "i": ctypes.c_int64, "f": ctypes.c_float}


class Blocks:
    """The functions of blocks.c. `call` makes one of them with its arguments, to be called once or many times: it knows
    addresses, and whoever keeps it keeps the arrays. All release the interpreter's lock."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine  # owns the code
        self._functions = {
            name: ctypes.CFUNCTYPE(None, *(_TYPES[a] for a in arguments))(engine.get_function_address(name))
            for name, arguments in _ARGUMENTS.items()
        }

    def call(self, name: str, *arguments: Any) -> Call:
        return partial(self._functions[name], *(a.ctypes.data if isinstance(a, np.ndarray) else a for a in arguments))

    def reads(self, weight: Weight) -> bool:
        """Whether there is a product with this matrix as it lies."""
        return form_of(weight) in FORMATS and len(weight.shape) == 2 and weight.shape[1] % COLUMNS == 0

    def matvec(self, weight: Weight, x: Floats, out: Floats, first: int, last: int) -> Call:
        """rows first .. last of weight (n, k) @ each of x (rows, k), contiguous -> out (rows, n) there, contiguous."""
        columns = weight.shape[1]
        if x.shape[1] != columns or out.shape != (len(x), weight.shape[0]) or not 0 <= first < last <= weight.shape[0]:
            raise ValueError(f"matvec: found {weight.shape} @ {x.shape} -> {out.shape}")
        if not (x.flags.c_contiguous and out.flags.c_contiguous):
            raise ValueError("matvec: found rows that lie apart, expected contiguous ones")
        data = bytes_of(weight)
        at = data.ctypes.data + first * (data.nbytes // weight.shape[0])
        here = out.ctypes.data + 4 * first
        return self.call(f"matvec_{form_of(weight)}", at, x, here, last - first, columns, len(x), out.shape[1])

    def widen(self, weight: Weight, row: int, out: Floats) -> None:
        """Row `row` of weight (n, k) -> out (k,), float32 and contiguous."""
        if not 0 <= row < weight.shape[0]:
            raise ValueError(f"widen: found row {row} of {weight.shape[0]}")
        data = bytes_of(weight)
        at = data.ctypes.data + row * (data.nbytes // weight.shape[0])
        self._functions[f"widen_{form_of(weight)}"](at, out.ctypes.data, weight.shape[1] // COLUMNS)


def form_of(weight: Weight) -> str:
    if isinstance(weight, np.ndarray):
        return {"float32": "f32", "float16": "f16"}.get(weight.dtype.name, weight.dtype.name)
    return weight.format


def bytes_of(weight: Weight) -> NDArray[Any]:
    return weight if isinstance(weight, np.ndarray) else weight.data


@cache
def compiled_blocks() -> Blocks | None:
    """The compiled code; None where there is none of `compiled` either."""
    if compiled() is None:
        return None
    return Blocks(engine_of(Path(__file__).with_name("blocks.ll").read_text(encoding="utf-8")))
