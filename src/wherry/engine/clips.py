"""Which parts of a recording are transcribed, and where a batch cuts them."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from wherry.audio.log_mel import FRAMES_PER_SECOND, N_FRAMES
from wherry.engine.transcript import TranscribeOptions
from wherry.errors import InputError

Floats = NDArray[np.float32]
Clip = tuple[int, int]  # frames: the first, and the one after the last
_MAX_CLIPS = 10_000
_MAX_PART = 120 * FRAMES_PER_SECOND  # of a batch: what is heard of the parts after the first waits for it
_PAUSE_SEARCH = 5 * FRAMES_PER_SECOND  # a part ends at the quietest moment of its last five seconds
_SMOOTH = 20  # frames: a pause is longer than a closed mouth between two sounds


def check_clips(options: TranscribeOptions) -> None:
    """Raises InputError naming the option that is wrong."""
    start, seconds = options.clip_start, options.clip_seconds
    if not (0 <= start < 1e9) or (seconds is not None and not 0 < seconds < 1e9):
        raise InputError(f"clip: found {start} s + {seconds} s, expected a span after 0 s")
    times = options.clip_timestamps
    if not times:
        return
    if start or seconds is not None:
        raise InputError("clip_timestamps: found it together with clip_start or clip_seconds, expected one of them")
    if len(times) > _MAX_CLIPS:
        raise InputError(f"clip_timestamps: found {len(times)} times, expected at most {_MAX_CLIPS}")
    previous = 0.0
    for time in times:
        if not previous <= time < 1e9:
            raise InputError(f"clip_timestamps: found {time} s after {previous} s, expected start, end, start, … in order")
        previous = time


def find_clips(options: TranscribeOptions, content_frames: int) -> list[Clip]:
    """The parts of a recording of so many frames; none is empty."""
    times = list(options.clip_timestamps)
    if not times:
        times = [options.clip_start]
        if options.clip_seconds is not None:
            times.append(options.clip_start + options.clip_seconds)
    edges = [min(round(time * FRAMES_PER_SECOND), content_frames) for time in times]
    if len(edges) % 2:
        edges.append(content_frames)
    return [(start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True) if start < stop]


def cut_for_batch(mel: Floats, clip: Clip, batch_size: int) -> Iterator[Clip]:
    """The parts of a clip that `batch_size` lanes can walk through side by side, each ending at a pause.

    As few and long as keep all lanes busy: at each cut a word may be torn, and the window before it is not full.
    """
    start, stop = clip
    windows = -(-(stop - start) // N_FRAMES)
    rounds = -(-(stop - start) // (_MAX_PART * batch_size))
    parts = min(windows, rounds * batch_size)
    while parts > 1:
        target = start + -(-(stop - start) // parts)
        cut = _quietest(mel, max(target - _PAUSE_SEARCH, start + 1), target)
        yield start, cut
        start, parts = cut, parts - 1
    yield start, stop


def _quietest(mel: Floats, start: int, stop: int) -> int:
    """The middle of the quietest moment between two frames."""
    loudness = mel[start:stop].mean(axis=1)
    if len(loudness) <= 2 * _SMOOTH:
        return stop
    smooth = np.convolve(loudness, np.full(_SMOOTH, 1 / _SMOOTH, np.float32), mode="same")
    return start + _SMOOTH + int(smooth[_SMOOTH:-_SMOOTH].argmin())
