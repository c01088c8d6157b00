"""Numbers held within a cap, softly (Gemma Team, 2024, "Gemma 2")."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.gpu.device import Device, Tensor
from wherry.kernels.source import Case, random_array, source


def launch(device: Device, x: Tensor, *, most: float) -> Tensor:
    """x (...) -> most tanh(x / most)."""
    y = device.empty(x.shape)
    count = x.size // 4
    groups = -(-count // 64)
    kernel = device.kernel("cap", source("cap"))
    device.dispatch(kernel, (min(groups, 32768), -(-groups // 32768), 1), [x, y], count=count, most=most)
    return y


def reference(x: NDArray[Any], *, most: float) -> NDArray[Any]:
    return np.asarray(most * np.tanh(x.astype(np.float64) / most))


def cases() -> list[Case]:
    return [Case("from far below to far above", (random_array(1, 3, 51, scale=300.0),), {"most": 30.0})]
