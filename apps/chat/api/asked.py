"""What the requests for texts have in common: the model, how it draws its tokens, and how many."""

from collections.abc import Mapping
from typing import Any

from api.fields import Fields, refused, text, wrong
from wherry.guest import chat
from wherry.guest.openai import ApiError, unknown_model

_DEFAULT = "default"
_MAX_STOPS = 64
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
# OpenAI's, and what other servers have too.
DRAWING = frozenset(
    {"temperature", "top_p", "top_k", "min_p", "typical_p", "repeat_penalty", "repetition_penalty", "repeat_last_n"}
)
TEMPLATE = frozenset({"reasoning_effort", "reasoning", "enable_thinking", "chat_template_kwargs"})
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
    """Options of `chat.Options` by name; None: as the model's own configuration says."""
    top_k, repeat = fields.whole("top_k", -1, 1024), _number(fields, "repeat_penalty", 0.01, 100)
    last = fields.whole("repeat_last_n", -1, MAX_TOKENS)
    return {
        "temperature": _number(fields, "temperature", 0, 2),
        "top_p": _number(fields, "top_p", 0, 1),
        "top_k": None if top_k is None else max(top_k, 0),
        "min_p": _number(fields, "min_p", 0, 1),
        "typical_p": fields.number("typical_p", 1.0, 0, 1),
        "repeat_penalty": repeat if repeat is not None else _number(fields, "repetition_penalty", 0.01, 100),
        "penalty_last": None if last is None or last < 0 else last,
    }


def _number(fields: Fields, key: str, low: float, high: float) -> float | None:
    return fields.number(key, low, low, high) if fields.has(key) else None


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


def limit(fields: Fields, *keys: str, low: int = 1) -> int | None:
    """The most tokens of an answer, by the first of several names that is there; -1 is no limit."""
    given = [(key, value) for key in keys if (value := fields.whole(key, -1, MAX_TOKENS)) is not None]
    for key, value in given:
        if 0 <= value < low or value != given[0][1]:
            why = f"an integer from {low} to {MAX_TOKENS}, or -1" if value == given[0][1] else f"no other than {given[0][0]}"
            raise wrong(fields.name(key), value, why)
    return None if not given or given[0][1] < 0 else given[0][1]


def template_options(fields: Fields) -> dict[str, Any]:
    """What the model's chat template may read: names of other servers' clients, and how much thought is wanted."""
    found: dict[str, Any] = {}
    efforts = [fields.text("reasoning_effort")]
    if (reasoning := fields.object("reasoning")) is not None:
        efforts.append(reasoning.text("effort"))
    if effort := next(filter(None, efforts), ""):
        found |= {"reasoning_effort": effort, "enable_thinking": effort != "none"}
    if fields.has("enable_thinking"):
        found["enable_thinking"] = fields.flag("enable_thinking")
    if (given := fields.object("chat_template_kwargs")) is not None:
        found |= given.values
    return {"template_options": found}


def without_effect(fields: Fields, *keys: str) -> None:
    """Fields that could have one, and have none here."""
    for key in keys:
        if fields.has(key) and fields.values[key] is not False:
            fields.ignore(key)


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
