"""A convolution of width 3 over time: three neighbouring frames are one row of a product, read in place."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.gpu.device import Device, Tensor
from wherry.kernels import linear, pad
from wherry.kernels.source import Case, random_array


def launch(device: Device, x: Tensor, weight: Tensor, bias: Tensor, *, stride: int, tiled: bool = False) -> Tensor:
    """x (B, frames, in), weight (out, 3 in) in the order of `taps`, then GELU -> (B, ceil(frames / stride), out)."""
    batch, frames, channels = x.shape
    padded = pad.launch(device, x)
    windows = (batch, (frames - 1) // stride + 1, (frames + 2) * channels, stride * channels)
    return linear.matmul(device, padded, weight, bias, gelu=True, tiled=tiled, windows=windows)


def taps(weight: NDArray[Any]) -> NDArray[Any]:
    """(out, in, 3) -> (out, 3 in): all channels of one frame, then of the next."""
    return np.ascontiguousarray(weight.transpose(0, 2, 1)).reshape(weight.shape[0], -1)


def reference(x: NDArray[Any], weight: NDArray[Any], bias: NDArray[Any], *, stride: int, tiled: bool = False) -> NDArray[Any]:
    batch, frames, channels = x.shape
    padded = np.zeros((batch, frames + 2, channels))
    padded[:, 1:-1] = x
    starts = range(0, frames, stride)
    rows = np.stack([padded[:, s : s + 3].reshape(batch, -1) for s in starts], axis=1)
    return linear.reference(rows, weight, bias, gelu=True)


def cases() -> list[Case]:
    return [
        Case(
            f"stride {stride} {'tiled' if tiled else 'untiled'}",
            (random_array(1, 2, 37, 20), random_array(2, 24, 60, scale=0.1), random_array(3, 24)),
            {"stride": stride, "tiled": tiled},
        )
        for stride in (1, 2)
        for tiled in (False, True)
    ]
