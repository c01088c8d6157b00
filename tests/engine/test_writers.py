"""Files against those that openai-whisper's command writes of the same transcripts (tests/references/writers.py)."""

import json
from typing import Any

import pytest

from tests.conftest import ROOT
from wherry.engine.cues import Layout
from wherry.engine.transcript import Segment, Transcript, Word
from wherry.engine.writers import WRITERS

_FIXTURE: dict[str, Any] = json.loads((ROOT / "tests/fixtures/writers.json").read_text(encoding="utf-8"))
CASES: dict[str, Any] = _FIXTURE["cases"]
LINES: dict[str, Any] = _FIXTURE["lines"]


def transcript(result: dict[str, Any]) -> Transcript:
    segments = tuple(
        Segment(**{**each, "tokens": tuple(each["tokens"]), "words": tuple(Word(**word) for word in each.get("words", []))})
        for each in result["segments"]
    )
    words = tuple(word for segment in segments for word in segment.words)
    return Transcript(result["text"], segments, result["language"], duration=60.0, words=words)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("form", [form for form in WRITERS if form != "json"])
def test_text_is_openai_whispers_to_the_letter(case: str, form: str) -> None:
    assert WRITERS[form](transcript(CASES[case]["result"])) == CASES[case]["files"][form]


@pytest.mark.parametrize("case", CASES)
def test_json_has_openai_whispers_fields_in_their_order(case: str) -> None:
    found = json.loads(WRITERS["json"](transcript(CASES[case]["result"])))
    expected = json.loads(CASES[case]["files"]["json"])
    assert found == expected
    assert list(found) == list(expected)
    assert [list(segment) for segment in found["segments"]] == [list(segment) for segment in expected["segments"]]


def test_every_format_is_written() -> None:
    assert set(WRITERS) == set(CASES["plain"]["files"])


def test_an_arrow_in_a_word_ends_no_cue() -> None:
    """openai-whisper mends arrows in segments only; in words they would break the file just as well."""
    words = (Word(0.0, 1.0, " left", 0.9), Word(1.0, 2.0, " -->", 0.9), Word(2.0, 3.0, " right", 0.9))
    segment = Segment(0, 0, 0.0, 3.0, " left --> right", (), 0.0, -0.1, 1.0, 0.0, words)
    timed = Transcript(segment.text, (segment,), "en", 3.0, words)
    for form in ("srt", "vtt"):
        assert WRITERS[form](timed).count("-->") == 1


@pytest.mark.parametrize("row", LINES["rows"], ids=lambda row: f"{row['name']}-{'-'.join(map(str, row['options'].values()))}")
def test_lines_are_laid_out_as_openai_whisper_lays_them_out(row: dict[str, Any]) -> None:
    timed = transcript(LINES["results"][row["name"]])
    for form, expected in row["files"].items():
        assert WRITERS[form](timed, Layout(**row["options"])) == expected
