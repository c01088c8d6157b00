"""Every container and codec against the signal that was put into it, which is a formula and so is known at any rate."""

import io
import logging
import subprocess
import sys
import wave
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.conftest import SAMPLE
from wherry.audio.decode import SAMPLE_RATE, decode_audio, stream_audio
from wherry.errors import FormatError, NotFoundError, TooLargeError

Samples = NDArray[np.float64]
SECONDS = 2.5


def chirp(rate: int, seconds: float = SECONDS) -> Samples:
    """A tone that climbs from 200 to 3000 Hz and swells four times a second: no two moments are alike."""
    t = np.arange(round(seconds * rate)) / rate
    return 0.5 * np.sin(2 * np.pi * (200 * t + 2800 / (2 * SECONDS) * t * t)) * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * t))


@dataclass(frozen=True)
class Case:
    """A file to make: container, codec, the codec's sample format, samples a second, channels, and how good it must be."""

    container: str
    codec: str
    form: str
    rate: int
    channels: int
    decibels: float  # least ratio of signal to error
    video: str = ""

    def __str__(self) -> str:
        return f"{self.container}-{self.codec}-{self.rate}-{self.channels}" + ("-video" if self.video else "")


CASES = [
    Case("wav", "pcm_s16le", "s16", 16_000, 1, 85),
    Case("wav", "pcm_s16le", "s16", 44_100, 2, 60),
    Case("wav", "pcm_f32le", "flt", 48_000, 1, 60),
    Case("wav", "pcm_s24le", "s32", 96_000, 2, 60),
    Case("wav", "pcm_u8", "u8", 16_000, 1, 35),
    Case("wav", "pcm_alaw", "s16", 16_000, 1, 30),
    Case("aiff", "pcm_s16be", "s16", 22_050, 1, 60),
    Case("flac", "flac", "s16", 16_000, 1, 85),
    Case("flac", "flac", "s32", 48_000, 2, 60),
    Case("mp3", "libmp3lame", "fltp", 44_100, 2, 15),
    Case("mp3", "libmp3lame", "fltp", 16_000, 1, 15),
    Case("ogg", "libopus", "flt", 48_000, 1, 15),
    Case("webm", "libopus", "flt", 48_000, 2, 15),
    Case("ipod", "aac", "fltp", 44_100, 2, 15),
    Case("mp4", "aac", "fltp", 48_000, 1, 15, video="mpeg4"),
    Case("ipod", "alac", "s16p", 44_100, 1, 60),
    Case("matroska", "flac", "s16", 44_100, 6, 60),
    Case("adts", "aac", "fltp", 16_000, 1, 15),
]
_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}
_PEAK = {"u8": 127, "s16": 32767, "s16p": 32767, "s32": 2**31 - 1}
_DTYPES = {"u8": np.uint8, "s16": np.int16, "s16p": np.int16, "s32": np.int32}


