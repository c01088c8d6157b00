"""openai-whisper's further options against openai-whisper itself (tests/references/openai_whisper_options.py)."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.conftest import ROOT
from wherry.engine.session import Whisper
from wherry.engine.transcript import TranscribeOptions
from wherry.errors import InputError

_CASES: dict[str, dict[str, Any]] = json.loads((ROOT / "tests/fixtures/openai_whisper_options.json").read_text(encoding="utf-8"))[
    "transcripts"
]


def sound_of(name: str, sample: Any) -> Any:
    noise = (np.random.default_rng(5).standard_normal(26 * 16_000) * 0.02).astype(np.float32)
    return {"sample": sample, "long": np.tile(sample, 4), "noise": np.concatenate([sample, noise])}[name]


@pytest.mark.parametrize("name", _CASES)
def test_an_option_does_what_openai_whispers_does(name: str, tiny_en: Whisper, sample: Any) -> None:
    case = _CASES[name]
    given = {key: tuple(value) if isinstance(value, list) else value for key, value in case["options"].items()}
    found = tiny_en.transcribe(sound_of(case["sound"], sample), TranscribeOptions(temperature=(0.0,), **given))
    assert [segment.text for segment in found.segments] == [each["text"] for each in case["segments"]]
    for mine, theirs in zip(found.segments, case["segments"], strict=True):
        assert (mine.seek, list(mine.tokens)) == (theirs["seek"], theirs["tokens"])
        # openai-whisper's cues may reach into the zeros after a clip: ours end with what was heard.
        clips = case["options"].get("clip_timestamps", [])
        limit = min(int(100 * found.duration) / 100, clips[-1] if len(clips) % 2 == 0 and clips else 1e9)
        ends = (min(theirs["start"], limit), min(theirs["end"], limit))
        assert (mine.start, mine.end) == pytest.approx(ends, abs=0.021)
        assert [word.word for word in mine.words] == [word["word"] for word in theirs.get("words", [])]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"suppress_tokens": (50256,)}, "suppress_tokens"),
        ({"suppress_tokens": (-2,)}, "suppress_tokens"),
        ({"clip_timestamps": (5.0, 3.0)}, "clip_timestamps"),
        ({"clip_timestamps": (float("nan"),)}, "clip_timestamps"),
        ({"clip_timestamps": (1.0,), "clip_start": 1.0}, "clip_timestamps"),
        ({"clip_start": float("inf")}, "clip"),
        ({"hallucination_silence_threshold": 1.0}, "hallucination_silence_threshold"),
        ({"no_speech_threshold": float("nan")}, "no_speech_threshold"),
        ({"prefix": "boat " * 200}, "prefix"),
        ({"language_detection": "guess"}, "language_detection"),
    ],
)
def test_further_wrong_options_are_named(tiny_en: Whisper, sample: Any, change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        tiny_en.transcribe(sample, replace(TranscribeOptions(), **change))
