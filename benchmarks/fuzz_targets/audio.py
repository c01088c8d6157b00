"""Recordings in every container that PyAV writes, as uploads bring them."""

import io
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from benchmarks.fuzz import Read, Target
from wherry.audio.decode import decode_audio
from wherry.errors import FormatError

_MAX_SECONDS = 60.0  # of sound or silence, as a server has a limit: less than 4 MB of samples
# container, codec, sample format, samples a second, channels, with a picture track
_FILES = (
    ("wav", "pcm_s16le", "s16", 16_000, 1, False),
    ("flac", "flac", "s16", 16_000, 2, False),
    ("mp3", "libmp3lame", "fltp", 44_100, 2, False),
    ("ogg", "libopus", "flt", 48_000, 1, False),
    ("webm", "libopus", "flt", 48_000, 1, False),
    ("matroska", "aac", "fltp", 44_100, 2, True),
    ("mp4", "aac", "fltp", 44_100, 1, True),
    ("ipod", "alac", "s16p", 44_100, 1, False),
    ("flv", "aac", "fltp", 44_100, 2, False),
    ("3gp", "aac", "fltp", 8_000, 1, False),
    ("avi", "libmp3lame", "fltp", 44_100, 1, True),
    ("mpegts", "aac", "fltp", 48_000, 1, False),
    ("mov", "pcm_s16le", "s16", 48_000, 6, False),
    ("asf", "pcm_s16le", "s16", 16_000, 1, False),
    ("aiff", "pcm_s16be", "s16", 16_000, 1, False),
    ("au", "pcm_mulaw", "s16", 8_000, 1, False),
    ("caf", "pcm_s16le", "s16", 16_000, 1, False),
    ("nut", "pcm_s16le", "s16", 16_000, 1, False),
    ("adts", "aac", "fltp", 16_000, 1, False),
    ("wav", "pcm_s16le", "s16", 8_000, 24, False),
)
_WORDS = (
    *(b"RIFF", b"WAVE", b"fmt ", b"data", b"LIST", b"fLaC", b"\xff\xf8", b"OggS", b"OpusHead", b"OpusTags", b"ID3", b"Xing"),
    *(b"LAME", b"ftyp", b"moov", b"trak", b"edts", b"elst", b"stts", b"stsz", b"stsc", b"stco", b"ctts", b"mdat", b"esds"),
    *(b"\x1a\x45\xdf\xa3", b"\x1f\x43\xb6\x75", b"\xa3", b"\xae", b"\xe7", b"FLV", b"\x08", b"AVI ", b"strh", b"strf", b"idx1"),
    *(b"\x47", b"FORM", b"AIFF", b"COMM", b"SSND", b".snd", b"caff", b"#EXTM3U\n", b"ffconcat version 1.0\nfile a\n"),
)


def _seeds() -> Sequence[bytes]:
    return [_recording(*file) for file in _FILES]


def _recording(container: str, codec: str, form: str, rate: int, channels: int, picture: bool) -> bytes:
    """A third of a second of a tone."""
    out = io.BytesIO()
    layout = {1: "mono", 2: "stereo", 6: "5.1", 24: "22.2"}[channels]
    with av.open(out, "w", format=container) as file:
        if picture:
            video = file.add_stream("mpeg4", rate=25)
            assert isinstance(video, av.VideoStream)
            video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        stream = file.add_stream(codec, rate=rate, layout=layout)
        assert isinstance(stream, av.AudioStream)
        stream.format = form
        if picture:
            for _ in range(3):
                file.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")))
            file.mux(video.encode(None))
        tone = np.tile(0.3 * np.sin(2 * np.pi * 440 * np.arange(rate // 3) / rate), (channels, 1))
        values = np.round(tone * 32767).astype(np.int16) if form.startswith("s16") else tone.astype(np.float32)
        for start in range(0, values.shape[1], 1024):
            part = values[:, start : start + 1024]
            rows = part if form.endswith("p") else part.T.reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(rows), format=form, layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return out.getvalue()


def _start(folder: Path) -> Read:
    def read(data: bytes) -> None:
        samples = decode_audio(io.BytesIO(data), name="fuzz", max_seconds=_MAX_SECONDS)
        assert samples.dtype == np.float32 and samples.ndim == 1, "no samples in one row"
        assert np.isfinite(samples).all() and np.abs(samples).max(initial=0) <= 1, "samples beyond [-1, 1]"

    return read


def _with_path(folder: Path) -> Read:
    """A file, as the command line and the apps' server give it."""

    def read(data: bytes) -> None:
        path = folder / "talk.wav"
        path.write_bytes(data)
        try:
            decode_audio(path, max_seconds=_MAX_SECONDS)
        except FormatError as error:
            if str(path) not in error.message:
                raise AssertionError("an error that does not name its file") from error
            raise

    return read


TARGETS = [
    Target("audio", _seeds, _start, _WORDS, suite_cases=400),
    Target("audio-file", _seeds, _with_path, _WORDS, suite_cases=100),
]
