"""The operations in numpy: the reference of every kernel, and what runs where there is no GPU.

Whatever has many rows is cut into pieces of rows, and each piece goes through all its passes (product, bias, GELU,
residual) on one of our own threads: numpy releases the GIL there, and BLAS keeps to the thread that called it. One token's
products are bound by memory: numpy's BLAS does them, or compiled code, recorded once for a text (`cpu_step.py`).
"""

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from itertools import pairwise, product
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from wherry.kernels.blas import blas_threads
from wherry.kernels.blocks import Blocks, compiled_blocks
from wherry.kernels.compiled import COLUMNS, LANES, Call, Compiled
from wherry.kernels.cpu_language import CpuLanguage
from wherry.kernels.cpu_step import CpuStep
from wherry.kernels.pages import Pages

Array = NDArray[np.float32]
Ints = NDArray[np.int32]
Weight = NDArray[Any]  # float32 or float16
Task = TypeVar("Task")

# Rows of a product on one thread: BLAS packs the weight anew for each piece, and gains more by few of them than by the cache.
_PIECE_ROWS = 768
# Elements handled at once by an element-wise pass. Less would stay nearer to the core, but a pass of a few microseconds is
# shorter than the wait for the interpreter's lock after it.
_PIECE = 1 << 18
_FEW = 3  # rows up to which one matrix-vector product each is faster than a matrix product
_FEW_HALVES = 8  # the same for float16 weights, which a matrix product would have to widen first
_SMALL_WEIGHT = 1 << 18  # elements: BLAS keeps the product with one vector to one thread by itself
_LARGE_WEIGHT = 1 << 22  # elements: 16 MiB take a millisecond to read, worth waking another thread for
# The same for float16, which one thread reads nearly as fast as two: for less than 64 MiB, a busy machine loses more by the
# wait for the other thread than a quiet one gains.
_LARGE_HALVES = 1 << 25
_SAFE_EXPONENT = 100.0  # 2^x and a sum of thousands of them are finite in float32


class _Quantized(Protocol):
    def dequantize(self) -> Array: ...


