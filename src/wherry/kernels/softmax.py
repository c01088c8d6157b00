"""Softmax over the last axis."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.gpu.device import Device, Tensor
from wherry.kernels.source import Case, random_array, source


def launch(device: Device, x: Tensor) -> Tensor:
    """x (..., n) -> (..., n)."""
    y = device.empty(x.shape)
    kernel = device.kernel("softmax", source("softmax"))
    device.dispatch(kernel, (x.size // 4 // x.shape[-1], 1, 1), [x, y], cols=x.shape[-1])
    return y


def reference(x: NDArray[Any]) -> NDArray[Any]:
    odds = np.exp(x.astype(np.float64) - x.max(-1, keepdims=True))
    return np.asarray(odds / odds.sum(-1, keepdims=True))


def cases() -> list[Case]:
    return [Case(f"{rows}x{cols}", (random_array(1, rows, cols, scale=5.0),)) for rows, cols in ((1, 3), (2, 51864), (5, 300))]
