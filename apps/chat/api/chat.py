"""/v1/chat/completions."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from api.asked import (
    DRAWING,
    IGNORED,
    MAX_ANSWERS,
    PENALTIES,
    TEMPLATE,
    check_ignored,
    drawing,
    limit,
    open_model,
    penalties,
    seeded,
    streaming,
    template_options,
    without_effect,
)
from api.fields import Fields, refused, wrong
from api.forms import FORMS, answer_form
from api.identity import fingerprint, new_id, now
from api.streams import Streams, explained, guarded
from api.tool_choice import tool_choice
from wherry.guest import chat
from wherry.guest.openai import event

_WITHOUT_EFFECT = ("store", "prediction", "verbosity", "audio")  # audio: how it is to sound, if it were asked for
_FIELDS = (
    {"model", "messages", "max_tokens", "max_completion_tokens", "n", "stream", "stream_options", "logprobs", "top_logprobs"}
    | {"tools", "tool_choice", "parallel_tool_calls", "modalities", "n_predict", "continue_final_message"}
    | {"add_generation_prompt", *_WITHOUT_EFFECT}
    | DRAWING | PENALTIES | IGNORED | TEMPLATE | FORMS
)  # fmt: skip
_UNSUPPORTED = {
    "function_call": "found the form that tool_choice has replaced, expected tool_choice",
    "functions": "found the form that tools have replaced, expected tools",
    "moderation": "nothing is moderated here",
    "web_search_options": "nothing is looked up from here",
}
# The host's -> ours.
NAMES = {
    "json_schema": "response_format.json_schema.schema", "tool_name": "tool_choice", "gbnf": "grammar",
    "continue_final": "continue_final_message", "template_options": "chat_template_kwargs",
}  # fmt: skip


@dataclass(frozen=True)
class Asked:
    model: chat.Model
    streams: Streams
    stream: bool
    include_usage: bool
    logprobs: bool


def asked(fields: Fields) -> Asked:
    """Raises ApiError naming the field. The answers are being computed when this returns."""
    fields.only(_FIELDS, _UNSUPPORTED)
    check_ignored(fields)
    without_effect(fields, *_WITHOUT_EFFECT)
    messages = fields.required("messages")
    if not isinstance(messages, list):
        raise wrong("messages", messages, "a list of at least one message")
    if any(kind != "text" for kind in fields.list("modalities", 8)):
        raise refused("modalities", "the models here write text only")
    tools = fields.list("tools", 128)
    choice, tools = tool_choice(fields, tools, "function")
    options = drawing(fields) | penalties(fields) | choice | answer_form(fields) | template_options(fields) | _end(fields)
    options["max_tokens"] = limit(fields, "max_completion_tokens", "max_tokens", "n_predict")
    options["top_logprobs"] = _top_logprobs(fields)
    stream, include_usage = streaming(fields)
    n = fields.whole("n", 1, MAX_ANSWERS) or 1
    model = open_model(fields)
    with explained(NAMES):
        streams = Streams([lambda i=i: model.stream(messages, seeded(options, i), tools) for i in range(n)])  # type: ignore[misc]
    return Asked(model, streams, stream, include_usage, options["top_logprobs"] is not None)


def whole(asked: Asked) -> dict[str, Any]:
    with asked.streams as streams, explained(NAMES):
        answers = [stream.answer() for stream in streams.all]
    choices = [
        {
            "index": number,
            "message": _message(answer),
            "logprobs": _logprobs(answer.tokens) if asked.logprobs else None,
            "finish_reason": answer.finish or "stop",
        }
        for number, answer in enumerate(answers)
    ]
    return _head("chat.completion", asked) | {"choices": choices, "usage": usage(answer.usage for answer in answers)}


def events(asked: Asked) -> Iterator[bytes]:
    """Chunks, and [DONE]. The first of each answer says who speaks, the last why it ends."""
    with explained(NAMES):
        pieces = asked.streams.pieces()
    return guarded(_events(asked, pieces), asked.streams)


def _events(asked: Asked, pieces: Iterable[tuple[int, chat.Piece]]) -> Iterator[bytes]:
    head = _head("chat.completion.chunk", asked)
    begun: set[int] = set()
    called: dict[int, int] = {}
    nothing = {"usage": None} if asked.include_usage else {}

    def chunk(number: int, delta: dict[str, Any], finish: str | None = None, tokens: tuple[chat.Token, ...] = ()) -> bytes:
        logprobs = _logprobs(tokens) if asked.logprobs and finish is None else None
        choice = {"index": number, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        return event(head | {"choices": [choice]} | nothing)

    for number, piece in pieces:
        if number not in begun:
            begun.add(number)
            yield chunk(number, {"role": "assistant", "content": "", "refusal": None})
        if piece.text or piece.tokens:
            yield chunk(number, {"content": piece.text}, tokens=piece.tokens)
        for call in piece.tool_calls:
            index = called[number] = called.get(number, -1) + 1
            yield chunk(number, {"tool_calls": [{"index": index, **_call(call)}]})
        if piece.finish:
            yield chunk(number, {}, piece.finish)
    if asked.include_usage:
        yield event(head | {"choices": [], "usage": usage(stream.usage for stream in asked.streams.all)})
    yield b"data: [DONE]\n\n"


def usage(each: Iterable[chat.Usage]) -> dict[str, Any]:
    """Of all answers to one prompt: it is counted once."""
    found = list(each)
    prompt, completion = found[0].prompt, sum(one.completion for one in found)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": found[0].cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
        },
    }  # fmt: skip


def _head(kind: str, asked: Asked) -> dict[str, Any]:
    return {
        "id": new_id("chatcmpl-"),
        "object": kind,
        "created": now(),
        "model": asked.model.name,
        "system_fingerprint": fingerprint(asked.model),
    }


def _message(answer: chat.Answer) -> dict[str, Any]:
    calls = {"tool_calls": [_call(call) for call in answer.tool_calls]} if answer.tool_calls else {}
    content = answer.text if answer.text or not calls else None
    return {"role": "assistant", "content": content, "refusal": None, "annotations": [], **calls}


def _call(call: chat.ToolCall) -> dict[str, Any]:
    return {"id": new_id("call_"), "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _logprobs(tokens: Iterable[chat.Token]) -> dict[str, Any]:
    found = [{**likely(token), "top_logprobs": [likely(other) for other in token.top]} for token in tokens]
    return {"content": found, "refusal": None}


def likely(token: chat.Likely) -> dict[str, Any]:
    return {"token": token.text, "logprob": token.logprob, "bytes": list(token.data)}


def _end(fields: Fields) -> dict[str, Any]:
    """What vLLM's clients say of the prompt's end: whether the assistant's last message is continued, or a new one begins."""
    generates = fields.has("add_generation_prompt")
    found: dict[str, Any] = {"generation_prompt": fields.flag("add_generation_prompt", True)}
    if fields.flag("continue_final_message"):
        if generates and found["generation_prompt"]:
            raise refused("continue_final_message", "found add_generation_prompt too, expected one of the two")
        return {"continue_final": True}
    return found | ({"continue_final": False} if generates else {})


def _top_logprobs(fields: Fields) -> int | None:
    top = fields.whole("top_logprobs", 0, 20)
    if fields.flag("logprobs"):
        return top or 0
    if top:
        raise refused("top_logprobs", "only allowed when logprobs is true")
    return None
