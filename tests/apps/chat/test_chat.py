"""OpenAI's own Python client against apps/chat: every field of /v1/chat/completions."""

import json
import math
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jsonschema
import openai
import pytest

from tests.apps.chat.conftest import MODEL, VECTORS

FRANCE: list[Any] = [{"role": "user", "content": "What is the capital of France?"}]
PARIS = "The capital of France is Paris."  # what llama.cpp answers too, as tests/references/llm_logits.py's float32 does
AGE = {
    "type": "object",
    "properties": {"age": {"type": "integer", "minimum": 0, "maximum": 99}, "well": {"type": "boolean"}},
    "required": ["age", "well"],
    "additionalProperties": False,
}
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "maxLength": 12}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}


def ask(client: openai.OpenAI, **fields: Any) -> Any:
    return client.chat.completions.create(**{"model": MODEL, "messages": FRANCE, "temperature": 0, "max_tokens": 12, **fields})


def test_an_answer_and_its_usage(client: openai.OpenAI) -> None:
    found = ask(client)
    (choice,) = found.choices
    assert (choice.message.role, choice.message.content, choice.finish_reason) == ("assistant", PARIS, "stop")
    assert (found.object, found.model, found.id[:9]) == ("chat.completion", MODEL, "chatcmpl-")
    assert (found.usage.completion_tokens, found.usage.total_tokens) == (7, found.usage.prompt_tokens + 7)


def test_a_stream_says_the_same(client: openai.OpenAI) -> None:
    chunks = list(ask(client, stream=True, stream_options={"include_usage": True}))
    *pieces, last = chunks
    assert "".join(chunk.choices[0].delta.content or "" for chunk in pieces) == PARIS
    assert pieces[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in pieces] == [None] * (len(pieces) - 1) + ["stop"]
    assert len({chunk.id for chunk in chunks}) == 1 and all(chunk.usage is None for chunk in pieces)
    assert last.choices == [] and last.usage == ask(client).usage
    assert all(chunk.usage is None for chunk in ask(client, stream=True, max_tokens=1))


def test_the_most_tokens(client: openai.OpenAI) -> None:
    for name in ("max_tokens", "max_completion_tokens"):
        found = ask(client, **{"max_tokens": openai.omit, name: 3})
        assert (found.choices[0].message.content, found.choices[0].finish_reason) == ("The capital of", "length")
        assert found.usage.completion_tokens == 3


@pytest.mark.parametrize("stop", [" France", ["nothing", "is P", " France"]])
def test_stops_end_an_answer_and_are_no_part_of_it(stop: Any, client: openai.OpenAI) -> None:
    found = ask(client, stop=stop).choices[0]
    assert (found.message.content, found.finish_reason) == ("The capital of", "stop")
    streamed = [chunk.choices[0] for chunk in ask(client, stop=stop, stream=True)]
    assert "".join(choice.delta.content or "" for choice in streamed) == "The capital of"


