"""New keys or values of one text in its pages."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.gpu.device import Device, Tensor
from wherry.kernels.pages import PAGE, PAGES, WGSL
from wherry.kernels.source import Case, random_array, source


def launch(device: Device, x: Tensor, rows: Tensor, pool: Tensor, *, row: int = 0, value: bool = False) -> Tensor:
    """x (1, T, n), the last T of row `row`'s tokens -> pool (see `Pages`), in place."""
    count = x.size // 16
    device.dispatch(
        device.kernel("append_pages", source("append_pages") + WGSL),
        (-(-count // 64), 1, 1),
        [x, rows, pool],
        count4=count,
        tokens=x.shape[1],
        state4=x.shape[2] // 4,
        row=row,
        stride=rows.shape[1],
        value=int(value),
    )
    return pool


def reference(x: NDArray[Any], rows: NDArray[Any], pool: NDArray[Any], *, row: int = 0, value: bool = False) -> NDArray[Any]:
    pool = pool.copy()
    for t in range(x.shape[1]):
        place = int(rows[row, 0]) - x.shape[1] + t
        pool[rows[row, PAGES + place // PAGE], place % PAGE, int(value)] = x[0, t].astype(np.float16).view(np.uint32)
    return pool


def cases() -> list[Case]:
    rows = np.zeros((2, PAGES + 2), np.int32)
    rows[1, 0], rows[1, PAGES:] = 67, (2, 0)
    pool = np.zeros((3, PAGE, 2, 8), np.uint32)
    found = [Case("over a page's end", (random_array(1, 1, 5, 16), rows, pool), {"row": 1})]
    return [*found, Case("values", (random_array(1, 1, 1, 16), rows, pool), {"row": 1, "value": True})]
