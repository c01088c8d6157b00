"""What openai-whisper heard, in the shapes of OpenAI's answers."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

_CUE = re.compile(r"(?:\d+\n)?((?:\d\d:)?\d\d:\d\d[.,]\d{3}) --> ((?:\d\d:)?\d\d:\d\d[.,]\d{3})\n(.+)")


def spoken(recording: Mapping[str, Any]) -> str:
    return str(recording["greedy"]["text"]).strip()


def check_segments(found: Sequence[Any], recording: Mapping[str, Any]) -> None:
    """Every field of every segment: tokens to the letter, numbers within what float32 on another machine may differ by."""
    expected = recording["greedy"]["segments"]
    assert [segment["tokens"] for segment in found] == [segment["tokens"] for segment in expected]
    for mine, theirs in zip(found, expected, strict=True):
        assert (mine["id"], mine["seek"], mine["text"]) == (theirs["id"], theirs["seek"], theirs["text"])
        for name in ("start", "end", "temperature", "compression_ratio"):
            assert mine[name] == pytest.approx(theirs[name], abs=1e-6), name
        for name in ("avg_logprob", "no_speech_prob"):
            assert mine[name] == pytest.approx(theirs[name], abs=2e-2), name


def check_words(found: Sequence[Mapping[str, Any]], recording: Mapping[str, Any]) -> None:
    expected = [word for segment in recording["words"]["segments"] for word in segment["words"]]
    assert [word["word"] for word in found] == [word["word"].strip() for word in expected]
    for mine, theirs in zip(found, expected, strict=True):
        assert (mine["start"], mine["end"]) == pytest.approx((theirs["start"], theirs["end"]), abs=0.021)


def check_cues(text: str, recording: Mapping[str, Any]) -> None:
    """Subtitles of either kind: a cue for every segment, with its times and its words."""
    found = _CUE.findall(text)
    expected = recording["greedy"]["segments"]
    assert [line for _, _, line in found] == [segment["text"].strip() for segment in expected]
    times = [_seconds(clock) for start, end, _ in found for clock in (start, end)]
    assert times == pytest.approx([segment[name] for segment in expected for name in ("start", "end")], abs=1e-3)


def _seconds(clock: str) -> float:
    hours, minutes, seconds = ("00:" + clock if clock.count(":") == 1 else clock).replace(",", ".").split(":")
    return 3600 * int(hours) + 60 * int(minutes) + float(seconds)
