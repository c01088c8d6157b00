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


def said(answer: Any) -> str:
    return str(answer["choices"][0]["message"]["content"])


def test_every_field_of_a_chat(found: dict[str, Any]) -> None:
    """What they do is test_chat.py's; here it is whether they come through npm's client."""
    assert (said(found["most"]), found["most"]["choices"][0]["finish_reason"]) == ("The capital of", "length")
    assert said(found["several stops"]) == "The capital of"
    assert said(found["drawn"]) == said(found["drawn again"])
    assert not said(found["biased"]).startswith("The ")
    assert said(found["penalties"]) != said(found["no penalties"])
    told = [part["choices"][0]["logprobs"] for part in found["logprobs stream"]]
    tokens = [token for logprobs in told if logprobs for token in logprobs["content"]]
    assert "".join(token["token"] for token in tokens) == PARIS and {len(token["top_logprobs"]) for token in tokens} == {1}
    assert said(found["object"]).lstrip().startswith("{")
    if found["object"]["choices"][0]["finish_reason"] == "stop":
        assert isinstance(json.loads(said(found["object"])), dict)


def test_every_field_of_tools(found: dict[str, Any]) -> None:
    for name in ("tool", "named tool"):
        assert found[name]["choices"][0]["finish_reason"] == "tool_calls"
        (called,) = found[name]["choices"][0]["message"]["tool_calls"]
        jsonschema.validate(json.loads(called["function"]["arguments"]), WEATHER["function"]["parameters"])
    parts = [part for chunk in found["tool stream"] for part in chunk["choices"][0]["delta"].get("tool_calls") or []]
    assert json.loads("".join(part["function"]["arguments"] for part in parts)) == json.loads(called["function"]["arguments"])
    assert said(found["tool answered"]) and not found["tool answered"]["choices"][0]["message"].get("tool_calls")


def test_every_field_of_texts_vectors_and_responses(found: dict[str, Any]) -> None:
    choices = found["text fields"]["choices"]
    assert [choice["index"] for choice in choices] == [0, 1]
    for choice in choices:
        assert "".join(choice["logprobs"]["tokens"]) == choice["text"]
        assert {len(top) for top in choice["logprobs"]["top_logprobs"]} <= {2, 3}
    assert found["text of tokens"]["usage"] == {**found["text of tokens"]["usage"], "prompt_tokens": 5, "completion_tokens": 4}
    lengths = [np.linalg.norm(each["embedding"]) for each in found["short vectors"]["data"]]
    assert [len(each["embedding"]) for each in found["short vectors"]["data"]] == [64, 64]
    np.testing.assert_allclose(lengths, 1, atol=1e-4)
    jsonschema.validate(json.loads(found["response fields"]["output_text"]), AGE)


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
