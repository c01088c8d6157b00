"""Samples to log-mel frames, as Whisper was trained on them (openai-whisper, audio.py; Slaney's mel scale)."""

from collections.abc import Callable, Iterable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from wherry.errors import InputError

SAMPLE_RATE = 16_000
N_FFT = 400  # samples in a window: 25 ms
HOP = 160  # samples between frames: 10 ms
FRAMES_PER_SECOND = SAMPLE_RATE // HOP
N_FRAMES = 3000  # frames in a window of 30 s
_GROWTH = 10 * 60 * FRAMES_PER_SECOND  # frames added at once when the recording turns out longer
_BLOCK = 4096  # frames transformed at once: bounds the memory of a long file

_FLOOR = np.float32(1e-10)  # of a mel bin's power

Floats = NDArray[np.float32]
PowerMel = Callable[[Floats, Floats], Floats]


@cache
def mel_filters(n_mels: int) -> Floats:
    """The Slaney mel filter bank for 16 kHz and 400-point windows -> (n_mels, 201), area-normalised."""
    if n_mels < 1:
        raise InputError(f"n_mels: found {n_mels}, expected a positive number")
    frequencies = np.linspace(0, SAMPLE_RATE / 2, N_FFT // 2 + 1)  # (201,) Hz
    edges = _mel_to_hz(np.linspace(_hz_to_mel(0.0), _hz_to_mel(SAMPLE_RATE / 2), n_mels + 2))  # (n_mels + 2,) Hz
    widths = np.diff(edges)
    ramps = edges[:, None] - frequencies[None, :]
    rising = -ramps[:-2] / widths[:-1, None]
    falling = ramps[2:] / widths[1:, None]
    triangles = np.maximum(0, np.minimum(rising, falling))
    triangles *= (2.0 / (edges[2:] - edges[:-2]))[:, None]
    return np.ascontiguousarray(triangles, dtype=np.float32)


def log_mel(samples: Floats, n_mels: int, padding: int = 0, power_mel: PowerMel | None = None) -> Floats:
    """samples (n,), padding zeros appended -> ((n + padding) // 160, n_mels), clamped 8 decades under the loudest bin."""
    return log_mel_stream([samples], n_mels, padding, power_mel)[0]


def log_mel_stream(
    blocks: Iterable[Floats], n_mels: int, padding: int = 0, power_mel: PowerMel | None = None
) -> tuple[Floats, int]:
    """Consecutive blocks of samples -> (frames, n_mels) and the number of samples read.

    Only the frames are kept, so an hour of speech needs 115 MB for 80 bins, not the 230 MB of its samples.
    `power_mel` takes the place of numpy's: samples ((frames - 1) * 160 + 400,), filters (201, n_mels) -> (frames, n_mels).
    """
    power_mel = power_mel or _power_mel
    filters = mel_filters(n_mels).T  # (201, n_mels)
    frames = _Frames(n_mels)
    count = 0
    carry: Floats | None = None  # samples still needed by frames not yet made
    for block in blocks:
        block = np.asarray(block, dtype=np.float32)
        count += len(block)
        if carry is None:
            # `center=True`: the first window is centred on sample 0 and mirrored to its left.
            if len(block) <= N_FFT // 2 and len(block) + padding > 0:
                block = np.concatenate([block, np.zeros(N_FFT // 2 + 1 - len(block), np.float32)])
            carry = np.concatenate([block[1 : N_FFT // 2 + 1][::-1], block])
        else:
            carry = np.concatenate([carry, block])
        ready = max(0, (len(carry) - N_FFT) // HOP)
        if ready:
            frames.add(power_mel(carry[: (ready - 1) * HOP + N_FFT], filters))
            carry = carry[ready * HOP :].copy()
    if carry is None:
        carry = np.zeros(N_FFT // 2, np.float32)
    total = (count + padding) // HOP
    made = frames.count
    # Windows that lie in the padding alone are silence: their power is the floor, and nobody need compute it.
    silent = max(0, total - made - (-(-len(carry) // HOP))) if padding > 2 * N_FFT else 0
    tail = np.concatenate([carry, np.zeros(padding, np.float32)])
    tail = np.concatenate([tail, tail[-N_FFT // 2 - 1 : -1][::-1]])
    while made < total - silent:
        take = min(_BLOCK, total - silent - made)
        piece = tail[: (take - 1) * HOP + N_FFT]
        piece = np.pad(piece, (0, (take - 1) * HOP + N_FFT - len(piece)))
        frames.add(power_mel(piece, filters))
        tail = tail[take * HOP :]
        made += take
    frames.add(np.full((silent, n_mels), np.log10(_FLOOR), np.float32))
    mel = frames.rows[:total]
    if len(mel):
        np.maximum(mel, mel.max() - 8.0, out=mel)
        mel += 4.0
        mel /= 4.0
    return mel, count


class _Frames:
    """Frames (count, n_mels) that grow in place: pieces joined at the end would be there twice, 230 MB for an hour."""

    def __init__(self, n_mels: int) -> None:
        self.rows = np.zeros((0, n_mels), np.float32)  # the first `count` are made
        self.count = 0

    def add(self, piece: Floats) -> None:
        end = self.count + len(piece)
        if end > len(self.rows):
            # Nothing else refers to the array while it grows, and a large one is moved by the kernel without a copy.
            self.rows.resize((end + min(end, _GROWTH), self.rows.shape[1]), refcheck=False)
        self.rows[self.count : end] = piece
        self.count = end


def _power_mel(samples: Floats, filters: Floats) -> Floats:
    """samples ((frames - 1) * 160 + 400,) -> log10 of the mel power (frames, n_mels), not yet clamped."""
    windows = np.lib.stride_tricks.sliding_window_view(samples, N_FFT)[::HOP]  # (frames, 400)
    out = np.empty((len(windows), filters.shape[1]), np.float32)
    for start in range(0, len(windows), 512):  # what fits the cache is transformed three times faster
        spectrum = np.fft.rfft(windows[start : start + 512] * _hann())  # (512, 201)
        power = np.square(spectrum.real) + np.square(spectrum.imag)
        out[start : start + 512] = power.astype(np.float32, copy=False) @ filters
    return np.log10(np.maximum(out, _FLOOR, out=out), out=out)


@cache
def _hann() -> Floats:
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)).astype(np.float32)


# Slaney's scale: linear up to 1 kHz, logarithmic above.
_LINEAR_HZ = 200.0 / 3
_KNEE_HZ = 1000.0
_LOG_STEP = np.log(6.4) / 27.0


def _hz_to_mel(hz: float) -> float:
    if hz < _KNEE_HZ:
        return hz / _LINEAR_HZ
    return float(_KNEE_HZ / _LINEAR_HZ + np.log(hz / _KNEE_HZ) / _LOG_STEP)


def _mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    knee = _KNEE_HZ / _LINEAR_HZ
    return np.where(mel < knee, mel * _LINEAR_HZ, _KNEE_HZ * np.exp(_LOG_STEP * (mel - knee)))
