"""Which of several tracks is heard. The right choice is that of ffmpeg's command, without `-map`."""

import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from wherry.audio.decode import SAMPLE_RATE, decode_audio
from wherry.errors import FormatError, InputError

_DEFAULT = 1


@dataclass(frozen=True)
class Track:
    """A second of a tone, or of nothing at 0 Hz."""

    hertz: int
    layout: str = "mono"
    default: bool = False
    language: str = ""
    title: str = ""
    empty: bool = False


def film(tracks: Sequence[Track], container: str = "matroska", *, cover: bool = False) -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        streams = []
        for track in tracks:
            stream = file.add_stream("aac" if container != "matroska" else "pcm_s16le", rate=16_000, layout=track.layout)
            assert isinstance(stream, av.AudioStream)
            stream.format = "fltp" if container != "matroska" else "s16"
            stream.disposition = _DEFAULT if track.default else 0  # type: ignore[assignment]
            stream.metadata.update({k: v for k, v in (("language", track.language), ("title", track.title)) if v})
            streams.append(stream)
        if cover:
            picture = file.add_stream("mjpeg", rate=1)
            assert isinstance(picture, av.VideoStream)
            picture.width, picture.height, picture.pix_fmt = 64, 64, "yuvj420p"
            picture.disposition = 0x400  # type: ignore[assignment]  # an attached picture
            image = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            image.pts, image.time_base = 0, Fraction(1, 1)
            file.mux(picture.encode(image))
            file.mux(picture.encode(None))
        for start in range(0, 16_000, 1024):
            for track, stream in zip(tracks, streams, strict=True):
                if track.empty:
                    continue
                t = np.arange(start, start + 1024) / 16_000
                channels = 2 if track.layout == "stereo" else 6 if track.layout == "5.1" else 1
                rows = np.zeros((channels, 1024))
                rows[2 if channels == 6 else slice(None)] = 0.5 * np.sin(2 * np.pi * track.hertz * t)
                values = np.round(rows * 32767).astype(np.int16).T.reshape(1, -1)
                if container != "matroska":
                    values = rows.astype(np.float32)  # type: ignore[assignment]
                frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(values), format=stream.format.name, layout=track.layout)
                frame.sample_rate, frame.pts, frame.time_base = 16_000, start, Fraction(1, 16_000)
                file.mux(stream.encode(frame))
        for stream in streams:
            file.mux(stream.encode(None))
    return out.getvalue()


def heard(data: bytes, track: int | None = None) -> int:
    """The tone's hertz, to the next hundred."""
    samples = decode_audio(io.BytesIO(data), name="talk", track=track)
    if np.abs(samples).max() < 0.01:
        return 0
    part = samples[2000:14_000]
    return round(float(np.abs(np.fft.rfft(part)).argmax()) * SAMPLE_RATE / len(part) / 100) * 100


TRACKS = {
    "the first of equals": ([Track(300), Track(600)], 300),
    "the default one": ([Track(300), Track(600, default=True)], 600),
    "the one with more channels": ([Track(300), Track(600, "stereo")], 600),
    "the default one before more channels": ([Track(300, default=True), Track(600, "stereo")], 300),
    "the default ones with more channels": ([Track(300, default=True), Track(600, "5.1", default=True)], 600),
    "one with sound before one without": ([Track(300, "stereo", default=True, empty=True), Track(600)], 600),
}


@pytest.mark.parametrize("what", TRACKS)
def test_the_track_is_the_one_that_ffmpeg_takes(what: str, caplog: pytest.LogCaptureFixture) -> None:
    tracks, hertz = TRACKS[what]
    with caplog.at_level(logging.WARNING, logger="wherry.audio"):
        assert heard(film(tracks)) == hertz
    assert "talk: found 2 audio tracks" in caplog.text


def test_a_track_can_be_chosen_by_its_number(caplog: pytest.LogCaptureFixture) -> None:
    data = film([Track(300), Track(600), Track(900)])
    with caplog.at_level(logging.WARNING, logger="wherry.audio"):
        assert [heard(data, track) for track in (1, 2, 3)] == [300, 600, 900]
    assert not caplog.text, "it was named: there is nothing to say"
    for track in (0, 4, -1):
        with pytest.raises(InputError, match=f"track: found {track}, expected 1 to 3"):
            heard(data, track)


def test_a_silent_first_track_is_not_passed_over_in_silence(caplog: pytest.LogCaptureFixture) -> None:
    data = film([Track(0), Track(600, language="deu", title="Kommentar\x1b[31m")])
    with caplog.at_level(logging.WARNING, logger="wherry.audio"):
        assert heard(data) == 0
    assert (
        "track 1 (pcm_s16le, 1 channels) is transcribed, not track 2 (pcm_s16le, 1 channels, deu, Kommentar [31m)" in caplog.text
    )


def test_a_track_that_cannot_be_decoded_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    data = film([Track(300, default=True), Track(600)])
    first = data.index(b"A_PCM/INT/LIT")
    data = data[:first] + b"A_UNHEARD_OF!" + data[first + 13 :]
    with caplog.at_level(logging.WARNING, logger="wherry.audio"):
        assert heard(data) == 600
    assert "unknown codec" in caplog.text
    with pytest.raises(FormatError, match="track 1"):
        heard(data, 1)
    second = data.index(b"A_PCM/INT/LIT")
    with pytest.raises(FormatError, match="no audio stream in a codec"):
        heard(data[:second] + b"A_UNHEARD_OF!" + data[second + 13 :])


def test_a_cover_is_no_track(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="wherry.audio"):
        assert heard(film([Track(300)], cover=True)) == 300
        assert heard(film([Track(300)], "mp4", cover=True)) == 300
    assert not caplog.text


def test_a_file_of_pictures_alone_has_no_track(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="no audio stream"):
        heard(film([], cover=True))
