"""Products with a weight matrix: `matvec` for a few rows, `matmul` and `matmul_tiled` for many."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wherry.gpu.device import Device, Tensor
from wherry.gpu.tensor import BLOCKS
from wherry.kernels.source import Case, format_of, random_array, source

if TYPE_CHECKING:
    from wherry.kernels.attend import Parts

FEW_ROWS = 8
_COLS = 8  # of a lane, in `matmul`
_STAGED = 2048  # numbers of joined rows that a workgroup keeps: 8 KiB
Launch = Callable[..., Tensor]


def matmul(
    device: Device,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    gelu: bool = False,
    residual: Tensor | None = None,
    tiled: bool = True,
    windows: tuple[int, int, int, int] | None = None,
) -> Tensor:
    """x (..., k) @ weight (n, k).T + bias (n,), then GELU, then + residual (..., n) -> (..., n); k a multiple of 4.

    windows (batch, frames, batch stride, frame stride): row (b, f) of x starts at b * batch stride + f * frame stride.
    """
    cols, inner = weight.shape
    batch, frames, batch_stride, frame_stride = windows or (1, x.size // 4 // inner, 0, inner)
    rows = batch * frames
    y = device.empty((batch, frames, cols) if windows else (*x.shape[:-1], cols))
    name = "matmul_tiled" if tiled else "matmul"
    # Without tiles each lane loads for itself, which costs such a driver more than the arithmetic: many products a load.
    own: dict[str, Any] = {} if tiled else {"ROWS": min(8, rows), "COLS": _COLS, "LINES": 8 if rows > 8 else 1}
    kernel = device.kernel(
        name,
        source(name, format_of(weight.dtype), "gelu"),
        BIAS=bias is not None,
        GELU=gelu,
        RESIDUAL=residual is not None,
        **own,
    )
    tile = (64, 64) if tiled else (own["ROWS"] * own["LINES"], 8 * own["COLS"])  # rows, columns of a workgroup
    device.dispatch(
        kernel,
        (-(-cols // tile[1]), -(-rows // tile[0]), 1),
        [x, weight, bias or x, residual or x, y],
        rows=rows,
        cols=cols,
        inner4=inner // 4,
        group=frames,
        group_stride4=batch_stride // 4,
        row_stride4=frame_stride // 4,
    )
    return y


def matvec(
    device: Device,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    gelu: bool = False,
    residual: Tensor | None = None,
    norm: tuple[Tensor, Tensor, float] | None = None,
    parts: "Parts | None" = None,
    lanes: int | None = None,
) -> Tensor:
    """As `matmul` for at most 8 rows; `norm` (weight, bias, eps) is a layer norm of x before the product.

    `parts` stands in the place of x: attention that is still to be joined. lanes: how many share a column; a power of two
    from the number of rows to 64.
    """
    cols, inner = weight.shape
    rows = x.size // 4 // inner
    y = device.empty((*x.shape[:-1], cols))
    lanes = lanes or _lanes(device, rows, inner)
    heads, splits = (parts.heads, parts.splits) if parts else (1, 0)
    kernel = device.kernel(
        "matvec",
        source("matvec", format_of(weight.dtype), "gelu"),
        ROWS=rows,
        LANES=lanes,
        NORM=norm is not None,
        BIAS=bias is not None,
        GELU=gelu,
        RESIDUAL=residual is not None,
        SPLITS=splits,
        HEADS=heads,
        HEAD4=inner // heads // 4,
        SHARES=max(1, rows * heads * splits),
        STAGED=rows * inner // 4 if splits and rows * inner <= _STAGED else 1,
    )
    norm_weight, norm_bias, eps = norm or (x, x, 0.0)
    groups = -(-cols * lanes // 64)
    device.dispatch(
        kernel,
        (min(groups, 32768), -(-groups // 32768), 1),
        [parts.tensor if parts else x, weight, bias or x, residual or x, y, norm_weight, norm_bias],
        cols=cols,
        inner4=inner // 4,
        eps=eps,
    )
    return y


def _lanes(device: Device, rows: int, inner: int) -> int:
    if device.info.kind == "cpu":  # adding up among lanes costs such a driver more than the loads
        return max(2, 1 << (rows - 1).bit_length())
    return 16 if inner < 1024 else 64  # each lane's share is a few loads, whatever the width


def reference(
    x: NDArray[Any],
    weight: NDArray[Any],
    bias: NDArray[Any] | None = None,
    *,
    gelu: bool = False,
    residual: NDArray[Any] | None = None,
) -> NDArray[Any]:
    y = x.astype(np.float64) @ weight.astype(np.float64).T
    if bias is not None:
        y = y + bias
    if gelu:
        y = _gelu(y)
    return y if residual is None else y + residual


def _gelu(x: NDArray[Any]) -> NDArray[Any]:
    from math import erf

    return np.asarray(x * 0.5 * (1 + np.vectorize(erf)(x / np.sqrt(2))))


def cases(few: bool) -> list[Case]:
    """Every format; odd sizes, a vocabulary that no tile divides, each epilogue."""
    found = []
    rows, inner, cols = (3, 512, 41) if few else (9, 256, 37)
    x, w, b, r = random_array(1, rows, inner), random_array(2, cols, inner), random_array(3, cols), random_array(4, rows, cols)
    for weight in BLOCKS:
        found.append(Case(f"{weight} {rows}x{inner}x{cols}", (x, w, b), {"residual": r}, weight=weight))
    for weight in ("f32", "f16", "q8_0"):
        for rows, inner, cols in (
            ((1, 64, 51), (3, 96, 40), (8, 384, 130)) if few else ((9, 64, 51), (70, 96, 130), (130, 128, 64))
        ):
            x, w = random_array(rows, rows, inner), random_array(cols, cols, inner, scale=inner**-0.5)
            b, r = random_array(7, cols), random_array(8, rows, cols)
            name = f"{weight} {rows}x{inner}x{cols}"
            found.append(Case(name, (x, w), weight=weight))
            found.append(Case(f"{name} bias gelu", (x, w, b), {"gelu": True}, weight=weight))
            found.append(Case(f"{name} bias residual", (x, w, b), {"residual": r}, weight=weight))
    return found
