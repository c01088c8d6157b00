"""Root mean square norm (Zhang and Sennrich, 2019)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.gpu.device import Device, Tensor
from wherry.kernels.source import Case, random_array, source


def launch(device: Device, x: Tensor, weight: Tensor, residual: Tensor | None = None, *, eps: float = 1e-5) -> Tensor:
    """x (..., m n), weight (n,), n a multiple of 4 -> (..., m n): each n numbers of a row are a row of their own.

    residual (..., m n) is added.
    """
    y = device.empty(x.shape)
    cols = weight.shape[0]
    rows = x.size // 4 // cols
    kernel = device.kernel("rms_norm", source("rms_norm"), RESIDUAL=residual is not None)
    device.dispatch(kernel, (min(rows, 32768), -(-rows // 32768), 1), [x, weight, y, residual or x], cols4=cols // 4, eps=eps)
    return y


def reference(x: NDArray[Any], weight: NDArray[Any], residual: NDArray[Any] | None = None, *, eps: float = 1e-5) -> NDArray[Any]:
    rows = x.astype(np.float64).reshape(*x.shape[:-1], -1, len(weight))
    y = np.asarray(rows / np.sqrt((rows**2).mean(-1, keepdims=True) + eps) * weight).reshape(x.shape)
    return y if residual is None else y + residual


def cases() -> list[Case]:
    return [
        Case(f"{rows}x{parts}x{cols}", (random_array(1, rows, parts * cols), random_array(2, cols)))
        for rows, parts, cols in ((1, 1, 4), (3, 9, 64), (70, 1, 576))
    ] + [Case("a residual", (random_array(1, 3, 64), random_array(2, 64), random_array(3, 3, 64)))]
