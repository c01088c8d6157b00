"""OpenAI's own Python client against apps/chat: completions, embeddings, responses and models."""

import base64
import json
import struct
from typing import Any

import numpy as np
import openai
import pytest

from tests.apps.chat.conftest import MODEL, VECTORS
from tests.apps.chat.expected import PROMPT, greedy, text
from tests.apps.chat.test_chat import AGE, FRANCE, PARIS, WEATHER
from tests.conftest import ROOT
from tests.references.sentences import TEXTS

# Made by tests/references/sentences.py.
_VECTORS = np.load(ROOT / "tests/fixtures/sentences.npz")
# Made by tests/references/llm_scores.py.
_SCORES = json.loads((ROOT / "tests/fixtures/llm_scores.json").read_text())
FERRY = "A ferry is a light boat that carries people and goods across a river."  # PROMPT


def go_on(client: openai.OpenAI, **fields: Any) -> Any:
    return client.completions.create(**{"model": MODEL, "prompt": PROMPT, "temperature": 0, "max_tokens": 16, **fields})


# -- completions


def test_a_text_goes_on_as_float32_does(client: openai.OpenAI) -> None:
    assert text(PROMPT) == FERRY
    expected = greedy(16)
    found = go_on(client)
    assert (found.choices[0].text, found.choices[0].finish_reason) == (expected, "length")
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (len(PROMPT), 16)
    assert go_on(client, max_tokens=openai.omit).choices[0].text == expected  # OpenAI's own 16
    assert go_on(client, prompt=FERRY).choices[0].text == expected
    assert "".join(chunk.choices[0].text for chunk in go_on(client, stream=True)) == expected


def test_several_prompts(client: openai.OpenAI) -> None:
    for prompt in ([FERRY, "1, 2, 3,"], [PROMPT, [33, 28, 216, 34, 28]]):
        found = go_on(client, prompt=prompt, n=2, max_tokens=4)
        assert [choice.index for choice in found.choices] == [0, 1, 2, 3]
        assert [choice.text for choice in found.choices[:2]] == [greedy(4)] * 2
        assert found.choices[2].text == found.choices[3].text != greedy(4)
        assert found.usage.completion_tokens == 16


def test_echo(client: openai.OpenAI) -> None:
    assert go_on(client, echo=True, max_tokens=4).choices[0].text == FERRY + greedy(4)
    assert go_on(client, prompt=FERRY, echo=True, max_tokens=0).choices[0].text == FERRY
    chunks = list(go_on(client, echo=True, max_tokens=4, stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].text for chunk in chunks[:-1]) == FERRY + greedy(4)
    assert chunks[-1].usage.total_tokens == len(PROMPT) + 4


def test_names_of_special_tokens_in_a_text(client: openai.OpenAI) -> None:
    """As llama.cpp's server and vLLM read them; parse_special: false for a text that somebody else wrote."""
    prompt = f"{FERRY}<|im_end|>"
    assert go_on(client, prompt=prompt).usage.prompt_tokens == len(PROMPT) + 1
    assert go_on(client, prompt=prompt, extra_body={"parse_special": False}).usage.prompt_tokens > len(PROMPT) + 1
    assert go_on(client, prompt=FERRY, extra_body={"parse_special": False}).choices[0].text == greedy(16)
    with pytest.raises(openai.BadRequestError) as caught:
        go_on(client, prompt=prompt, echo=True, logprobs=1, extra_body={"parse_special": False})
    assert caught.value.param == "parse_special"


def test_log_probabilities_of_a_text(client: openai.OpenAI) -> None:
    found = go_on(client, logprobs=2, max_tokens=6).choices[0]
    told = found.logprobs
    assert "".join(told.tokens) == found.text == greedy(6)
    assert told.text_offset == [sum(map(len, told.tokens[:i])) for i in range(6)]
    for token, logprob, top in zip(told.tokens, told.token_logprobs, told.top_logprobs, strict=True):
        assert len(top) == 2 and top[token] == pytest.approx(logprob, abs=1e-4) == pytest.approx(max(top.values()), abs=1e-4)
    streamed = [chunk.choices[0].logprobs for chunk in go_on(client, logprobs=0, max_tokens=6, stream=True)]
    assert [offset for logprobs in streamed for offset in logprobs.text_offset] == told.text_offset


