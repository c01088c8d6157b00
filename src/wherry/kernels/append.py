"""New keys or values at the end of each row's cache."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.gpu.device import Device, Tensor
from wherry.kernels.source import Case, random_array, source


def launch(device: Device, cache: Tensor, x: Tensor, offsets: Tensor) -> Tensor:
    """cache (B, context, n)[b, offsets[b] : offsets[b] + T] = x (B, T, n)[b], in place -> cache."""
    count = x.size // 16
    device.dispatch(
        device.kernel("append", source("append")),
        (-(-count // 64), 1, 1),
        [x, offsets, cache],
        count4=count,
        tokens=x.shape[1],
        context=cache.shape[1],
        state4=x.shape[2] // 4,
    )
    return cache


def reference(cache: NDArray[Any], x: NDArray[Any], offsets: NDArray[Any]) -> NDArray[Any]:
    cache = cache.copy()
    for b, start in enumerate(offsets.tolist()):
        end = min(start + x.shape[1], cache.shape[1])
        cache[b, start:end] = x[b, : end - start]
    return cache


def cases() -> list[Case]:
    cache, x = random_array(1, 3, 10, 16), random_array(2, 3, 4, 16)
    return [Case("three places, one past the end", (cache, x, np.asarray([0, 5, 8], np.int32)))]
