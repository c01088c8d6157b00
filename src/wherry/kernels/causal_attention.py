"""Causal attention over a cache, for heads that share keys (Ainslie et al., 2023, "GQA")."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.errors import KernelError
from wherry.gpu.device import Device, Tensor
from wherry.kernels.source import Case, random_array, source

_MAX_WIDTH = 256  # of a head: a lane for each four numbers of it


def launch(
    device: Device,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    lengths: Tensor,
    *,
    heads: int,
    window: int = 0,
    scale: float | None = None,
    cap: float = 0.0,
) -> Tensor:
    """q (B, T, heads width), k and v (B, ctx, groups width), lengths (B,) int32 -> (B, T, heads width).

    Query i sees the keys before lengths[b] - (T - 1 - i), of them the last `window` where it is not 0. scale: of the scores,
    by default 1 / sqrt(width); cap: scores become cap tanh(score / cap).
    """
    batch, queries, state = q.shape
    width = state // heads
    groups = k.shape[2] // width
    if width % 4 or width > _MAX_WIDTH or heads % groups:
        raise KernelError(
            f"causal_attention: found {heads} heads of {width} over {groups}, expected a multiple of 4 up to {_MAX_WIDTH}"
        )
    kernel = device.kernel("causal_attention", f"{source('causal_attention')}\nconst WIDTH4 = {width // 4}u;\n")
    y = device.empty(q.shape)
    device.dispatch(
        kernel,
        (queries, heads, batch),
        [q, k, v, lengths, y],
        queries=queries,
        keys=k.shape[1],
        state4=state // 4,
        past4=k.shape[2] // 4,
        sharing=heads // groups,
        window=window,
        scale=width**-0.5 if scale is None else scale,
        cap=cap,
    )
    return y


def reference(
    q: NDArray[Any],
    k: NDArray[Any],
    v: NDArray[Any],
    lengths: NDArray[Any],
    *,
    heads: int,
    window: int = 0,
    scale: float | None = None,
    cap: float = 0.0,
) -> NDArray[Any]:
    batch, count, state = q.shape
    width = state // heads
    sharing = heads * width // k.shape[2]
    y = np.zeros((batch, count, heads, width))
    for b, i, head in np.ndindex(batch, count, heads):
        last = int(lengths[b]) - (count - 1 - i)
        first = max(0, last - window) if window else 0
        keys, values = (x.astype(np.float64)[b, first:last].reshape(last - first, -1, width)[:, head // sharing] for x in (k, v))
        scores = keys @ q[b, i].reshape(heads, width)[head] * (width**-0.5 if scale is None else scale)
        if cap:
            scores = cap * np.tanh(scores / cap)
        odds = np.exp(scores - scores.max())
        y[b, i, head] = odds @ values / odds.sum()
    return y.reshape(q.shape)


def cases() -> list[Case]:
    found = []
    for name, batch, count, context, heads, groups, width, options in (
        ("a step", 3, 1, 150, 6, 2, 64, {}),
        ("a prompt", 2, 9, 40, 9, 3, 16, {}),
        ("a window", 1, 70, 100, 4, 1, 24, {"window": 7, "scale": 0.3}),
        ("wide heads, a cap", 1, 3, 130, 4, 1, 256, {"cap": 5.0, "scale": 0.2}),
    ):
        lengths = np.asarray([context, context // 2, count][:batch], np.int32)
        past = (batch, context, groups * width)
        arrays = (random_array(1, batch, count, heads * width), random_array(2, *past), random_array(3, *past), lengths)
        found.append(Case(name, arrays, {"heads": heads, **options}, tolerance=2e-5))
    return found
