"""Which tools an answer may call."""

from typing import Any

from api.fields import Fields, as_object, refused, text, wrong


def tool_choice(fields: Fields, tools: list[Any], inside: str) -> tuple[dict[str, Any], list[Any]]:
    """Options of `chat.Options` by name, and the tools that may be called. inside: the key of the object that has a function's
    name, "" for the choice itself.
    """
    options: dict[str, Any] = {"parallel_tool_calls": fields.flag("parallel_tool_calls", True)}
    choice = fields.values.get("tool_choice")
    if not isinstance(choice, dict):
        options["tool_choice"] = fields.one_of("tool_choice", ("auto", "none", "required"), "auto")
    else:
        about = as_object(choice, "tool_choice", fields.ignored)
        if about.one_of("type", ("function", "allowed_tools"), "") == "function":
            options |= {"tool_choice": "required", "tool_name": _name(about, inside)}
        else:
            mode, tools = _allowed(about, tools, inside)
            options["tool_choice"] = mode
    if not tools and options["tool_choice"] == "required":
        raise refused("tool_choice", "only allowed when tools are given")
    return options, tools


def _name(about: Fields, inside: str) -> str:
    function = as_object(about.required(inside), about.name(inside)) if inside else about
    return text(function.required("name"), function.name("name"))


def _allowed(about: Fields, tools: list[Any], inside: str) -> tuple[str, list[Any]]:
    """The mode, and those of the tools that are allowed."""
    allowed = as_object(about.required("allowed_tools"), about.name("allowed_tools")) if about.has("allowed_tools") else about
    mode = allowed.one_of("mode", ("auto", "required"), "auto")
    names = []
    for index, each in enumerate(allowed.list("tools", 128)):
        names.append(_name(as_object(each, f"{allowed.name('tools')}[{index}]"), inside))
    known = {_function_name(tool) for tool in tools}
    for name in names:
        if name not in known:
            raise wrong("tool_choice", name, f"one of {', '.join(sorted(filter(None, known))) or 'no tools'}")
    return mode, [tool for tool in tools if _function_name(tool) in names]


def _function_name(tool: Any) -> str:
    function = tool.get("function") if isinstance(tool, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    return name if isinstance(name, str) else ""
