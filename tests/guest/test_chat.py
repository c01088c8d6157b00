"""What an app asks language models for, over a host for tests: conversations checked as the real one does, streams, vectors."""

from typing import Any

import pytest

from wherry.errors import InputError, NotFoundError, PromptTooLongError, TooLargeError
from wherry.guest import chat, embeddings, host
from wherry.guest.fake import FakeHost

SAID = [{"role": "user", "content": "Good morning."}]
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def test_an_answer_comes_in_pieces_or_whole() -> None:
    fake = FakeHost(answers={"small": "Hello, you there.", "large": lambda asked, tools, options: f"{len(asked)} said"})
    with host.use(fake):
        model = chat.open()
        assert list(chat.names()) == ["small", "large"] and model.name == "small"
        with model.stream(SAID) as stream:
            assert [(piece.text, piece.finish) for piece in stream] == [
                ("Hello,", ""), (" you", ""), (" there.", ""), ("", "stop"),
            ]  # fmt: skip
        assert next(stream, None) is None and fake.streams[0].closed
        assert (stream.usage.prompt, stream.usage.completion, stream.usage.total) == (2, 3, 5)
        answer = model.answer(SAID, chat.Options(max_tokens=2, seed=5, top_logprobs=2))
        assert (answer.text, answer.finish, answer.seed) == ("Hello, you", "length", 5)
        assert [(token.text, len(token.top)) for token in answer.tokens] == [("Hello,", 2), (" you", 2)]
        assert chat.open("large").answer(SAID).text == "1 said"
        assert model.complete("Once", chat.Options(stop=(" there",))).text == "Hello, you"
        assert model.text(model.tokens("a b")) == "a b" and model.count("a b c") == 3
    assert [asked for _, asked, _, _ in fake.prompted] == [SAID, SAID, SAID, "Once"]


def test_a_stream_that_is_let_go_is_closed() -> None:
    fake = FakeHost(answers={"default": "one two three"})
    with host.use(fake), chat.open().stream(SAID) as stream:
        next(stream)
        stream.close()
        assert list(stream) == [] and fake.streams[0].closed


def test_calls_of_tools() -> None:
    def answer(asked: Any, tools: Any, options: chat.Options) -> list[chat.ToolCall]:
        return [chat.ToolCall(tools[0]["function"]["name"], "{}")]

    with host.use(FakeHost(answers={"default": answer})):
        found = chat.open().answer(SAID, tools=[TOOL])
    assert (found.tool_calls, found.finish, found.text) == ((chat.ToolCall("f", "{}"),), "tool_calls", "")


