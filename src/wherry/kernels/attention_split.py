"""Attention for many queries on GPUs: eight invocations share each query's keys. See `attention.py`."""

from wherry.gpu.device import Device, Tensor
from wherry.kernels import attention
from wherry.kernels.attention import reference
from wherry.kernels.source import Case


def launch(device: Device, q: Tensor, k: Tensor, v: Tensor, lengths: Tensor | None = None, *, heads: int) -> Tensor:
    return attention.run(device, q, k, v, lengths, heads, "attention_split")


def cases() -> list[Case]:
    return attention.cases()


__all__ = ["cases", "launch", "reference"]
