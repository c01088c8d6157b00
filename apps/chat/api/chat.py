"""/v1/chat/completions."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from api.asked import (
    DRAWING,
    IGNORED,
    MAX_ANSWERS,
    MAX_TOKENS,
    PENALTIES,
    check_ignored,
    drawing,
    json_schema,
    not_stored,
    open_model,
    penalties,
    seeded,
    streaming,
    tool_choice,
)
from api.fields import Fields, refused, wrong
from api.identity import fingerprint, new_id, now
from api.streams import Streams, explained, guarded
from wherry.guest import chat
from wherry.guest.openai import event

_FIELDS = (
    {"model", "messages", "max_tokens", "max_completion_tokens", "n", "stream", "stream_options", "logprobs", "top_logprobs"}
    | {"tools", "tool_choice", "parallel_tool_calls", "response_format", "store", "modalities"}
    | DRAWING | PENALTIES | IGNORED
)  # fmt: skip
_UNSUPPORTED = {
    "audio": "the models here write text only",
    "function_call": "found the form that tool_choice has replaced, expected tool_choice",
    "functions": "found the form that tools have replaced, expected tools",
    "moderation": "nothing is moderated here",
    "prediction": "the models here take no predicted text",
    "reasoning_effort": "the models here have no effort to set",
    "verbosity": "the models here have no verbosity to set",
    "web_search_options": "nothing is looked up from here",
}
NAMES = {"json_schema": "response_format.json_schema.schema", "tool_name": "tool_choice"}  # the host's -> ours


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
    not_stored(fields)
    messages = fields.required("messages")
    if not isinstance(messages, list):
        raise wrong("messages", messages, "a list of at least one message")
    if any(kind != "text" for kind in fields.list("modalities", 8)):
        raise refused("modalities", "the models here write text only")
    tools = fields.list("tools", 128)
    options = drawing(fields) | penalties(fields) | tool_choice(fields, tools, "function")
    options["max_tokens"] = _most(fields)
    options["top_logprobs"] = _top_logprobs(fields)
    options["json_schema"] = json_schema(fields.object("response_format"), "json_schema")
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


def _most(fields: Fields) -> int | None:
    """max_tokens is the older name of the two."""
    old, new = fields.whole("max_tokens", 1, MAX_TOKENS), fields.whole("max_completion_tokens", 1, MAX_TOKENS)
    if old is not None and new is not None:
        raise refused("max_tokens", "found max_completion_tokens too, expected one of the two")
    return new if old is None else old


def _top_logprobs(fields: Fields) -> int | None:
    top = fields.whole("top_logprobs", 0, 20)
    if fields.flag("logprobs"):
        return top or 0
    if top is not None:
        raise refused("top_logprobs", "only allowed when logprobs is true")
    return None
