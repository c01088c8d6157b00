"""Any audio file to 16 kHz mono float32, through PyAV (FFmpeg's libraries)."""

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np
from numpy.typing import NDArray

from wherry.errors import FormatError, NotFoundError, TooLargeError

SAMPLE_RATE = 16_000
Floats = NDArray[np.float32]

_LOG = logging.getLogger(__name__)
# A script of FFmpeg's (concat, HLS, DASH) may wear any file's name and lists other files to open: none is.
_OPTIONS = {"protocol_whitelist": "none"}
_RATES = range(1_000, 1_000_000)  # Hz: at 1 Hz, a megabyte of samples would become 60 GB
_BROKEN = (av.FFmpegError, ValueError, EOFError)


def decode_audio(source: Path | BinaryIO, *, name: str = "", max_seconds: float = math.inf) -> Floats:
    """A file of any container and codec that FFmpeg reads -> samples (n,) in [-1, 1].

    `name` stands in errors for a source without a path. Raises NotFoundError, FormatError, and TooLargeError for more
    than `max_seconds` of sound: a megabyte of coded silence can be hours.
    """
    blocks = []
    seconds = 0.0
    for block in stream_audio(source, name=name):
        seconds += len(block) / SAMPLE_RATE
        if seconds > max_seconds:
            raise TooLargeError(f"{_label(source, name)}: found more than {max_seconds:g} s of sound, expected at most that")
        blocks.append(block)
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def stream_audio(source: Path | BinaryIO, *, name: str = "", block_seconds: float = 30.0) -> Iterator[Floats]:
    """The same in consecutive blocks of `block_seconds`, so that memory does not grow with the file.

    What is damaged is left out, with a warning to the log: a recording that was cut off midway still has its beginning.
    """
    label = _label(source, name)
    size = max(1, round(block_seconds * SAMPLE_RATE))
    waiting: list[Floats] = []
    count = 0
    with _opened(source, label) as file:
        for piece in _pieces(file, label):
            waiting.append(piece)
            count += len(piece)
            while count >= size:
                joined = np.concatenate(waiting)
                yield joined[:size]
                waiting = [joined[size:]]
                count -= size
    if count:
        yield np.concatenate(waiting)


def _label(source: Path | BinaryIO, name: str) -> str:
    return name or str(source if isinstance(source, Path) else getattr(source, "name", "audio"))


@contextmanager
def _opened(source: Path | BinaryIO, label: str) -> Iterator[BinaryIO]:
    """A path is opened here, not by FFmpeg, which would take names such as `concat:a|b` for more than files."""
    if not isinstance(source, Path):
        yield source
        return
    try:
        file = source.open("rb")
    except OSError as error:
        raise NotFoundError(f"{label}: found no readable file ({error.strerror}), expected an audio file") from error
    with file:
        yield file


def _pieces(file: BinaryIO, label: str) -> Iterator[Floats]:
    """Decoded and resampled frames, in order."""
    try:
        container = av.open(file, mode="r", metadata_errors="ignore", options=_OPTIONS)
    except (*_BROKEN, OSError) as error:
        raise _unreadable(label, error) from error
    with container:
        if not container.streams.audio:
            raise FormatError(f"{label}: found no audio stream, expected one")
        heard = 0
        resampler = _Resampler(label)
        for frame in chain(_frames(container, label), [None]):
            for piece in resampler.feed(frame):
                heard += len(piece)
                yield piece
    if not heard:
        raise FormatError(f"{label}: found an audio stream without sound, expected samples")


def _frames(container: Any, label: str) -> Iterator[Any]:
    """The frames of the first audio stream. Raises FormatError where there are none because of damage."""
    packets = container.demux(container.streams.audio[0])
    heard, damaged = False, 0
    problem: Exception | None = None
    while True:
        try:
            packet = next(packets, None)
        except _BROKEN as error:  # the container itself: nothing after it can be found
            problem, packet = error, None
            damaged += 1
        if packet is None:
            break
        try:
            frames = packet.decode()
        except _BROKEN as error:
            problem = error
            damaged += 1
            continue
        for frame in frames:
            heard = True
            yield frame
    if problem is not None and not heard:
        raise _unreadable(label, problem) from problem
    if problem is not None:
        _LOG.warning("%s: %d damaged parts are left out (%s)", label, damaged, problem)


class _Resampler:
    """Frames of any rate and layout -> 16 kHz mono. A stream may change midway: radio does between programmes."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._resampler: Any = None
        self._form: tuple[object, ...] = ()

    def feed(self, frame: Any) -> list[Floats]:
        """A frame, or None at the end of the stream -> the samples that are ready. Raises FormatError."""
        form = (frame.format.name, frame.layout.name, frame.sample_rate) if frame is not None else ()
        try:
            if form == self._form:
                return self._resampled(frame)
            rest = self._resampled(None)
            self._resampler, self._form = None, form
            if frame is None:
                return rest
            if frame.sample_rate not in _RATES:
                raise FormatError(f"{self._label}: found {frame.sample_rate} samples a second, expected 1,000 to 1,000,000")
            # To integers, though floats are wanted: only then FFmpeg weighs channels so that their sum cannot exceed 1.
            self._resampler = av.AudioResampler(format="s32", layout="mono", rate=SAMPLE_RATE)
            return rest + self._resampled(frame)
        except _BROKEN as error:
            raise _unreadable(self._label, error) from error

    def _resampled(self, frame: Any) -> list[Floats]:
        if self._resampler is None:
            return []
        parts = self._resampler.resample(frame)
        return [part.to_ndarray().reshape(-1).astype(np.float32) * np.float32(2.0**-31) for part in parts]


def _unreadable(label: str, error: Exception) -> FormatError:
    reason = getattr(error, "strerror", None) or error
    return FormatError(
        f"{label}: found no audio that FFmpeg can read ({reason}), expected wav, mp3, flac, ogg, opus, m4a, mp4 or webm"
    )
