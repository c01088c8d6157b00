"""The operations of language models on WebGPU."""

from dataclasses import dataclass, replace

import numpy as np

from wherry.gpu.device import Device, Tensor
from wherry.kernels import (
    append_pages,
    attend_pages,
    cap,
    causal_attention,
    gate,
    lookup,
    project,
    rms_norm,
    rotate,
    sample,
)
from wherry.kernels.pages import Pages


@dataclass(frozen=True)
class RmsNormed:
    """A step's norm not yet taken: the product that reads it takes it on the way."""

    x: Tensor
    weight: Tensor
    eps: float

    @property
    def shape(self) -> tuple[int, ...]:
        return self.x.shape

    def reshape(self, shape: tuple[int, ...]) -> "RmsNormed":
        return RmsNormed(self.x.reshape(shape), self.weight, self.eps)


@dataclass(frozen=True)
class Projected:
    """A product with a normed row not yet taken, and the norm and the rotation of its heads: attention does it all."""

    x: RmsNormed
    weight: Tensor
    bias: Tensor | None = None
    norm: Tensor | None = None  # of each head
    eps: float = 0.0
    table: Tensor | None = None  # of the rotation
    offsets: Tensor | None = None  # where it is not the attention over pages that reads it
    heads: int = 0
    interleaved: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        return (*self.x.shape[:-1], self.weight.shape[0])


@dataclass(frozen=True)
class Stepped:
    """What a step's attention or gate left: the product after it is `project`'s for any number of rows."""

    x: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        return self.x.shape


