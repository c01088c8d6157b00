"""x @ weight.T for many rows, without workgroup memory: for drivers that compute on the CPU. See `linear.py`."""

from typing import Any

from wherry.gpu.device import Device, Tensor
from wherry.kernels import linear
from wherry.kernels.linear import reference
from wherry.kernels.source import Case


def launch(device: Device, *tensors: Tensor, **options: Any) -> Tensor:
    return linear.matmul(device, *tensors, tiled=False, **options)


def cases() -> list[Case]:
    return linear.cases(few=False)


__all__ = ["cases", "launch", "reference"]
