"""Tools: how a model is told of them, and how its calls are written. `text/calls.py` finds them in what it says.

A template that knows tools tells the model of them; any other gets a system message, in Hermes's way, or the same words before
the user's where it takes none.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wherry.errors import InputError
from wherry.text.call_reader import CallReader
from wherry.text.calls import MARKS, Call
from wherry.text.templates import knows_tools
from wherry.text.traits import TemplateTraits, in_parts, template_traits

__all__ = ["MARKS", "Call", "CallReader", "ToolStyle", "call_schema", "told_of_tools", "tool_style"]

_OPEN, _CLOSE, _LIST, _GRANITE = "<tool_call>", "</tool_call>", "[TOOL_CALLS]", "<|tool_call|>"
_SHORT_ID = re.compile(r"[a-zA-Z0-9]{9}")
_TOLD = """You may call functions to find the answer. They are, one JSON object a line:
<tools>
{tools}
</tools>
To call one, answer with its name and arguments as JSON between these marks, and nothing else:
<tool_call>
{{"name": "function", "arguments": {{"parameter": "value"}}}}
</tool_call>
What it returns is told to you between <tool_response> marks."""


@dataclass(frozen=True)
class ToolStyle:
    """begin, end: what stands around the JSON of a call; key: of its arguments; listed: whether calls are one list."""

    begin: str
    key: str
    listed: bool = False
    end: str = ""


_HERMES, _LLAMA = ToolStyle(_OPEN + "\n", "arguments", end="\n" + _CLOSE), ToolStyle("", "parameters")


def tool_style(template: str) -> ToolStyle:
    """How a model with this template writes calls."""
    if not knows_tools(template) or _OPEN in template:
        return _HERMES
    for mark in (_LIST, _GRANITE):
        if mark in template:
            return ToolStyle(mark, "arguments", True)
    return _LLAMA if '"parameters"' in template else ToolStyle("", "arguments")


def told_of_tools(
    template: str, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]
) -> tuple[list[dict[str, Any]], list[Mapping[str, Any]]]:
    """Checked messages and tools -> those that the template takes: what it has no form for is written in words of ours."""
    traits = template_traits(template)
    given = [dict(message) for message in messages]
    if not traits.parallel:
        given = _one_call_each(given)
    given = [_written(message, traits) for message in given]
    if tools and not traits.tools:
        given = _with_words(given, _words_of(tools))
    if not traits.system:
        given = _without_system(given)
    elif not traits.later_system:
        given = _with_one_system(given)
    if traits.answer_after_result:
        given = _answered(given)
    if traits.turns:
        given = _in_turns(given)
    if traits.calls and _LIST in template:
        given = [_with_short_ids(message) for message in given]
    if traits.parts:
        given = [in_parts(message) for message in given]
    return given, [_bare_tool(tool) for tool in tools] if traits.tools else []


def _bare_tool(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without `strict`, which is the API's and not the model's."""
    function = {key: value for key, value in tool["function"].items() if key != "strict"}
    return {**tool, "function": function}


def _words_of(tools: Sequence[Mapping[str, Any]]) -> str:
    return _TOLD.format(tools="\n".join(json.dumps(_bare_tool(tool)["function"], ensure_ascii=False) for tool in tools))


def _with_words(messages: list[dict[str, Any]], words: str) -> list[dict[str, Any]]:
    """In the system message, or in one of their own."""
    first, *rest = messages
    if first["role"] == "system":
        return [{**first, "content": _joined(first["content"], words)}, *rest]
    return [{"role": "system", "content": words}, *messages]


