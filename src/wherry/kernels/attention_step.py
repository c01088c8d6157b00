"""Attention for at most 8 queries, as a decoder steps: the lanes of a workgroup share the keys. See `attention.py`."""

from wherry.gpu.device import Device, Tensor
from wherry.kernels import attention
from wherry.kernels.attention import reference
from wherry.kernels.source import Case


def launch(device: Device, q: Tensor, k: Tensor, v: Tensor, lengths: Tensor | None = None, *, heads: int) -> Tensor:
    return attention.run(device, q, k, v, lengths, heads, "attention_step")


def cases() -> list[Case]:
    return attention.cases(few=True)


__all__ = ["cases", "launch", "reference"]
