"""The vectors of tokens at their places."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.gpu.device import Device, Tensor
from wherry.kernels.source import Case, format_of, random_array, source


def launch(device: Device, tokens: Tensor, table: Tensor, positions: Tensor, offsets: Tensor) -> Tensor:
    """tokens (B, T) int32, table (vocab, n), positions (places, n) float32, offsets (B,) int32 -> (B, T, n)."""
    batch, count = tokens.shape
    state = table.shape[1]
    y = device.empty((batch, count, state))
    device.dispatch(
        device.kernel("embedding", source("embedding", format_of(table.dtype))),
        (-(-y.size // 16 // 64), 1, 1),
        [tokens, table, positions, offsets, y],
        rows=batch * count,
        tokens=count,
        state4=state // 4,
        vocab=table.shape[0],
        places=positions.shape[0],
    )
    return y


def reference(tokens: NDArray[Any], table: NDArray[Any], positions: NDArray[Any], offsets: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(table[tokens] + positions[offsets[:, None] + np.arange(tokens.shape[1])])


def cases() -> list[Case]:
    tokens = np.asarray([[1, 50, 3], [99, 0, 7]], np.int32)
    arrays = (tokens, random_array(1, 100, 64), random_array(2, 20, 64), np.asarray([0, 17], np.int32))
    return [Case(weight, arrays, weight=weight) for weight in ("f32", "f16", "q8_0")]
