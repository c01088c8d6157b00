"""What a chat template takes: found out by small conversations that it is given once, as no template says it of itself."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from wherry.errors import InputError
from wherry.text.templates import knows_tools, render_chat
from wherry.text.workers import WorkerEndedError

Render = Callable[..., str]  # as `render_chat`
_USER: Mapping[str, Any] = {"role": "user", "content": "needle_user"}
_ANSWER: Mapping[str, Any] = {"role": "assistant", "content": "needle_answer"}
_AGAIN: Mapping[str, Any] = {"role": "user", "content": "needle_again"}
_ARGUMENTS = {"needle_key": "needle_value"}
_TOOL: Mapping[str, Any] = {
    "type": "function",
    "function": {
        "name": "needle_tool",
        "description": "needle",
        "parameters": {"type": "object", "properties": {"needle_key": {"type": "string", "description": "a key"}}},
    },
}
_NAMES = {"bos_token": "", "eos_token": ""}


@dataclass(frozen=True)
class TemplateTraits:
    """tools                whether it has a use for tools
    system               whether a system message comes through it
    later_system         whether one comes through it behind other messages, too
    turns                whether user and assistant must take turns, so that two messages of one role are one
    parts                whether contents are lists of parts, not texts
    calls, results       whether it writes calls of tools, and what tools returned
    call_content         what the content of a message with calls is where nothing was said
    arguments            "object", or "text" where it writes them as they are
    broken_arguments     whether arguments that are no JSON may come as a text
    parallel             whether one message may have several calls
    answer_after_result  whether an answer must stand between a tool's result and the user's next words
    """

    tools: bool
    system: bool = True
    later_system: bool = True
    turns: bool = False
    parts: bool = False
    calls: bool = False
    results: bool = False
    call_content: str | None = ""
    arguments: str = "object"
    broken_arguments: bool = True
    parallel: bool = True
    answer_after_result: bool = False


@lru_cache(maxsize=64)
def template_traits(template: str, render: Render = render_chat) -> TemplateTraits:
    """Of a template that fails at everything they say nothing; the conversation itself then tells what is wrong.

    Raises FormatError where a worker was ended meanwhile.
    """
    try_ = _Trial(template, render)
    parts = not try_([_USER]) and try_([{**_USER, "content": [{"type": "text", "text": "needle_user"}]}])
    if parts:
        try_ = _Trial(template, render, parts=True)
    if not try_([_USER]):
        return TemplateTraits(tools=knows_tools(template))
    system: Mapping[str, Any] = {"role": "system", "content": "needle_system"}
    takes_system = try_([system, _USER], "needle_system")
    turns = not try_([_USER, _AGAIN], "needle_again") or not try_([_USER, _ANSWER, {**_ANSWER, "content": "x"}, _AGAIN])
    late = takes_system and try_([_USER, _ANSWER, system, _AGAIN], "needle_system", "needle_again")
    traits = TemplateTraits(knows_tools(template), takes_system, late, turns, parts)
    return _with_calls(try_, traits) if traits.tools else traits


class _Trial:
    """Whether a template renders a conversation, and writes all of some words."""

    def __init__(self, template: str, render: Render, *, parts: bool = False) -> None:
        self._template = template
        self._render = render
        self._parts = parts

    def __call__(self, messages: Sequence[Mapping[str, Any]], *words: str, tools: bool = False) -> bool:
        text = self.text(messages, tools=tools)
        return text is not None and all(word in text for word in words or ("needle_user",))

    def text(self, messages: Sequence[Mapping[str, Any]], *, tools: bool = False) -> str | None:
        given = [in_parts(message) if self._parts else message for message in messages]
        try:
            return self._render(self._template, given, names=_NAMES, tools=[_TOOL] if tools else None)
        except InputError as error:  # a FormatError, too, is one
            if isinstance(error.__cause__, WorkerEndedError):
                raise  # that says nothing of what the template takes, and must not be remembered
            return None


def in_parts(message: Mapping[str, Any]) -> dict[str, Any]:
    content = message.get("content")
    return {**message, "content": [{"type": "text", "text": content}]} if isinstance(content, str) else dict(message)


def _calls(count: int, content: str | None, arguments: Any) -> dict[str, Any]:
    calls = [
        {"id": f"needle00{index}", "type": "function", "function": {"name": "needle_tool", "arguments": arguments}}
        for index in range(1, count + 1)
    ]
    return {"role": "assistant", "content": content, "tool_calls": calls}


def _result(index: int) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": f"needle00{index}", "name": "needle_tool", "content": f"needle_result{index}"}


def _with_calls(try_: _Trial, traits: TemplateTraits) -> TemplateTraits:
    text = json.dumps(_ARGUMENTS)
    for arguments in ("object", "text"):
        for content in ("", None):
            given = _calls(1, content, _ARGUMENTS if arguments == "object" else text)
            written = try_.text([_USER, given, _result(1), _ANSWER], tools=True) or ""
            if not written:  # some templates do not take an answer after a result
                written = try_.text([_USER, given], tools=True) or ""
            if "needle_value" not in written or "'needle_value'" in written:
                continue  # not written, or as Python writes it
            found = {**vars(traits), "calls": True, "call_content": content, "arguments": arguments}
            return _with_results(try_, TemplateTraits(**found))
    return traits


def _with_results(try_: _Trial, traits: TemplateTraits) -> TemplateTraits:
    arguments: Any = _ARGUMENTS if traits.arguments == "object" else json.dumps(_ARGUMENTS)
    one, two = (_calls(count, traits.call_content, arguments) for count in (1, 2))
    broken = _calls(1, traits.call_content, "needle_bro")
    after = [_USER, one, _result(1), _AGAIN]
    answered = [_USER, one, _result(1), _ANSWER, _AGAIN]
    found = {
        **vars(traits),
        "results": try_([_USER, one, _result(1)], "needle_result1", tools=True),
        "broken_arguments": try_([_USER, broken, _result(1)], "needle_bro", tools=True),
        "parallel": try_([_USER, two, _result(1), _result(2)], tools=True),
        "answer_after_result": not try_(after, "needle_again", tools=True) and try_(answered, "needle_again", tools=True),
    }
    return TemplateTraits(**found)