@pytest.mark.parametrize("asked", [PROMPT, FERRY], ids=["tokens", "text"])
def test_how_likely_a_text_is(asked: Any, client: openai.OpenAI) -> None:
    """As harnesses ask for it: the prompt's own tokens, in float32; the first follows nothing."""
    (found,) = go_on(client, prompt=asked, echo=True, logprobs=1, max_tokens=0).choices
    told = found.logprobs
    assert (found.text, "".join(told.tokens)) == (FERRY, FERRY)
    assert told.token_logprobs[0] is None and told.top_logprobs[0] is None
    assert told.token_logprobs[1:] == pytest.approx(_SCORES["ferry"]["own"], abs=1e-2)
    assert [max(top.values()) for top in told.top_logprobs[1:]] == pytest.approx(_SCORES["ferry"]["best"], abs=1e-2)
    for token, logprob, best, top in zip(
        told.tokens[1:], told.token_logprobs[1:], _SCORES["ferry"]["best"], told.top_logprobs[1:], strict=True
    ):
        assert (token in top) == (logprob == pytest.approx(best, abs=1e-2))
        assert token not in top or top[token] == logprob


def test_how_likely_texts_and_what_comes_after_them_are(client: openai.OpenAI) -> None:
    alone = go_on(client, logprobs=2, max_tokens=3).choices[0].logprobs
    whole = go_on(client, prompt=[PROMPT, [33, 28, 216, 34, 28]], echo=True, logprobs=2, max_tokens=3, n=2).choices
    told = whole[0].logprobs
    assert len(told.tokens) == len(PROMPT) + 3 and whole[0].text == FERRY + greedy(3)
    assert told.text_offset == [sum(map(len, told.tokens[:i])) for i in range(len(told.tokens))]
    assert told.token_logprobs[len(PROMPT) :] == pytest.approx(alone.token_logprobs, abs=1e-5)
    assert [choice.logprobs.token_logprobs[0] for choice in whole] == [None] * 4
    chunks = list(go_on(client, echo=True, logprobs=2, max_tokens=3, stream=True))
    streamed = [chunk.choices[0].logprobs for chunk in chunks if chunk.choices]
    assert [offset for each in streamed for offset in each.text_offset] == told.text_offset
    assert [x for each in streamed for x in each.token_logprobs][1:] == pytest.approx(told.token_logprobs[1:], abs=1e-5)


def test_the_token_that_ends_a_text_is_told_with_the_others(client: openai.OpenAI) -> None:
    """Harnesses count on one after the prompt's own, whichever it is."""
    (found,) = go_on(client, echo=True, logprobs=1, max_tokens=1, logit_bias={"2": 100}).choices
    assert (found.text, found.finish_reason) == (FERRY, "stop")
    assert len(found.logprobs.token_logprobs) == len(PROMPT) + 1
    assert found.logprobs.tokens[-1] == "" and found.logprobs.token_logprobs[-1] < -1
    assert found.logprobs.token_logprobs[1:-1] == pytest.approx(_SCORES["ferry"]["own"], abs=1e-2)


def test_the_best_of_several(client: openai.OpenAI) -> None:
    """By the mean of their log-probabilities, among the same seeds."""
    fields = {"temperature": 1.0, "seed": 5, "max_tokens": 6}
    each = go_on(client, n=4, logprobs=0, **fields).choices
    likeliest = max(each, key=lambda choice: sum(choice.logprobs.token_logprobs) / len(choice.logprobs.token_logprobs))
    found = go_on(client, best_of=4, **fields)
    assert [choice.text for choice in found.choices] == [likeliest.text]
    assert found.choices[0].logprobs is None and found.usage.completion_tokens == 24


