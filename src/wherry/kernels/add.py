"""A sum, the second term the same for the whole batch."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.gpu.device import Device, Tensor
from wherry.kernels.source import Case, random_array, source


def launch(device: Device, x: Tensor, y: Tensor) -> Tensor:
    """x (B, ...) + y (...)."""
    z = device.empty(x.shape)
    count = x.size // 16
    kernel = device.kernel("add", source("add"))
    device.dispatch(kernel, (-(-count // 64), 1, 1), [x, y, z], count4=count, period4=y.size // 16)
    return z


def reference(x: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(x + y)


def cases() -> list[Case]:
    return [Case("batch of three", (random_array(1, 3, 50, 12), random_array(2, 50, 12)))]
