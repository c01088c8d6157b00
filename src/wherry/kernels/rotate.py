"""Rotary position embedding (Su et al., 2021)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.gpu.device import Device, Tensor
from wherry.kernels.source import Case, random_array, source


def launch(device: Device, x: Tensor, table: Tensor, offsets: Tensor, *, heads: int, interleaved: bool = False) -> Tensor:
    """x (B, T, heads width), table (places, pairs, 2) of cosine and sine, offsets (B,) int32 -> (B, T, heads width).

    The first 2 pairs numbers of each head are turned: number p with p + pairs, or 2 p with 2 p + 1 where `interleaved`.
    """
    y = device.empty(x.shape)
    total = x.size // 8
    groups = -(-total // 64)
    device.dispatch(
        device.kernel("rotate", source("rotate"), INTERLEAVED=interleaved),
        (min(groups, 32768), -(-groups // 32768), 1),
        [x, table, offsets, y],
        total=total,
        tokens=x.shape[1],
        heads=heads,
        half=x.shape[2] // heads // 2,
        pairs=table.shape[1],
        places=table.shape[0],
    )
    return y


def reference(
    x: NDArray[Any], table: NDArray[Any], offsets: NDArray[Any], *, heads: int, interleaved: bool = False
) -> NDArray[Any]:
    batch, count, n = x.shape
    pairs = table.shape[1]
    turns = (table[..., 0] + 1j * table[..., 1])[offsets[:, None] + np.arange(count)][:, :, None]
    y = x.astype(np.float64).reshape(batch, count, heads, n // heads)
    first, second = (
        (slice(0, 2 * pairs, 2), slice(1, 2 * pairs, 2)) if interleaved else (slice(0, pairs), slice(pairs, 2 * pairs))
    )
    turned = (y[..., first] + 1j * y[..., second]) * turns
    y[..., first], y[..., second] = turned.real, turned.imag
    return y.reshape(x.shape)


def cases() -> list[Case]:
    angles = np.arange(30)[:, None] * 10000.0 ** (-np.arange(8) / 8)
    table = np.stack([np.cos(angles), np.sin(angles)], axis=2).astype(np.float32)
    offsets = np.asarray([0, 23], np.int32)
    found = []
    for name, width in (("whole heads", 16), ("a part of each head", 24)):
        for interleaved in (False, True):
            arrays = (random_array(1, 2, 7, 3 * width), table, offsets)
            kind = "side by side" if interleaved else "apart"
            found.append(Case(f"{name}, {kind}", arrays, {"heads": 3, "interleaved": interleaved}))
    return found
