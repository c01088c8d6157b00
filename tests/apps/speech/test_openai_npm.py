"""OpenAI's npm client against apps/speech: client.mjs makes the calls, openai-whisper has the texts."""

import fcntl
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.apps.speech.conftest import TIMED, Served
from tests.apps.speech.expected import check_cues, check_segments, check_words, spoken
from tests.apps.speech.test_openai_python import SAMPLE_TEXT
from tests.conftest import AUDIO, ROOT, SAMPLE

VERSION = "7.57.0"
RECORDING = TIMED


def modules() -> Path:
    """The folder with the client in it, installed once for all test processes."""
    if shutil.which("npm") is None:
        assert "CI" not in os.environ, "found no npm, expected Node.js with it (.ci/run)"
        pytest.skip("needs Node.js with npm")
    folder = ROOT / "build/npm-openai"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        package = folder / "node_modules/openai/package.json"
        if not package.is_file() or json.loads(package.read_text())["version"] != VERSION:
            command = ["npm", "install", "--prefix", ".", "--no-save", "--no-audit", "--no-fund", f"openai@{VERSION}"]
            subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def found(served: Served) -> dict[str, Any]:
    recording = str(AUDIO / RECORDING[0]) if RECORDING else None
    asked = {"url": served.url, "key": served.key, "sample": str(SAMPLE), "recording": recording}
    command = ["node", str(Path(__file__).with_name("client.mjs")), str(modules()), json.dumps(asked)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    results: dict[str, Any] = json.loads(done.stdout)
    return results


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