def test_several_answers_have_seeds_of_their_own(client: openai.OpenAI) -> None:
    fields = {"n": 3, "seed": 11, "temperature": 1.0, "max_tokens": 8}
    found = [choice.message.content for choice in ask(client, **fields).choices]
    assert len(set(found)) == 3
    streamed = dict.fromkeys(range(3), "")
    for chunk in ask(client, stream=True, **fields):
        streamed[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    assert list(streamed.values()) == found
    assert ask(client, **{**fields, "n": 1, "seed": 12}).choices[0].message.content == found[1]


@pytest.mark.slow
def test_a_seed_draws_the_same_alone_and_among_sixteen_others(client: openai.OpenAI) -> None:
    fields = {"temperature": 1.0, "max_tokens": 16}
    alone = ask(client, seed=7, **fields).choices[0].message.content
    with ThreadPoolExecutor(17) as pool:
        others = [pool.submit(ask, client, seed=100 + i, **fields) for i in range(16)]
        again = pool.submit(ask, client, seed=7, **fields)
        assert again.result().choices[0].message.content == alone
        texts = [other.result().choices[0].message.content for other in others]
    assert len(set(texts)) > 8


def test_log_probabilities(client: openai.OpenAI) -> None:
    found = ask(client, logprobs=True, top_logprobs=3).choices[0].logprobs.content
    assert b"".join(bytes(token.bytes) for token in found).decode() == PARIS
    for token in found:
        assert len(token.top_logprobs) == 3 and token.top_logprobs[0].logprob == pytest.approx(token.logprob, abs=1e-4)
        assert sum(math.exp(other.logprob) for other in token.top_logprobs) < 1.001
    streamed = [chunk.choices[0].logprobs for chunk in ask(client, logprobs=True, stream=True)]
    told = [token for logprobs in streamed if logprobs for token in logprobs.content]
    assert [token.token for token in told] == [token.token for token in found]
    assert [token.top_logprobs for token in told] == [[]] * len(found)
    assert ask(client, max_tokens=1).choices[0].logprobs is None


def test_what_bends_the_draw(client: openai.OpenAI) -> None:
    """A bias of 100 decides; so does one of -100, and nothing is drawn beyond the likeliest of a tiny top_p or top_k."""
    never = ask(client, logit_bias={"504": -100}, max_tokens=2).choices[0].message.content  # "The"
    assert not never.startswith("The ")
    for narrow in ({"top_p": 1e-6}, {"extra_body": {"top_k": 1}}, {"extra_body": {"min_p": 1.0}}):
        assert ask(client, temperature=2.0, seed=1, **narrow).choices[0].message.content == PARIS
    same = [{"role": "user", "content": "Say: a a a a a a a a a a a a"}]
    assert len({ask(client, messages=same, **penalty).choices[0].message.content
                for penalty in ({}, {"frequency_penalty": 2.0, "presence_penalty": 2.0})}) == 2  # fmt: skip


def test_contents_in_parts_and_what_has_no_effect(client: openai.OpenAI) -> None:
    parts = [
        {"role": "user", "content": [{"type": "text", "text": "What is the capital "}, {"type": "text", "text": "of France?"}]}
    ]
    found = ask(client, messages=parts, user="me", metadata={"a": "b"}, service_tier="auto", store=False)
    assert found.choices[0].message.content == PARIS
    told = [{"role": "system", "content": "Answer in Italian."}, *FRANCE]
    developer = [{"role": "developer", "content": "Answer in Italian."}, *FRANCE]
    assert ask(client, messages=told).choices[0].message.content == ask(client, messages=developer).choices[0].message.content


# -- JSON


def test_any_object(client: openai.OpenAI) -> None:
    found = ask(client, response_format={"type": "json_object"}, max_tokens=60, temperature=1.0, seed=2).choices[0]
    if found.finish_reason == "stop":
        assert isinstance(json.loads(found.message.content), dict)
    assert found.message.content.lstrip().startswith("{")


@pytest.mark.slow
def test_json_of_a_schema_two_hundred_times_of_two_hundred(client: openai.OpenAI) -> None:
    schema = {**AGE, "properties": {"age": {"type": "integer", "minimum": 0, "maximum": 99}}, "required": ["age"]}
    form = {"type": "json_schema", "json_schema": {"name": "age", "schema": schema, "strict": True}}

    # 65 tokens: a page that is read once for all two hundred, and one that each reads for itself.
    told = (
        "The villagers came to the harbour one by one, each was asked how old they were, and what they said was written down in "
        "a book that lies in a church on the hill above the harbour, where the ferry to the northern islands leaves."
    )
    said = [{"role": "system", "content": told}, {"role": "user", "content": "Age?"}]

    def one(seed: int) -> str:
        found = ask(client, messages=said, response_format=form, temperature=1.0, seed=seed, max_tokens=40)
        assert found.usage.prompt_tokens == 65, found.usage
        assert found.choices[0].finish_reason == "stop"
        return str(found.choices[0].message.content)

    with ThreadPoolExecutor(16) as pool:
        texts = list(pool.map(one, range(200)))
    for text in texts:
        jsonschema.validate(json.loads(text), schema)
    assert len(set(texts)) > 20


def test_a_schema_that_cannot_be(client: openai.OpenAI) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "unheard of"}}}
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, response_format=form)
    assert str(caught.value.param).startswith("response_format")


# -- tools


