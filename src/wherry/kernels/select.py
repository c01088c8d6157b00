"""Whole rows of a tensor, in a new order."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.gpu.device import Device, Tensor
from wherry.kernels.source import Case, random_array, source


def launch(device: Device, x: Tensor, rows: Tensor) -> Tensor:
    """x (B, ...), rows (C,) int32 -> (C, ...); 32-bit types."""
    y = device.empty((rows.shape[0], *x.shape[1:]), x.dtype)
    count = y.size // 4
    groups = min(-(-count // 64), 65535)
    device.dispatch(
        device.kernel("select", source("select")),
        (groups, 1, 1),
        [x, rows, y],
        count=count,
        width=count // rows.shape[0],
        height=x.shape[0],
        stride=groups * 64,
    )
    return y


def reference(x: NDArray[Any], rows: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(x[rows])


def cases() -> list[Case]:
    return [Case("five of three", (random_array(1, 3, 7, 5), np.asarray([2, 0, 0, 1, 2], np.int32)), tolerance=0.0)]
