"""Log-mel frames: windowed DFT, mel bank, logarithm (openai-whisper, audio.py)."""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.gpu.device import Device, Tensor
from wherry.kernels.source import Case, random_array, source

_WINDOW, _HOP = 400, 160


def launch(device: Device, samples: Tensor, tables: Tensor, filters: Tensor) -> Tensor:
    """samples ((frames - 1) * 160 + 400,), `tables()`, filters (201, n_mels) -> (frames, n_mels), not yet clamped."""
    frames = (samples.shape[0] - _WINDOW) // _HOP + 1
    y = device.empty((frames, filters.shape[1]))
    kernel = device.kernel("log_mel", source("log_mel"))
    grid = (min(frames, 32768), -(-frames // 32768), 1)
    device.dispatch(kernel, grid, [samples, tables, filters, y], frames=frames, n_mels=filters.shape[1])
    return y


@cache
def tables() -> NDArray[np.float32]:
    """(400, 4): cosine and sine of a turn's 400 parts, Hann's window, 0."""
    angle = 2 * np.pi * np.arange(_WINDOW) / _WINDOW
    columns = (np.cos(angle), np.sin(angle), 0.5 - 0.5 * np.cos(angle), np.zeros(_WINDOW))
    return np.stack(columns, axis=1).astype(np.float32)


def reference(samples: NDArray[Any], tables: NDArray[Any], filters: NDArray[Any]) -> NDArray[Any]:
    windows = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::_HOP]
    spectrum = np.fft.rfft(windows.astype(np.float64) * np.hanning(_WINDOW + 1)[:-1])
    return np.asarray(np.log10(np.maximum(np.abs(spectrum) ** 2 @ filters.astype(np.float64), 1e-10)))


def cases() -> list[Case]:
    filters = np.abs(random_array(2, 201, 80, scale=0.02))
    noise = random_array(1, 9 * _HOP + _WINDOW, scale=0.1)
    return [Case("noise", (noise, tables(), filters)), Case("silence", (0 * noise, tables(), filters))]