def test_a_tool_that_must_be_called(client: openai.OpenAI) -> None:
    question = [{"role": "user", "content": "Weather in Paris?"}]
    for choice in ("required", {"type": "function", "function": {"name": "weather"}}):
        found = ask(client, messages=question, tools=[WEATHER], tool_choice=choice, max_tokens=40).choices[0]
        assert found.finish_reason == "tool_calls" and found.message.content is None
        (call,) = found.message.tool_calls
        assert call.function.name == "weather" and call.id.startswith("call_")
        jsonschema.validate(json.loads(call.function.arguments), WEATHER["function"]["parameters"])
    streamed = list(ask(client, messages=question, tools=[WEATHER], tool_choice="required", max_tokens=40, stream=True))
    calls = [part for chunk in streamed for part in chunk.choices[0].delta.tool_calls or []]
    assert {part.index for part in calls} == {0} and calls[0].function.name == "weather"
    assert json.loads("".join(part.function.arguments for part in calls)) == json.loads(call.function.arguments)
    assert streamed[-1].choices[0].finish_reason == "tool_calls"


def test_what_a_tool_answered_is_read(client: openai.OpenAI) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}}
    talk = [
        {"role": "user", "content": "Weather in Paris?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "Rain, 12 degrees"},
    ]
    found = ask(client, messages=talk, tools=[WEATHER], tool_choice="none")
    assert found.choices[0].message.content and not found.choices[0].message.tool_calls
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, messages=[talk[0], talk[2]])
    assert caught.value.param == "messages[1].tool_call_id"


def test_of_allowed_tools_one_is_called_or_the_name_is_refused(client: openai.OpenAI) -> None:
    other = {"type": "function", "function": {"name": "now"}}
    allowed = {"mode": "required", "tools": [{"type": "function", "function": {"name": "now"}}]}
    choice = {"type": "allowed_tools", "allowed_tools": allowed}
    found = ask(client, tools=[WEATHER, other], tool_choice=choice, max_tokens=40).choices[0]
    assert (found.finish_reason, found.message.tool_calls[0].function.name) == ("tool_calls", "now")
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, tools=[WEATHER], tool_choice=choice)
    assert caught.value.param == "tool_choice"


def test_beside_tools_an_answer_fits_the_schema_or_is_a_call(client: openai.OpenAI) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "age", "schema": AGE}}
    for begun in ("", "<tool_call>"):
        messages = [*FRANCE, {"role": "assistant", "content": begun}]
        for seed in range(4):
            fields = {"messages": messages, "tools": [WEATHER], "response_format": form, "temperature": 1.0, "max_tokens": 80}
            found = ask(client, seed=seed, **fields).choices[0]
            if found.finish_reason == "tool_calls":
                jsonschema.validate(json.loads(found.message.tool_calls[0].function.arguments), WEATHER["function"]["parameters"])
            elif found.finish_reason == "stop":
                jsonschema.validate(json.loads(found.message.content), AGE)
    required = ask(client, tools=[WEATHER], tool_choice="required", response_format=form, max_tokens=40).choices[0]
    assert required.finish_reason == "tool_calls"


# -- clients as they are


def test_an_assistants_message_at_the_end_is_continued(client: openai.OpenAI) -> None:
    begun = [*FRANCE, {"role": "assistant", "content": "The capital of France"}]
    assert ask(client, messages=begun).choices[0].message.content == " is Paris."
    assert ask(client, messages=begun, extra_body={"continue_final_message": True}).choices[0].message.content == " is Paris."
    new = ask(client, messages=begun, extra_body={"add_generation_prompt": True})
    assert not new.choices[0].message.content.startswith(" is") and new.usage.prompt_tokens > ask(client).usage.prompt_tokens + 5


def test_half_a_character_at_the_end_is_not_sent(client: openai.OpenAI) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"const": "🙂👩é"}}}
    whole = ask(client, response_format=form, max_tokens=60).choices[0].message.content
    assert json.loads(whole) == "🙂👩é"
    for most in range(1, 9):
        cut = ask(client, response_format=form, max_tokens=most).choices[0]
        streamed = ask(client, response_format=form, max_tokens=most, stream=True)
        assert whole.startswith(cut.message.content) and cut.finish_reason == "length"
        assert "".join(chunk.choices[0].delta.content or "" for chunk in streamed) == cut.message.content
        plain = client.completions.create(
            model=MODEL, prompt="a", max_tokens=most, extra_body={"guided_json": {"const": "🙂👩é"}}
        )
        assert whole.startswith(plain.choices[0].text)


