"""Any audio file to 16 kHz mono float32, through PyAV (FFmpeg's libraries)."""

import logging
import math
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np
from numpy.typing import NDArray

from wherry.audio.channels import MAX_CHANNELS, Mixer
from wherry.audio.clock import Clock, Hole, Placed
from wherry.audio.tracks import choose_track
from wherry.errors import FormatError, NotFoundError, TooLargeError, WherryError

SAMPLE_RATE = 16_000
Floats = NDArray[np.float32]

_LOG = logging.getLogger(__name__)
_RATES = range(1_000, 1_000_000)  # Hz: at 1 Hz, a megabyte of samples would become 60 GB
_MAX_PAUSE = 1.0  # seconds without sound that are still a pause in speech; longer is a hole
_TS_DISCONT = 0x0200  # AVFMT_TS_DISCONT: formats in which clocks restart
_DAMAGE = (av.FFmpegError, ValueError, EOFError, ArithmeticError, LookupError, TypeError)  # what PyAV raises over a packet
_MAX_PIPED = 16 << 30  # bytes of a source that cannot be read twice: 24 hours of studio sound


def decode_audio(source: Path | BinaryIO, *, name: str = "", max_seconds: float = math.inf, track: int | None = None) -> Floats:
    """A file of any container and codec that FFmpeg reads -> samples (n,) in [-1, 1].

    `name` stands in errors for a source without a path, `track` counts audio tracks from 1; None is FFmpeg's choice.
    Raises NotFoundError, FormatError, and TooLargeError for more than `max_seconds` of sound: a megabyte of coded
    silence can be hours.
    """
    blocks = []
    seconds = 0.0
    for block in stream_audio(source, name=name, track=track):
        seconds += len(block) / SAMPLE_RATE
        if seconds > max_seconds:
            raise TooLargeError(f"{_label(source, name)}: found more than {max_seconds:g} s of sound, expected at most that")
        blocks.append(block)
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def stream_audio(
    source: Path | BinaryIO, *, name: str = "", block_seconds: float = 30.0, track: int | None = None
) -> Iterator[Floats]:
    """The same in consecutive blocks of `block_seconds`, so that memory does not grow with the file.

    A sample lies where a player has it: holes in the container's clock and a late start are silence. What is damaged is
    left out, with a warning to the log: a recording that was cut off midway still has its beginning.
    """
    return _blocks(_filled(open_audio(source, name=name, track=track).pieces()), block_seconds)


@dataclass
class AudioStream:
    """A recording that is being read: `blocks` are its samples without the long holes, which `holes` tells meanwhile."""

    source: Path | BinaryIO
    label: str  # stands in errors
    track: int | None = None
    holes: list[Hole] = field(default_factory=list)

    def blocks(self, block_seconds: float = 30.0) -> Iterator[Floats]:
        return _blocks((piece for piece in self.pieces() if not isinstance(piece, Hole)), block_seconds)

    def pieces(self) -> Iterator[Floats | Hole]:
        """Samples as they are decoded, and holes between them."""
        with _opened(self.source, self.label) as file:
            for piece in _pieces(file, self.label, self.track):
                if isinstance(piece, Hole):
                    self.holes.append(piece)
                yield piece


def open_audio(source: Path | BinaryIO, *, name: str = "", track: int | None = None) -> AudioStream:
    """To be read once. Nothing is opened before."""
    return AudioStream(source, _label(source, name), track)


def _filled(pieces: Iterable[Floats | Hole]) -> Iterator[Floats]:
    """Holes as silence, in blocks that are all one array: hours of it need no memory."""
    silence = np.zeros(30 * SAMPLE_RATE, np.float32)
    for piece in pieces:
        if isinstance(piece, Hole):
            for start in range(0, piece.samples, len(silence)):
                yield silence[: piece.samples - start]
        else:
            yield piece


def _blocks(pieces: Iterable[Floats], block_seconds: float) -> Iterator[Floats]:
    size = max(1, round(block_seconds * SAMPLE_RATE))
    waiting: list[Floats] = []
    count = 0
    for piece in pieces:
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
        with _seekable(source, label) as file:
            yield file
        return
    try:
        if stat.S_ISDIR(source.stat().st_mode):
            raise NotFoundError(f"{label}: found a folder, expected an audio file")
        opened = source.open("rb")
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        reason = getattr(error, "strerror", None) or error
        raise NotFoundError(f"{label}: found no readable file ({reason}), expected an audio file") from error
    with opened, _seekable(opened, label) as file:
        yield file


