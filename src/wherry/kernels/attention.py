"""Attention (Vaswani et al., 2017): full, causal over a cache, and across to another sequence, for many queries."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.errors import KernelError
from wherry.gpu.device import Device, Tensor
from wherry.kernels.source import Case, random_array, source

FEW_QUERIES = 8
_QUERIES = {"attention": 64, "attention_split": 32, "attention_step": 1}  # of a workgroup


def launch(device: Device, q: Tensor, k: Tensor, v: Tensor, lengths: Tensor | None = None, *, heads: int) -> Tensor:
    """q (B, Tq, n), k and v (A, Tk, n), lengths (B,) int32 -> (B, Tq, n). Row b reads k, v of b // (B // A)."""
    return run(device, q, k, v, lengths, heads, "attention")


def run(device: Device, q: Tensor, k: Tensor, v: Tensor, lengths: Tensor | None, heads: int, name: str) -> Tensor:
    """`name` is the kernel: attention, attention_split or attention_step."""
    batch, queries, state = q.shape
    width = state // heads
    few = name == "attention_step"
    if width % 4 or width * heads != state or width > 512:
        raise KernelError(f"attention: found {heads} heads in a state of {state}, expected heads of a multiple of 4")
    text = source(name)
    constants: dict[str, Any] = {"WIDTH4": width // 4, "CAUSAL": lengths is not None}
    if few:
        constants["KEYS"] = -(-k.shape[1] // 64) * 64
    kernel = device.kernel(name, f"{text}\nconst WIDTH4 = {width // 4}u;\n", **constants)
    y = device.empty(q.shape)
    device.dispatch(
        kernel,
        (-(-queries // _QUERIES[name]), heads, batch),
        [q, k, v, lengths or q, y],
        queries=queries,
        keys=k.shape[1],
        state4=state // 4,
        group=batch // k.shape[0],
        scale=width**-0.5,
    )
    return y


def reference(
    q: NDArray[Any], k: NDArray[Any], v: NDArray[Any], lengths: NDArray[Any] | None = None, *, heads: int
) -> NDArray[Any]:
    batch, queries, state = q.shape
    group = batch // k.shape[0]

    def split(x: NDArray[Any]) -> NDArray[Any]:
        return x.astype(np.float64).reshape(*x.shape[:2], heads, -1).transpose(0, 2, 1, 3)

    qh, kh, vh = split(q), np.repeat(split(k), group, axis=0), np.repeat(split(v), group, axis=0)
    scores = qh @ kh.transpose(0, 1, 3, 2) / np.sqrt(state // heads)
    if lengths is not None:
        seen = lengths[:, None] - (queries - 1 - np.arange(queries))  # (B, Tq)
        hidden = np.arange(k.shape[1]) >= seen[:, :, None]
        scores = np.where(hidden[:, None], -np.inf, scores)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    return np.asarray((weights @ vh).transpose(0, 2, 1, 3).reshape(q.shape))


def cases(few: bool = False) -> list[Case]:
    found = []
    for name, batch, shared, queries, keys, heads, width, causal in (
        ("full", 2, 2, 70, 70, 3, 64, False),
        ("odd keys", 1, 1, 5, 33, 2, 32, False),
        ("cross, beams share", 6, 2, 1, 131, 2, 64, False),
        ("causal prompt", 3, 3, 7, 40, 2, 64, True),
        ("causal step", 3, 3, 1, 448, 6, 64, True),
    ):
        if few and queries > FEW_QUERIES:
            continue
        n = heads * width
        lengths = np.asarray([keys, keys // 2, queries][:batch], np.int32) if causal else None
        arrays = (random_array(1, batch, queries, n), random_array(2, shared, keys, n), random_array(3, shared, keys, n), lengths)
        found.append(Case(name, arrays, {"heads": heads}, tolerance=2e-5))
    return found
