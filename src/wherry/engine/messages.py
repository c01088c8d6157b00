"""Conversations and tools in the shape of OpenAI's API, checked, and put as chat templates want them."""

import json
import re
from collections.abc import Mapping
from typing import Any

from wherry.engine.conversation import valid_text
from wherry.errors import InputError

_ROLES = ("system", "developer", "user", "assistant", "tool")
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_MAX_MESSAGES = 1 << 14
_MAX_TOOLS = 128


def check_messages(messages: object) -> list[dict[str, Any]]:
    """The messages with contents that are text, arguments of calls that are objects, and `developer` as `system`.

    Raises InputError naming the field, as messages[3].content.
    """
    if not isinstance(messages, list | tuple) or not messages:
        raise _wrong("messages", messages, "a list of at least one message")
    if len(messages) > _MAX_MESSAGES:
        raise InputError(f"messages: found {len(messages)}, expected at most {_MAX_MESSAGES}")
    calls: set[str] = set()  # the ids that tools may answer
    return [_message(f"messages[{index}]", message, calls) for index, message in enumerate(messages)]


def check_tools(tools: object) -> list[dict[str, Any]]:
    """Raises InputError naming the field, as tools[0].function.name."""
    if not isinstance(tools, list | tuple):
        raise _wrong("tools", tools, "a list")
    if len(tools) > _MAX_TOOLS:
        raise InputError(f"tools: found {len(tools)}, expected at most {_MAX_TOOLS}")
    found = [_tool(f"tools[{index}]", tool) for index, tool in enumerate(tools)]
    names = [tool["function"]["name"] for tool in found]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise InputError(f'tools[{index}].function.name: found "{name}" again, expected each once')
    return found


def _message(place: str, message: object, calls: set[str]) -> dict[str, Any]:
    given = _object(place, message)
    role = given.get("role")
    if role not in _ROLES:
        raise _wrong(f"{place}.role", role, f"one of {', '.join(_ROLES)}")
    made: dict[str, Any] = {"role": "system" if role == "developer" else role}
    called = given.get("tool_calls") or None
    if called is not None and role != "assistant":
        raise InputError(f"{place}.tool_calls: found some of role {role}, expected them of the assistant only")
    content = given.get("content")
    if content is None and role == "assistant":
        content = given.get("refusal") or ""  # one with calls, one that refused, one that was cut off before it said anything
    elif content is None and role == "tool":
        content = ""  # what returns nothing
    made["content"] = _content(f"{place}.content", content)
    if role == "assistant" and isinstance(given.get("reasoning_content"), str):
        made["reasoning_content"] = valid_text(f"{place}.reasoning_content", given["reasoning_content"])
    if (name := given.get("name")) is not None:
        made["name"] = _text(f"{place}.name", name)
    if called is not None:
        if not isinstance(called, list | tuple):
            raise _wrong(f"{place}.tool_calls", called, "a list")
        made["tool_calls"] = [_call(f"{place}.tool_calls[{index}]", call, calls) for index, call in enumerate(called)]
    if role == "tool":
        made["tool_call_id"] = _text(f"{place}.tool_call_id", given.get("tool_call_id"))
        if made["tool_call_id"] not in calls:
            raise _wrong(f"{place}.tool_call_id", made["tool_call_id"], "the id of a call in a message before it")
    return made


def _content(place: str, content: object) -> str:
    """A text, or parts of type text."""
    if isinstance(content, str):
        return valid_text(place, content)
    if not isinstance(content, list | tuple):
        raise _wrong(place, content, "a text, or a list of parts of type text")
    texts = []
    for index, part in enumerate(content):
        given = _object(f"{place}[{index}]", part)
        if given.get("type") == "refusal":
            texts.append(_text(f"{place}[{index}].refusal", given.get("refusal")))
            continue
        if given.get("type") not in ("text", "input_text", "output_text"):
            raise _wrong(f"{place}[{index}].type", given.get("type"), "text")
        texts.append(_text(f"{place}[{index}].text", given.get("text")))
    return "".join(texts)


def _call(place: str, call: object, calls: set[str]) -> dict[str, Any]:
    given = _object(place, call)
    if given.get("type", "function") != "function":
        raise _wrong(f"{place}.type", given.get("type"), "function")
    function = _object(f"{place}.function", given.get("function"))
    name = _text(f"{place}.function.name", function.get("name"))
    arguments = "{}" if function.get("arguments") is None else function["arguments"]
    if not isinstance(arguments, str | Mapping):
        raise _wrong(f"{place}.function.arguments", arguments, "a JSON object as a text")
    identity = _text(f"{place}.id", given.get("id"))
    calls.add(identity)
    return {"id": identity, "type": "function", "function": {"name": name, "arguments": _arguments(place, arguments)}}


def _arguments(place: str, arguments: str | Mapping[str, Any]) -> str | dict[str, Any]:
    """An object; a text that is none, as a model wrote it that was cut off, stays one."""
    if isinstance(arguments, Mapping):
        return dict(arguments)
    try:
        value = json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        value = None
    return value if isinstance(value, dict) else _text(f"{place}.function.arguments", arguments)


def _tool(place: str, tool: object) -> dict[str, Any]:
    given = _object(place, tool)
    if given.get("type") != "function":
        raise _wrong(f"{place}.type", given.get("type"), "function")
    function = _object(f"{place}.function", given.get("function"))
    name = function.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise _wrong(f"{place}.function.name", name, "1 to 64 of a-z A-Z 0-9 _ -")
    made: dict[str, Any] = {"name": name}
    if (description := function.get("description")) is not None:
        made["description"] = _text(f"{place}.function.description", description)
    parameters = function.get("parameters")
    made["parameters"] = (
        {"type": "object", "properties": {}} if parameters is None else dict(_object(f"{place}.function.parameters", parameters))
    )
    if function.get("strict") is True:
        made["strict"] = True
    return {"type": "function", "function": made}


def _object(place: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _wrong(place, value, "an object")
    return value


def _text(place: str, value: object) -> str:
    if not isinstance(value, str):
        raise _wrong(place, value, "a text")
    return valid_text(place, value)


def _wrong(place: str, value: object, expected: str) -> InputError:
    found = "none" if value is None else json.dumps(value, ensure_ascii=False, default=repr)[:80]
    return InputError(f"{place}: found {found}, expected {expected}")
