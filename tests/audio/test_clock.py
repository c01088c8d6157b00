"""A player's times: files with holes, late starts, restarts and drift, whose sound is a beep at a known time of each second.

The right values were compared with ffmpeg 5.1's `-af aresample=async=1:first_pts=0`; where a comment says so, they are not
its, because it drops sound there.
"""

import io
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from wherry.audio.clock import Clock, Placed
from wherry.audio.decode import SAMPLE_RATE, decode_audio

Floats = NDArray[np.float32]
RATE = 48_000
_FRAMES = {"aac": 1024, "libmp3lame": 1152}  # samples in a frame of the codec
_BEEP = 0.4  # seconds into each second


def beeps(seconds: float) -> Floats:
    """A tenth of a second of 1 kHz in every second, at 0.4 s of it."""
    t = np.arange(round(seconds * RATE)) / RATE
    heard = (t % 1 >= _BEEP) & (t % 1 < _BEEP + 0.1)
    return (0.5 * np.sin(2 * np.pi * 1000 * t) * heard).astype(np.float32)


@dataclass(frozen=True)
class Format:
    container: str
    codec: str
    form: str
    options: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return f"{self.container}-{self.codec}"


def recording(
    format: Format,
    parts: Sequence[tuple[float, Floats]],
    *,
    picture: tuple[float, float] | None = None,
    stamp: Callable[[int], int] = lambda pts: pts,
) -> bytes:
    """Sounds at their times, and perhaps a picture track from a time to another; `stamp` changes the packets' times."""
    out = io.BytesIO()
    with av.open(out, "w", format=format.container, options=dict(format.options)) as file:
        if picture is not None:
            video = file.add_stream("mpeg4", rate=25)
            assert isinstance(video, av.VideoStream)
            video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        stream = file.add_stream(format.codec, rate=RATE, layout="mono")
        assert isinstance(stream, av.AudioStream)
        stream.format = format.form
        if picture is not None:
            for number in range(round(picture[0] * 25), round(picture[1] * 25)):
                image = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
                image.pts, image.time_base = number, Fraction(1, 25)
                file.mux(video.encode(image))
            file.mux(video.encode(None))
        packets = []
        for start, sound in parts:
            size = _FRAMES.get(format.codec, 960)
            for at in range(0, len(sound) - size + 1, size):
                values = sound[None, at : at + size]
                if format.form == "s16":
                    values = np.round(values * 32767).astype(np.int16)
                frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(values), format=format.form, layout="mono")
                frame.sample_rate, frame.pts, frame.time_base = RATE, round(start * RATE) + at, Fraction(1, RATE)
                packets += stream.encode(frame)
        for packet in [*packets, *stream.encode(None)]:
            if packet.pts is not None:
                packet.pts = packet.dts = stamp(packet.pts)
            file.mux(packet)
    return out.getvalue()