@contextmanager
def _seekable(file: BinaryIO, label: str) -> Iterator[BinaryIO]:
    """A pipe is copied to a file first: many containers have their index at the end."""
    if file.seekable():
        yield file
        return
    with tempfile.TemporaryFile(prefix="wherry-") as copy:
        while data := file.read(1 << 20):
            if copy.tell() + len(data) > _MAX_PIPED:
                raise TooLargeError(f"{label}: found more than {_MAX_PIPED >> 30} GiB in a pipe, expected at most that")
            copy.write(data)
        copy.seek(0)
        yield copy


@cache
def _options() -> dict[str, str]:
    """FFmpeg's options for a file that nobody vouches for.

    A script of FFmpeg's (concat, HLS, DASH) may wear any file's name and lists other files to open: none is. Pictures are
    not decoded, not even to learn their size.
    """
    return {"protocol_whitelist": "none", "codec_whitelist": ",".join(filter(_decodes_audio, sorted(av.codecs_available)))}


def _decodes_audio(name: str) -> bool:
    try:
        return av.codec.Codec(name, "r").type == "audio"
    except av.codec.codec.UnknownCodecError:  # it has an encoder alone
        return False


@contextmanager
def _ours(label: str) -> Iterator[None]:
    """Whatever FFmpeg and PyAV raise over a file's bytes becomes a FormatError: damage has no types of its own."""
    try:
        yield
    except WherryError:
        raise
    except Exception as error:
        raise _unreadable(label, error) from error


def _pieces(file: BinaryIO, label: str, track: int | None) -> Iterator[Floats | Hole]:
    """Decoded and resampled frames in order. A short hole is silence, a long one a Hole."""
    options = _options()
    with _ours(label):
        container = av.open(file, mode="r", metadata_errors="ignore", options=options)
    try:
        with _ours(label):
            stream = choose_track(container, label, track)
            clock = _clock(container)
        mono = _Mono(label)
        placed = clock.place(_frames(container, stream, label))
        while True:
            with _ours(label):
                following = next(placed, None)
                pieces: list[Floats | Hole] = [*mono.flush()] if following is None else mono.feed(following)
            yield from pieces
            if following is None:
                break
    finally:
        container.close()
    if clock.faults:
        _LOG.warning("%s: %d of its times cannot be right and are not followed", label, clock.faults)
    if not mono.heard:
        raise FormatError(f"{label}: found an audio stream without sound, expected samples")


def _clock(container: Any) -> Clock:
    """A player's zero is where the first of all tracks begins."""
    zero = None if container.start_time is None else container.start_time / av.time_base
    return Clock(zero, restarts=bool(container.format.flags & _TS_DISCONT))


def _frames(container: Any, stream: Any, label: str) -> Iterator[Any]:
    """The frames of an audio stream. Raises FormatError where there are none because of damage."""
    packets = container.demux(stream)
    heard, damaged = False, 0
    problem: Exception | None = None
    while True:
        try:
            packet = next(packets, None)
        except (av.FFmpegError, EOFError) as error:  # the container itself: nothing after it can be found
            problem, packet = error, None
            damaged += 1
        if packet is None:
            break
        try:
            frames = packet.decode()
        except _DAMAGE as error:
            problem = error
            damaged += 1
            continue
        for frame in frames:
            if not frame.samples:
                continue
            if frame.sample_rate not in _RATES:
                raise FormatError(f"{label}: found {frame.sample_rate} samples a second, expected 1,000 to 1,000,000")
            heard = True
            yield frame
    if problem is not None and not heard:
        raise _unreadable(label, problem) from problem
    if problem is not None:
        _LOG.warning("%s: %d damaged parts are left out (%s)", label, damaged, problem)


