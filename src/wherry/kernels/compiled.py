"""What the CPU does without numpy: float16 products, GELU, layer norm and one token's attention, compiled at start (some 50 ms).

numpy has no float16 product, and a token's products are bound by the memory they read; GELU and the norm are a dozen passes
there. The code is `cpu.ll`, in LLVM's assembly language; llvmlite compiles it for the processor it runs on.
"""

import ctypes
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Halves = NDArray[np.float16]
Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Call = Callable[[], object]

COLUMNS = 64  # a float16 matrix has rows of a multiple of this
LANES = 16  # and any other row is a multiple of this
_ARGUMENTS = {
    "matvec": "pppii",
    "matvec4": "pppiii",
    "widen": "ppi",
    "bias_gelu": "ppiii",
    "layer_norm": "ppppiif",
    "attend_token": "ppppppiif",
}
_TYPES = {"p": ctypes.c_void_p, "i": ctypes.c_int64, "f": ctypes.c_float}


class Compiled:
    """Compiled for this processor. Each method checks its arrays and returns the call, to be made once or many times.

    A call knows addresses: whoever keeps it keeps the arrays. It releases the interpreter's lock, and is safe for several
    threads. Arrays are float32 and contiguous where nothing else is said. Raises ValueError for shapes that cannot be.
    """

    def __init__(self, engine: Any) -> None:
        self._engine = engine  # owns the code
        self._functions = {
            name: ctypes.CFUNCTYPE(None, *(_TYPES[a] for a in arguments))(engine.get_function_address(name))
            for name, arguments in _ARGUMENTS.items()
        }

    def matvec(self, weight: Halves, x: Floats, out: Floats) -> Call:
        """weight (n, k) @ x (k,) -> out (n,); k a multiple of 64."""
        rows, columns = weight.shape
        fits = x.shape == (columns,) and out.shape == (rows,) and columns % COLUMNS == 0 and rows > 0
        if not (fits and weight.flags.c_contiguous and x.flags.c_contiguous and out.flags.c_contiguous):
            raise ValueError(f"matvec: found {weight.shape} @ {x.shape} -> {out.shape}, expected (n, 64 m) @ (64 m,) -> (n,)")
        return self._call("matvec", weight, x, out, rows, columns)

    def matvec4(self, weight: Halves, x: Floats, out: Floats) -> Call:
        """weight (n, k) @ each of x (4, k) -> out (4, n), whose rows may lie apart; k a multiple of 64."""
        rows, columns = weight.shape
        fits = x.shape == (4, columns) and out.shape == (4, rows) and columns % COLUMNS == 0 and rows > 0
        if not (fits and weight.flags.c_contiguous and x.flags.c_contiguous and out.strides[1] == 4):
            raise ValueError(
                f"matvec4: found {weight.shape} @ {x.shape} -> {out.shape}, expected (n, 64 m) @ (4, 64 m) -> (4, n)"
            )
        return self._call("matvec4", weight, x, out, rows, columns, out.strides[0] // 4)

    def widen(self, weight: Halves, out: Floats) -> Call:
        """weight -> the same numbers in float32; both of the same size, a multiple of 16."""
        if weight.size % LANES or weight.size != out.size or weight.size == 0:
            raise ValueError(f"widen: found {weight.shape} -> {out.shape}, expected two of one size, a multiple of 16")
        return self._call("widen", weight, out, weight.size)

    def bias_gelu(self, x: Floats, bias: Floats) -> Call:
        """x (rows, n) = gelu(x + bias (n,)), in place; n a multiple of 16, rows may lie apart."""
        rows, columns = x.shape
        if columns % LANES or bias.shape != (columns,) or x.strides[1] != 4 or x.size == 0:
            raise ValueError(f"bias_gelu: found {x.shape} + {bias.shape}, expected rows of a multiple of 16")
        return self._call("bias_gelu", x, bias, rows, columns, x.strides[0] // 4)

    def layer_norm(self, x: Floats, weight: Floats, bias: Floats, out: Floats, eps: float) -> Call:
        """(x - mean) / sqrt(var + eps) * weight + bias: x (rows, n) -> out (rows, n), n a multiple of 16."""
        rows, columns = x.shape
        if columns % LANES or weight.shape != (columns,) or bias.shape != (columns,) or out.shape != x.shape or x.size == 0:
            raise ValueError(f"layer_norm: found {x.shape} * {weight.shape} -> {out.shape}, expected rows of a multiple of 16")
        return self._call("layer_norm", x, weight, bias, out, rows, columns, eps)

    def attend_token(self, q: Floats, k: Floats, v: Floats, scores: Floats, out: Floats, length: Ints, heads: int) -> Call:
        """Attention of q (n,) over the first length (1,) of k, v (keys, n) -> out (n,); n / heads a multiple of 16.

        scores is scratch: `heads` times the keys and 16 more. The length is read at each call, and is at least one.
        """
        keys, n = k.shape
        fits = q.shape == out.shape == (n,) and v.shape == k.shape and scores.size >= heads * (keys + LANES)
        whole = all(a.flags.c_contiguous for a in (q, k, v, scores, out))
        if n % (heads * LANES) or not (fits and whole and 1 <= length.item() <= keys and length.dtype == np.int32):
            raise ValueError(
                f"attend_token: found {heads} heads, q {q.shape}, k {k.shape}, v {v.shape}, {length} keys -> {out.shape}, "
                "expected heads of a multiple of 16, and no more keys than there are"
            )
        scale = (n // heads) ** -0.5 * float(np.log2(np.e))
        return self._call("attend_token", q, k, v, scores, out, length, heads, n // heads, scale)

    def _call(self, name: str, *arguments: Any) -> Call:
        return partial(self._functions[name], *(a.ctypes.data if isinstance(a, np.ndarray) else a for a in arguments))


@cache
def compiled() -> Compiled | None:
    """The compiled code; None where llvmlite is not installed or the processor has no float16 conversion."""
    try:
        import llvmlite.binding as llvm
    except ImportError:
        return None
    triple, features = llvm.get_process_triple(), llvm.get_host_cpu_features()
    if not (features.get("f16c") or triple.startswith(("aarch64", "arm64"))):
        return None
    return Compiled(engine_of(Path(__file__).with_name("cpu.ll").read_text(encoding="utf-8")))


def engine_of(assembly: str) -> Any:
    """LLVM's language -> what owns the code for this processor and knows its functions' addresses."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=2
    )
    module = llvm.parse_assembly(assembly)
    module.verify()
    inline = llvm.create_new_module_pass_manager()  # the whole pipeline takes 100 ms and finds nothing more
    inline.add_always_inliner_pass()
    inline.run(module, llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options()))
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    return engine
