"""Language models on the CPU: one token each of a few texts, or several of one, recorded once and run in compiled code.

Every operation treats a row by itself and always in the same way, so a token's numbers are the same whether its prompt was taken
in one piece or in several, alone or among other texts.
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wherry.kernels.blocks import LANES, Blocks, Weight, bytes_of
from wherry.kernels.compiled import Call
from wherry.kernels.pages import PAGE, Pages

if TYPE_CHECKING:
    from wherry.kernels.cpu import CpuOperations

Array = NDArray[np.float32]
Ints = NDArray[np.int32]
_SHARED = 1 << 23  # products of a weight and a number that are worth waking another thread for


class CpuText:
    """The operations of a language model for rows of one token each: (B, 1, n). Nothing is computed yet: each returns the array
    that `run` fills. `rows` (B, words) says where each row stands (see `Pages`) and is read at each run."""

    def __init__(self, ops: "CpuOperations", blocks: Blocks, rows: Ints) -> None:
        self._ops, self._blocks, self._rows = ops, blocks, rows
        self._calls: list[Call] = []
        self._kept: list[Any] = [rows]  # the calls know these by their addresses

    def run(self) -> None:
        for call in self._calls:
            call()

    def lookup(self, tokens: Ints, table: Weight, *, scale: float = 1.0) -> Array:
        out = np.empty((*tokens.shape, table.shape[1]), np.float32)
        blocks = self._blocks

        def look() -> None:
            for row, token in zip(out.reshape(-1, out.shape[-1]), tokens.reshape(-1).tolist(), strict=True):
                blocks.widen(table, token, row)
            if scale != 1.0:
                np.multiply(out, np.float32(scale), out)

        self._calls.append(look)
        return out

    def rms_norm(self, x: Array, weight: Array, eps: float) -> Array:
        out = np.empty_like(x)
        self._record("rms_norm", x, weight, out, x.size // len(weight), len(weight), eps)
        return out

    def linear(self, x: Array, weight: Weight, bias: Array | None = None, *, residual: Array | None = None) -> Array:
        out = self._product(x.reshape(-1, x.shape[-1]), weight).reshape(*x.shape[:-1], weight.shape[0])
        if bias is not None:
            self._kept.append(bias)
            self._calls.append(partial(np.add, out, bias, out))
        return out if residual is None else self.add(out, residual)

    def rotate(self, x: Array, table: Array, offsets: Any, heads: int, *, interleaved: bool = False) -> Array:
        width, stride = x.shape[-1] // heads, self._rows.shape[1]
        self._record("rotate", x, table, self._rows, len(x), stride, heads, width, table.shape[1], int(interleaved))
        return x

    def append(self, cache: Pages[Any], x: Array, offsets: Any) -> None:
        self._record("store", x, cache.pool, self._rows, len(x), self._rows.shape[1], x.shape[-1], int(cache.value))

    def causal_attention(
        self,
        q: Array,
        k: Pages[Any],
        v: Pages[Any],
        heads: int,
        lengths: Any,
        *,
        window: int = 0,
        scale: float | None = None,
        cap: float = 0.0,
    ) -> Array:
        batch, n = len(q), q.shape[-1]
        width, words = n // heads, self._rows.shape[1]
        out = np.zeros_like(q)
        pool, most = k.pool, (words * PAGE) + LANES
        scale = width**-0.5 if scale is None else scale
        self._kept += [q, pool, out]

        def attend(first: int, last: int) -> Call:
            scores = np.empty(most, np.float32)
            self._kept.append(scores)
            rows = slice(first, last)
            arrays = q[rows], pool, self._rows[rows], scores, out[rows]
            return self._blocks.call(
                "attend", *arrays, last - first, words, heads, pool.shape[3] // width, width, window, scale, cap
            )

        self._calls.append(self._shared(attend, batch, 8 * n * batch * most // 16))
        return out

    def gate(self, x: Array, y: Array, *, gelu: bool = False) -> Array:
        out = np.empty_like(x)
        self._record("gate", x, y, out, x.size, int(gelu))
        return out

    def add(self, x: Array, y: Array) -> Array:
        out = np.empty_like(x)
        self._record("add", x, y, out, x.size)
        return out

    def cap(self, x: Array, most: float) -> Array:
        out = np.empty_like(x)

        def hold() -> None:
            np.tanh(np.divide(x, np.float32(most), out), out)
            np.multiply(out, np.float32(most), out)

        self._calls.append(hold)
        return out

    def logits(self, x: Array, table: Weight) -> Array:
        return self._product(x, table)

    def _product(self, x: Array, weight: Weight) -> Array:
        out = np.empty((len(x), weight.shape[0]), np.float32)
        self._kept += [x, bytes_of(weight), out]
        work = len(x) * weight.shape[0] * weight.shape[1]
        self._calls.append(self._shared(partial(self._blocks.matvec, weight, x, out), weight.shape[0], work))
        return out

    def _shared(self, make: Callable[[int, int], Call], count: int, work: int) -> Call:
        """make(first, last) for all of `count`, in one call or, where there is enough of it, by every thread."""
        threads = min(self._ops.threads, count)
        if work < _SHARED or threads < 2:
            return make(0, count)
        pieces = threads * (4 if work > 8 * _SHARED else 1)  # more of them, so that a thread that is held up delays less
        bounds = sorted({count * i // pieces for i in range(pieces + 1)})
        calls = [make(first, last) for first, last in pairwise(bounds)]
        return partial(self._ops.share, _run, calls)

    def _record(self, name: str, *arguments: Any) -> None:
        self._kept += [a for a in arguments if isinstance(a, np.ndarray)]
        self._calls.append(self._blocks.call(name, *arguments))


def _run(call: Call) -> None:
    call()
