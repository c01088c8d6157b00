"""The items of /v1/responses as the messages of a conversation."""

from typing import Any

from api.fields import Fields, as_object, refused, text, wrong

_ROLES = ("user", "assistant", "system", "developer")
_MAX_ITEMS = 1 << 14


def messages(fields: Fields) -> list[dict[str, Any]]:
    """`instructions` and `input` -> messages as /v1/chat/completions has them. Raises ApiError naming the field."""
    found: list[dict[str, Any]] = []
    if fields.has("instructions"):
        found.append({"role": "system", "content": fields.text("instructions")})
    given = fields.required("input")
    if isinstance(given, str):
        return [*found, {"role": "user", "content": text(given, "input")}]
    items = fields.list("input", _MAX_ITEMS)
    if not items:
        raise wrong("input", given, "a text or a list of at least one item")
    for index, each in enumerate(items):
        _add(found, as_object(each, f"input[{index}]", fields.ignored))
    return found


def _add(found: list[dict[str, Any]], item: Fields) -> None:
    kind = item.text("type", "message")
    if kind == "message":
        role = item.one_of("role", _ROLES, "")
        content = "" if role == "assistant" and not item.has("content") else _content(item, "content")
        found.append({"role": role, "content": content})
    elif kind == "reasoning":
        item.ignore("type")  # what a model thought before is not read again
    elif kind == "function_call":
        called = {"name": text(item.required("name"), item.name("name"))}
        called["arguments"] = text(item.required("arguments"), item.name("arguments"))
        call = {"id": text(item.required("call_id"), item.name("call_id")), "type": "function", "function": called}
        if found and found[-1].get("tool_calls"):
            found[-1]["tool_calls"].append(call)  # calls that follow each other are of one answer
        else:
            found.append({"role": "assistant", "content": None, "tool_calls": [call]})
    elif kind == "function_call_output":
        identity = text(item.required("call_id"), item.name("call_id"))
        found.append({"role": "tool", "tool_call_id": identity, "content": _content(item, "output")})
    elif kind == "item_reference":
        raise refused(item.name("type"), "nothing is stored here: expected the item itself")
    else:
        raise wrong(item.name("type"), kind, "message, function_call or function_call_output")


def _content(item: Fields, key: str) -> str:
    """A text, or parts that are texts."""
    value = item.required(key)
    if isinstance(value, str):
        return text(value, item.name(key))
    parts = [as_object(part, f"{item.name(key)}[{index}]") for index, part in enumerate(item.list(key, _MAX_ITEMS))]
    texts = []
    for part in parts:
        kind = part.one_of("type", ("input_text", "output_text", "text", "refusal"), "")
        key = "refusal" if kind == "refusal" else "text"
        texts.append(text(part.required(key), part.name(key)))
    return "".join(texts)


def tools(fields: Fields) -> list[dict[str, Any]]:
    """Functions, as /v1/chat/completions has them. Raises ApiError."""
    found = []
    for index, each in enumerate(fields.list("tools", 128)):
        tool = as_object(each, f"tools[{index}]", fields.ignored)
        tool.one_of("type", ("function",), "")
        tool.only({"type", "name", "description", "parameters", "strict"})
        function: dict[str, Any] = {"name": text(tool.required("name"), tool.name("name"))}
        if tool.has("description"):
            function["description"] = tool.text("description")
        if (parameters := tool.object("parameters")) is not None:
            function["parameters"] = parameters.values
        if tool.flag("strict"):
            function["strict"] = True
        found.append({"type": "function", "function": function})
    return found
