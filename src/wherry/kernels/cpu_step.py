"""One decoding step on the CPU, recorded once and replayed for each token: its numpy calls would cost more than its numbers."""

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wherry.kernels.compiled import LANES, Call, Compiled

if TYPE_CHECKING:
    from wherry.kernels.cpu import CpuOperations

Array = NDArray[np.float32]
Ints = NDArray[np.int32]


class CpuStep:
    """`Operations` for one token each of a few texts. Nothing is computed yet: each returns the array that `run` fills.

    What changes from one run to the next (tokens, offsets, lengths) is read from the arrays given here, at each run.
    """

    def __init__(self, ops: "CpuOperations", code: Compiled) -> None:
        self._ops, self._code = ops, code
        self._calls: list[Call] = []
        self._kept: list[NDArray[Any]] = []  # the calls know these by their addresses

    def run(self) -> None:
        for call in self._calls:
            call()

    def embedding(self, tokens: Ints, table: NDArray[Any], positions_table: NDArray[Any], offsets: Ints) -> Array:
        """tokens (B, 1) -> table[tokens] + positions_table[offsets (B,)]: (B, 1, n)."""
        out = np.empty((*tokens.shape, table.shape[1]), np.float32)
        ops = self._ops  # a call that knew this step would keep it, and a recording's keys and values, after its last use

        def embed() -> None:
            out[:] = ops.embedding(tokens, table, positions_table, offsets)

        self._calls.append(embed)
        return out

    def layer_norm(self, x: Array, weight: Array, bias: Array, eps: float = 1e-5) -> Array:
        """(x - mean) / sqrt(var + eps) * weight + bias over the last axis: x (..., n) -> (..., n)."""
        out = np.empty_like(x)
        rows, results = x.reshape(-1, x.shape[-1]), out.reshape(-1, x.shape[-1])
        self._kept += [x, weight, bias, out]
        self._calls.append(self._code.layer_norm(rows, weight, bias, results, eps))
        return out

    def linear(
        self, x: Array, weight: NDArray[Any], bias: Array | None = None, *, gelu: bool = False, residual: Array | None = None
    ) -> Array:
        """x (..., k) @ weight (n, k).T + bias (n,), then GELU, then + residual (..., n) -> (..., n)."""
        out = np.empty((*x.shape[:-1], weight.shape[0]), np.float32)
        rows, results = x.reshape(-1, x.shape[-1]), out.reshape(-1, weight.shape[0])
        self._kept += [x, weight, out]
        self._calls += self._ops.matvecs(weight, rows, results)
        if gelu:
            bias = np.zeros(len(weight), np.float32) if bias is None else bias
            self._kept.append(bias)
            self._calls.append(self._code.bias_gelu(results, bias))
        elif bias is not None:
            self._calls.append(partial(np.add, out, bias, out))
        if residual is not None:
            self._calls.append(partial(np.add, out, residual, out))
        return out

    def attention(self, q: Array, k: Array, v: Array, heads: int, *, lengths: Ints | None = None) -> Array:
        """softmax(q k^T / sqrt(width)) v for each head: q (B, 1, n), k and v (A, Tk, n) -> (B, 1, n).

        Row b reads k, v of b // (B // A), as many keys of it as lengths (B,) says; without, all.
        """
        out = np.empty_like(q)
        counts = np.full(len(q), k.shape[1], np.int32) if lengths is None else lengths
        scores = np.empty(heads * (k.shape[1] + LANES), np.float32)
        self._kept += [q, k, v, scores, out, counts]
        for b in range(len(q)):
            a = b // (len(q) // len(k))
            self._calls.append(self._code.attend_token(q[b, 0], k[a], v[a], scores, out[b, 0], counts[b : b + 1], heads))
        return out

    def append(self, cache: Array, x: Array, offsets: Ints) -> None:
        """cache (B, ctx, n)[b, offsets[b]] = x (B, 1, n)[b]."""
        self._calls.append(partial(self._ops.append, cache, x, offsets))

    def logits(self, x: Array, table: NDArray[Any]) -> Array:
        """x (B, n) @ table (vocab, n).T -> (B, vocab), on all threads if it is large."""
        out = np.empty((len(x), len(table)), np.float32)
        self._calls.append(partial(self._ops.multiply_few, x, table, out))
        return out