def _without_system(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What system messages say stands before the user's next words."""
    found: list[dict[str, Any]] = []
    waiting = ""
    for message in messages:
        if message["role"] == "system":
            waiting = _joined(waiting, message["content"])
        elif waiting and message["role"] == "user":
            found.append({**message, "content": _joined(waiting, message["content"])})
            waiting = ""
        else:
            found.append(message)
    return [*found, {"role": "user", "content": waiting}] if waiting else found


def _with_one_system(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those at the beginning are one; what later ones say stands before the user's next words."""
    count = next((index for index, message in enumerate(messages) if message["role"] != "system"), len(messages))
    words = ""
    for message in messages[:count]:
        words = _joined(words, message["content"])
    first = [{**messages[0], "content": words}] if count else []
    return [*first, *_without_system(messages[count:])]


def _in_turns(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Neighbours of one role are one message."""
    found: list[dict[str, Any]] = []
    for message in messages:
        before = found[-1] if found else {"role": ""}
        plain = "tool_calls" not in before and "tool_calls" not in message and message["role"] in ("user", "assistant", "system")
        if plain and before["role"] == message["role"]:
            found[-1] = {**before, "content": _joined(before["content"] or "", message["content"] or "")}
        else:
            found.append(message)
    return found


def _answered(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """With an answer, of which nothing is known, between what a tool returned and the user's next words."""
    found: list[dict[str, Any]] = []
    for message in messages:
        if message["role"] == "user" and found and found[-1]["role"] == "tool":
            found.append({"role": "assistant", "content": "."})
        found.append(message)
    return found


def _one_call_each(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Calls that were made at once, one after the other, each with its result behind it."""
    found: list[dict[str, Any]] = []
    at = 0
    while at < len(messages):
        message = messages[at]
        at += 1
        if len(message.get("tool_calls", ())) < 2:
            found.append(message)
            continue
        results: list[dict[str, Any]] = []
        while at < len(messages) and messages[at]["role"] == "tool":
            results.append(messages[at])
            at += 1
        for index, call in enumerate(message["tool_calls"]):
            found.append({**message, "content": "" if index else message["content"], "tool_calls": [call]})
            found += [result for result in results if result["tool_call_id"] == call["id"]]
    return found


def _written(message: dict[str, Any], traits: TemplateTraits) -> dict[str, Any]:
    """A call or a result as the template takes it, or else as text."""
    if message["role"] == "tool" and not traits.results:
        return {"role": "user", "content": f"<tool_response>\n{message['content']}\n</tool_response>"}
    if "tool_calls" not in message:
        return message
    if traits.calls:
        calls = [{**call, "function": _with_arguments(call["function"], traits)} for call in message["tool_calls"]]
        return {**message, "content": message["content"] or traits.call_content, "tool_calls": calls}
    lines = [json.dumps(call["function"], ensure_ascii=False) for call in message["tool_calls"]]
    parts = [*([message["content"]] if message["content"] else []), *(f"{_OPEN}\n{line}\n{_CLOSE}" for line in lines)]
    return {"role": message["role"], "content": "\n".join(parts)}


def _with_arguments(function: Mapping[str, Any], traits: TemplateTraits) -> dict[str, Any]:
    """Arguments as an object or a text. Those that were cut off are a text, or stand in an object where only one will do."""
    arguments = function["arguments"]
    if traits.arguments == "text" and not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False)
    elif isinstance(arguments, str) and not traits.broken_arguments:
        arguments = {"arguments": arguments}
    return {**function, "arguments": arguments}


def _joined(first: str, second: str) -> str:
    return f"{first}\n\n{second}" if first and second else first or second


def _with_short_ids(message: dict[str, Any]) -> dict[str, Any]:
    """Mistral's templates refuse ids that have not nine letters and digits."""
    if "tool_calls" in message:
        message["tool_calls"] = [{**call, "id": _short(call["id"])} for call in message["tool_calls"]]
    if "tool_call_id" in message:
        message["tool_call_id"] = _short(message["tool_call_id"])
    return message


def _short(identity: str) -> str:
    return identity if _SHORT_ID.fullmatch(identity) else hashlib.sha256(identity.encode()).hexdigest()[:9]


def call_schema(style: ToolStyle, tools: Sequence[Mapping[str, Any]], name: str | None, *, parallel: bool) -> dict[str, Any]:
    """The JSON schema of an answer that is a call of one of the tools, or of the one of this name. Raises InputError where there
    is none.
    """
    functions = [tool["function"] for tool in tools if name is None or tool["function"]["name"] == name]
    if not functions:
        known = ", ".join(tool["function"]["name"] for tool in tools) or "no tools"
        raise InputError(f'tool_choice: found "{name}", expected one of {known}' if name else "tool_choice: found no tools")
    places = {f"arguments_of_{function['name']}": function for function in functions}
    calls = [
        {
            "type": "object",
            "properties": {"name": {"const": function["name"]}, style.key: {"$ref": f"#/$defs/{place}"}},
            "required": ["name", style.key],
            "additionalProperties": False,
        }
        for place, function in places.items()
    ]
    call: dict[str, Any] = calls[0] if len(calls) == 1 else {"anyOf": calls}
    if style.listed:
        call = {"type": "array", "items": call, "minItems": 1, **({} if parallel and name is None else {"maxItems": 1})}
    definitions = {place: _moved(_closed(function["parameters"]), f"#/$defs/{place}") for place, function in places.items()}
    return {**call, "$defs": definitions}


def _closed(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Arguments are an object. A tool that names none takes none."""
    found = {"type": "object", **parameters}
    rest = found.keys() - {"type", "properties", "required", "title", "description", "$schema"}
    if not found.get("properties") and not found.get("required") and not rest:
        found["additionalProperties"] = False
    return found


def _moved(schema: Any, place: str, depth: int = 0) -> Any:
    """A schema whose references to itself mean where it now stands."""
    if depth > 100:
        raise InputError("tools: found a schema more than 100 deep, expected a shallower one")
    if isinstance(schema, Mapping):
        return {
            key: place + value[1:]
            if key == "$ref" and isinstance(value, str) and value.startswith("#")
            else _moved(value, place, depth + 1)
            for key, value in schema.items()
        }
    return [_moved(value, place, depth + 1) for value in schema] if isinstance(schema, list) else schema
