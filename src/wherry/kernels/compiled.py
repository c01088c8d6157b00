"""What the CPU does without numpy: products with float16 weights, GELU and layer norm, compiled at start (some 40 ms).

numpy has no float16 product, and a token's products are bound by the memory they read; GELU and the norm are a dozen passes
there. The code is `cpu.ll`, in LLVM's assembly language; llvmlite compiles it for the processor it runs on.
"""

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Halves = NDArray[np.float16]
Floats = NDArray[np.float32]

COLUMNS = 64  # a float16 matrix has rows of a multiple of this
LANES = 16  # and any other row is a multiple of this
_ARGUMENTS = {"matvec": "pppii", "widen": "ppi", "bias_gelu": "ppiii", "layer_norm": "ppppiif"}
_TYPES = {"p": ctypes.c_void_p, "i": ctypes.c_int64, "f": ctypes.c_float}


class Compiled:
    """Compiled for this processor. Calls release the interpreter's lock; safe for several threads. Arrays are float32."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine  # owns the code

        def function(name: str) -> Any:
            return ctypes.CFUNCTYPE(None, *(_TYPES[a] for a in _ARGUMENTS[name]))(engine.get_function_address(name))

        self._matvec, self._widen = function("matvec"), function("widen")
        self._bias_gelu, self._layer_norm = function("bias_gelu"), function("layer_norm")

    def matvec(self, weight: Halves, x: Floats, out: Floats) -> None:
        """weight (n, k) @ x (k,) -> out (n,); all contiguous, k a multiple of 64."""
        rows, columns = weight.shape
        if columns % COLUMNS or x.shape != (columns,) or out.shape != (rows,) or rows == 0:
            raise ValueError(f"matvec: found {weight.shape} @ {x.shape} -> {out.shape}, expected (n, 64 m) @ (64 m,) -> (n,)")
        self._matvec(weight.ctypes.data, x.ctypes.data, out.ctypes.data, rows, columns)

    def widen(self, weight: Halves, out: Floats) -> None:
        """weight -> the same numbers in float32; both contiguous, of the same size, a multiple of 16."""
        if weight.size % LANES or weight.size != out.size or weight.size == 0:
            raise ValueError(f"widen: found {weight.shape} -> {out.shape}, expected two of one size, a multiple of 16")
        self._widen(weight.ctypes.data, out.ctypes.data, weight.size)

    def bias_gelu(self, x: Floats, bias: Floats) -> None:
        """x (rows, n) = gelu(x + bias (n,)), in place; n a multiple of 16, each row contiguous."""
        rows, columns = x.shape
        if columns % LANES or bias.shape != (columns,) or x.strides[1] != 4 or x.size == 0:
            raise ValueError(f"bias_gelu: found {x.shape} + {bias.shape}, expected rows of a multiple of 16")
        self._bias_gelu(x.ctypes.data, bias.ctypes.data, rows, columns, x.strides[0] // 4)

    def layer_norm(self, x: Floats, weight: Floats, bias: Floats, out: Floats, eps: float) -> None:
        """(x - mean) / sqrt(var + eps) * weight + bias: x (rows, n) -> out (rows, n), contiguous, n a multiple of 16."""
        rows, columns = x.shape
        if columns % LANES or weight.shape != (columns,) or bias.shape != (columns,) or out.shape != x.shape or x.size == 0:
            raise ValueError(f"layer_norm: found {x.shape} * {weight.shape} -> {out.shape}, expected rows of a multiple of 16")
        pointers = x.ctypes.data, weight.ctypes.data, bias.ctypes.data, out.ctypes.data
        self._layer_norm(*pointers, rows, columns, eps)


@cache
def compiled() -> Compiled | None:
    """The compiled code; None where llvmlite is not installed or the processor has no float16 conversion."""
    try:
        import llvmlite.binding as llvm
    except ImportError:
        return None
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    triple, features = llvm.get_process_triple(), llvm.get_host_cpu_features()
    if not (features.get("f16c") or triple.startswith(("aarch64", "arm64"))):
        return None
    machine = llvm.Target.from_triple(triple).create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=features.flatten(), opt=2
    )
    module = llvm.parse_assembly(Path(__file__).with_name("cpu.ll").read_text(encoding="utf-8"))
    module.verify()
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    return Compiled(engine)
