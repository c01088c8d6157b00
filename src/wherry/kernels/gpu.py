"""The operations on WebGPU. What runs where is decided here; models never ask."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.gpu.device import Device, Program, Tensor
from wherry.gpu.tensor import BLOCKS
from wherry.kernels import (
    add,
    append,
    attend,
    attention,
    conv1d,
    embedding,
    layer_norm,
    linear,
    log_mel,
    next_token,
    rms_norm,
    select,
    softmax,
)
from wherry.kernels.gpu_language import GpuLanguage, Projected, RmsNormed, Split, Step, Stepped
from wherry.kernels.operations import QuantizedWeight
from wherry.kernels.pages import Pages

_WINDOWS = 4  # eight took as long for each on an H100, and twice the memory (benchmarks/LOG.md)
_PROMPT = 256  # queries up to which a workgroup for each keeps a GPU busy


@dataclass(frozen=True)
class Normed:
    """A layer norm not yet taken: the product of few rows takes it on the way, any other operation first."""

    x: Tensor
    weight: Tensor
    bias: Tensor
    eps: float

    @property
    def shape(self) -> tuple[int, ...]:
        return self.x.shape

    def reshape(self, shape: tuple[int, ...]) -> "Normed":
        return Normed(self.x.reshape(shape), self.weight, self.bias, self.eps)


@dataclass(frozen=True)
class Product:
    """A product with a normed row not yet taken: one step of attention takes it on the way."""

    x: Normed
    weight: Tensor
    bias: Tensor | None

    @property
    def shape(self) -> tuple[int, ...]:
        return (*self.x.shape[:-1], self.weight.shape[0])


@dataclass(frozen=True)
class Attended:
    """One step of attention whose parts are not yet joined: the product after it joins them."""

    parts: attend.Parts
    x: Tensor  # of the same shape

    @property
    def shape(self) -> tuple[int, ...]:
        return self.x.shape


Lazy = Step | Normed | Product | Attended


class GpuOperations(GpuLanguage):
    """`Operations` and `LanguageOperations` on a WebGPU device. Not for two threads at once.

    A dispatch costs more than the arithmetic of one decoding step, so what a step needs before and after its attention is
    put off (`Normed`, `Product`, `Attended`) until the kernel that can do it on the way.
    """

    def __init__(self, device: Device) -> None:
        self.device = device
        # A driver that computes on the CPU has no workgroup memory to gain from, and pays for every barrier.
        self._tiled = device.info.kind != "cpu"
        self._fused = device.info.limits["max-storage-buffers-per-shader-stage"] >= attend.STORAGE_BUFFERS
        self.windows_at_once = _WINDOWS if self._tiled else 1  # that it gains by taking together
        self._vectors: dict[tuple[int, ...], tuple[Tensor, tuple[Tensor | None, ...]]] = {}
        self._appended: dict[int, Product] = {}  # by cache: keys and values that the next attention makes and stores
        self._filters: dict[int, tuple[Tensor, Tensor]] = {}
        self._begin_language()

    # -- placing data

    def weight(self, value: NDArray[Any] | QuantizedWeight) -> Tensor | Split:
        """Matrices keep their bits (f32, f16, blocks); vectors become float32; a convolution is put in the order it is read.

        A matrix in blocks that is too large for one binding is split by rows.
        """
        if not isinstance(value, np.ndarray):
            limit = self.device.info.limits["max-storage-buffer-binding-size"]
            if value.format in BLOCKS and len(value.shape) == 2 and value.data.nbytes > limit:
                return self._split(value, limit)
            if value.format in BLOCKS and len(value.shape) == 2 and value.shape[1] % 4 == 0:
                return self.device.upload_bytes(value.data, value.shape, value.format)
            value = value.dequantize()
            if value.ndim > 1:
                value = value.astype(np.float16)
        if value.ndim == 3:
            value = conv1d.taps(value)
        return self.device.upload(value if value.dtype == np.float16 and value.ndim > 1 else value.astype(np.float32))

    def _split(self, value: QuantizedWeight, limit: int) -> Split:
        rows = value.data.reshape(value.shape[0], -1)
        most = limit // rows.shape[1] // 2 * 2  # an even number of rows begins at a whole word
        parts = [rows[first : first + most] for first in range(0, len(rows), most)]
        return Split(tuple(self.device.upload_bytes(part, (len(part), value.shape[1]), value.format) for part in parts))

    def array(self, value: NDArray[Any]) -> Tensor:
        return self.device.upload(value)

    def numpy(self, x: Lazy) -> NDArray[Any]:
        return self.device.download(self._taken(x))

    def empty(self, shape: tuple[int, ...], dtype: str = "f32") -> Tensor:
        return self.device.empty(shape, dtype)

    # -- operations

    def layer_norm(self, x: Lazy, weight: Tensor, bias: Tensor, eps: float = 1e-5) -> Tensor | Normed:
        x = self._taken(x)
        if self._few(x):
            return Normed(x, weight, bias, eps)
        return layer_norm.launch(self.device, x, weight, bias, eps=eps)

    def linear(
        self,
        x: Lazy,
        weight: Tensor,
        bias: Tensor | None = None,
        *,
        gelu: bool = False,
        residual: Tensor | None = None,
    ) -> Lazy:
        if isinstance(x, RmsNormed | Stepped) and not gelu:
            return self._linear_step(x, weight, bias, None if residual is None else self._taken(residual))
        rest: dict[str, Any] = {"gelu": gelu, "residual": None if residual is None else self._taken(residual)}
        if isinstance(x, Attended):
            return linear.matvec(self.device, x.x, weight, bias, parts=x.parts, **rest)
        if isinstance(x, Normed):
            if self._fused and len(x.shape) == 3 and x.shape[1] == 1 and not gelu and residual is None:
                return Product(x, weight, bias)
            return linear.matvec(self.device, x.x, weight, bias, norm=(x.weight, x.bias, x.eps), **rest)
        x = self._taken(x)
        if self._few(x):
            return linear.matvec(self.device, x, weight, bias, **rest)
        return linear.matmul(self.device, x, weight, bias, tiled=self._tiled, **rest)

    def conv1d(self, x: Tensor, weight: Tensor, bias: Tensor, *, stride: int) -> Tensor:
        return conv1d.launch(self.device, x, weight, bias, stride=stride, tiled=self._tiled)

    def add(self, x: Lazy, y: Tensor) -> Tensor:
        if isinstance(x, RmsNormed):
            return rms_norm.launch(self.device, x.x, x.weight, y, eps=x.eps)
        x = self._taken(x)
        return add.launch(self.device, x, y)

    def attention(self, q: Lazy, k: Lazy, v: Lazy, heads: int, *, lengths: Tensor | None = None) -> Tensor | Attended:
        key, value = self._appended.pop(id(k), None), self._appended.pop(id(v), None)
        stored = isinstance(k, Tensor)  # or of texts of one token each, which read nothing but themselves
        k, v = self._taken(k), self._taken(v)
        if stored and isinstance(q, Product) and (lengths is None or (key is not None and value is not None)):
            assert lengths is None or (key is not None and value is not None and key.x is q.x is value.x)
            weights = attend.Weights(
                self._vectors_of(q.x, q.bias, value.bias if value else None),
                q.weight,
                key.weight if key else None,
                value.weight if value else None,
            )
            return Attended(attend.run(self.device, q.x.x, weights, k, v, heads, lengths, q.x.eps), q.x.x)
        return attention.run(self.device, self._taken(q), k, v, lengths, heads, self._attention_for(q.shape[1]))

    def embedding(self, tokens: Tensor, table: Tensor, positions_table: Tensor, offsets: Tensor) -> Tensor:
        return embedding.launch(self.device, tokens, table, positions_table, offsets)

    def append(self, cache: Tensor | Pages[Tensor], x: Lazy, offsets: Tensor) -> None:
        if isinstance(cache, Pages):
            self.store(cache, x if isinstance(x, Projected) else self._taken(x))
        elif isinstance(x, Product):
            self._appended[id(cache)] = x  # the attention that reads the cache next makes and stores it
        else:
            append.launch(self.device, cache, self._taken(x), offsets)

    def select(self, x: Lazy, rows: Tensor) -> Tensor:
        return select.launch(self.device, self._taken(x), rows)

    def logits(self, x: Lazy, table: Tensor | Split) -> Tensor:
        if isinstance(x, RmsNormed) or isinstance(table, Split):
            return self._logits_step(x if isinstance(x, RmsNormed) else self._taken(x), table)
        if not self._tiled:  # so many columns that lanes with several each keep such a driver busy, for one row too
            return linear.matmul(self.device, self._taken(x), table, tiled=False)
        return self._taken(self.linear(x, table))

    # -- what only a device does

    def softmax(self, x: Tensor) -> Tensor:
        """x (..., n) -> softmax over n."""
        return softmax.launch(self.device, x)

    def power_mel(self, samples: NDArray[np.float32], filters: NDArray[np.float32]) -> NDArray[np.float32]:
        """samples ((frames - 1) * 160 + 400,), filters (201, n_mels) -> log10 of the mel power (frames, n_mels)."""
        n_mels = filters.shape[1]
        if n_mels not in self._filters:
            self._filters[n_mels] = (self.device.upload(log_mel.tables()), self.device.upload(filters))
        return self.device.download(log_mel.launch(self.device, self.device.upload(samples), *self._filters[n_mels]))

    def choices(self, rules: next_token.Rules, rows: int, most: int) -> next_token.Choice:
        """Room for `rows` texts of at most `most` new tokens."""
        return next_token.start(self.device, rules, rows, 0, most)

    def restart(self, choice: next_token.Choice, length: int, *, temperature: float, seed: int) -> None:
        """Begin other texts in the same room: they hold `length` tokens."""
        next_token.restart(self.device, choice, length, temperature=temperature, seed=seed)

    def choose(self, choice: next_token.Choice, logits: Tensor) -> None:
        """Choose a token for each row, and move the row on."""
        next_token.launch(self.device, choice, logits)

    def profile(self) -> list[tuple[str, str, int, float]]:
        """GPU time by kernel where the device was opened with `profile`: (kernel, workgroups, calls, seconds)."""
        return self.device.profile.table() if self.device.profile else []

    @contextmanager
    def record(self) -> Iterator[Program]:
        """Operations inside are recorded, not run."""
        with self.device.record() as program:
            yield program

    def _vectors_of(self, norm: Normed, query_bias: Tensor | None, value_bias: Tensor | None) -> Tensor:
        """The four short vectors of a step side by side: fewer bindings. Made once for each layer."""
        parts = (norm.weight, norm.bias, query_bias, value_bias)
        key = tuple(map(id, parts))
        if key not in self._vectors:
            rows = [np.zeros(norm.shape[-1], np.float32) if p is None else self.device.download(p) for p in parts]
            self._vectors[key] = (self.device.upload(np.stack(rows)), parts)  # the parts are held: their ids stay theirs
        return self._vectors[key][0]

    def _attention_for(self, queries: int) -> str:
        """The kernel that keeps the device busy with so many queries."""
        if not self._tiled:
            return "attention_step" if queries <= attention.FEW_QUERIES else "attention"
        return "attention_step" if queries <= _PROMPT else "attention_split"

    def _few(self, x: Tensor) -> bool:
        return x.size // 4 // x.shape[-1] <= linear.FEW_ROWS

    def _taken(self, x: Lazy) -> Tensor:
        if isinstance(x, Normed):
            return layer_norm.launch(self.device, x.x, x.weight, x.bias, eps=x.eps)
        if isinstance(x, Product):
            norm = (x.x.weight, x.x.bias, x.x.eps)
            return linear.matvec(self.device, x.x.x, x.weight, x.bias, norm=norm)
        if isinstance(x, Attended):
            unit = self.device.upload(np.eye(x.shape[-1], dtype=np.float32))
            return linear.matvec(self.device, x.x, unit, parts=x.parts)
        return super()._taken(x)