class _Mono:
    """Placed frames of any rate and layout -> 16 kHz mono. A stream may change midway: radio does between programmes."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._form: tuple[object, ...] = ()
        self._resampler: _Resampler | None = None
        self._mixer: Mixer | None = None
        self._warned = False
        self.heard = 0  # samples so far, short holes among them
        self._in_holes = 0  # samples of long holes so far

    def feed(self, placed: Placed) -> list[Floats | Hole]:
        """The samples that are ready, and the hole before them. Raises FormatError."""
        frame = placed.frame
        form = (frame.format.name, frame.layout.name, frame.layout.nb_channels, frame.sample_rate)
        rest: list[Floats | Hole] = []
        if form != self._form or placed.silence:
            rest += self.flush()
            if frame.layout.nb_channels > MAX_CHANNELS:
                raise FormatError(f"{self._label}: found {frame.layout.nb_channels} channels, expected at most {MAX_CHANNELS}")
            self._resampler, self._form = _Resampler(frame), form
            self._mixer = Mixer(frame.layout.name, frame.layout.nb_channels, self._on_opposed)
        if placed.silence:
            rest += self._hole(round(placed.start * SAMPLE_RATE) - self.heard - self._in_holes)
        assert self._resampler is not None
        return [*rest, *self._mixed(self._resampler.feed(frame, placed.stretch))]

    def flush(self) -> list[Floats]:
        """What the resampler still holds."""
        if self._resampler is None or self._mixer is None:
            return []
        parts = self._mixed(self._resampler.flush())
        last = self._mixer.flush()
        self.heard += sum(map(len, last))
        self._resampler = None
        return parts + last

    def _mixed(self, blocks: list[Floats]) -> list[Floats]:
        assert self._mixer is not None
        parts = [part for block in blocks for part in self._mixer.feed(block)]
        self.heard += sum(map(len, parts))
        return parts

    def _hole(self, samples: int) -> list[Floats | Hole]:
        if samples <= _MAX_PAUSE * SAMPLE_RATE:
            self.heard += max(0, samples)
            return [np.zeros(max(0, samples), np.float32)]
        self._in_holes += samples
        return [Hole(self.heard, samples)]

    def _on_opposed(self) -> None:
        if not self._warned:
            self._warned = True
            _LOG.warning("%s: its channels are in opposite phase and cancel each other: only one is heard there", self._label)


class _Resampler:
    """Frames of one form -> their channels at 16 kHz, (channels, n)."""

    def __init__(self, frame: Any) -> None:
        rate = frame.sample_rate
        graph = av.filter.Graph()
        source = graph.add(
            "abuffer",
            sample_rate=str(rate),
            sample_fmt=frame.format.name,
            channel_layout=frame.layout.name,
            time_base=f"1/{rate}",
        )
        # Packed: of more than 8 planes PyAV reads past the last.
        # `async`: it stretches and squeezes the sound to the times of its frames, which come without jumps.
        resample = graph.add(
            "aresample",
            sample_rate=str(SAMPLE_RATE),
            out_sample_fmt="flt",
            **{"async": str(rate), "min_hard_comp": "1e6", "comp_duration": "0.1"},
        )
        sink = graph.add("abuffersink")
        graph.link_nodes(source, resample, sink).configure()
        self._graph = graph
        self._channels = frame.layout.nb_channels
        self._rate = rate
        self._at = 0.0  # samples at the input's rate

    def feed(self, frame: Any, stretch: float) -> list[Floats]:
        """stretch: the seconds by which the frame becomes longer."""
        # The filter stretches by as much a second as it finds a frame late: the share needed is added to the frame's time.
        share = stretch * self._rate / frame.samples
        frame.pts, frame.time_base = round(self._at + share * self._rate), Fraction(1, self._rate)
        self._at += frame.samples + stretch * self._rate
        self._graph.push(frame)
        return self._pulled()

    def flush(self) -> list[Floats]:
        self._graph.push(None)
        return self._pulled()

    def _pulled(self) -> list[Floats]:
        blocks: list[Floats] = []
        while True:
            try:
                frame: Any = self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return blocks
            block: Floats = np.nan_to_num(frame.to_ndarray().reshape(-1, self._channels).T, nan=0.0)
            blocks.append(np.clip(block, -1.0, 1.0, out=block))


def _unreadable(label: str, error: Exception) -> FormatError:
    reason = getattr(error, "strerror", None) or error
    return FormatError(
        f"{label}: found no audio that FFmpeg can read ({reason}), expected wav, mp3, flac, ogg, opus, m4a, mp4 or webm"
    )
