"""OpenAI's npm client against apps/speech: client.mjs makes the calls, openai-whisper has the texts."""

from pathlib import Path
from typing import Any

import pytest

from tests.apps.npm import call
from tests.apps.serving import Served
from tests.apps.speech.conftest import TIMED
from tests.apps.speech.expected import check_cues, check_segments, check_words, spoken
from tests.apps.speech.test_openai_python import SAMPLE_TEXT
from tests.conftest import AUDIO, SAMPLE

RECORDING = TIMED


@pytest.fixture(scope="module")
def found(served: Served) -> dict[str, Any]:
    recording = str(AUDIO / RECORDING[0]) if RECORDING else None
    asked = {"url": served.url, "key": served.key, "sample": str(SAMPLE), "recording": recording}
    return call(Path(__file__).with_name("client.mjs"), asked)


@pytest.mark.slow
def test_the_sample_and_the_models(found: dict[str, Any]) -> None:
    assert found["sample"]["text"] == SAMPLE_TEXT
    assert [model["id"] for model in found["models"]] == ["whisper-tiny.en", "whisper-base"]


@pytest.mark.slow
@pytest.mark.parametrize("path", RECORDING)
def test_every_format(path: str, found: dict[str, Any], reference: dict[str, Any]) -> None:
    expected = reference["recordings"][path]
    text = spoken(expected)
    assert found["json"]["text"] == found["verbose_json"]["text"] == found["words"]["text"] == text
    assert found["text"] == text + "\n"
    check_cues(found["srt"], expected)
    check_cues(found["vtt"], expected)
    check_segments(found["verbose_json"]["segments"], expected)
    check_words(found["words"]["words"], expected)
    *deltas, last = found["stream"]
    assert {event["type"] for event in deltas} == {"transcript.text.delta"}
    assert (last["type"], last["text"]) == ("transcript.text.done", "".join(event["delta"] for event in deltas))
    assert last["text"] == text


@pytest.mark.slow
def test_every_error(found: dict[str, Any]) -> None:
    expected = {
        "unknown model": ("NotFoundError", 404, "model", "model_not_found"),
        "unknown format": ("BadRequestError", 400, "response_format", None),
        "bad language": ("BadRequestError", 400, "language", "invalid_language_format"),
        "bad temperature": ("BadRequestError", 400, "temperature", None),
        "logprobs": ("BadRequestError", 400, "include[]", "unsupported_parameter"),
        "granularity without verbose_json": ("BadRequestError", 400, "timestamp_granularities[]", None),
        "stream of subtitles": ("BadRequestError", 400, "stream", None),
        "empty file": ("BadRequestError", 400, "file", "empty_file"),
        "a text file": ("BadRequestError", 400, "file", "invalid_audio"),
        "26 MB": ("APIError", 413, "file", "file_too_large"),
        "translation": ("BadRequestError", 400, "model", None),
        "wrong key": ("AuthenticationError", 401, None, "invalid_api_key"),
    }
    for name, (kind, status, param, code) in expected.items():
        error = found[name]
        assert (error["class"], error["status"], error["param"], error["code"]) == (kind, status, param, code), name
        assert error["type"] == "invalid_request_error", name