def encoded(case: Case, signal: Callable[[int], Samples] = chirp) -> bytes:
    """The signal on every channel (the front centre alone in 5.1), as a file's bytes."""
    sound = signal(case.rate)
    rows = np.zeros((case.channels, len(sound)))
    rows[2 if case.channels == 6 else slice(None)] = sound
    out = io.BytesIO()
    with av.open(out, "w", format=case.container) as container:
        if case.video:  # a picture track before the sound, as films have it
            picture = container.add_stream(case.video, rate=25)
            assert isinstance(picture, av.VideoStream)
            picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        stream = container.add_stream(case.codec, rate=case.rate, layout=_LAYOUTS[case.channels])
        assert isinstance(stream, av.AudioStream)
        stream.format = case.form
        if case.codec in ("aac", "libmp3lame", "libopus"):
            stream.bit_rate = 128_000
        if case.video:
            for _ in range(25):
                container.mux(picture.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
            container.mux(picture.encode(None))
        size = 1024
        for at in range(0, len(sound), size):
            frame = av.AudioFrame.from_ndarray(
                packed(rows[:, at : at + size], case.form), format=case.form, layout=_LAYOUTS[case.channels]
            )
            frame.sample_rate, frame.pts, frame.time_base = case.rate, at, Fraction(1, case.rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()


def packed(rows: Samples, form: str) -> NDArray[Any]:
    """(channels, n) in [-1, 1] -> what the sample format holds: planes, or one row with the channels in turn."""
    if form in _PEAK:
        rows = np.round(rows * _PEAK[form]) + (128 if form == "u8" else 0)
    values = rows.astype(_DTYPES.get(form, np.float32))
    return np.ascontiguousarray(values if form.endswith("p") else values.T.reshape(1, -1))


def decibels(found: NDArray[np.float32], expected: Samples) -> float:
    """Signal over error, leaving out 50 ms at each end, at the best shift of up to 60 samples (encoders delay)."""
    n = min(len(found), len(expected))
    part = slice(800, n - 800)
    best = -np.inf
    for shift in range(-60, 61):
        error = np.roll(found[:n], shift)[part] - expected[part]
        best = max(best, 10 * np.log10(np.sum(expected[part] ** 2) / np.sum(error**2)))
    return float(best)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_sound_that_went_in_comes_out(case: Case) -> None:
    found = decode_audio(io.BytesIO(encoded(case)))
    # Encoders fill their last block: an AAC one is 1024 samples, and raw ADTS cannot say how much of it is sound.
    assert abs(len(found) / SAMPLE_RATE - SECONDS) < (0.15 if case.container == "adts" else 0.05)
    # The centre of 5.1 weighs 1 of 1 + 2 * sqrt(1/2) + 2 * 1/2, as ITU-R BS.775 mixes (the rear ones at 1/2 for one channel).
    expected = chirp(SAMPLE_RATE) * (1 / (2 + np.sqrt(2)) if case.channels == 6 else 1)
    sound = found[1024:] if case.container == "adts" else found  # nor can it say that its first block is none
    assert decibels(sound, expected) > case.decibels


def test_channels_are_averaged() -> None:
    """One silent channel of two halves the sound; 16 kHz stereo is not resampled, so to the last bit."""
    left = np.round(chirp(SAMPLE_RATE) * 32767).astype("<i2")
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(np.stack([left, np.zeros_like(left)], axis=1).tobytes())
    found = decode_audio(io.BytesIO(out.getvalue()))
    assert found == pytest.approx(left / 65536, abs=1e-6)


def test_a_16_khz_wav_is_exact() -> None:
    with wave.open(str(SAMPLE)) as file:
        expected = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
    assert np.array_equal(decode_audio(SAMPLE), expected.astype(np.float32))


@pytest.mark.parametrize("seconds", [0.01, 0.37, 1.0, 100.0])
def test_blocks_join_to_the_whole(seconds: float) -> None:
    whole = decode_audio(SAMPLE)
    blocks = list(stream_audio(SAMPLE, block_seconds=seconds))
    assert {len(block) for block in blocks[:-1]} <= {round(seconds * SAMPLE_RATE)}
    assert np.array_equal(np.concatenate(blocks), whole)


def test_a_stream_that_changes_its_rate_is_heard_to_its_end() -> None:
    parts = [encoded(Case("mp3", "libmp3lame", "fltp", rate, 1, 0)) for rate in (44_100, 32_000)]
    found = decode_audio(io.BytesIO(b"".join(parts)))
    assert len(found) / SAMPLE_RATE == pytest.approx(2 * SECONDS, abs=0.3)
    # The chirp's end is at 3000 Hz: a wrong rate would put it elsewhere.
    peak = np.abs(np.fft.rfft(found[-6000:-2000])).argmax() * SAMPLE_RATE / 4000
    assert 2500 < peak < 3100


@pytest.mark.parametrize("case", [Case("flac", "flac", "s16", 16_000, 1, 60), Case("mp4", "aac", "fltp", 48_000, 1, 20)], ids=str)
def test_a_damaged_middle_is_left_out_and_the_rest_heard(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    data = bytearray(encoded(case))
    middle = len(data) // 2
    data[middle : middle + 3000] = np.random.default_rng(1).integers(0, 256, 3000, np.uint8).tobytes()
    with caplog.at_level(logging.WARNING, logger="wherry.audio"):
        found = decode_audio(io.BytesIO(bytes(data)), name="talk")
    assert len(found) / SAMPLE_RATE == pytest.approx(SECONDS, abs=0.05)
    before, after = slice(1600, 10_000), slice(30_000, 38_000)
    assert decibels(found[before], chirp(SAMPLE_RATE)[before]) > case.decibels
    assert decibels(found[after], chirp(SAMPLE_RATE)[after]) > 5  # where it was, to half a sample: at 3 kHz a fifth of a turn
    if case.container == "mp4":  # FLAC's reader finds the next frame by itself, and does not tell
        assert "talk: " in caplog.text
        assert "damaged parts are left out" in caplog.text


@pytest.mark.parametrize("case", [c for c in CASES if c.rate == 16_000 or c.container in ("webm", "ogg")], ids=str)
def test_a_recording_that_was_cut_off_keeps_its_beginning(case: Case) -> None:
    data = encoded(case)
    found = decode_audio(io.BytesIO(data[: len(data) * 3 // 4]))
    assert 0.3 * SECONDS < len(found) / SAMPLE_RATE < 0.9 * SECONDS  # Opus lies in pages of a second


WAV = SAMPLE.read_bytes()[:4000]
HEAD = WAV[:44]
BAD: dict[str, bytes] = {
    "empty": b"",
    "text": b"These are words, not sound.\n" * 40,
    "zeros": bytes(10_000),
    "half a header": HEAD[:20],
    "a header alone": HEAD,
    "unknown codec": WAV[:20] + b"\xef\xbe" + WAV[22:],
    "no channels": WAV[:22] + bytes(2) + WAV[24:],
    "65,535 channels": WAV[:22] + b"\xff\xff" + WAV[24:],
    "1 sample a second": WAV[:24] + b"\1\0\0\0" + WAV[28:],
    "4 billion samples a second": WAV[:24] + b"\xff" * 4 + WAV[28:],
    "a cut-off mp4": encoded(Case("mp4", "aac", "fltp", 48_000, 1, 0))[:2000],
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(100),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_sound_is_told(what: str, tmp_path: Path) -> None:
    path = tmp_path / "talk.wav"
    path.write_bytes(BAD[what])
    with pytest.raises(FormatError) as caught:
        decode_audio(path)
    assert caught.value.message.startswith(f"{path}: found ")
    assert "expected" in caught.value.message
    with pytest.raises(FormatError, match=r"^input 0: found "):
        decode_audio(io.BytesIO(BAD[what]), name="input 0")


def test_a_film_without_sound_is_told() -> None:
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode(None))
    with pytest.raises(FormatError, match="no audio stream"):
        decode_audio(io.BytesIO(out.getvalue()))


def test_hours_of_coded_silence_are_refused_where_there_is_a_limit() -> None:
    silence = encoded(Case("flac", "flac", "s16", 16_000, 1, 0), lambda rate: np.zeros(rate * 600))
    assert len(silence) < 150_000  # of 19 MB of samples
    with pytest.raises(TooLargeError, match="input 0: found more than 60 s"):
        decode_audio(io.BytesIO(silence), name="input 0", max_seconds=60)
    assert len(decode_audio(io.BytesIO(silence), max_seconds=600)) == 600 * SAMPLE_RATE


@pytest.mark.parametrize("path", ["nowhere.wav", "."])
def test_a_file_that_cannot_be_read_is_told(path: str, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="expected an audio file"):
        decode_audio(tmp_path / path)


@pytest.mark.parametrize(
    "script",
    [
        "ffconcat version 1.0\nfile secret.wav\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nsecret.wav\n#EXT-X-ENDLIST\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{folder}/secret.wav\n#EXT-X-ENDLIST\n",
        "v=0\nc=IN IP4 127.0.0.1\nm=audio 4 RTP/AVP 0\n",
    ],
)
@pytest.mark.parametrize("name", ["talk.wav", "talk.m3u8", "talk.ffconcat"])
def test_a_script_opens_no_other_file(script: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FFmpeg knows formats that only list files: a guest's bytes must not name the host's."""
    (tmp_path / "secret.wav").write_bytes(SAMPLE.read_bytes())
    (tmp_path / name).write_text(script.format(folder=tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FormatError):
        decode_audio(Path(name))
    with pytest.raises(FormatError):
        decode_audio(io.BytesIO((tmp_path / name).read_bytes()))


_SEEDS = [encoded(case, lambda rate: chirp(rate, 0.2)) for case in CASES]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    seed=st.sampled_from(range(len(_SEEDS))),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=4)), max_size=6),
    length=st.floats(0, 1),
)
def test_damage_is_an_error_or_a_sound(seed: int, changes: list[tuple[float, bytes]], length: float) -> None:
    data = bytearray(_SEEDS[seed])
    for at, value in changes:
        place = int(at * len(data))
        data[place : place + len(value)] = value
    try:
        found = decode_audio(io.BytesIO(bytes(data[: int(length * len(data))])))
    except FormatError:
        return
    assert found.dtype == np.float32
    assert found.ndim == 1


_HOUR = """
import resource, sys
from pathlib import Path
from wherry.audio.decode import stream_audio
from wherry.audio.log_mel import log_mel_stream
log_mel_stream(stream_audio(Path(sys.argv[1])), 80)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
mel, samples = log_mel_stream(stream_audio(Path(sys.argv[2])), 80, padding=480_000)
print(len(mel), samples, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
def test_an_hour_needs_less_than_300_megabytes(tmp_path: Path) -> None:
    """All that depends on a recording's length is there before the model sees its first window."""
    rate, noise = 8000, np.random.default_rng(0).integers(0, 256, 8000 * 60, np.uint8).tobytes()
    path = tmp_path / "hour.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(rate)
        for _ in range(60):
            file.writeframes(noise)
    done = subprocess.run([sys.executable, "-c", _HOUR, str(SAMPLE), str(path)], check=True, capture_output=True, text=True)
    frames, samples, kibibytes = map(int, done.stdout.split())
    assert samples == pytest.approx(3600 * SAMPLE_RATE, abs=100)
    assert frames == (samples + 480_000) // 160
    assert kibibytes * 1024 < 300e6
