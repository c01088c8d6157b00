"""The vectors of tokens."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.gpu.device import Device, Tensor
from wherry.kernels.source import Case, format_of, random_array, source


def launch(
    device: Device, tokens: Tensor, table: Tensor, *, scale: float = 1.0, first: int = 0, into: Tensor | None = None
) -> Tensor:
    """tokens (B, T) int32, table (vocab, n) -> scale * table[tokens]: (B, T, n).

    first: the table is the part of a larger one from this row on; tokens of other parts leave `into` as it is.
    """
    y = device.empty((*tokens.shape, table.shape[1])) if into is None else into
    count = y.size // 16
    groups = -(-count // 64)
    device.dispatch(
        device.kernel("lookup", source("lookup", format_of(table.dtype))),
        (min(groups, 32768), -(-groups // 32768), 1),
        [tokens, table, y],
        count4=count,
        state4=table.shape[1] // 4,
        vocab=table.shape[0],
        first=first,
        part=int(first > 0),
        scale=scale,
    )
    return y


def reference(tokens: NDArray[Any], table: NDArray[Any], *, scale: float = 1.0) -> NDArray[Any]:
    return np.asarray(scale * table[tokens])


def cases() -> list[Case]:
    tokens = np.asarray([[1, 50, 3], [99, 0, 7]], np.int32)
    return [Case(weight, (tokens, random_array(1, 100, 64)), {"scale": 8.0}, weight=weight) for weight in ("f32", "f16", "q8_0")]