def test_fields_without_effect_are_named_in_a_header(client: openai.OpenAI) -> None:
    extra = {"loudness": 3, "cache_prompt": True, "stream_options": None, "ключ": 1}
    raw = client.chat.completions.with_raw_response.create(
        model=MODEL, messages=FRANCE, temperature=0, max_tokens=12, store=True, verbosity="low", reasoning_effort="low",
        prediction={"type": "content", "content": "The"}, extra_body=extra,
    )  # fmt: skip
    assert raw.parse().choices[0].message.content == PARIS
    assert set(raw.headers["wherry-ignored"].split(", ")) == {
        "loudness",
        "cache_prompt",
        "store",
        "verbosity",
        "prediction",
        "????",
    }
    assert "wherry-ignored" not in client.chat.completions.with_raw_response.create(
        model=MODEL, messages=FRANCE, max_tokens=1, user="me", metadata={"a": "b"}, service_tier="auto"
    ).headers  # fmt: skip


FORMS: dict[str, Any] = {
    "guided_json": {"const": 7},
    "guided_regex": "[4-6]{3}",
    "guided_choice": ["yes.", "no+"],
    "guided_grammar": 'root ::= "moon" | "sun"',
    "grammar": 'root ::= "moon" | "sun"',
    "json_schema": '{"enum": [1, 2]}',
    "structured_outputs": {"choice": ["left", "right"]},
    "response_format": {"type": "json_object", "schema": {"enum": ["a"]}},
}


@pytest.mark.parametrize("name", FORMS)
def test_forms_of_other_servers_clients_are_kept(name: str, client: openai.OpenAI) -> None:
    expected = {
        "guided_json": "7", "guided_regex": "[4-6]{3}", "guided_choice": r"yes\.|no\+", "guided_grammar": "moon|sun",
        "grammar": "moon|sun", "json_schema": "[12]", "structured_outputs": "left|right", "response_format": '"a"',
    }  # fmt: skip
    content = ask(client, extra_body={name: FORMS[name]}, temperature=1.0, seed=3).choices[0].message.content
    assert re.fullmatch(expected[name], content)


@pytest.mark.parametrize("tokens", [-1, None])
def test_no_limit_of_tokens(tokens: int | None, client: openai.OpenAI) -> None:
    for name in ("max_tokens", "max_completion_tokens", "n_predict"):
        found = ask(client, max_tokens=openai.omit, extra_body={name: tokens}).choices[0]
        assert (found.message.content, found.finish_reason) == (PARIS, "stop")


def test_a_strict_tool_is_refused_where_the_caller_has_it(client: openai.OpenAI) -> None:
    parameters = {
        "type": "object",
        "properties": {"a": {"type": "array", "items": {"enum": [1]}, "maxItems": 2, "uniqueItems": True}},
    }
    tool: Any = {"type": "function", "function": {"name": "f", "parameters": parameters, "strict": True}}
    with pytest.raises(openai.BadRequestError, match="#/properties/a/uniqueItems: true") as caught:
        ask(client, tools=[WEATHER, tool], tool_choice="required")
    assert caught.value.param == "tools[1].function.parameters"
    tool["function"]["strict"] = False
    assert ask(client, tools=[tool], tool_choice="required", max_tokens=60).choices[0].finish_reason == "tool_calls"


def test_strict_alone_refuses_what_cannot_be_enforced(client: openai.OpenAI) -> None:
    schema = {"type": "array", "items": {"enum": [1, 2]}, "uniqueItems": True, "maxItems": 2}
    form: Any = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    assert set(json.loads(ask(client, response_format=form).choices[0].message.content)) <= {1, 2}
    form["json_schema"]["strict"] = True
    with pytest.raises(openai.BadRequestError, match="#/uniqueItems: true") as caught:
        ask(client, response_format=form)
    assert caught.value.param == "response_format.json_schema.schema"


MESSAGES: dict[str, Any] = {
    "null": [{"role": "assistant", "content": None}],
    "nothing": [{"role": "assistant"}],
    "refusal": [{"role": "assistant", "refusal": "I cannot."}],
    "refused part": [{"role": "assistant", "content": [{"type": "refusal", "refusal": "I cannot."}]}],
    "no calls": [{"role": "assistant", "content": "", "tool_calls": []}],
    "a call without arguments": [
        {"role": "assistant", "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": None}}]},
        {"role": "tool", "tool_call_id": "a", "content": None},
    ],
    "a call that was cut off": [
        {"role": "assistant", "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"a'}}]},
        {"role": "tool", "tool_call_id": "a", "content": "no JSON"},
    ],
}


