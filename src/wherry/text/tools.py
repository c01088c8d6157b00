"""Tools: how a model is told of them, how its calls are written, and how they are found in what it says.

Models write a call as JSON between marks (Hermes, Qwen), bare (Llama 3) or in a list after a mark (Mistral). One whose template
knows tools is told of them by it; any other by a system message, in Hermes's way.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wherry.errors import InputError
from wherry.text.stops import Stops
from wherry.text.templates import knows_tools

Call = tuple[str, str]  # a tool's name, and its arguments in JSON
_OPEN, _CLOSE, _LIST, _PYTHON, _ARGUMENTS = "<tool_call>", "</tool_call>", "[TOOL_CALLS]", "<|python_tag|>", "[ARGS]"
# Where these are tokens that steer the model they have no text: here it counts.
MARKS = frozenset({_OPEN, _CLOSE, _LIST, _PYTHON, _ARGUMENTS})
_BARE = ('{"name":', '{"type":"function"', '{"function":', '{"arguments":', '{"parameters":')
_BEGINNINGS = (*_BARE, *("[" + begin for begin in _BARE))
_NAMED = re.compile(r"\s*([a-zA-Z0-9_-]{1,64})\s*(?:\[CALL_ID\]\w*)?\[ARGS\]\s*")
_AFTER_CLOSE = re.compile(f"(?<={re.escape(_CLOSE)})")
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
    """begin: what stands before the JSON of a call; key: of its arguments; listed: whether calls are one list."""

    begin: str
    key: str
    listed: bool = False


_HERMES, _LLAMA, _MISTRAL = ToolStyle(_OPEN + "\n", "arguments"), ToolStyle("", "parameters"), ToolStyle(_LIST, "arguments", True)


def tool_style(template: str) -> ToolStyle:
    """How a model with this template writes calls."""
    if not knows_tools(template) or _OPEN in template:
        return _HERMES
    if _LIST in template:
        return _MISTRAL
    return _LLAMA if '"parameters"' in template else ToolStyle("", "arguments")


def told_of_tools(
    template: str, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]
) -> tuple[list[dict[str, Any]], list[Mapping[str, Any]]]:
    """Checked messages and tools -> those that the template is to be given."""
    if knows_tools(template):
        given = [dict(message) for message in messages]
        return ([_with_short_ids(message) for message in given] if _LIST in template else given), list(tools)
    found = [_as_text(message) for message in messages]
    if tools:
        lines = "\n".join(json.dumps(tool["function"], ensure_ascii=False) for tool in tools)
        told = _TOLD.format(tools=lines)
        if found[0]["role"] == "system":
            found[0] = {**found[0], "content": f"{found[0]['content']}\n\n{told}"}
        else:
            found.insert(0, {"role": "system", "content": told})
    return found, []


def _as_text(message: Mapping[str, Any]) -> dict[str, Any]:
    """For a template that knows neither calls nor their results."""
    if message["role"] == "tool":
        return {"role": "user", "content": f"<tool_response>\n{message['content']}\n</tool_response>"}
    if "tool_calls" not in message:
        return dict(message)
    calls = [json.dumps(call["function"], ensure_ascii=False) for call in message["tool_calls"]]
    parts = [*([message["content"]] if message["content"] else []), *(f"{_OPEN}\n{call}\n{_CLOSE}" for call in calls)]
    return {"role": message["role"], "content": "\n".join(parts)}


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
    definitions = {place: _moved(function["parameters"], f"#/$defs/{place}") for place, function in places.items()}
    return {**call, "$defs": definitions}


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


class CallReader:
    """Calls of tools in an answer that comes in pieces: `add` and `end` give what is text, `calls` has what is not.

    What may be a call is held back until it is one, or is none and becomes text.
    """

    def __init__(self, names: Sequence[str], *, expected: bool = False) -> None:
        """names: of the tools; any other call is text. expected: the answer is nothing but calls."""
        self._names = frozenset(names)
        self.calls: list[Call] = []
        self._held = ""  # what may be a call, from its beginning on
        self._inside = expected
        self._begun = False  # whether text was said
        self._between = False  # a call has ended, and nothing but white space came since
        self._marks = Stops(sorted({_OPEN, _LIST, _PYTHON}))

    def add(self, piece: str) -> str:
        """The next piece -> what of the answer is text by now."""
        return "".join(self._add(part) for part in _AFTER_CLOSE.split(piece))  # one call at a time, however many came at once

    def _add(self, piece: str) -> str:
        if self._inside:
            self._held += piece
            return self._closed()
        if self._begun:
            return self._marked(piece)
        self._held += piece
        said = self._held.lstrip()
        compact = re.sub(r"\s", "", said)
        if not said or any(begin.startswith(compact) for begin in _BEGINNINGS):
            return ""
        held, self._held = self._held, ""
        if compact.startswith(_BEGINNINGS):
            self._held, self._inside = held, True
            return self._closed()
        self._begun = True
        return self._marked(held)

    def end(self) -> str:
        """What was held back and is no call."""
        if not self._inside and self._begun:
            return self._marks.end()
        held, self._held = self._held, ""
        found = list(_calls(held, self._names))
        self.calls += found
        return "" if found else held

    def _marked(self, piece: str) -> str:
        """Text up to a mark."""
        before = self._marks.add(piece)
        if self._between:
            before = before.lstrip()
            self._between = not before
        if self._marks.found is None:
            return before
        blank = "" if before.strip() else before  # before a call it is no text
        self._inside, self._held = True, blank + self._marks.found + self._marks.rest
        self._marks = Stops(sorted({_OPEN, _LIST, _PYTHON}))
        return ("" if blank else before) + self._closed()

    def _closed(self) -> str:
        """Take a call that is whole; what comes after it may be another."""
        if _CLOSE not in self._held:
            return ""
        head, _, rest = self._held.partition(_CLOSE)
        found = list(_calls(head, self._names))
        self.calls += found
        self._held, self._inside, self._begun, self._between = "", False, True, bool(found)
        text = "" if found else head + _CLOSE
        return text + self._marked(rest)


def _calls(text: str, names: frozenset[str]) -> Iterator[Call]:
    """Those that a text consists of; none where it is anything else."""
    for mark in MARKS - {_ARGUMENTS}:
        text = text.replace(mark, " ")
    found: list[Call] = []
    decoder, at = json.JSONDecoder(), 0
    while True:
        at += len(text[at:]) - len(text[at:].lstrip(" \t\r\n;,"))
        if at >= len(text):
            yield from found
            return
        named = _NAMED.match(text, at)
        try:
            value, at = decoder.raw_decode(text, named.end() if named else at)
        except (ValueError, RecursionError):
            return
        for each in value if isinstance(value, list) else [value]:
            call = _call({"name": named[1], "arguments": each} if named else each, names)
            if call is None:
                return
            found.append(call)


def _call(value: Any, names: frozenset[str]) -> Call | None:
    if isinstance(value, dict) and isinstance(value.get("function"), dict):
        value = value["function"]
    if not isinstance(value, dict) or not isinstance(value.get("name"), str) or value["name"] not in names:
        return None
    arguments = value.get("arguments", value.get("parameters", {}))
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except (ValueError, RecursionError):
            return None
    return (value["name"], json.dumps(arguments, ensure_ascii=False)) if isinstance(arguments, dict) else None
