"""The multilingual whisper-base against openai-whisper's, with the same weights (tests/references/openai_whisper_base.py)."""

import json
from typing import Any

import pytest

from tests.conftest import AUDIO, ROOT
from wherry.audio.decode import decode_audio
from wherry.engine.catalog import default_cache, find_model
from wherry.engine.session import Whisper, load_whisper
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
