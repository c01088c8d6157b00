"""The operations in numpy: the reference of every kernel, and what runs where there is no GPU.

Matrix products go to numpy's BLAS, which uses all cores by itself. What lies between them (softmax, GELU, norms) is split
over a small thread pool in pieces that stay in a core's cache: numpy releases the GIL there.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Ints = NDArray[np.int32]

_PIECE = 1 << 15  # elements handled at once by an element-wise pass: 128 KiB, half of them temporaries of the same size


class _Quantized(Protocol):
    def dequantize(self) -> Array: ...


class CpuOperations:
    """`Operations` on numpy arrays (float32). Safe for several threads: it holds no state but its pool."""

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads or len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="wherry-cpu")

    # -- placing data

    def weight(self, value: NDArray[np.generic] | _Quantized) -> Array:
        """Any stored form -> float32, row-major: BLAS has no f16 or q8_0 product."""
        dense = value if isinstance(value, np.ndarray) else value.dequantize()
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
        rows = x.reshape(-1, x.shape[-1])
        out = np.empty_like(rows)

        def norm(start: int, stop: int) -> None:
            piece = rows[start:stop]
            centred = piece - piece.mean(axis=1, keepdims=True)
            variance = np.einsum("rc,rc->r", centred, centred) / piece.shape[1]
            centred /= np.sqrt(variance + eps)[:, None]
            centred *= weight
            np.add(centred, bias, out=out[start:stop])

        self._over_rows(norm, len(rows), x.shape[-1])
        return out.reshape(x.shape)

    def linear(
        self, x: Array, weight: Array, bias: Array | None = None, *, gelu: bool = False, residual: Array | None = None
    ) -> Array:
        """x (..., k) @ weight (n, k).T + bias (n,), then GELU, then + residual (..., n) -> (..., n)."""
        rows = x.reshape(-1, x.shape[-1])
        out = rows @ weight.T if len(rows) > 1 else (weight @ rows[0])[None]
        extra = residual.reshape(out.shape) if residual is not None else None

        def finish(start: int, stop: int) -> None:
            piece = out[start:stop]
            if bias is not None:
                piece += bias
            if gelu:
                _gelu(piece)
            if extra is not None:
                piece += extra[start:stop]

        if bias is not None or gelu or extra is not None:
            self._over_rows(finish, len(out), out.shape[1])
        return out.reshape(*x.shape[:-1], weight.shape[0])

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
        taps = np.ascontiguousarray(weight.transpose(0, 2, 1)).reshape(weight.shape[0], 3 * channels)
        return np.stack([self.linear(patches[b], taps, bias, gelu=True) for b in range(batch)])

    def add(self, x: Array, y: Array) -> Array:
        return x + y

    def attention(self, q: Array, k: Array, v: Array, heads: int, *, lengths: Ints | None = None) -> Array:
        """softmax(q k^T / sqrt(width)) v for each head; q (B, Tq, n), k and v (A, Tk, n) -> (B, Tq, n).

        Row b reads k, v of b // (B // A); with lengths (B,) its query i sees the keys before lengths[b] - (Tq - 1 - i).
        """
        batch, t_q, n = q.shape
        width = n // heads
        group = batch // k.shape[0]
        out = np.empty_like(q)
        scale = np.float32(width**-0.5)
        if lengths is None and group > 1 and t_q == 1:
            # Beams that share a recording are one matrix product.
            shared = self.attention(q.reshape(k.shape[0], group, n), k, v, heads)
            return shared.reshape(q.shape)
        for b in range(batch):
            a = b // group
            t_k = k.shape[1] if lengths is None else int(lengths[b])
            causal = lengths is not None and t_q > 1
            for h in range(heads):
                columns = slice(h * width, (h + 1) * width)
                scores = (q[b, :, columns] * scale) @ k[a, :t_k, columns].T  # (Tq, Tk)
                if causal:
                    scores[np.triu_indices(t_q, t_k - t_q + 1, t_k)] = -np.inf
                self._over_rows(lambda start, stop, scores=scores: _exp_rows(scores[start:stop]), t_q, t_k)  # type: ignore[misc]
                weighted = scores @ v[a, :t_k, columns]
                weighted /= scores.sum(axis=1, keepdims=True)
                out[b, :, columns] = weighted
        return out

    def embedding(self, tokens: Ints, table: Array, positions_table: Array, offsets: Ints) -> Array:
        """tokens (B, T) -> table[tokens] + positions_table[offsets (B,) + t]: (B, T, n)."""
        places = offsets[:, None] + np.arange(tokens.shape[1])
        return np.asarray(table[tokens] + positions_table[places], np.float32)

    def append(self, cache: Array, x: Array, offsets: Ints) -> None:
        """cache (B, ctx, n)[b, offsets[b] : offsets[b] + T] = x (B, T, n)[b]."""
        for b, start in enumerate(offsets.tolist()):
            cache[b, start : start + x.shape[1]] = x[b]

    def select(self, x: Array, rows: Ints) -> Array:
        """x (B, …), rows (C,) -> (C, …): the rows of a batch that beams go on with."""
        return x[rows]

    def logits(self, x: Array, table: Array) -> Array:
        """x (B, n) @ table (vocab, n).T -> (B, vocab)."""
        return self.linear(x, table)

    def _over_rows(self, work: Callable[[int, int], None], rows: int, columns: int) -> None:
        """work(start, stop) over all rows, in cache-sized pieces, on every core when there is enough of it."""
        step = max(1, _PIECE // columns)
        if rows <= step:
            work(0, rows)
            return
        pieces = range(0, rows, step)

        def share(first: int) -> None:
            for start in pieces[first :: self.threads]:
                work(start, min(start + step, rows))

        list(self._pool.map(share, range(self.threads)))


def _exp_rows(scores: Array) -> None:
    """exp(x - max of the row), in place: the numerator of softmax."""
    scores -= scores.max(axis=1, keepdims=True)
    np.exp(scores, out=scores)


def _gelu(x: Array) -> None:
    """x * Phi(x) in place, with the exact (erf) normal distribution.

    Phi by Abramowitz and Stegun 7.1.26, |error| < 1.5e-7: numpy has no erf.
    """
    z = np.abs(x)
    z *= np.float32(0.7071067811865476)
    t = z * np.float32(0.3275911)
    t += np.float32(1)
    np.reciprocal(t, out=t)
    tail = t * np.float32(1.061405429)
    for coefficient in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        tail += np.float32(coefficient)
        tail *= t
    np.square(z, out=z)
    np.negative(z, out=z)
    np.exp(z, out=z)
    tail *= z  # 1 - erf(|x| / sqrt 2)
    tail *= np.float32(0.5)
    # x Phi(x) = max(x, 0) - |x| tail / 2
    np.abs(x, out=z)
    tail *= z
    np.maximum(x, 0, out=x)
    x -= tail
