"""Gated activation (Shazeer, 2020, "GLU Variants Improve Transformer")."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.gpu.device import Device, Tensor
from wherry.kernels.source import Case, random_array, source


def launch(device: Device, x: Tensor, y: Tensor, *, gelu: bool = False) -> Tensor:
    """x, y (...), a multiple of 4 numbers -> silu(x) * y, or gelu(x) * y."""
    z = device.empty(x.shape)
    count = x.size // 16
    groups = -(-count // 64)
    kernel = device.kernel("gate", source("gate"), TANH=gelu)
    device.dispatch(kernel, (min(groups, 32768), -(-groups // 32768), 1), [x, y, z], count4=count)
    return z


def reference(x: NDArray[Any], y: NDArray[Any], *, gelu: bool = False) -> NDArray[Any]:
    x = x.astype(np.float64)
    if gelu:
        return np.asarray(0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) * y)
    return np.asarray(x / (1 + np.exp(-x)) * y)


def cases() -> list[Case]:
    arrays = (random_array(1, 3, 100, scale=6.0), random_array(2, 3, 100))
    return [Case("silu", arrays), Case("gelu", arrays, {"gelu": True})]
