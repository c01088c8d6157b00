"""The operations of language models in numpy."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Ints = NDArray[np.int32]


class CpuLanguage:
    """`kernels.operations.LanguageOperations`, but for what language models share with Whisper."""

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
        k: Array,
        v: Array,
        heads: int,
        lengths: Ints,
        *,
        window: int = 0,
        scale: float | None = None,
        cap: float = 0.0,
    ) -> Array:
        batch, count, n = q.shape
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

    def gate(self, x: Array, y: Array, *, gelu: bool = False) -> Array:
        if gelu:  # the approximation with tanh, which Gemma was trained with
            inner = np.float32(0.7978845608) * (x + np.float32(0.044715) * x * x * x)
            return np.asarray(np.float32(0.5) * x * (1 + np.tanh(inner)) * y, np.float32)
        return np.asarray(x / (1 + np.exp(-np.maximum(x, np.float32(-80)))) * y, np.float32)

    def cap(self, x: Array, most: float) -> Array:
        return np.asarray(np.float32(most) * np.tanh(x / np.float32(most)), np.float32)
