"""Causal attention over keys and values in pages; in a step with the norms, the rotation and the storing before it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.errors import KernelError
from wherry.gpu.device import Device, Tensor
from wherry.kernels import causal_attention, rms_norm, rotate
from wherry.kernels.pages import PAGE, PAGES, WGSL
from wherry.kernels.source import Case, random_array, source

_MAX_WIDTH = 256  # of a head


def launch(
    device: Device,
    q: Tensor,
    pool: Tensor,
    rows: Tensor,
    norms: Tensor | None = None,
    table: Tensor | None = None,
    *,
    heads: int,
    row: int = 0,
    interleaved: bool = False,
    eps: float = 1e-5,
    window: int = 0,
    scale: float | None = None,
    cap: float = 0.0,
) -> Tensor:
    """q (B, T, n), the queries of rows `row` .. `row + B`, pool and rows as in `Pages` -> (B, T, heads width).

    table (places, pairs, 2): T is 1, and q holds a step's products, queries, keys and values side by side, to be normed (norms
    (2, width), of queries and keys) and rotated. window, scale, cap: as in `causal_attention`.
    """
    fresh = table is not None
    batch, queries, state = q.shape
    past = 2 * pool.shape[3]
    width = (state - (2 * past if fresh else 0)) // heads
    if width % 4 or width > _MAX_WIDTH or heads % (past // width):
        raise KernelError(
            f"attend_pages: found {heads} heads of {width} over {past}, expected a multiple of 4 up to {_MAX_WIDTH}"
        )
    kernel = device.kernel(
        "attend_pages",
        f"{source('attend_pages')}{WGSL}const WIDTH = {width}u;\n",
        FRESH=fresh,
        NORMS=norms is not None,
        INTERLEAVED=interleaved,
    )
    y = device.empty((batch, queries, heads * width))
    places, pairs = (1, 0) if table is None else table.shape[:2]
    device.dispatch(
        kernel,
        (queries, heads, batch),
        [q, norms or q, table or q, rows, pool, y],
        queries=queries,
        sharing=heads // (past // width),
        stride=rows.shape[1],
        row=row,
        state=state,
        past4=past // 4,
        window=window,
        pairs=pairs,
        places=places,
        scale=width**-0.5 if scale is None else scale,
        cap=cap,
        eps=eps,
    )
    return y


def reference(
    q: NDArray[Any],
    pool: NDArray[Any],
    rows: NDArray[Any],
    norms: NDArray[Any] | None = None,
    table: NDArray[Any] | None = None,
    *,
    heads: int,
    row: int = 0,
    interleaved: bool = False,
    **options: Any,
) -> NDArray[Any]:
    past = 2 * pool.shape[3]
    found = []
    for b in range(len(q)):
        length = int(rows[row + b, 0])
        whole = pool[rows[row + b, PAGES:]].view(np.float16).astype(np.float32).reshape(-1, 2, past)
        queries = q[b : b + 1]
        if table is not None:
            offset = np.asarray([length - 1], np.int32)
            width = (q.shape[2] - 2 * past) // heads
            queries, key, value = np.split(queries, [heads * width, heads * width + past], axis=2)
            if norms is not None:
                queries, key = (rms_norm.reference(x, norm) for x, norm in ((queries, norms[0]), (key, norms[1])))
            queries = rotate.reference(queries, table, offset, heads=heads, interleaved=interleaved)
            key = rotate.reference(key, table, offset, heads=past // width, interleaved=interleaved)
            whole[length - 1] = np.stack([key[0, 0], value[0, 0]]).astype(np.float16)
        lengths = np.asarray([length], np.int32)
        found.append(causal_attention.reference(queries, whole[None, :, 0], whole[None, :, 1], lengths, heads=heads, **options))
    return np.concatenate(found)


def cases() -> list[Case]:
    found = []
    for name, count, heads, groups, width, options in (
        ("a prompt", 9, 9, 3, 16, {}),
        ("a window", 70, 4, 1, 24, {"window": 7, "scale": 0.3}),
        ("a cap", 3, 4, 1, 256, {"cap": 5.0, "scale": 0.2}),
        ("a step", 1, 6, 2, 64, {"interleaved": True}),
        ("a step with norms", 1, 4, 1, 256, {"window": 40}),
    ):
        step, past = "step" in name, groups * width
        batch = 3 if step else 1
        rows = np.zeros((4, PAGES + 10), np.int32)
        rows[1:, 0], rows[1:, PAGES:] = (150, 1, 64), np.random.default_rng(1).permutation(30).reshape(3, 10)
        if step and not options.get("interleaved"):
            rows[1, 0] = 600
        pool = random_array(1, 30, PAGE, 2, past).astype(np.float16).view(np.uint32)
        q = random_array(2, batch, count, heads * width + (2 * past if step else 0))
        table = random_array(3, 640, width // 2, 2) if step else None
        norms = random_array(4, 2, width) if "norms" in name else None
        found.append(Case(name, (q, pool, rows, norms, table), {"heads": heads, "row": 1, **options}, tolerance=2e-3))
    return found
