"""Channels to one, as FFmpeg weighs them; a channel that would cancel another one is left out."""

from collections.abc import Callable
from functools import cache

import av
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

MAX_CHANNELS = 64  # FFmpeg's resampler takes no more
_BLOCK = 16_000  # samples over which channels are compared: a second
_OPPOSED = -0.3  # correlation below which two channels cancel each other; independent ones have 0
_ALIKE = -0.1  # above it they no longer do
_LOUDER = 4.0  # times the energy of another channel: then that one is the one to keep
_SILENCE = 1e-8  # mean square: -80 dB


class Mixer:
    """Blocks (channels, n) of one layout -> (n,). `on_opposed` is called once, where channels are in opposite phase."""

    def __init__(self, layout: str, channels: int, on_opposed: Callable[[], None]) -> None:
        self._weights = _weights(layout, channels)
        self._on_opposed = on_opposed
        self._opposed = np.zeros(channels, bool)  # to the main channel
        self._main: int | None = None  # the channel that is kept
        self._waiting: list[Floats] = []
        self._count = 0

    def feed(self, block: Floats) -> list[Floats]:
        """The samples that are ready."""
        if len(block) == 1:
            return [block[0]]
        self._waiting.append(block)
        self._count += block.shape[1]
        if self._count < _BLOCK:
            return []
        return self.flush()

    def flush(self) -> list[Floats]:
        if not self._count:
            return []
        joined = np.concatenate(self._waiting, axis=1)
        self._waiting, self._count = [], 0
        starts = range(0, joined.shape[1], _BLOCK)
        return [self._mixed(joined[:, start : start + _BLOCK]) for start in starts]

    def _mixed(self, block: Floats) -> Floats:
        self._compare(block)
        weights = self._weights
        if self._opposed.any():
            self._on_opposed()
            weights = np.where(self._opposed, np.float32(0), weights)
            weights = weights * (self._weights.sum() / weights.sum())
        return np.asarray(weights @ block, np.float32)

    def _compare(self, block: Floats) -> None:
        """Which channels are opposed to the one that is kept. Where nothing is heard nothing changes."""
        products = (block @ block.T) / block.shape[1]  # (channels, channels)
        energies = np.where(self._weights > 0, products.diagonal(), 0.0)
        loudest = int(energies.argmax())
        if energies[loudest] < _SILENCE:
            return
        if self._main is None or energies[loudest] > _LOUDER * energies[self._main]:
            self._main = loudest
            self._opposed[:] = False
        norms = np.sqrt(np.maximum(energies * energies[self._main], 1e-30))
        alike = np.where(energies > _SILENCE, products[self._main] / norms, 0.0)
        self._opposed = np.where(alike < _OPPOSED, True, np.where(alike > _ALIKE, False, self._opposed))
        self._opposed[self._main] = False
        self._opposed &= energies > _SILENCE


@cache
def _weights(layout: str, channels: int) -> Floats:
    """What each channel weighs when FFmpeg mixes the layout to mono (ITU-R BS.775), measured; in sum at most 1."""
    found = np.zeros(channels, np.float32)
    try:
        for channel in range(channels):
            steady = np.zeros((1, 8 * channels), np.int32)
            steady[0, channel::channels] = 1 << 24
            frame = av.AudioFrame.from_ndarray(steady, format="s32", layout=layout)
            frame.sample_rate = 16_000
            # To integers: only then FFmpeg weighs channels so that their sum cannot exceed 1.
            mixed = av.AudioResampler(format="s32", layout="mono", rate=16_000).resample(frame)
            found[channel] = mixed[0].to_ndarray()[0, 4] / (1 << 24)
    except (av.FFmpegError, ValueError):  # a layout that FFmpeg cannot mix: ambisonics, channels without names
        found[:] = 0
    if not found.any():
        found[:] = 1 / channels
    return found
