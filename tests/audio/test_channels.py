"""Many channels to one: as FFmpeg mixes them, and without losing what stands in opposite phase on two."""

import io
import logging
import wave

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from wherry.audio.channels import Mixer, _weights
from wherry.audio.decode import decode_audio
from wherry.errors import FormatError

_SECONDS = 4


def speechlike(seed: int = 0) -> NDArray[np.float64]:
    """Noise in syllables: a random signal with pauses, so that two of different seeds are independent."""
    chosen = np.random.default_rng(seed)
    t = np.arange(_SECONDS * 16_000) / 16_000
    spectrum = np.fft.rfft(chosen.standard_normal(len(t)))
    hertz = np.fft.rfftfreq(len(t), 1 / 16_000)
    voice = np.fft.irfft(spectrum * np.exp(-(((hertz - 700) / 500) ** 2)), len(t))
    return np.asarray(0.3 * voice / np.abs(voice).max() * (np.sin(2 * np.pi * (3 * t + seed / 7)) > -0.3))


def stereo(left: NDArray[np.float64], right: NDArray[np.float64]) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(np.round(np.stack([left, right], axis=1) * 32767).astype("<i2").tobytes())
    return out.getvalue()


def energy(x: NDArray[np.float64] | NDArray[np.float32]) -> float:
    return float(np.square(x, dtype=np.float64).mean())


def share(found: NDArray[np.float32], voice: NDArray[np.float64]) -> float:
    """How much of the voice's own energy is in what was found."""
    return float(np.dot(found, voice) ** 2 / np.dot(voice, voice) ** 2)


_A, _B = speechlike(1), speechlike(2)
_NOISE = 0.3 * speechlike(3)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (_A, -_A, 0.5),
        (_A, -0.6 * _A, 0.5),
        (0.6 * _A, -_A, 0.5),
        (_A + _NOISE, -_A + _NOISE, 0.5),
        (_A + speechlike(4) * 0.3, -_A + speechlike(5) * 0.3, 0.5),
        (_A * 0.02, -_A * 0.02, 0.0002),
    ],
    ids=["opposite", "quieter right", "quieter left", "noise in phase", "noise of each", "quiet"],
)
def test_speech_in_opposite_phase_is_heard(
    left: NDArray[np.float64], right: NDArray[np.float64], expected: float, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="wherry.audio"):
        found = decode_audio(io.BytesIO(stereo(left, right)), name="talk")
    assert share(found, _A) > expected
    assert caplog.text.count("talk: its channels are in opposite phase") == 1


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (_A, _A),
        (_A, np.zeros_like(_A)),
        (_A, _B),
        (_A + 0.3 * _B, _B + 0.3 * _A),
        (_A, np.roll(_A, 3)),
        (np.zeros_like(_A), np.zeros_like(_A)),
    ],
    ids=["dual mono", "one silent", "two speakers", "crosstalk", "a delay of 0.2 ms", "silence"],
)
def test_other_channels_are_averaged(
    left: NDArray[np.float64], right: NDArray[np.float64], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="wherry.audio"):
        found = decode_audio(io.BytesIO(stereo(left, right)))
    assert found == pytest.approx((np.round(left * 32767) + np.round(right * 32767)) / 65536, abs=1e-6)
    assert not caplog.text


def test_phase_that_turns_midway_is_noticed_where_it_turns() -> None:
    half = len(_A) // 2
    right = np.concatenate([_A[:half], -_A[half:]])
    found = decode_audio(io.BytesIO(stereo(_A, right)))
    assert energy(found[:half]) == pytest.approx(energy(_A[:half]), rel=0.01)
    assert energy(found[half:]) == pytest.approx(energy(_A[half:]), rel=0.05)  # rounding to 16 bits


@pytest.mark.parametrize("layout", ["stereo", "2.1", "3.0", "quad", "5.0", "5.1", "6.1", "7.1", "downmix", "hexagonal"])
def test_channels_weigh_what_they_weigh_in_ffmpeg(layout: str) -> None:
    """The mix of white noise, against FFmpeg's own mix of it to mono."""
    channels = av.AudioLayout(layout).nb_channels
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, (channels, 1024))
    frame = av.AudioFrame.from_ndarray(
        np.round(noise * 2**31).astype(np.int32).T.reshape(1, -1).copy(), format="s32", layout=layout
    )
    frame.sample_rate = 16_000
    expected = av.AudioResampler(format="s32", layout="mono", rate=16_000).resample(frame)[0].to_ndarray()[0] / 2**31
    assert _weights(layout, channels) @ noise == pytest.approx(expected, abs=1e-6)


def test_speech_in_the_centre_alone_is_heard() -> None:
    rows = np.zeros((6, len(_A)), np.float32)
    rows[2] = _A
    mixer = Mixer("5.1", 6, lambda: pytest.fail("nothing is opposed"))
    found = np.concatenate([*mixer.feed(rows), *mixer.flush()])
    assert found == pytest.approx(_A / (2 + np.sqrt(2)), abs=1e-5)  # ITU-R BS.775


@pytest.mark.parametrize("channels", [3, 8, 9, 16, 34, 64])
def test_recordings_of_many_channels_are_read(channels: int) -> None:
    """Mixers and microphone arrays write them. PyAV reads past the end of planar frames with more than eight."""
    rows = np.zeros((channels, len(_A)))
    rows[0] = _A
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(np.round(rows.T * 32767).astype("<i2").tobytes())
    found = decode_audio(io.BytesIO(out.getvalue()))
    assert len(found) == len(_A)
    assert np.corrcoef(found, _A)[0, 1] > 0.99


def test_more_channels_than_ffmpeg_mixes_are_refused() -> None:
    data = bytearray(stereo(_A, _A))
    data[22:24], data[32:34] = (65).to_bytes(2, "little"), (130).to_bytes(2, "little")
    with pytest.raises(FormatError, match="found 65 channels, expected at most 64"):
        decode_audio(io.BytesIO(bytes(data)))


def test_channels_without_names_weigh_the_same() -> None:
    assert _weights("ambisonic 1", 4) == pytest.approx([0.25] * 4)
