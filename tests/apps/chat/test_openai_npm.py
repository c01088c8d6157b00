"""OpenAI's npm client against apps/chat: client.mjs makes the calls."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from tests.apps.chat.test_chat import AGE, PARIS, WEATHER
from tests.apps.npm import call
from tests.apps.serving import Served
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def found(served: Served) -> dict[str, Any]:
    return call(Path(__file__).with_name("client.mjs"), {"url": served.url, "key": served.key, "weather": WEATHER, "schema": AGE})


def test_chats(found: dict[str, Any]) -> None:
    assert [choice["message"]["content"] for choice in found["chat"]["choices"]] == [PARIS.rstrip(".")] * 2
    assert len(found["chat"]["choices"][0]["logprobs"]["content"][0]["top_logprobs"]) == 2
    *chunks, last = found["chat stream"]
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks) == PARIS
    assert last["usage"]["completion_tokens"] == 7
    assert found["chat helper"]["choices"][0]["message"]["content"] == PARIS
    assert found["left"] == "chat.completion.chunk"
    jsonschema.validate(json.loads(found["json"]["choices"][0]["message"]["content"]), AGE)
    (called,) = found["tool"]["choices"][0]["message"]["tool_calls"]
    jsonschema.validate(json.loads(called["function"]["arguments"]), WEATHER["function"]["parameters"])


def test_texts_vectors_and_responses(found: dict[str, Any]) -> None:
    first, second = (choice["text"] for choice in found["text"]["choices"])
    assert first.startswith("A ferry is") and second.startswith("A boat is")
    assert "A ferry is" + "".join(chunk["choices"][0]["text"] for chunk in found["text stream"]) == first
    expected = np.load(ROOT / "tests/fixtures/sentences.npz")["vector 0"]
    for name in ("vector", "vector float"):
        np.testing.assert_allclose(found[name]["data"][0]["embedding"], expected, atol=1e-5)
    assert (found["response"]["output_text"], found["response"]["status"]) == (PARIS, "completed")
    events = found["response stream"]
    assert (events[0]["type"], events[-1]["type"]) == ("response.created", "response.completed")
    assert "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta") == PARIS
    assert [model["id"] for model in found["models"]] == ["smollm2-135m-instruct", "all-minilm-l6-v2"]


def test_every_error(found: dict[str, Any]) -> None:
    expected = {
        "unknown model": ("NotFoundError", 404, "model", "model_not_found"),
        "bad temperature": ("BadRequestError", 400, "temperature", "invalid_value"),
        "long": ("BadRequestError", 400, "messages", "context_length_exceeded"),
        "long stream": ("BadRequestError", 400, "messages", "context_length_exceeded"),
        "suffix": ("BadRequestError", 400, "suffix", "unsupported_parameter"),
        "previous response": ("BadRequestError", 400, "previous_response_id", "unsupported_parameter"),
        "wrong key": ("AuthenticationError", 401, None, "invalid_api_key"),
    }
    for name, (kind, status, param, code) in expected.items():
        error = found[name]
        assert (error["class"], error["status"], error["param"], error["code"]) == (kind, status, param, code), name
        assert error["type"] == "invalid_request_error", name