def test_a_stop_and_a_seed_of_a_text(client: openai.OpenAI) -> None:
    whole = greedy(12)
    word = whole.split()[2]
    found = go_on(client, stop=word).choices[0]
    assert (found.text, found.finish_reason) == (whole[: whole.index(word)], "stop")
    drawn = {go_on(client, temperature=1.0, seed=seed, max_tokens=8).choices[0].text for seed in (1, 1, 2)}
    assert len(drawn) == 2


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"prompt": []}, "prompt"),
        ({"prompt": ["a", 5]}, "prompt[1]"),
        ({"prompt": [999999]}, "prompt"),
        ({"prompt": [5] * 9000}, "prompt"),
        ({"suffix": "the end"}, "suffix"),
        ({"best_of": 1, "n": 2}, "best_of"),
        ({"best_of": 2, "stream": True}, "best_of"),
        ({"logprobs": 6}, "logprobs"),
        ({"n": 8, "prompt": ["a"] * 8}, "prompt"),
    ],
)
def test_what_is_wrong_with_a_text(change: Any, param: str, client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        go_on(client, **change)
    assert caught.value.param == param


# -- embeddings


def test_vectors_are_transformers(client: openai.OpenAI) -> None:
    texts = [each for each in TEXTS if each]
    expected = np.stack([_VECTORS[f"vector {index}"] for index, each in enumerate(TEXTS) if each])
    found = client.embeddings.create(model=VECTORS, input=texts)  # the client asks for base64
    np.testing.assert_allclose([each.embedding for each in found.data], expected, atol=1e-5)
    assert [each.index for each in found.data] == list(range(len(texts)))
    plain = client.embeddings.create(model=VECTORS, input=texts[0], encoding_format="float")
    np.testing.assert_allclose(plain.data[0].embedding, expected[0], atol=1e-5)
    assert plain.usage.prompt_tokens == plain.usage.total_tokens == len(_VECTORS["tokens 0"])
    tokens = [_VECTORS[f"tokens {index}"].tolist() for index in (0, 1)]
    given = client.embeddings.create(model=VECTORS, input=tokens)
    np.testing.assert_allclose([each.embedding for each in given.data], expected[:2], atol=1e-5)


def test_fewer_numbers_are_of_length_one_again(client: openai.OpenAI) -> None:
    raw: Any = client.post("/embeddings", cast_to=object, body={"input": TEXTS[0], "dimensions": 8, "encoding_format": "base64"})
    numbers = struct.unpack("<8f", base64.b64decode(raw["data"][0]["embedding"]))
    expected = _VECTORS["vector 0"][:8]
    np.testing.assert_allclose(numbers, expected / np.linalg.norm(expected), atol=1e-5)


@pytest.mark.parametrize(
    ("change", "param"),
    [({"input": ""}, "input"), ({"input": []}, "input"), ({"input": [["a"]]}, "input[0]"),
     ({"input": "word " * 9000}, "input[0]"), ({"dimensions": 385}, "dimensions"), ({"dimensions": 0}, "dimensions")],
)  # fmt: skip
def test_what_is_wrong_with_a_vector(change: Any, param: str, client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(**{"model": VECTORS, "input": "a", **change})
    assert caught.value.param == param


# -- responses


def respond(client: openai.OpenAI, **fields: Any) -> Any:
    question = "What is the capital of France?"
    return client.responses.create(**{"model": MODEL, "input": question, "temperature": 0, "max_output_tokens": 12, **fields})


def test_a_response(client: openai.OpenAI) -> None:
    found = respond(client)
    assert (found.output_text, found.status, found.error, found.model) == (PARIS, "completed", None, MODEL)
    assert (found.usage.output_tokens, found.usage.total_tokens) == (7, found.usage.input_tokens + 7)
    assert respond(client, input=[{"role": "user", "content": [{"type": "input_text", "text": FRANCE[0]["content"]}]}]
                   ).output_text == PARIS  # fmt: skip
    cut = respond(client, max_output_tokens=3)
    assert (cut.output_text, cut.status, cut.incomplete_details.reason) == ("The capital of", "incomplete", "max_output_tokens")
    told = [{"role": "system", "content": "Answer in Italian."}, *FRANCE]
    chat = client.chat.completions.create(model=MODEL, messages=told, temperature=0, max_tokens=12)  # type: ignore[arg-type]
    assert respond(client, instructions="Answer in Italian.").output_text == chat.choices[0].message.content


def test_the_events_of_a_response(client: openai.OpenAI) -> None:
    events = list(respond(client, stream=True, include=["message.output_text.logprobs"]))
    kinds = [event.type.removeprefix("response.") for event in events]
    deltas = kinds.count("output_text.delta")
    assert kinds == [
        "created", "in_progress", "output_item.added", "content_part.added", *["output_text.delta"] * deltas,
        "output_text.done", "content_part.done", "output_item.done", "completed",
    ]  # fmt: skip
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == PARIS
    assert sum(len(event.logprobs) for event in events if event.type == "response.output_text.delta") == 7
    assert events[-1].response.output_text == PARIS and events[-1].response.usage.output_tokens == 7
    assert list(respond(client, stream=True, max_output_tokens=2))[-1].type == "response.incomplete"
    with client.responses.stream(model=MODEL, input="What is the capital of France?", temperature=0) as stream:
        assert stream.get_final_response().output_text == PARIS


def test_a_response_in_json(client: openai.OpenAI) -> None:
    form = {"format": {"type": "json_schema", "name": "person", "schema": AGE}}
    found = json.loads(respond(client, text=form, max_output_tokens=40).output_text)
    assert set(found) == {"age", "well"}


def test_a_response_that_calls_a_tool(client: openai.OpenAI) -> None:
    tool = {"type": "function", **WEATHER["function"]}
    fields = {"input": "Weather in Paris?", "tools": [tool], "tool_choice": "required", "max_output_tokens": 40}
    (call,) = respond(client, **fields).output
    assert (call.type, call.name, call.status) == ("function_call", "weather", "completed")
    events = {event.type: event for event in respond(client, stream=True, **fields)}
    assert events["response.function_call_arguments.done"].arguments == call.arguments
    assert json.loads(call.arguments)["city"]
    answered = [
        {"role": "user", "content": "Weather in Paris?"},
        {"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": call.arguments},
        {"type": "function_call_output", "call_id": call.call_id, "output": "Rain, 12 degrees"},
    ]
    assert respond(client, input=answered).output_text


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"background": True}, "background"),
        ({"input": []}, "input"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]}, "input[0].content[0].type"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0].type"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"reasoning": "low"}, "reasoning"),
        ({"truncation": "some"}, "truncation"),
        ({"input": "word " * 9000}, "input"),
    ],
)
def test_what_is_wrong_with_a_response(change: Any, param: str, client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        respond(client, **change)
    assert caught.value.param == param


def test_what_clients_of_responses_send_besides_is_taken(client: openai.OpenAI) -> None:
    fields = {"reasoning": {"effort": "low", "summary": "auto"}, "store": True, "include": ["reasoning.encrypted_content"]}
    found = respond(client, text={"verbosity": "low"}, max_tool_calls=3, extra_body={"nobody": 1}, **fields)
    assert (found.output_text, found.store, found.reasoning.effort) == (PARIS, False, "low")
    thought: Any = [{"type": "reasoning", "id": "rs_1", "summary": []}, {"role": "user", "content": FRANCE[0]["content"]}]
    assert respond(client, input=thought).output_text == PARIS


def test_an_input_that_is_too_long_loses_its_oldest_messages(client: openai.OpenAI) -> None:
    long = [{"role": "user", "content": "word " * 9000}, {"role": "assistant", "content": "ok"}] * 2
    found = respond(client, input=[*long, *FRANCE], truncation="auto", instructions="Be brief.", max_output_tokens=4)
    assert found.truncation == "auto" and 20 < found.usage.input_tokens < 60
    with pytest.raises(openai.BadRequestError, match="maximum context length"):
        respond(client, input="word " * 9000, truncation="auto")


# -- models


def test_models(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [MODEL, VECTORS]
    assert client.models.retrieve(VECTORS).owned_by == "wherry"
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("gpt-5")
    assert caught.value.code == "model_not_found"
