"""The multilingual whisper-base against openai-whisper's, with the same weights (tests/references/openai_whisper_base.py)."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.conftest import AUDIO, ROOT
from wherry.audio.decode import decode_audio
from wherry.engine.catalog import default_cache, find_model
from wherry.engine.session import Whisper, load_whisper
from wherry.engine.spoken_language import _audible_windows
from wherry.engine.transcript import TranscribeOptions

_RECORDINGS: dict[str, Any] = json.loads((ROOT / "tests/fixtures/openai_whisper_base.json").read_text(encoding="utf-8"))[
    "recordings"
]
PATHS = sorted(_RECORDINGS) if AUDIO.is_dir() else []


@pytest.fixture(scope="module")
def base() -> Whisper:
    files = find_model("whisper-base", default_cache())
    return load_whisper(files.weights, config=files.config, tokenizer=files.tokenizer, device="cpu")


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS)
def test_language_and_text_are_openai_whispers(path: str, base: Whisper) -> None:
    expected = _RECORDINGS[path]
    odds = base.detect_language(decode_audio(AUDIO / path))
    assert next(iter(odds)) == expected["language"]
    for code, probability in expected["probabilities"].items():
        assert odds[code] == pytest.approx(probability, abs=2e-3)
    found = base.transcribe(AUDIO / path, TranscribeOptions(temperature=(0.0,)))
    assert found.language == expected["language"]
    assert found.text == expected["text"]
    assert [list(segment.tokens) for segment in found.segments] == expected["tokens"]


@pytest.mark.skipif(not PATHS, reason="no recordings at hand")
@pytest.mark.parametrize("before", ["silence", "noise", "hum"])
def test_the_language_is_that_of_whoever_first_speaks(before: str, base: Whisper) -> None:
    """32 s without speech, then Korean: openai-whisper's own rule takes the first 30 s for English."""
    seconds = np.arange(32 * 16_000) / 16_000
    lead = {
        "silence": np.zeros(len(seconds)),
        "noise": np.random.default_rng(2).normal(0, 0.01, len(seconds)),
        "hum": 0.05 * np.sin(2 * np.pi * 50 * seconds),
    }[before].astype(np.float32)
    korean = decode_audio(AUDIO / "leopard/test_ko.flac")
    sound = np.concatenate([lead, korean])
    assert next(iter(base.detect_language(sound))) == "ko"
    assert next(iter(base.detect_language(sound, "first-window"))) != "ko"


def test_audio_in_which_nobody_speaks_is_reported(base: Whisper) -> None:
    lines: list[str] = []
    silence = np.zeros(40 * 16_000, np.float32)
    found = replace(base, log=lines.append).transcribe(silence, TranscribeOptions(temperature=(0.0,)))
    assert not found.text.strip()
    assert len(lines) == 2 and "the language is a guess" in lines[0] and "nobody speaks" in lines[1]


def test_windows_of_silence_are_passed_over_without_the_model() -> None:
    mel = np.full((9000, 4), -1.5, np.float32)
    mel[6500:6600] = 0.5
    assert list(_audible_windows(mel, [(0, 9000)])) == [(6450, 9000)]
    assert list(_audible_windows(mel, [(0, 6000)])) == []
    assert list(_audible_windows(mel, [])) == []
