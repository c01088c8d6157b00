"""Quantised tensors in ggml's layouts: blocks of 32 weights along the last axis, each block with its own scale."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.errors import FormatError

BLOCK = 32  # weights that share a scale
# Format -> bytes of a block. d and m are float16; the 16 bytes of nibbles hold weight i low and weight i + 16 high.
BLOCK_BYTES = {
    "q4_0": 18,  # d, nibbles:                (n - 8) d
    "q4_1": 20,  # d, m, nibbles:             n d + m
    "q5_0": 22,  # d, fifth bits u32, nibbles: (n - 16) d
    "q5_1": 24,  # d, m, fifth bits u32, nibbles: n d + m
    "q8_0": 34,  # d, 32 int8:                n d
}


@dataclass(frozen=True)
class Quantized:
    """One tensor as it lies in its file: blocks of weights along the last axis, in a format of `BLOCK_BYTES`."""

    format: str
    shape: tuple[int, ...]
    data: NDArray[np.uint8]  # (blocks, bytes per block)

    def dequantize(self) -> NDArray[np.float32]:
        """-> float32 of `shape`. Raises FormatError for an unknown block format."""
        if self.format not in _DECODERS:
            expected = " ".join(sorted(_DECODERS))
            raise FormatError(f'quantised tensor: found block format "{self.format}", expected one of {expected}')
        out = np.empty((len(self.data), BLOCK), np.float32)
        step = 1 << 15  # blocks at once: the temporaries stay small
        for start in range(0, len(out), step):
            out[start : start + step] = _DECODERS[self.format](self.data[start : start + step])
        return out.reshape(self.shape)


def _half(data: NDArray[np.uint8], at: int) -> NDArray[np.float32]:
    """The float16 at byte `at` of every block: (blocks, 1)."""
    return np.ascontiguousarray(data[:, at : at + 2]).view("<f2").astype(np.float32)


def _nibbles(data: NDArray[np.uint8], at: int) -> NDArray[np.uint8]:
    """(blocks, 32), 0 … 15."""
    packed = data[:, at : at + 16]
    return np.concatenate([packed & 15, packed >> 4], axis=1)


def _fifths(data: NDArray[np.uint8], at: int) -> NDArray[np.uint8]:
    """(blocks, 32), 0 … 31: bit i of the u32 at `at` is the fifth bit of weight i of the nibbles after it."""
    high = np.unpackbits(data[:, at : at + 4], axis=1, bitorder="little")
    return np.asarray(_nibbles(data, at + 4) | (high << np.uint8(4)), np.uint8)


_DECODERS: dict[str, Callable[[NDArray[np.uint8]], NDArray[Any]]] = {
    "q4_0": lambda data: (_nibbles(data, 2).astype(np.float32) - 8) * _half(data, 0),
    "q4_1": lambda data: _nibbles(data, 4) * _half(data, 0) + _half(data, 2),
    "q5_0": lambda data: (_fifths(data, 2).astype(np.float32) - 16) * _half(data, 0),
    "q5_1": lambda data: _fifths(data, 4) * _half(data, 0) + _half(data, 2),
    "q8_0": lambda data: data[:, 2:].view(np.int8) * _half(data, 0),
}
