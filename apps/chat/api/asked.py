"""What the requests for texts have in common: the model, how it draws its tokens, and which JSON it may write."""

from collections.abc import Collection, Mapping
from typing import Any

from api.fields import Fields, as_object, refused, text, wrong
from wherry.guest import chat
from wherry.guest.openai import ApiError, unknown_model

_DEFAULT = "default"
_MAX_STOPS = 4
_MAX_BIASED = 300
MAX_TOKENS = (1 << 31) - 1
MAX_ANSWERS = 32  # of a request: as many texts are computed at once
# Fields that say nothing about the answer: who asks, what for, and how it is to be billed or kept at hand.
IGNORED = frozenset(
    {
        "user",
        "metadata",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_retention",
        "prompt_cache_options",
        "service_tier",
    }
)
# OpenAI's and three that other servers have too: top_k, min_p and repeat_penalty.
DRAWING = frozenset({"temperature", "top_p", "top_k", "min_p", "repeat_penalty"})
PENALTIES = frozenset({"presence_penalty", "frequency_penalty", "seed", "stop", "logit_bias"})


def check_ignored(fields: Fields) -> None:
    """They have no effect, but still their types."""
    for key in ("user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "service_tier"):
        fields.text(key)
    for key in ("metadata", "prompt_cache_options"):
        fields.object(key)


def open_model(fields: Fields) -> chat.Model:
    """By one of `chat.names()`; the first where the request names none. Raises ApiError."""
    name = fields.text("model", _DEFAULT)
    if name != _DEFAULT and name not in chat.names():
        raise unknown_model(name[:100], chat.names())
    return chat.open(name)


def drawing(fields: Fields) -> dict[str, Any]:
    """Options of `chat.Options` by name."""
    return {
        "temperature": fields.number("temperature", 1.0, 0, 2),
        "top_p": fields.number("top_p", 1.0, 0, 1),
        "top_k": fields.whole("top_k", 0, 1024) or 0,
        "min_p": fields.number("min_p", 0.0, 0, 1),
        "repeat_penalty": fields.number("repeat_penalty", 1.0, 0.01, 100),
    }


def penalties(fields: Fields) -> dict[str, Any]:
    """The same, of the fields that /v1/responses does not have."""
    return {
        "presence_penalty": fields.number("presence_penalty", 0.0, -2, 2),
        "frequency_penalty": fields.number("frequency_penalty", 0.0, -2, 2),
        "seed": fields.whole("seed", -(1 << 63), (1 << 64) - 1),
        "stop": _stop(fields),
        "logit_bias": _logit_bias(fields),
    }


def seeded(options: Mapping[str, Any], number: int) -> chat.Options:
    """Of the answers to one request each has a seed of its own, the first the one that was asked for."""
    seed = options.get("seed")
    return chat.Options(**{**options, "seed": None if seed is None else (seed + number) % (1 << 64)})


def json_schema(form: Fields | None, inside: str) -> Mapping[str, Any] | None:
    """What `response_format` or `text.format` asks for. inside: the key of the object that has the schema, "" for the form."""
    if form is None:
        return None
    form.required("type")
    kind = form.one_of("type", ("text", "json_object", "json_schema"), "text")
    if inside or kind != "json_schema":
        form.only({"type", inside} if kind == "json_schema" else {"type"})
    if kind == "json_object":
        return chat.JSON_OBJECT
    if kind == "text":
        return None
    about = as_object(form.required(inside), form.name(inside)) if inside else form
    about.only({"type", "name", "description", "schema", "strict"})
    name = text(about.required("name"), about.name("name"))
    if not (1 <= len(name) <= 64 and name.isascii() and name.replace("_", "").replace("-", "").isalnum()):
        raise wrong(about.name("name"), name, "1 to 64 of a-z A-Z 0-9 _ -")
    about.text("description")
    about.flag("strict")  # the answer always fits the schema
    schema = about.values.get("schema")
    return chat.JSON_OBJECT if schema is None else as_object(schema, about.name("schema")).values


def streaming(fields: Fields) -> tuple[bool, bool]:
    """Whether the answer comes in chunks, and whether the last of them says how many tokens there were."""
    stream, about = fields.flag("stream"), fields.object("stream_options")
    if about is None:
        return stream, False
    about.only({"include_usage", "include_obfuscation"})
    about.flag("include_obfuscation")
    if not stream:
        raise refused("stream_options", "only allowed when stream is true")
    return stream, about.flag("include_usage")


def tool_choice(fields: Fields, tools: Collection[Any], inside: str) -> dict[str, Any]:
    """Options of `chat.Options` by name. inside: the key of the object that has a function's name, "" for the choice itself."""
    parallel = fields.flag("parallel_tool_calls", True)
    if isinstance(choice := fields.values.get("tool_choice"), dict):
        about = as_object(choice, "tool_choice")
        about.one_of("type", ("function",), "")
        function = as_object(about.required(inside), about.name(inside)) if inside else about
        found = {"tool_choice": "required", "tool_name": text(function.required("name"), function.name("name"))}
    else:
        found = {"tool_choice": fields.one_of("tool_choice", ("auto", "none", "required"), "auto")}
    if not tools and found["tool_choice"] == "required":
        raise refused("tool_choice", "only allowed when tools are given")
    return {**found, "parallel_tool_calls": parallel}


def not_stored(fields: Fields) -> None:
    if fields.flag("store"):
        raise refused(fields.name("store"), "nothing is stored here: expected false or none")


def _stop(fields: Fields) -> tuple[str, ...]:
    value = fields.values.get("stop")
    texts = [value] if isinstance(value, str) else fields.list("stop", _MAX_STOPS)
    for index, each in enumerate(texts):
        place = "stop" if texts is not value else f"stop[{index}]"
        if not text(each, place):
            raise wrong(place, each, "a text that is not empty")
    return tuple(texts)


def _logit_bias(fields: Fields) -> dict[int, float]:
    given = fields.object("logit_bias")
    if given is None:
        return {}
    if len(given.values) > _MAX_BIASED:
        raise ApiError(400, f"logit_bias: found {len(given.values)} tokens, expected at most {_MAX_BIASED}", param="logit_bias")
    found = {}
    for token in given.values:
        if not (token.isascii() and token.isdecimal() and len(token) < 10):
            raise wrong("logit_bias", token, "the number of a token")
        found[int(token)] = given.number(token, 0.0, -100, 100)
    return found
