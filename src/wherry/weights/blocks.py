"""Tensors in forms that numpy lacks: bfloat16, and ggml's blocks along the last axis, each with scales of its own.

The layouts are ggml's (ggml-common.h); d and m are float16, and every product below is exact in float32, so that any order of
the same operations gives the same bits.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.errors import FormatError

Bytes = NDArray[np.uint8]

BLOCK = 32  # weights that share a scale, in all but the larger "k" blocks
_STEP = 1 << 18  # weights decoded at once: the temporaries stay in the cache
_IQ4_NL = np.asarray([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113], np.float32)


@dataclass(frozen=True)
class Layout:
    """A block: how many weights, in how many bytes, and (blocks, bytes) -> those weights of each block as float32."""

    weights: int
    bytes: int
    decode: Callable[[Bytes], NDArray[Any]]


@dataclass(frozen=True)
class Quantized:
    """One tensor as it lies in its file: blocks of weights along the last axis, in a format of `LAYOUTS`."""

    format: str
    shape: tuple[int, ...]
    data: Bytes  # (blocks, bytes per block)

    def dequantize(self) -> NDArray[np.float32]:
        """-> float32 of `shape`. Raises FormatError for an unknown block format."""
        if self.format not in LAYOUTS:
            expected = " ".join(sorted(LAYOUTS))
            raise FormatError(f'quantised tensor: found block format "{self.format}", expected one of {expected}')
        layout = LAYOUTS[self.format]
        out = np.empty((len(self.data), layout.weights), np.float32)
        step = _STEP // layout.weights
        with np.errstate(invalid="ignore"):  # a damaged scale may be infinite; what is done with it is the model's affair
            for start in range(0, len(out), step):
                decoded = layout.decode(self.data[start : start + step])
                out[start : start + step] = decoded.reshape(-1, layout.weights)
        return out.reshape(self.shape)

    def rows(self, which: slice) -> "Quantized":
        """Of a matrix."""
        blocks = self.data.reshape(self.shape[0], -1, self.data.shape[1])[which]
        return Quantized(self.format, (blocks.shape[0], self.shape[1]), blocks.reshape(-1, self.data.shape[1]))


def _half(data: Bytes, at: int) -> NDArray[np.float32]:
    """The float16 at byte `at` of every block: (blocks, 1)."""
    return np.ascontiguousarray(data[:, at : at + 2]).view("<f2").astype(np.float32)


def _planes(data: Bytes, bits: int, width: int) -> Bytes:
    """(blocks, bytes) -> (blocks, bytes * 8 / bits): of each `width` bytes the lowest `bits` bits, then the next, and so on."""
    groups = data.reshape(len(data), -1, 1, width)
    shifts = np.arange(0, 8, bits, dtype=np.uint8)[:, None]
    return ((groups >> shifts) & np.uint8((1 << bits) - 1)).reshape(len(data), -1)


def _fives(low: Bytes, high: Bytes) -> Bytes:
    """Nibbles (blocks, 16 bytes) and 32 fifth bits (blocks, 4 bytes) -> (blocks, 32), 0 … 31."""
    return _planes(low, 4, 16) | (_planes(high, 1, 1) << np.uint8(4))


def _scaled(scale: NDArray[np.float32], q: NDArray[Any]) -> NDArray[np.float32]:
    """scale (blocks, parts), q (blocks, weights) -> the weights of each part times its scale: (blocks, parts, weights a part)."""
    return scale[:, :, None] * q.reshape(*scale.shape, -1).astype(np.float32)


def _sixes(data: Bytes) -> tuple[Bytes, Bytes]:
    """12 bytes -> 8 scales and 8 minima of six bits (blocks, 8): four of each in the low bits of 8 bytes, then four nibbles of
    each, whose upper two bits stand above those of the first."""
    a, b, c = data[:, 0:4], data[:, 4:8], data[:, 8:12]
    scales = np.concatenate([a & 63, (c & 15) | ((a >> 2) & 48)], axis=1)
    return scales, np.concatenate([b & 63, (c >> 4) | ((b >> 2) & 48)], axis=1)


def _bf16(data: Bytes) -> NDArray[np.float32]:
    """The upper half of a float32."""
    return (np.ascontiguousarray(data).view("<u2").astype(np.uint32) << 16).view(np.float32)


def _q4_0(data: Bytes) -> NDArray[Any]:
    """d, nibbles: (n - 8) d."""
    return (_planes(data[:, 2:], 4, 16).astype(np.float32) - 8) * _half(data, 0)


def _q4_1(data: Bytes) -> NDArray[Any]:
    """d, m, nibbles: n d + m."""
    return _planes(data[:, 4:], 4, 16) * _half(data, 0) + _half(data, 2)


def _q5_0(data: Bytes) -> NDArray[Any]:
    """d, fifth bits, nibbles: (n - 16) d."""
    return (_fives(data[:, 6:], data[:, 2:6]).astype(np.float32) - 16) * _half(data, 0)


def _q5_1(data: Bytes) -> NDArray[Any]:
    """d, m, fifth bits, nibbles: n d + m."""
    return _fives(data[:, 8:], data[:, 4:8]) * _half(data, 0) + _half(data, 2)


def _q8_0(data: Bytes) -> NDArray[Any]:
    """d, 32 int8: n d."""
    return data[:, 2:].view(np.int8) * _half(data, 0)


def _iq4_nl(data: Bytes) -> NDArray[Any]:
    """d, nibbles: table[n] d."""
    return _IQ4_NL[_planes(data[:, 2:], 4, 16)] * _half(data, 0)


def _q2_k(data: Bytes) -> NDArray[Any]:
    """16 bytes (scale s, minimum m << 4) for 16 weights each, 256 pairs of bits n, d, dmin: n s d - m dmin."""
    scales = data[:, :16]
    weights = _scaled(_half(data, 80) * (scales & 15), _planes(data[:, 16:80], 2, 32))
    return weights - (_half(data, 82) * (scales >> 4))[:, :, None]


def _q3_k(data: Bytes) -> NDArray[Any]:
    """256 third bits, 256 pairs of bits, 16 scales s of six bits (nibbles, then their upper pairs), d: (n - 4) (s - 32) d."""
    n = _planes(data[:, 32:96], 2, 32) | (_planes(data[:, :32], 1, 32) << np.uint8(2))
    scales = _planes(data[:, 96:104], 4, 8) | (_planes(data[:, 104:108], 2, 4) << np.uint8(4))
    return _scaled(_half(data, 108) * (scales.astype(np.float32) - 32), n.astype(np.int8) - np.int8(4))


def _q4_k(data: Bytes) -> NDArray[Any]:
    """d, dmin, scale s and minimum m (`_sixes`) for 32 weights each, 256 nibbles n: n s d - m dmin."""
    scales, minima = _sixes(data[:, 4:16])
    return _scaled(_half(data, 0) * scales, _planes(data[:, 16:], 4, 32)) - (_half(data, 2) * minima)[:, :, None]


def _q5_k(data: Bytes) -> NDArray[Any]:
    """d, dmin, scales and minima (`_sixes`), 256 fifth bits, 256 nibbles: as q4_k."""
    scales, minima = _sixes(data[:, 4:16])
    n = _planes(data[:, 48:], 4, 32) | (_planes(data[:, 16:48], 1, 32) << np.uint8(4))
    return _scaled(_half(data, 0) * scales, n) - (_half(data, 2) * minima)[:, :, None]


def _q6_k(data: Bytes) -> NDArray[Any]:
    """256 nibbles, their 256 upper pairs of bits, 16 int8 scales s for 16 weights each, d: (n - 32) s d."""
    n = _planes(data[:, :128], 4, 64) | (_planes(data[:, 128:192], 2, 32) << np.uint8(4))
    return _scaled(_half(data, 208) * data[:, 192:208].view(np.int8), n.astype(np.int8) - np.int8(32))


LAYOUTS = {
    "bf16": Layout(1, 2, _bf16),
    "q4_0": Layout(BLOCK, 18, _q4_0),
    "q4_1": Layout(BLOCK, 20, _q4_1),
    "q5_0": Layout(BLOCK, 22, _q5_0),
    "q5_1": Layout(BLOCK, 24, _q5_1),
    "q8_0": Layout(BLOCK, 34, _q8_0),
    "iq4_nl": Layout(BLOCK, 18, _iq4_nl),
    "q2_k": Layout(256, 84, _q2_k),
    "q3_k": Layout(256, 110, _q3_k),
    "q4_k": Layout(256, 144, _q4_k),
    "q5_k": Layout(256, 176, _q5_k),
    "q6_k": Layout(256, 210, _q6_k),
}
