"""Any audio file to 16 kHz mono float32, through PyAV (FFmpeg's libraries)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np
from numpy.typing import NDArray

from wherry.errors import FormatError, NotFoundError

SAMPLE_RATE = 16_000
Floats = NDArray[np.float32]


def decode_audio(source: Path | BinaryIO, *, name: str = "") -> Floats:
    """A file of any container and codec that FFmpeg reads -> samples (n,) in [-1, 1].

    `name` stands in errors for a source without a path. Raises NotFoundError, FormatError.
    """
    blocks = list(stream_audio(source, name=name))
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def stream_audio(source: Path | BinaryIO, *, name: str = "", block_seconds: float = 30.0) -> Iterator[Floats]:
    """The same in consecutive blocks of `block_seconds`, so that memory does not grow with the file."""
    label = name or str(source if isinstance(source, Path) else getattr(source, "name", "audio"))
    size = max(1, round(block_seconds * SAMPLE_RATE))
    waiting: list[Floats] = []
    count = 0
    for piece in _pieces(source, label):
        waiting.append(piece)
        count += len(piece)
        while count >= size:
            joined = np.concatenate(waiting)
            yield joined[:size]
            waiting = [joined[size:]]
            count -= size
    if count:
        yield np.concatenate(waiting)


def _pieces(source: Path | BinaryIO, label: str) -> Iterator[Floats]:
    """Decoded and resampled frames, in order."""
    if isinstance(source, Path) and not source.is_file():
        raise NotFoundError(f"{label}: found no such file, expected an audio file")
    try:
        container = av.open(str(source) if isinstance(source, Path) else source, mode="r", metadata_errors="ignore")
    except (av.FFmpegError, ValueError, EOFError) as error:
        raise _unreadable(label, error) from error
    heard = False
    with container:
        if not container.streams.audio:
            raise FormatError(f"{label}: found no audio stream, expected one")
        stream = container.streams.audio[0]
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=SAMPLE_RATE)
        frames = container.decode(stream)
        while True:
            try:
                frame: Any = next(frames, None)
                resampled = resampler.resample(frame)
            except (av.FFmpegError, ValueError, EOFError) as error:
                # A damaged tail is common in recordings cut off midway: what was heard before it is kept.
                if not heard:
                    raise _unreadable(label, error) from error
                return
            for part in resampled:
                heard = True
                yield np.asarray(part.to_ndarray(), np.float32).reshape(-1)
            if frame is None:
                break
    if not heard:
        raise FormatError(f"{label}: found an audio stream without sound, expected samples")


def _unreadable(label: str, error: Exception) -> FormatError:
    return FormatError(
        f"{label}: found no audio that FFmpeg can read ({error}), expected wav, mp3, flac, ogg, opus, m4a, mp4 or webm"
    )
