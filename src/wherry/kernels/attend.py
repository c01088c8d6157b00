"""One decoding step of attention in one dispatch: layer norm, query (and key and value, into the cache), attention.

What comes out is for `matvec` to join: the parts of the keys are taken by workgroups of their own.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.gpu.device import Device, Tensor
from wherry.gpu.tensor import BLOCKS
from wherry.kernels import attention, layer_norm, linear
from wherry.kernels.source import Case, format_of, random_array, source

STORAGE_BUFFERS = 10  # bound at once: more than WebGPU promises, less than most adapters have
_SPAN = 192  # keys of a split, about


@dataclass(frozen=True)
class Parts:
    """Attention of B rows, not yet joined: (B, heads, splits, width / 4 + 1, 4)."""

    tensor: Tensor
    heads: int
    splits: int


@dataclass(frozen=True)
class Weights:
    """`vectors` (4, state): norm weight, norm bias, query bias, value bias. key and value: for a step over its own cache."""

    vectors: Tensor
    query: Tensor
    key: Tensor | None = None
    value: Tensor | None = None


def run(
    device: Device, x: Tensor, weights: Weights, keys: Tensor, values: Tensor, heads: int, lengths: Tensor | None, eps: float
) -> Parts:
    """x (B, 1, n); keys and values (A, Tk, n). With `lengths` (B,) int32 the new key and value go to lengths[b] - 1."""
    batch, state = x.shape[0], x.shape[-1]
    width = state // heads
    own = lengths is not None
    splits = 1 if own else max(1, -(-keys.shape[1] // _SPAN))
    span = -(-keys.shape[1] // splits)
    key, value = weights.key or weights.query, weights.value or weights.query
    text = "\n".join(
        [
            source("attend", format_of(weights.query.dtype)),
            _renamed(key.dtype, "key_", 8),
            _renamed(value.dtype, "value_", 9),
            f"const WIDTH4 = {width // 4}u;\nconst STATE4 = {state // 4}u;\nconst SPAN = {span}u;\n",
        ]
    )
    kernel = device.kernel("attend", text, SELF=own, SPLITS=splits, WIDTH4=width // 4)
    y = device.empty((batch, heads, splits, width // 4 + 1, 4))
    device.dispatch(
        kernel,
        (heads, splits, batch),
        [x, weights.query, weights.vectors, lengths if lengths is not None else x, keys, values, y, key, value],
        keys=keys.shape[1],
        group=batch // keys.shape[0],
        scale=width**-0.5,
        eps=eps,
    )
    return Parts(y, heads, splits)


def _renamed(dtype: str, prefix: str, binding: int) -> str:
    """The format's function for another weight."""
    text = source(format_of(dtype)).replace("weight", f"{prefix}weight")
    return text.replace("@binding(2)", f"@binding({binding})")


def launch(
    device: Device,
    x: Tensor,
    query: Tensor,
    key: Tensor | None,
    value: Tensor | None,
    vectors: Tensor,
    keys: Tensor,
    values: Tensor,
    lengths: Tensor | None = None,
    *,
    heads: int,
) -> Tensor:
    """As `run`, then joined by a product with the unit matrix -> (B, 1, n)."""
    parts = run(device, x, Weights(vectors, query, key, value), keys, values, heads, lengths, 1e-5)
    unit = device.upload(np.eye(x.shape[-1], dtype=np.float32))
    return linear.matvec(device, x, unit, parts=parts)


def reference(
    x: NDArray[Any],
    query: NDArray[Any],
    key: NDArray[Any] | None,
    value: NDArray[Any] | None,
    vectors: NDArray[Any],
    keys: NDArray[Any],
    values: NDArray[Any],
    lengths: NDArray[Any] | None = None,
    *,
    heads: int,
) -> NDArray[Any]:
    normed = layer_norm.reference(x, vectors[0], vectors[1])
    if lengths is not None and key is not None and value is not None:
        keys, values = keys.astype(np.float64), values.astype(np.float64)
        for row, length in enumerate(lengths.tolist()):
            keys[row, length - 1] = normed[row, 0] @ key.T
            values[row, length - 1] = normed[row, 0] @ value.T + vectors[3]
    return attention.reference(normed @ query.T + vectors[2], keys, values, lengths, heads=heads)


def cases() -> list[Case]:
    found = []
    for weight in ("f32", "f16", "q8_0"):
        for name, batch, shared, count, heads, own in (
            ("cross", 1, 1, 500, 6, False),
            ("cross, beams share", 4, 2, 70, 2, False),
            ("own", 3, 3, 40, 2, True),
        ):
            n = 64 * heads
            lengths = np.asarray([40, 1, 17], np.int32) if own else None
            arrays = (
                random_array(1, batch, 1, n) + 1,
                random_array(2, n, n, scale=0.05),
                random_array(3, n, n, scale=0.05) if own and weight == "f32" else None,
                random_array(4, n, n, scale=0.05) if own and weight == "f32" else None,
                random_array(5, 4, n),
                random_array(6, shared, count, n),
                random_array(7, shared, count, n),
                lengths,
            )
            if own and weight != "f32":
                continue
            found.append(Case(f"{weight} {name}", arrays, {"heads": heads}, weight=weight, tolerance=2e-5))
    x, query, vectors = random_array(1, 2, 1, 256) + 1, random_array(2, 256, 256, scale=0.05), random_array(5, 4, 256)
    arrays = (x, query, None, None, vectors, random_array(6, 2, 9, 256), random_array(7, 2, 9, 256), None)
    found += [Case(f"{weight} blocks", arrays, {"heads": 4}, weight=weight, tolerance=2e-5) for weight in BLOCKS]
    return found
