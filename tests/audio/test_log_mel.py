"""Log-mel frames against openai-whisper's, on signals that are formulas (tests/references/log_mel.py)."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.conftest import ROOT
from wherry.audio.log_mel import log_mel, log_mel_stream, mel_filters
from wherry.errors import InputError

REFERENCE: dict[str, Any] = json.loads((ROOT / "tests/fixtures/log_mel.json").read_text())
SPECTROGRAMS = [key for key in REFERENCE if key[0].isdigit()]


def signal(samples: int) -> NDArray[np.float32]:
    """A chirp, quiet hash and a click."""
    t = np.arange(samples) / 16_000
    hash_ = np.sin(np.arange(samples) * 12.9898) * 43758.5453
    sound = 0.4 * np.sin(2 * np.pi * (150 * t + 900 * t * t)) + 0.01 * (hash_ - np.floor(hash_) - 0.5)
    sound[samples // 2] += 0.5
    return sound.astype(np.float32)


@pytest.mark.parametrize("n_mels", [80, 128])
def test_filters_are_openai_whispers(n_mels: int) -> None:
    expected = np.zeros((n_mels, 201))
    for row, column, value in REFERENCE[f"filters {n_mels}"]:
        expected[row, column] = value
    assert mel_filters(n_mels) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("key", SPECTROGRAMS)
def test_frames_are_openai_whispers(key: str) -> None:
    n_mels, samples, padding = map(int, key.split())
    found = log_mel(signal(samples), n_mels, padding=padding)
    assert found.shape == (REFERENCE[key]["frames"], n_mels)
    assert found.dtype == np.float32
    # Where a bin is next to silent its logarithm shows the last bits of the transform.
    assert found.reshape(-1)[:: REFERENCE["every"]] == pytest.approx(REFERENCE[key]["values"], abs=2e-3)
    assert np.median(np.abs(found.reshape(-1)[:: REFERENCE["every"]] - REFERENCE[key]["values"])) < 1e-5


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    samples=st.integers(202, 20_000),
    cuts=st.lists(st.floats(0, 1), max_size=8),
    padding=st.sampled_from([0, 1, 160, 5_000]),
)
def test_how_a_signal_is_cut_into_blocks_does_not_matter(samples: int, cuts: list[float], padding: int) -> None:
    """From the second block on; the first must reach over half a window, as every decoder's first 30 s do."""
    sound = signal(samples)
    places = sorted({max(202, int(cut * samples)) for cut in cuts})
    blocks = list(np.split(sound, places))
    mel, count = log_mel_stream(blocks, 80, padding=padding)
    assert count == samples
    assert mel == pytest.approx(log_mel(sound, 80, padding=padding), abs=1e-4)


@pytest.mark.parametrize("samples", [0, 1, 159, 160, 200])
@pytest.mark.parametrize("padding", [0, 480_000])
def test_next_to_nothing_has_its_frames(samples: int, padding: int) -> None:
    mel, count = log_mel_stream([np.zeros(samples, np.float32)], 80, padding=padding)
    assert count == samples
    assert mel.shape == ((samples + padding) // 160, 80)
    # log10 of the floor is -10; nothing is louder, so every frame is (-10 + 4) / 4.
    assert mel == pytest.approx(-1.5)


def test_no_blocks_at_all() -> None:
    assert log_mel_stream([], 80, padding=1600)[0].shape == (10, 80)


def test_no_bins_are_refused() -> None:
    with pytest.raises(InputError, match="n_mels"):
        mel_filters(0)