@pytest.mark.parametrize("case", MESSAGES)
def test_messages_of_real_histories_are_taken(case: str, client: openai.OpenAI) -> None:
    assert ask(client, messages=[*FRANCE, *MESSAGES[case], *FRANCE], max_tokens=2).choices[0].message.content


def test_a_prompt_that_is_too_long_is_called_so_in_openais_words(client: openai.OpenAI) -> None:
    long = "word " * 9000
    for call in (
        lambda: ask(client, messages=[{"role": "user", "content": long}]),
        lambda: client.completions.create(model=MODEL, prompt=long),
        lambda: client.responses.create(model=MODEL, input=long),
        lambda: client.embeddings.create(model=VECTORS, input=long),
    ):
        with pytest.raises(openai.BadRequestError, match="maximum context length") as caught:
            call()
        assert caught.value.code == "context_length_exceeded"


# -- errors


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"messages": []}, "messages", "invalid_value"),
        ({"messages": "hello"}, "messages", "invalid_value"),
        ({"messages": openai.omit, "extra_body": {"model": MODEL}}, "messages", "missing_required_parameter"),
        ({"messages": [{"role": "robot", "content": "a"}]}, "messages[0].role", "invalid_value"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content", "invalid_value"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content[0].type", "invalid_value"),
        ({"messages": [{"role": "user", "content": "word " * 9000}]}, "messages", "context_length_exceeded"),
        ({"temperature": 3}, "temperature", "invalid_value"),
        ({"temperature": "hot"}, "temperature", "invalid_value"),
        ({"top_p": -1}, "top_p", "invalid_value"),
        ({"n": 0}, "n", "invalid_value"),
        ({"max_tokens": 1.5}, "max_tokens", "invalid_value"),
        ({"max_completion_tokens": 5}, "max_tokens", "invalid_value"),
        ({"stop": ["a"] * 65}, "stop", "array_above_max_length"),
        ({"stop": ""}, "stop", "invalid_value"),
        ({"logit_bias": {"a": 1}}, "logit_bias", "invalid_value"),
        ({"logit_bias": {"999999": 1}}, "logit_bias", "invalid_value"),
        ({"top_logprobs": 2}, "top_logprobs", "unsupported_parameter"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs", "invalid_value"),
        ({"stream_options": {"include_usage": True}}, "stream_options", "unsupported_parameter"),
        ({"response_format": {"type": "xml"}}, "response_format.type", "invalid_value"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema", "missing_required_parameter"),
        ({"tool_choice": "required"}, "tool_choice", "unsupported_parameter"),
        ({"tools": [{"type": "retrieval"}]}, "tools[0].type", "invalid_value"),
        ({"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "no"}}}, "tool_choice", "invalid_value"),
        ({"functions": [{"name": "a"}]}, "functions", "unsupported_parameter"),
        ({"modalities": ["audio"]}, "modalities", "unsupported_parameter"),
        ({"web_search_options": {}}, "web_search_options", "unsupported_parameter"),
        ({"max_tokens": -2}, "max_tokens", "invalid_value"),
        ({"max_tokens": 0}, "max_tokens", "invalid_value"),
        ({"reasoning_effort": 3}, "reasoning_effort", "invalid_value"),
        ({"extra_body": {"chat_template_kwargs": "no"}}, "chat_template_kwargs", "invalid_value"),
        ({"extra_body": {"chat_template_kwargs": {"messages": []}}}, "chat_template_kwargs", "invalid_value"),
        ({"extra_body": {"continue_final_message": True}}, "continue_final_message", "invalid_value"),
        ({"extra_body": {"guided_json": {}, "guided_regex": "a"}}, "guided_regex", "unsupported_parameter"),
        ({"extra_body": {"guided_choice": []}}, "guided_choice", "invalid_value"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_what_is_wrong_is_named(stream: bool, change: Any, param: str, code: str, client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, **({} if "stream_options" in change else {"stream": stream}) | change)
    assert (caught.value.param, caught.value.code, caught.value.type) == (param, code, "invalid_request_error")
    assert caught.value.request_id


@pytest.mark.parametrize("model", ["gpt-5", VECTORS])
def test_an_unknown_model(model: str, client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        ask(client, model=model)
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


def test_a_wrong_key_is_refused(client: openai.OpenAI) -> None:
    with pytest.raises(openai.AuthenticationError) as caught:
        ask(client.with_options(api_key="sk-wrong"))
    assert caught.value.code == "invalid_api_key"
