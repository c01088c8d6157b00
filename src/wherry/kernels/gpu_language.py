"""The operations of language models on WebGPU."""

from wherry.gpu.device import Device, Tensor
from wherry.kernels import cap, causal_attention, gate, lookup, rms_norm, rotate


class GpuLanguage:
    """`kernels.operations.LanguageOperations`, but for what language models share with Whisper."""

    device: Device

    def lookup(self, tokens: Tensor, table: Tensor, *, scale: float = 1.0) -> Tensor:
        return lookup.launch(self.device, tokens, table, scale=scale)

    def rms_norm(self, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        return rms_norm.launch(self.device, x, weight, eps=eps)

    def rotate(self, x: Tensor, table: Tensor, offsets: Tensor, heads: int, *, interleaved: bool = False) -> Tensor:
        return rotate.launch(self.device, x, table, offsets, heads=heads, interleaved=interleaved)

    def causal_attention(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        heads: int,
        lengths: Tensor,
        *,
        window: int = 0,
        scale: float | None = None,
        cap: float = 0.0,
    ) -> Tensor:
        return causal_attention.launch(self.device, q, k, v, lengths, heads=heads, window=window, scale=scale, cap=cap)

    def gate(self, x: Tensor, y: Tensor, *, gelu: bool = False) -> Tensor:
        return gate.launch(self.device, x, y, gelu=gelu)

    def cap(self, x: Tensor, most: float) -> Tensor:
        return cap.launch(self.device, x, most=most)
