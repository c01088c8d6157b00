"""What a model asks of a device. `cpu.py` answers in numpy, `gpu.py` in WebGPU; a model is given one and never asks which.

Activations are float32, row-major. B is the batch, T the tokens or frames, n the width of the network.
"""

from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

Array = TypeVar("Array")


class QuantizedWeight(Protocol):
    """A tensor as it lies in its file (`weights.Quantized`): `data` is (blocks, bytes a block), the last axis blocked."""

    @property
    def format(self) -> str: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def data(self) -> NDArray[np.uint8]: ...
    def dequantize(self) -> NDArray[np.float32]: ...


class Operations(Protocol[Array]):
    """The operations of a device. Not for two threads at once, unless the implementation says so."""

    windows_at_once: int  # of sound that callers have for it at the same time: as many as it gains by taking together

    def weight(self, value: NDArray[Any] | QuantizedWeight) -> Array:
        """Place a weight on the device, in the form its products like best."""
        ...

    def array(self, value: NDArray[Any]) -> Array:
        """Upload: float32 or int32."""
        ...

    def numpy(self, x: Array) -> NDArray[Any]:
        """Download: waits for everything that `x` depends on."""
        ...

    def empty(self, shape: tuple[int, ...], dtype: str = "f32") -> Array:
        """Zeros, to be filled by `append`. dtype: f32 or i32."""
        ...

    def layer_norm(self, x: Array, weight: Array, bias: Array, eps: float = 1e-5) -> Array:
        """(x - mean) / sqrt(var + eps) * weight + bias over the last axis: x (..., n) -> (..., n)."""
        ...

    def linear(
        self, x: Array, weight: Array, bias: Array | None = None, *, gelu: bool = False, residual: Array | None = None
    ) -> Array:
        """x (..., k) @ weight (n, k).T + bias (n,), then GELU (erf), then + residual (..., n) -> (..., n)."""
        ...

    def conv1d(self, x: Array, weight: Array, bias: Array, *, stride: int) -> Array:
        """Kernel 3, padding 1, then GELU: x (B, frames, in), weight (out, in, 3) -> (B, ceil(frames / stride), out)."""
        ...

    def add(self, x: Array, y: Array) -> Array:
        """x (B, ...) + y (...), y the same for each of the batch."""
        ...

    def attention(self, q: Array, k: Array, v: Array, heads: int, *, lengths: Array | None = None) -> Array:
        """softmax(q k^T / sqrt(n / heads)) v for each head: q (B, Tq, n), k and v (A, Tk, n) -> (B, Tq, n).

        B is a multiple of A: row b reads k, v of b // (B // A). With lengths (B,) int32, query i of row b sees the keys
        before lengths[b] - (Tq - 1 - i); without, all.
        """
        ...

    def embedding(self, tokens: Array, table: Array, positions_table: Array, offsets: Array) -> Array:
        """tokens (B, T) int32, offsets (B,) int32 -> table[tokens] + positions_table[offsets + t]: (B, T, n)."""
        ...

    def append(self, cache: Array, x: Array, offsets: Array) -> None:
        """cache (B, ctx, n)[b, offsets[b] : offsets[b] + T] = x (B, T, n)[b]."""
        ...

    def select(self, x: Array, rows: Array) -> Array:
        """x (B, ...), rows (C,) int32 -> (C, ...): the rows of a batch that beams go on with."""
        ...

    def logits(self, x: Array, table: Array) -> Array:
        """x (B, n) @ table (vocab, n).T -> (B, vocab)."""
        ...


class LanguageOperations(Protocol[Array]):
    """What language models ask besides `weight`, `array`, `numpy`, `empty`, `linear`, `add`, `append`, `select` and `logits`."""

    def lookup(self, tokens: Array, table: Array, *, scale: float = 1.0) -> Array:
        """tokens (B, T) int32, table (vocab, n) -> scale * table[tokens]: (B, T, n)."""
        ...

    def rms_norm(self, x: Array, weight: Array, eps: float) -> Array:
        """x / sqrt(mean(x^2) + eps) * weight (n,) over each n numbers of the last axis: x (..., m n) -> (..., m n)."""
        ...

    def rotate(self, x: Array, table: Array, offsets: Array, heads: int, *, interleaved: bool = False) -> Array:
        """Rotary position embedding: x (B, T, heads width), table (places, pairs, 2) of cosine and sine, offsets (B,) int32.

        Of the first 2 pairs numbers of a head, p is turned with p + pairs, or 2 p with 2 p + 1 where `interleaved`.
        """
        ...

    def causal_attention(
        self,
        q: Array,
        k: Array,
        v: Array,
        heads: int,
        lengths: Array,
        *,
        window: int = 0,
        scale: float | None = None,
        cap: float = 0.0,
    ) -> Array:
        """softmax(scale q k^T) v for each head: q (B, T, heads width), k and v (B, ctx, groups width) -> (B, T, heads width).

        heads / groups neighbouring heads share keys. Query i of row b sees the keys before lengths[b] - (T - 1 - i), the last
        `window` of them where it is not 0. scale: by default 1 / sqrt(width). cap: scores become cap tanh(score / cap).
        """
        ...

    def gate(self, x: Array, y: Array, *, gelu: bool = False) -> Array:
        """silu(x) * y, or gelu(x) * y with GELU by tanh."""
        ...

    def cap(self, x: Array, most: float) -> Array:
        """most tanh(x / most)."""
        ...