class CpuOperations(CpuLanguage):
    """`Operations` and `LanguageOperations` on numpy arrays (float32).

    Safe for several threads: each has its own scratch memory.
    """

    def __init__(self, threads: int | None = None, code: Compiled | None = None) -> None:
        """code: with it float16 weights stay as they lie in their file; without, all is numpy and float32."""
        self.threads = threads or (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
        self.windows_at_once = 1  # a window keeps all cores busy
        self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="wherry-cpu")
        self._blas = blas_threads()
        self._code = code
        self._scratch = _Scratch()

    @cached_property
    def blocks(self) -> Blocks | None:
        """Compiled when the first language model asks."""
        return None if self._code is None else compiled_blocks()

    # -- placing data

    def weight(self, value: NDArray[Any] | _Quantized) -> Weight:
        """Any stored form -> row-major float32, or the float16 matrix as it lies in its file where there are products for it."""
        dense = value if isinstance(value, np.ndarray) else value.dequantize()
        if self._code is not None and dense.dtype == np.float16 and dense.ndim == 2 and dense.shape[1] % COLUMNS == 0:
            return np.ascontiguousarray(dense)
        if dense.ndim == 3:  # a convolution (out, in, 3): in memory (out, 3, in), as its product reads it
            return np.ascontiguousarray(dense.transpose(0, 2, 1), dtype=np.float32).transpose(0, 2, 1)
        return np.ascontiguousarray(dense, dtype=np.float32)

    def array(self, value: NDArray[np.generic]) -> NDArray[np.generic]:
        return value

    def numpy(self, x: NDArray[np.generic]) -> NDArray[np.generic]:
        return x

    def empty(self, shape: tuple[int, ...], dtype: str = "f32") -> Array:
        return np.zeros(shape, {"f32": np.float32, "i32": np.int32}[dtype])

    # -- operations

    def layer_norm(self, x: Array, weight: Array, bias: Array, eps: float = 1e-5) -> Array:
        """(x - mean) / sqrt(var + eps) * weight + bias over the last axis: x (..., n) -> (..., n)."""
        rows = np.ascontiguousarray(x).reshape(-1, x.shape[-1])
        share = np.float32(1 / x.shape[-1])
        if len(rows) == 1:  # a token: the calls cost more than the numbers
            row: Array = rows[0] - np.add.reduce(rows[0]) * share
            row *= weight * (1 / np.sqrt(row.dot(row) * share + np.float32(eps)))
            row += bias
            return row.reshape(x.shape)
        out = np.empty_like(rows)

        def norm(start: int, stop: int) -> None:
            if self._code is not None and x.shape[-1] % LANES == 0:
                self._code.layer_norm(rows[start:stop], weight, bias, out[start:stop], eps)()
                return
            piece, centred = rows[start:stop], out[start:stop]
            np.subtract(piece, np.add.reduce(piece, axis=1, keepdims=True) * share, out=centred)
            variance = np.einsum("rc,rc->r", centred, centred) * share
            centred *= (1 / np.sqrt(variance + np.float32(eps)))[:, None]
            centred *= weight
            centred += bias

        self._over_rows(norm, len(rows), max(1, _PIECE // x.shape[-1]))
        return out.reshape(x.shape)

    def linear(
        self, x: Array, weight: Weight, bias: Array | None = None, *, gelu: bool = False, residual: Array | None = None
    ) -> Array:
        """x (..., k) @ weight (n, k).T + bias (n,), then GELU, then + residual (..., n) -> (..., n)."""
        x = np.ascontiguousarray(x)
        if weight.size < _LARGE_WEIGHT and x.size == weight.shape[1]:
            return self._linear_token(x, weight, bias, gelu, residual)
        out = np.empty((*x.shape[:-1], weight.shape[0]), np.float32)
        rows, results = x.reshape(-1, x.shape[-1]), out.reshape(-1, weight.shape[0])
        extra = None if residual is None else residual.reshape(results.shape)
        if len(rows) <= (_FEW if weight.dtype == np.float32 else _FEW_HALVES):
            self.multiply_few(rows, weight, results)
            self._finish(results, bias, gelu, extra)
            return out
        # A float16 weight is widened for many rows, not more of it at once than fits the cache.
        step = len(weight) if weight.dtype == np.float32 else max(1, _LARGE_WEIGHT // weight.shape[1])
        for first in range(0, len(weight), step):
            part = slice(first, first + step)
            some = None if bias is None else bias[part]
            more = None if extra is None else extra[:, part]
            self._linear_rows(rows, self._dense(weight[part]), results[:, part], some, gelu, more)
        return out

    def _linear_token(self, x: Array, weight: Weight, bias: Array | None, gelu: bool, residual: Array | None) -> Array:
        """`linear` of one row: x (..., k) -> (..., n). The calls cost as much as the numbers: as few of them as can be."""
        out = np.empty(len(weight), np.float32)
        self.matvec(weight, x.reshape(-1), out)()
        if gelu:
            self._finish(out[None], bias, gelu, None)
        elif bias is not None:
            out += bias
        out = out.reshape(*x.shape[:-1], -1)
        if residual is not None:
            out += residual
        return out

    def _linear_rows(self, x: Array, weight: Array, out: Array, bias: Array | None, gelu: bool, residual: Array | None) -> None:
        """`linear` of rows x (rows, k) -> out (rows, n); the rows may overlap each other in memory."""

        def multiply(start: int, stop: int) -> None:
            # Rows that overlap (a convolution's) are copied here, where they still fit the cache.
            np.matmul(np.ascontiguousarray(x[start:stop]), weight.T, out=out[start:stop])
            for first in range(start, stop, step):
                part = slice(first, min(first + step, stop))
                self._finish(out[part], bias, gelu, None if residual is None else residual[part])

        step = max(1, _PIECE // weight.shape[0])
        self._over_rows(multiply, len(x), _PIECE_ROWS)

    def _finish(self, out: Array, bias: Array | None, gelu: bool, residual: Array | None) -> None:
        """What follows a product, in place: out (rows, n), residual (rows, n)."""
        if self._code is not None and gelu and bias is not None and len(bias) % LANES == 0:
            self._code.bias_gelu(out, bias)()
            bias, gelu = None, False
        if bias is not None:
            out += bias
        if gelu:
            _gelu(out, self._scratch.take(0, out.shape), self._scratch.take(1, out.shape))
        if residual is not None:
            out += residual

    def multiply_few(self, rows: Array, weight: Weight, out: Array) -> None:
        """rows (few, k) @ weight (n, k).T -> out (few, n), on all threads if it is large: bound by the reading of the weight."""

        def multiply(start: int, stop: int) -> None:
            for call in self.matvecs(weight[start:stop], rows, out[:, start:stop]):
                call()

        large = _LARGE_WEIGHT if weight.dtype == np.float32 else _LARGE_HALVES
        self._over_rows(multiply, len(weight), max(1, large // weight.shape[1]))

    def matvec(self, weight: Weight, x: Array, out: Array) -> Call:
        """weight (n, k) @ x (k,) -> out (n,), both contiguous, on the thread that makes the call (see `Compiled`)."""
        if weight.dtype == np.float16:
            assert self._code is not None, "only `weight` leaves a matrix in float16, and only with products for it"
            return self._code.matvec(weight, x, out)
        if weight.size < _SMALL_WEIGHT:
            return partial(np.matmul, weight, x, out=out)
        return partial(self._matvec_alone, weight, x, out)

    def matvecs(self, weight: Weight, x: Array, out: Array) -> list[Call]:
        """weight (n, k) @ each of x (rows, k) -> out (rows, n), whose rows may lie apart; four at once in compiled code."""
        calls, done = [], 0
        if self._code is not None and weight.dtype == np.float16:
            done = len(x) // 4 * 4
            calls = [self._code.matvec4(weight, x[i : i + 4], out[i : i + 4]) for i in range(0, done, 4)]
        return calls + [self.matvec(weight, x[i], out[i]) for i in range(done, len(x))]

    def _matvec_alone(self, weight: Array, x: Array, out: Array) -> None:
        with self._blas.one():
            np.matmul(weight, x, out=out)

    def _dense(self, weight: Weight) -> Array:
        """The weight in float32; a float16 one in this thread's scratch memory."""
        if weight.dtype == np.float32:
            return weight
        assert self._code is not None, "only `weight` leaves a matrix in float16, and only with products for it"
        wide = self._scratch.take(2, weight.shape)
        self._code.widen(weight, wide)()
        return wide

    def conv1d(self, x: Array, weight: Array, bias: Array, *, stride: int) -> Array:
        """Kernel 3, padding 1, then GELU: x (B, frames, in), weight (out, in, 3) -> (B, ceil(frames / stride), out)."""
        batch, frames, channels = x.shape
        padded = np.zeros((batch, frames + 2, channels), np.float32)
        padded[:, 1:-1] = x
        length = (frames - 1) // stride + 1
        # Three neighbouring frames of a row-major array are one contiguous row of 3 * in numbers: no copy is needed.
        item = padded.strides[2]
        patches = np.lib.stride_tricks.as_strided(
            padded,
            (batch, length, 3 * channels),
            (padded.strides[0], stride * padded.strides[1], item),
            writeable=False,
        )
        taps = weight.transpose(0, 2, 1).reshape(weight.shape[0], 3 * channels)  # no copy: `weight` laid them out so
        out = np.empty((batch, length, weight.shape[0]), np.float32)
        for b in range(batch):
            self._linear_rows(patches[b], taps, out[b], bias, True, None)
        return out

    def add(self, x: Array, y: Weight) -> Array:
        return x + y

    def attention(self, q: Array, k: Array, v: Array, heads: int, *, lengths: Ints | None = None) -> Array:
        """softmax(q k^T / sqrt(width)) v for each head; q (B, Tq, n), k and v (A, Tk, n) -> (B, Tq, n).

        Row b reads k, v of b // (B // A); with lengths (B,) its query i sees the keys before lengths[b] - (Tq - 1 - i).
        """
        batch, t_q, n = q.shape
        group = batch // k.shape[0]
        if lengths is None and group > 1 and t_q == 1:
            # Beams that share a recording are one matrix product.
            return self.attention(q.reshape(k.shape[0], group, n), k, v, heads).reshape(q.shape)
        width = n // heads
        out = np.empty_like(q)
        # 2^x is the faster power: exp(s / sqrt(width)) = 2^(s log2(e) / sqrt(width)).
        scaled = q * np.float32(width**-0.5 * np.log2(np.e))
        if t_q <= _FEW or lengths is not None:
            with self._blas.one():  # its threads would wait for each other longer than they work
                for b in range(batch):
                    t_k = k.shape[1] if lengths is None else int(lengths[b])
                    _attend_few(scaled[b], k[b // group, :t_k], v[b // group, :t_k], heads, lengths is not None, out[b])
            return out

        def attend(task: tuple[int, int, range]) -> None:
            b, head, rows = task
            columns = slice(head * width, (head + 1) * width)
            part, keys, values = scaled[b, rows.start : rows.stop, columns], k[b // group, :, columns], v[b // group, :, columns]
            scores = np.matmul(part, keys.T, out=self._scratch.take(0, (len(rows), k.shape[1])))
            _exp2_rows(scores, part, keys)
            weighted = scores @ values
            weighted /= (scores @ ones)[:, None]  # BLAS sums four times faster than a reduction
            out[b, rows.start : rows.stop, columns] = weighted

        ones = np.ones(k.shape[1], np.float32)
        least = -(-2 * self.threads // (batch * heads))  # pieces that give each thread two tasks or more
        pieces = _pieces(t_q, max(-(-t_q // _PIECE_ROWS), least))
        self.share(attend, list(product(range(batch), range(heads), pieces)))
        return out

    def embedding(self, tokens: Ints, table: Weight, positions_table: Weight, offsets: Ints) -> Array:
        """tokens (B, T) -> table[tokens] + positions_table[offsets (B,) + t]: (B, T, n)."""
        places = offsets[:, None] + np.arange(tokens.shape[1])
        return np.asarray(table[tokens].astype(np.float32) + positions_table[places])

    def append(self, cache: Array | Pages[Array], x: Array, offsets: Ints) -> None:
        """cache (B, ctx, n)[b, offsets[b] : offsets[b] + T] = x (B, T, n)[b]."""
        if isinstance(cache, Pages):
            self.store(cache, x, offsets)
            return
        for b, start in enumerate(offsets.tolist()):
            cache[b, start : start + x.shape[1]] = x[b]

    def select(self, x: Array, rows: Ints) -> Array:
        """x (B, …), rows (C,) -> (C, …): the rows of a batch that beams go on with."""
        return x[rows]

    def logits(self, x: Array, table: Weight) -> Array:
        """x (B, n) @ table (vocab, n).T -> (B, vocab)."""
        return self.linear(x, table)

    def step(self, width: int) -> CpuStep | None:
        """A decoding step to be recorded, for heads so wide; None where that takes compiled code which there is none of."""
        return None if self._code is None or width % LANES else CpuStep(self, self._code)

    # -- threads

    def _over_rows(self, work: Callable[[int, int], None], rows: int, most: int) -> None:
        """work(start, stop) over all rows, at most so many at once, on every core when there is enough of it."""
        if rows <= most:
            work(0, rows)
        else:
            count = -(-rows // most)
            count += -count % self.threads  # as many for each thread
            self.share(lambda piece: work(piece.start, piece.stop), _pieces(rows, count))

    def share(self, work: Callable[[Task], None], tasks: Iterable[Task]) -> None:
        """work(task) for each: every thread takes the next one, so that a thread which is held up delays none but its own."""
        pending = iter(tasks)

        def run() -> None:
            for task in pending:
                work(task)

        with self._blas.one():
            others = [self._pool.submit(run) for _ in range(self.threads - 1)]
            run()
            for other in others:
                if not other.cancel():  # on a busy machine it may not have started yet, and nothing is left to do
                    other.result()


class _Scratch(threading.local):
    """Memory that a thread uses again: fresh pages cost as much as the passes over them."""

    def __init__(self) -> None:
        self._buffers: dict[int, Array] = {}

    def take(self, slot: int, shape: tuple[int, ...]) -> Array:
        """The slot's memory as this shape; what it held is lost."""
        size = int(np.prod(shape))
        held = self._buffers.get(slot)
        if held is None or held.size < size:
            held = self._buffers[slot] = np.empty(size, np.float32)
        return held[:size].reshape(shape)


def _pieces(rows: int, count: int) -> list[range]:
    """Rows in so many pieces, as equal as can be."""
    bounds = [rows * i // count for i in range(count + 1)]
    return [range(start, stop) for start, stop in pairwise(bounds)]


def _attend_few(q: Array, k: Array, v: Array, heads: int, causal: bool, out: Array) -> None:
    """A few queries of one text: q (Tq, n), already scaled for powers of two, k and v (Tk, n) -> out (Tq, n)."""
    t_q, t_k = len(q), len(k)
    q_heads, k_heads, v_heads = (x.reshape(len(x), heads, -1).transpose(1, 0, 2) for x in (q, k, v))
    scores = np.matmul(q_heads, k_heads.transpose(0, 2, 1))  # (heads, Tq, Tk)
    if causal and t_q > 1:
        scores[:, *np.triu_indices(t_q, t_k - t_q + 1, t_k)] = -np.inf
    scores -= np.maximum.reduce(scores, axis=2, keepdims=True)
    np.exp2(scores, out=scores)
    weighted = np.matmul(scores, v_heads)  # (heads, Tq, width)
    weighted /= np.add.reduce(scores, axis=2, keepdims=True)
    out.reshape(t_q, heads, -1)[:] = weighted.transpose(1, 0, 2)


def _exp2_rows(scores: Array, q: Array, k: Array) -> None:
    """2^scores in place, up to a factor of the row's; scores = q k^T."""
    # |score| <= |q| |k| (Cauchy and Schwarz): mostly small enough to leave out the row's maximum.
    bound = np.sqrt(float(np.einsum("rc,rc->r", q, q).max()) * float(np.einsum("rc,rc->r", k, k).max()))
    if not bound < _SAFE_EXPONENT:
        scores -= scores.max(axis=1, keepdims=True)
    np.exp2(scores, out=scores)


# erf(x / sqrt 2) = tanh(x P(x^2)): P fitted so that the error of GELU stays under 2e-7 max(1, |x|).
_GELU = (0.79788423, 0.036334284, -3.3129971e-05, -5.5240165e-05, 3.9691104e-06, -1.3344646e-07, 1.8056177e-09)


def _gelu(x: Array, square: Array, p: Array) -> None:
    """x * Phi(x) in place, with the exact (erf) normal distribution: numpy has no erf, but a fast tanh.

    square and p are scratch of x's shape.
    """
    np.square(x, out=square)
    np.minimum(square, np.float32(1e4), out=square)  # tanh is 1 long before, and its argument stays finite
    np.multiply(square, np.float32(_GELU[-1]), out=p)
    for coefficient in _GELU[-2:0:-1]:
        p += np.float32(coefficient)
        p *= square
    p += np.float32(_GELU[0])
    p *= x
    np.tanh(p, out=p)
    x *= np.float32(0.5)
    p *= x
    x += p
