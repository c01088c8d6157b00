"""The operations of language models in numpy."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.kernels.blocks import COLUMNS, HEAD_LANES, Blocks
from wherry.kernels.cpu_text import CpuText
from wherry.kernels.operations import QuantizedWeight
from wherry.kernels.pages import PAGE, PAGES, Pages

Array = NDArray[np.float32]
Ints = NDArray[np.int32]


class CpuLanguage:
    """`kernels.operations.LanguageOperations`, but for what language models share with Whisper."""

    @property
    def blocks(self) -> Blocks | None:
        raise NotImplementedError

    def language_weight(self, value: NDArray[Any] | QuantizedWeight) -> Any:
        """As `weight`, for `text`: a matrix as it lies in its file where there are compiled products with it."""
        if self.blocks is None or not self.blocks.reads(value):
            return self.weight(value)
        if isinstance(value, np.ndarray):
            return np.ascontiguousarray(value)
        return value if value.data.flags.c_contiguous else replace(value, data=np.ascontiguousarray(value.data))  # type: ignore[type-var]

    def weight(self, value: NDArray[Any] | QuantizedWeight) -> Any:
        raise NotImplementedError

    def takes_text(self, dims: Any) -> bool:
        """Whether `text` computes a model of these sizes (its `DecoderDims`)."""
        heads = {dims.n_head, *dims.layer_heads}
        sizes = (dims.head_width, dims.n_state, dims.n_hidden, *dims.layer_hidden, *(count * dims.head_width for count in heads))
        return self.blocks is not None and not any(size % COLUMNS for size in sizes[1:]) and dims.head_width % HEAD_LANES == 0

    def text(self, rows: Ints) -> CpuText:
        """A recording for rows of one token each, which stand where `rows` (B, words) says at each run."""
        assert self.blocks is not None
        return CpuText(self, self.blocks, rows)  # type: ignore[arg-type]

    def lookup(self, tokens: Ints, table: NDArray[Any], *, scale: float = 1.0) -> Array:
        x = table[tokens].astype(np.float32)
        return x if scale == 1.0 else x * np.float32(scale)

    def rms_norm(self, x: Array, weight: Array, eps: float) -> Array:
        parts = x.reshape(*x.shape[:-1], -1, len(weight))
        squares = np.einsum("...i,...i->...", parts, parts)[..., None] / np.float32(len(weight))
        return np.asarray(parts / np.sqrt(squares + np.float32(eps)) * weight, np.float32).reshape(x.shape)

    def rotate(self, x: Array, table: Array, offsets: Ints, heads: int, *, interleaved: bool = False) -> Array:
        batch, count, n = x.shape
        angles = table[offsets[:, None] + np.arange(count)][:, :, None]  # (B, T, 1, rotated / 2, 2)
        cos, sin = angles[..., 0], angles[..., 1]
        pairs = table.shape[1]
        split = x.reshape(batch, count, heads, n // heads)
        out = split.copy()
        first, second = (
            (slice(0, 2 * pairs, 2), slice(1, 2 * pairs, 2)) if interleaved else (slice(pairs), slice(pairs, 2 * pairs))
        )
        a, b = split[..., first], split[..., second]
        out[..., first] = a * cos - b * sin
        out[..., second] = b * cos + a * sin
        return out.reshape(x.shape)

    def causal_attention(
        self,
        q: Array,
        k: Array | Pages[Array],
        v: Array | Pages[Array],
        heads: int,
        lengths: Ints,
        *,
        window: int = 0,
        scale: float | None = None,
        cap: float = 0.0,
    ) -> Array:
        batch, count, n = q.shape
        if isinstance(k, Pages):
            each = [self._contiguous(k, int(length), b) for b, length in enumerate(lengths)]
            parts = [
                self.causal_attention(q[b : b + 1], *pair, heads, lengths[b : b + 1], window=window, scale=scale, cap=cap)
                for b, pair in enumerate(each)
            ]
            return np.concatenate(parts)
        assert not isinstance(v, Pages)
        width = n // heads
        groups = k.shape[2] // width  # heads of keys
        out = np.empty_like(q)
        for b in range(batch):
            length = int(lengths[b])
            first = max(0, length - count + 1 - window) if window else 0  # before, no query sees anything
            keys, values = (
                x[b, first:length].reshape(length - first, groups, width).transpose(1, 0, 2) for x in (k, v)
            )  # (groups, Tk, width)
            queries = (q[b] * np.float32(width**-0.5 if scale is None else scale)).reshape(count, groups, -1, width)
            queries = queries.transpose(1, 2, 0, 3).reshape(groups, -1, width)  # (groups, heads of a group * T, width)
            scores = np.matmul(queries, keys.transpose(0, 2, 1)).reshape(groups, -1, count, length - first)
            if cap:
                scores = np.float32(cap) * np.tanh(scores / np.float32(cap))
            if count > 1 or window:
                places = np.arange(first, length) - (length - count + np.arange(count))[:, None]  # of keys from the query on
                hidden = (places > 0) | (places <= -window if window else False)
                scores[:, :, hidden] = -np.inf
            scores -= scores.max(axis=3, keepdims=True)
            np.exp(scores, out=scores)
            scores /= scores.sum(axis=3, keepdims=True)
            weighted = np.matmul(scores.reshape(groups, -1, length - first), values).reshape(groups, -1, count, width)
            out[b] = weighted.transpose(2, 0, 1, 3).reshape(count, n)
        return out

    def store(self, cache: Pages[Array], x: Array, offsets: Ints) -> None:
        """`append` to pages."""
        for b, start in enumerate(offsets.tolist()):
            for t, row in enumerate(x[b]):
                page = cache.rows[cache.row + b, PAGES + (start + t) // PAGE]
                cache.pool[page, (start + t) % PAGE, int(cache.value)] = row

    def _contiguous(self, cache: Pages[Array], length: int, b: int) -> tuple[Array, Array]:
        """Keys and values of a row, (1, keys, n) each."""
        pages = cache.rows[cache.row + b, PAGES : PAGES + -(-length // PAGE)]
        whole = cache.pool[np.asarray(pages, np.int64)].reshape(-1, 2, cache.pool.shape[3])
        return whole[None, :, 0], whole[None, :, 1]

    def gate(self, x: Array, y: Array, *, gelu: bool = False) -> Array:
        if gelu:  # the approximation with tanh, which Gemma was trained with
            inner = np.float32(0.7978845608) * (x + np.float32(0.044715) * x * x * x)
            return np.asarray(np.float32(0.5) * x * (1 + np.tanh(inner)) * y, np.float32)
        return np.asarray(x / (1 + np.exp(-np.maximum(x, np.float32(-80)))) * y, np.float32)

    def cap(self, x: Array, most: float) -> Array:
        return np.asarray(np.float32(most) * np.tanh(x / np.float32(most)), np.float32)