WRONG: dict[str, tuple[Any, str]] = {
    "none": ([], r"messages: found \[\], expected a list of at least one message"),
    "no object": (["hello"], r'messages\[0\]: found "hello", expected an object'),
    "role": ([*SAID, {"role": "robot", "content": "x"}], r'messages\[1\]\.role: found "robot", expected one of system'),
    "content": ([{"role": "user"}], r"messages\[0\]\.content: found none, expected a text"),
    "number": ([{"role": "user", "content": 3}], r"messages\[0\]\.content: found 3"),
    "image": (
        [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url"}]}],
        r'messages\[0\]\.content\[1\]\.type: found "image_url", expected text',
    ),
    "surrogate": ([{"role": "user", "content": "\ud800"}], r"messages\[0\]\.content: found half a character at 0"),
    "user's calls": ([{"role": "user", "content": "x", "tool_calls": [CALL]}], r"messages\[0\]\.tool_calls: found some of"),
    "calls": ([{"role": "assistant", "tool_calls": "f"}], r'messages\[0\]\.tool_calls: found "f", expected a list'),
    "call's type": (
        [{"role": "assistant", "tool_calls": [{**CALL, "type": "custom"}]}], r"messages\[0\]\.tool_calls\[0\]\.type: found"),
    "arguments": (
        [{"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "f", "arguments": 5}}]}],
        r'messages\[0\]\.tool_calls\[0\]\.function\.arguments: found 5, expected a JSON object as a text',
    ),
    "no id": ([{"role": "tool", "content": "x"}], r"messages\[0\]\.tool_call_id: found none"),
    "no call": ([{"role": "tool", "content": "x", "tool_call_id": "c9"}], r'messages\[0\]\.tool_call_id: found "c9"'),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_messages_that_cannot_be_are_named(case: str) -> None:
    messages, expected = WRONG[case]
    with host.use(FakeHost()), pytest.raises(InputError, match=expected):
        chat.open().answer(messages)


@pytest.mark.parametrize(
    ("tools", "expected"),
    [
        ([{"type": "web_search"}], r'tools\[0\]\.type: found "web_search", expected function'),
        ([TOOL, {"type": "function"}], r"tools\[1\]\.function: found none, expected an object"),
        ([{"type": "function", "function": {"name": "a b"}}], r"tools\[0\]\.function\.name: found"),
        ([TOOL, TOOL], r'tools\[1\]\.function\.name: found "f" again'),
        ([{"type": "function", "function": {"name": "f", "parameters": []}}], r"tools\[0\]\.function\.parameters: found \[\]"),
        ([TOOL] * 129, "tools: found 129, expected at most 128"),
    ],
)
def test_tools_that_cannot_be_are_named(tools: Any, expected: str) -> None:
    with host.use(FakeHost()), pytest.raises(InputError, match=expected):
        chat.open().answer(SAID, tools=tools)


def test_a_whole_conversation_is_taken() -> None:
    conversation = [
        {"role": "developer", "content": [{"type": "text", "text": "Be "}, {"type": "text", "text": "brief."}]},
        *SAID,
        {"role": "assistant", "content": None, "tool_calls": [CALL], "refusal": None},
        {"role": "tool", "content": "1", "tool_call_id": "c1"},
    ]
    with host.use(FakeHost()):
        assert chat.open().answer(conversation).usage.prompt == 5


def test_vectors_and_what_is_too_long() -> None:
    with host.use(FakeHost(vectors={"letters": lambda text: [float(len(text)), 0.0]})):
        model = embeddings.open("letters")
        assert (list(embeddings.names()), model.dimensions) == (["letters"], 2)
        assert [(v.numbers, v.tokens) for v in model.embed(["a bc", [7, 8, 9]])] == [((4.0, 0.0), 2), ((5.0, 0.0), 3)]
        with pytest.raises(InputError, match=r"texts\[1\]"):
            model.embed(["a", ""])
        with pytest.raises(TooLargeError, match=r"texts\[0\]"):
            model.embed(["a " * 300])
        with pytest.raises(NotFoundError, match='"other"'):
            embeddings.open("other")
        with pytest.raises(PromptTooLongError):
            chat.open().complete("word " * 1001)
        with pytest.raises(NotFoundError, match='"other"'):
            chat.open("other")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"temperature": "hot"}, "temperature: found 'hot', expected a number"),
        ({"temperature": True}, "temperature: found True"),
        ({"max_tokens": -1}, r"max_tokens: found -1, expected a whole number from 0 to 2\^32 - 1"),
        ({"max_tokens": 1.5}, r"max_tokens: found 1\.5"),
        ({"seed": 1 << 64}, "seed: found 18446744073709551616"),
        ({"stop": "end"}, "stop: found 'end', expected texts in a tuple"),
        ({"stop": ("a", 3)}, "stop: found 3, expected a text"),
        ({"stop": ("\ud800",)}, "stop: found half a character at 0"),
        ({"logit_bias": [1]}, r"logit_bias: found \[1\], expected an object"),
        ({"logit_bias": {"1": 2.0}}, "logit_bias: found '1', expected a whole number"),
        ({"logit_bias": {1: None}}, "logit_bias: found None, expected a number"),
        ({"json_schema": "{}"}, "json_schema: found '{}', expected an object"),
        ({"regex": 3}, "regex: found 3, expected a text"),
        ({"tool_choice": None}, "tool_choice: found None, expected a text"),
        ({"shift": 1}, "shift: found 1, expected True or False"),
    ],
)
def test_options_of_another_type_are_named(options: Any, expected: str) -> None:
    with host.use(FakeHost()), pytest.raises(InputError, match=expected):
        chat.open().answer(SAID, chat.Options(**options))
