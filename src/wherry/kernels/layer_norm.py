"""Layer norm (Ba et al., 2016)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.gpu.device import Device, Tensor
from wherry.kernels.source import Case, random_array, source


def launch(device: Device, x: Tensor, weight: Tensor, bias: Tensor, *, eps: float = 1e-5) -> Tensor:
    """x (..., n), weight and bias (n,), n a multiple of 4 -> (..., n)."""
    kernel = device.kernel("layer_norm", source("layer_norm"))
    y = device.empty(x.shape)
    rows = x.size // 4 // x.shape[-1]
    device.dispatch(kernel, (min(rows, 65535), -(-rows // 65535), 1), [x, weight, bias, y], cols4=x.shape[-1] // 4, eps=eps)
    return y


def reference(x: NDArray[Any], weight: NDArray[Any], bias: NDArray[Any], *, eps: float = 1e-5) -> NDArray[Any]:
    x = x.astype(np.float64)
    centred = x - x.mean(-1, keepdims=True)
    return np.asarray(centred / np.sqrt((centred**2).mean(-1, keepdims=True) + eps) * weight + bias)


def cases() -> list[Case]:
    return [
        Case(f"{rows}x{cols}", (random_array(1, rows, cols) + 3, random_array(2, cols), random_array(3, cols)))
        for rows, cols in ((1, 4), (3, 384), (70, 1280))
    ]