def heard_at(samples: Floats) -> list[float]:
    """When each beep begins, in seconds."""
    loud = np.flatnonzero(np.abs(samples) > 0.05)
    first = np.concatenate([[True], np.diff(loud) > SAMPLE_RATE // 10]) if len(loud) else []
    return [float(at) / SAMPLE_RATE for at in loud[first]]


def assert_beeps(data: bytes, expected: Sequence[float], within: float = 0.05) -> Floats:
    samples = decode_audio(io.BytesIO(data), name="talk")
    times = heard_at(samples)
    assert len(times) == len(expected), times
    assert times == pytest.approx(list(expected), abs=within)
    return samples


WEBM = Format("webm", "libopus", "flt")
MKV = Format("matroska", "pcm_s16le", "s16")
MP4 = Format("mp4", "aac", "fltp")
TS = Format("mpegts", "aac", "fltp")
OGG = Format("ogg", "libopus", "flt")
CLOCKS = [
    WEBM, MKV, MP4, OGG,
    Format("matroska", "aac", "fltp"),
    Format("matroska", "libmp3lame", "fltp"),
    Format("mp4", "aac", "fltp", (("movflags", "frag_keyframe+empty_moov"),)),
    Format("flv", "aac", "fltp"),
    Format("nut", "pcm_s16le", "s16"),
    TS,
]  # fmt: skip
_HOLE = [*(k + _BEEP for k in range(5)), *(k + _BEEP for k in range(14, 18))]


@pytest.mark.parametrize("format", CLOCKS, ids=str)
def test_a_hole_in_the_clock_is_silence(format: Format) -> None:
    samples = assert_beeps(recording(format, [(0, beeps(5)), (14, beeps(4))]), _HOLE)
    assert len(samples) / SAMPLE_RATE == pytest.approx(18, abs=0.05)


@pytest.mark.parametrize("format", [WEBM, MP4, TS, Format("mov", "pcm_s16le", "s16")], ids=str)
def test_sound_that_begins_after_the_picture_is_late(format: Format) -> None:
    film = Format("matroska", format.codec, format.form) if format is WEBM else format
    assert_beeps(recording(film, [(5, beeps(3))], picture=(0, 9)), [5.4, 6.4, 7.4])


def test_a_picture_that_begins_after_the_sound_changes_nothing() -> None:
    assert_beeps(recording(MKV, [(0, beeps(3))], picture=(2, 4)), [0.4, 1.4, 2.4])


def test_a_recording_that_begins_late_as_a_whole_begins_at_zero() -> None:
    """As ffmpeg and players have it: a cut from a broadcast does not begin with hours of silence."""
    assert_beeps(recording(MKV, [(500, beeps(3))]), [0.4, 1.4, 2.4])
    assert_beeps(recording(TS, [(500, beeps(3))]), [0.4, 1.4, 2.4])


def test_small_drops_do_not_add_up() -> None:
    """60 ms of each second are lost, as on a bad line: ffmpeg itself lets 100 ms pass."""
    parts = [(float(k), beeps(1)[: round(0.94 * RATE)]) for k in range(12)]
    assert_beeps(recording(WEBM, parts), [k + _BEEP for k in range(12)], within=0.02)


@pytest.mark.parametrize("pace", [1.01, 0.99, 1.04, 0.96])
def test_a_track_whose_clock_drifts_is_stretched(pace: float) -> None:
    data = recording(MKV, [(0, beeps(20))], stamp=lambda pts: round(pts * pace))
    assert_beeps(data, [(k + _BEEP) * pace for k in range(20)], within=0.03)


@pytest.mark.parametrize("format", [TS, OGG, WEBM], ids=str)
def test_a_recording_after_another_in_one_file_follows_it(format: Format) -> None:
    """Its clock starts again. Of the WebM, ffmpeg drops the second one."""
    one = recording(format, [(0, beeps(3))])
    samples = decode_audio(io.BytesIO(one + one))
    assert heard_at(samples) == pytest.approx([0.4, 1.4, 2.4, 3.4, 4.4, 5.4], abs=0.1)  # encoders fill their last block


def test_a_broadcast_whose_clock_jumps_far_goes_on() -> None:
    """MPEG-TS joined from two programmes: as in ffmpeg, more than ten seconds forward are another clock, not a hole."""
    data = recording(TS, [(0, beeps(3))]) + recording(TS, [(1000, beeps(3))])
    samples = decode_audio(io.BytesIO(data))
    assert heard_at(samples) == pytest.approx([0.4, 1.4, 2.4, 3.4, 4.4, 5.4], abs=0.1)


def test_a_broadcasts_clock_may_wrap_around() -> None:
    """33 bits of 90 kHz end after 26.5 hours, here after 3 s."""
    data = recording(Format("mpegts", "aac", "fltp", (("output_ts_offset", "95440"),)), [(0, beeps(6))])
    assert_beeps(data, [k + _BEEP for k in range(6)])


def test_sound_cut_by_an_edit_list_begins_where_the_list_says() -> None:
    """An mp4 whose first 0.3 s are cut off by its list: the media's own first beep is then at 0.1 s."""
    data = bytearray(recording(MP4, [(0, beeps(4))]))
    at = data.index(b"elst")
    assert int.from_bytes(data[at + 8 : at + 12], "big") == 1, "one edit"
    cut = int.from_bytes(data[at + 16 : at + 20], "big") + round(0.3 * RATE)  # media time: after the encoder's priming
    data[at + 16 : at + 20] = cut.to_bytes(4, "big")
    assert_beeps(bytes(data), [0.1, 1.1, 2.1, 3.1])


@pytest.mark.parametrize("seconds", [1e9, 2e5])
def test_a_hole_of_years_is_a_fault_of_the_clock(seconds: float, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="wherry.audio"):
        assert_beeps(recording(MKV, [(0, beeps(3)), (seconds, beeps(2))]), [0.4, 1.4, 2.4, 3.4, 4.4])
    assert "talk: 1 of its times cannot be right" in caplog.text


# -- the clock alone


def placed(times: Sequence[float | None], *, seconds: float = 0.02, **options: bool) -> list[Placed]:
    frames = [
        SimpleNamespace(pts=None if t is None else round(t * 1000), time_base=Fraction(1, 1000), samples=round(seconds * 16_000),
                        sample_rate=16_000)
        for t in times
    ]  # fmt: skip
    return list(Clock(0.0, **options).place(frames))


def _silences(found: list[Placed]) -> list[float]:
    return [round(each.silence, 3) for each in found if each.silence]


_STEADY = [0.02 * k for k in range(100)]


def test_a_steady_clock_needs_nothing() -> None:
    assert all(not each.silence and not each.stretch for each in placed(_STEADY))
    assert all(not each.silence and not each.stretch for each in placed([None] * 100))


def test_one_wrong_time_is_not_followed() -> None:
    for wrong in (900.0, 0.0):
        found = placed([*_STEADY[:50], wrong, *_STEADY[51:]])
        assert _silences(found) == []
        assert found[-1].start == pytest.approx(_STEADY[-1], abs=0.001)


def test_pauses_that_are_not_sent_are_silence_each() -> None:
    """Opus with DTX sends one frame of a pause in 400 ms."""
    found = placed([*_STEADY[:10], 0.6, 1.0, 1.4, 1.42, 1.44])
    assert _silences(found) == [0.4, 0.38, 0.38]
    assert found[-1].start == pytest.approx(1.44, abs=0.001)


def test_times_that_jitter_are_not_followed() -> None:
    chosen = np.random.default_rng(3)
    found = placed([max(0.0, t + chosen.uniform(-0.02, 0.02)) for t in np.arange(0, 60, 0.02)])
    assert sum(_silences(found)) < 0.05
    assert sum(abs(each.stretch) for each in found) < 0.1


def test_frames_that_share_their_packets_time_are_in_a_row() -> None:
    """Some recorders write one time for five frames."""
    found = placed([0.1 * (k // 5) for k in range(500)])
    assert _silences(found) == []
    assert found[-1].start == pytest.approx(9.98, abs=0.05)


def test_a_clock_that_stands_still_is_none() -> None:
    found = placed([0.0] * 3000)
    assert _silences(found) == []
    assert found[-1].start == pytest.approx(60, rel=0.11)


def test_what_is_put_in_has_a_bound() -> None:
    """A frame every hour: after ten hours of silence the rest follows at once."""
    found = placed([3600.0 * k for k in range(5000)])
    assert sum(each.silence for each in found) <= 36_000
    assert found[-1].start <= 36_000 + 5000 * 0.02
