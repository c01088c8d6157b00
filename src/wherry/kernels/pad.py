"""A frame of zeros before and after each recording: what a convolution of width 3 reads."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.gpu.device import Device, Tensor
from wherry.kernels.source import Case, random_array, source


def launch(device: Device, x: Tensor) -> Tensor:
    """x (B, frames, channels) -> (B, frames + 2, channels)."""
    batch, frames, channels = x.shape
    y = device.empty((batch, frames + 2, channels))
    count = y.size // 16
    kernel = device.kernel("pad", source("pad"))
    device.dispatch(kernel, (-(-count // 64), 1, 1), [x, y], count4=count, frames=frames, channels4=channels // 4)
    return y


def reference(x: NDArray[Any]) -> NDArray[Any]:
    return np.pad(x, ((0, 0), (1, 1), (0, 0)))


def cases() -> list[Case]:
    return [Case("two recordings", (random_array(1, 2, 9, 8),), tolerance=0.0)]