@dataclass(frozen=True)
class Split:
    """A table too large for one binding: its rows in several tensors."""

    parts: tuple[Tensor, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return (sum(part.shape[0] for part in self.parts), self.parts[0].shape[1])


Step = Tensor | RmsNormed | Projected | Stepped


class GpuLanguage:
    """`kernels.operations.LanguageOperations`, but for what language models share with Whisper.

    Of a step (one token of each of some texts) everything up to the attention is put off until its kernels can do it on the way.
    """

    device: Device

    def _begin_language(self) -> None:
        self._stored: dict[tuple[int, bool], Projected] = {}  # by pool, key or value: what the next attention makes and stores
        self._joined: dict[tuple[int, ...], tuple[Tensor, tuple[Tensor | None, ...]]] = {}

    def lookup(self, tokens: Tensor, table: Tensor | Split, *, scale: float = 1.0) -> Tensor:
        if isinstance(table, Split):
            y: Tensor | None = None
            first = 0
            for part in table.parts:
                y = lookup.launch(self.device, tokens, part, scale=scale, first=first, into=y)
                first += part.shape[0]
            assert y is not None
            return y
        return lookup.launch(self.device, tokens, table, scale=scale)

    def rms_norm(self, x: Step, weight: Tensor, eps: float) -> Step:
        if isinstance(x, Projected) and x.norm is None and x.table is None:
            return replace(x, norm=weight, eps=eps)
        x = self._taken(x)
        if len(x.shape) == 3 and x.shape[1] == 1 and x.shape[2] == weight.shape[0]:
            return RmsNormed(x, weight, eps)
        return rms_norm.launch(self.device, x, weight, eps=eps)

    def rotate(self, x: Step, table: Tensor, offsets: Tensor, heads: int, *, interleaved: bool = False) -> Step:
        if isinstance(x, Projected) and x.table is None:
            return replace(x, table=table, offsets=offsets, heads=heads, interleaved=interleaved)
        return rotate.launch(self.device, self._taken(x), table, offsets, heads=heads, interleaved=interleaved)

    def store(self, cache: Pages[Tensor], x: Step) -> None:
        """`append` to pages."""
        if isinstance(x, Projected):
            self._stored[id(cache.pool), cache.value] = x
        else:
            append_pages.launch(self.device, self._taken(x), cache.rows, cache.pool, row=cache.row, value=cache.value)

    def causal_attention(
        self,
        q: Step,
        k: Tensor | Pages[Tensor],
        v: Tensor | Pages[Tensor],
        heads: int,
        lengths: Tensor,
        *,
        window: int = 0,
        scale: float | None = None,
        cap: float = 0.0,
    ) -> Tensor | Stepped:
        if not isinstance(k, Pages) or not isinstance(v, Pages):
            assert not isinstance(k, Pages) and not isinstance(v, Pages)
            return causal_attention.launch(
                self.device, self._taken(q), k, v, lengths, heads=heads, window=window, scale=scale, cap=cap
            )
        key, value = self._stored.pop((id(k.pool), False), None), self._stored.pop((id(k.pool), True), None)
        if not isinstance(q, Projected) or key is None or value is None:
            assert key is None and value is None
            return attend_pages.launch(
                self.device, self._taken(q), k.pool, k.rows, heads=heads, row=k.row, window=window, scale=scale, cap=cap
            )
        assert key.x == q.x == value.x and q.table is not None and (q.norm is None) == (key.norm is None)
        bias = None
        if q.bias is not None or key.bias is not None or value.bias is not None:
            bias = self._side_by_side(*((p.bias, p.weight.shape[0]) for p in (q, key, value)))
        norms = None if q.norm is None else self._side_by_side((q.norm, 0), (key.norm, 0)).reshape((2, q.norm.shape[0]))
        made = project.launch(
            self.device, q.x.x, q.weight, key.weight, value.weight, q.x.weight, bias, eps=q.x.eps
        )  # fmt: skip
        return Stepped(
            attend_pages.launch(
                self.device, made, k.pool, k.rows, norms, q.table, heads=heads, row=k.row, interleaved=q.interleaved,
                eps=q.eps, window=window, scale=scale, cap=cap,
            )
        )  # fmt: skip

    def gate(self, x: Step, y: Step, *, gelu: bool = False) -> Tensor | Stepped:
        if isinstance(x, Projected) and isinstance(y, Projected) and x.bias is None and y.bias is None:
            kind = "gelu" if gelu else "silu"
            made = project.launch(self.device, x.x.x, x.weight, y.weight, norm=x.x.weight, eps=x.x.eps, gate=kind)
            return Stepped(made)
        return gate.launch(self.device, self._taken(x), self._taken(y), gelu=gelu)

    def cap(self, x: Tensor, most: float) -> Tensor:
        return cap.launch(self.device, x, most=most)

    def sample(self, choices: sample.Choices, logits: Tensor, *, row: int = 0) -> None:
        """Choose a token for each row from `row` on, and move the texts on."""
        sample.launch(self.device, choices, logits, row=row)

    def _linear_step(self, x: RmsNormed | Stepped, weight: Tensor, bias: Tensor | None, residual: Tensor | None) -> Step:
        if isinstance(x, RmsNormed) and residual is None and len(x.shape) == 3:
            return Projected(x, weight, bias)
        norm, eps = (x.weight, x.eps) if isinstance(x, RmsNormed) else (None, 0.0)
        return project.launch(self.device, x.x, weight, norm=norm, bias=bias, residual=residual, eps=eps)

    def _logits_step(self, x: RmsNormed | Tensor, table: Tensor | Split) -> Tensor:
        norm, eps, rows = (x.weight, x.eps, x.x) if isinstance(x, RmsNormed) else (None, 0.0, x)
        if isinstance(table, Tensor):
            return project.launch(self.device, rows, table, norm=norm, eps=eps)
        y, first = self.device.empty((*rows.shape[:-1], table.shape[0])), 0
        for part in table.parts:
            project.launch(self.device, rows, part, norm=norm, eps=eps, into=y, first=first)
            first += part.shape[0]
        return y

    def _taken(self, x: Step) -> Tensor:
        """What was put off, done by kernels of its own."""
        if isinstance(x, Stepped):
            return x.x
        if isinstance(x, RmsNormed):
            return rms_norm.launch(self.device, x.x, x.weight, eps=x.eps)
        if isinstance(x, Projected):
            y = project.launch(self.device, x.x.x, x.weight, norm=x.x.weight, bias=x.bias, eps=x.x.eps)
            if x.norm is not None:
                y = rms_norm.launch(self.device, y, x.norm, eps=x.eps)
            if x.table is None or x.offsets is None:
                return y
            return rotate.launch(self.device, y, x.table, x.offsets, heads=x.heads, interleaved=x.interleaved)
        return x

    def _side_by_side(self, *vectors: tuple[Tensor | None, int]) -> Tensor:
        """Short vectors (None: so many zeros) in one buffer: fewer bindings. Made once for each layer."""
        parts = tuple(vector for vector, _ in vectors)
        key = tuple(map(id, parts))
        if key not in self._joined:
            rows = [np.zeros(size, np.float32) if p is None else self.device.download(p) for p, size in vectors]
            self._joined[key] = (self.device.upload(np.concatenate(rows)), parts)  # the parts are held: their ids stay theirs
        return self._joined[key][0]
