"""Products with float16 weights on the CPU, compiled at start: numpy has none, and a token's products are bound by memory.

The code is LLVM's assembly language, compiled by llvmlite for the processor it runs on (some 20 ms).
"""

import ctypes
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Halves = NDArray[np.float16]
Floats = NDArray[np.float32]

COLUMNS = 64  # a row is a multiple of this: four vectors of 16

# y[r] = sum over c of w[r, c] x[c]: four sums of 16 lanes a row, folded at its end.
# widen: y[i] = w[i], i in steps of 16.
_CODE = """
declare <16 x float> @llvm.fma.v16f32(<16 x float>, <16 x float>, <16 x float>)
declare float @llvm.vector.reduce.fadd.v16f32(float, <16 x float>)

define void @matvec(ptr noalias %w, ptr noalias %x, ptr noalias %y, i64 %rows, i64 %cols) #0 {
entry:
  br label %row
row:
  %r = phi i64 [ 0, %entry ], [ %r.next, %fold ]
  %start = mul i64 %r, %cols
  %w.row = getelementptr half, ptr %w, i64 %start
  br label %column
column:
  %c = phi i64 [ 0, %row ], [ %c.next, %column ]
SUMS
  %c.next = add i64 %c, 64
  %more = icmp ult i64 %c.next, %cols
  br i1 %more, label %column, label %fold
fold:
  %s01 = fadd <16 x float> %s0.next, %s1.next
  %s23 = fadd <16 x float> %s2.next, %s3.next
  %s = fadd <16 x float> %s01, %s23
  %sum = call reassoc float @llvm.vector.reduce.fadd.v16f32(float 0.0, <16 x float> %s)
  %y.r = getelementptr float, ptr %y, i64 %r
  store float %sum, ptr %y.r, align 4
  %r.next = add i64 %r, 1
  %again = icmp ult i64 %r.next, %rows
  br i1 %again, label %row, label %done
done:
  ret void
}

define void @widen(ptr noalias %w, ptr noalias %y, i64 %count) #0 {
entry:
  br label %next
next:
  %i = phi i64 [ 0, %entry ], [ %i.next, %next ]
  %w.i = getelementptr half, ptr %w, i64 %i
  %h = load <16 x half>, ptr %w.i, align 2
  %f = fpext <16 x half> %h to <16 x float>
  %y.i = getelementptr float, ptr %y, i64 %i
  store <16 x float> %f, ptr %y.i, align 4
  %i.next = add i64 %i, 16
  %more = icmp ult i64 %i.next, %count
  br i1 %more, label %next, label %done
done:
  ret void
}

attributes #0 = { nounwind "prefer-vector-width"="512" }
"""


def _code() -> str:
    """The phis of a block come first, then the four steps."""
    lines = [f"  %s{n} = phi <16 x float> [ zeroinitializer, %row ], [ %s{n}.next, %column ]" for n in range(4)]
    for n in range(4):
        lines += [
            f"  %c{n} = add i64 %c, {16 * n}",
            f"  %w{n}.at = getelementptr half, ptr %w.row, i64 %c{n}",
            f"  %h{n} = load <16 x half>, ptr %w{n}.at, align 2",
            f"  %w{n} = fpext <16 x half> %h{n} to <16 x float>",
            f"  %x{n}.at = getelementptr float, ptr %x, i64 %c{n}",
            f"  %x{n} = load <16 x float>, ptr %x{n}.at, align 4",
            f"  %s{n}.next = call <16 x float> @llvm.fma.v16f32(<16 x float> %w{n}, <16 x float> %x{n}, <16 x float> %s{n})",
        ]
    return _CODE.replace("SUMS", "\n".join(lines))


class HalfProducts:
    """Compiled for this processor. Calls release the interpreter's lock; safe for several threads."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine  # owns the code
        pointer, count = ctypes.c_void_p, ctypes.c_int64
        self._matvec = ctypes.CFUNCTYPE(None, pointer, pointer, pointer, count, count)(engine.get_function_address("matvec"))
        self._widen = ctypes.CFUNCTYPE(None, pointer, pointer, count)(engine.get_function_address("widen"))

    def matvec(self, weight: Halves, x: Floats, out: Floats) -> None:
        """weight (n, k) @ x (k,) -> out (n,); all contiguous, k a multiple of 64."""
        rows, columns = weight.shape
        if columns % COLUMNS or x.shape != (columns,) or out.shape != (rows,) or rows == 0:
            raise ValueError(f"matvec: found {weight.shape} @ {x.shape} -> {out.shape}, expected (n, 64 m) @ (64 m,) -> (n,)")
        self._matvec(weight.ctypes.data, x.ctypes.data, out.ctypes.data, rows, columns)

    def widen(self, weight: Halves, out: Floats) -> None:
        """weight -> the same numbers in float32; both contiguous, of the same size, a multiple of 16."""
        if weight.size % 16 or weight.size != out.size or weight.size == 0:
            raise ValueError(f"widen: found {weight.shape} -> {out.shape}, expected two of one size, a multiple of 16")
        self._widen(weight.ctypes.data, out.ctypes.data, weight.size)


@cache
def half_products() -> HalfProducts | None:
    """The compiled products; None where llvmlite is not installed or the processor has no float16 conversion."""
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
    module = llvm.parse_assembly(_code())
    module.verify()
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    return HalfProducts(engine)
