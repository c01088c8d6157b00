"""/v1/responses: one answer, whole or as events. Nothing is stored, so none goes on from another."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from api.asked import DRAWING, IGNORED, TEMPLATE, check_ignored, drawing, limit, open_model, template_options, without_effect
from api.chat import likely
from api.errors import of_host
from api.fields import Fields, refused
from api.forms import json_form
from api.identity import new_id, now
from api.items import messages, tools
from api.streams import Streams, explained
from api.tool_choice import tool_choice
from api.truncation import fitting
from wherry.errors import WherryError
from wherry.guest import chat
from wherry.guest.openai import event

_LOG = logging.getLogger("chat")
_LOGPROBS = "message.output_text.logprobs"
_FIELDS = (
    {"model", "input", "instructions", "max_output_tokens", "stream", "stream_options", "text", "tools", "tool_choice"}
    | {"parallel_tool_calls", "include", "top_logprobs", "store", "truncation", "background", "max_tool_calls"}
    | DRAWING | IGNORED | TEMPLATE
)  # fmt: skip
_UNSUPPORTED = {
    "context_management": "nothing is stored here: expected the whole conversation as input",
    "conversation": "nothing is stored here: expected the whole conversation as input",
    "moderation": "nothing is moderated here",
    "previous_response_id": "nothing is stored here: expected the whole conversation as input",
    "prompt": "nothing is stored here: expected the prompt itself as instructions and input",
}
# The host's words for fields -> ours.
_NAMES = {
    "messages": "input", "json_schema": "text.format.schema", "tool_name": "tool_choice",
    "template_options": "chat_template_kwargs",
}  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """echo: what every response says of its request."""

    model: chat.Model
    streams: Streams
    stream: bool
    logprobs: bool
    echo: dict[str, Any]


def asked(fields: Fields) -> Asked:
    """Raises ApiError naming the field. The answer is being computed when this returns."""
    fields.only(_FIELDS, _UNSUPPORTED)
    check_ignored(fields)
    without_effect(fields, "store", "max_tool_calls")
    if fields.flag("background"):
        raise refused("background", "nothing is stored here: expected false or none")
    truncates = fields.one_of("truncation", ("disabled", "auto"), "disabled") == "auto"
    includes = fields.list("include", 16)
    for index, each in enumerate(includes):
        if each != _LOGPROBS:
            fields.ignore(f"include[{index}]")  # there is nothing of the kind here
    top = fields.whole("top_logprobs", 0, 20)
    form = fields.object("text") or Fields({}, "text")
    form.only({"format"})
    stream = fields.flag("stream")
    if (about := fields.object("stream_options")) is not None:
        about.only({"include_obfuscation"})
        about.flag("include_obfuscation")
    given, functions = messages(fields), tools(fields)
    choice, functions = tool_choice(fields, functions, "")
    options = drawing(fields) | choice | json_form(form.object("format"), "") | template_options(fields)
    options["max_tokens"] = limit(fields, "max_output_tokens")
    logprobs = _LOGPROBS in includes or bool(top)
    options["top_logprobs"] = (top or 0) if logprobs else None
    model = open_model(fields)
    with explained(_NAMES):
        streams = Streams(
            [lambda: fitting(given, lambda some: model.stream(some, chat.Options(**options), functions), truncates)]
        )
    return Asked(model, streams, stream, logprobs, _echo(fields, model, options))


def whole(asked: Asked) -> dict[str, Any]:
    with asked.streams as streams, explained(_NAMES):
        answer = streams.all[0].answer()
    made = Made(asked)
    if answer.text or not answer.tool_calls:
        made.items.append(made.message(answer.text, list(answer.tokens)))
    made.items += [made.call(call) for call in answer.tool_calls]
    return made.response(answer.finish, answer.usage)


def events(asked: Asked) -> Iterator[bytes]:
    """From response.created to response.completed, incomplete or failed."""
    with explained(_NAMES):
        pieces = asked.streams.pieces()
    return _events(asked, pieces)


def _events(asked: Asked, pieces: Iterator[tuple[int, chat.Piece]]) -> Iterator[bytes]:
    made, stream = Made(asked), asked.streams.all[0]
    with asked.streams:
        yield made.event("response.created", response=made.response("", None))
        yield made.event("response.in_progress", response=made.response("", None))
        finish = "stop"
        try:
            writing = _Writing(made)
            for _, piece in pieces:
                if piece.text or piece.tokens:
                    yield from writing.add(piece)
                if piece.tool_calls:
                    yield from writing.end()
                for call in piece.tool_calls:
                    yield from _call_events(made, call)
                finish = piece.finish or finish
            yield from writing.end(always=not made.items)
        except WherryError as error:  # too late for a status
            _LOG.warning("broken off: %s", error.message)
            failure = {"code": "server_error", "message": of_host(error, _NAMES).message}
            yield made.event("response.failed", response=made.response("failed", stream.usage) | {"error": failure})
            return
        kind = "response.incomplete" if finish == "length" else "response.completed"
        yield made.event(kind, response=made.response(finish, stream.usage))


class _Writing:
    """The events of the message that is being written."""

    def __init__(self, made: "Made") -> None:
        self._made = made
        self._item: dict[str, Any] | None = None
        self._text = ""
        self._tokens: list[chat.Token] = []

    def add(self, piece: chat.Piece) -> Iterator[bytes]:
        if self._item is None:
            yield from self._begin()
        self._text += piece.text
        self._tokens += piece.tokens
        yield self._event("response.output_text.delta", delta=piece.text, logprobs=_logprobs(piece.tokens))

    def end(self, *, always: bool = False) -> Iterator[bytes]:
        """always: even if nothing was written."""
        if self._item is None:
            if not always:
                return
            yield from self._begin()
        assert self._item is not None
        done = self._made.message(self._text, self._tokens, self._item["id"])
        yield self._event("response.output_text.done", text=self._text, logprobs=_logprobs(self._tokens))
        yield self._event("response.content_part.done", part=done["content"][0])
        index = len(self._made.items)
        self._made.items.append(done)
        self._item, self._text, self._tokens = None, "", []
        yield self._made.event("response.output_item.done", output_index=index, item=done)

    def _begin(self) -> Iterator[bytes]:
        self._item = self._made.message("", []) | {"status": "in_progress", "content": []}
        yield self._made.event("response.output_item.added", output_index=len(self._made.items), item=self._item)
        yield self._event("response.content_part.added", part=_part("", []))

    def _event(self, kind: str, **fields: Any) -> bytes:
        assert self._item is not None
        return self._made.event(kind, item_id=self._item["id"], output_index=len(self._made.items), content_index=0, **fields)


def _call_events(made: "Made", call: chat.ToolCall) -> Iterator[bytes]:
    index, done = len(made.items), made.call(call)
    about = {"item_id": done["id"], "output_index": index}
    made.items.append(done)
    yield made.event("response.output_item.added", output_index=index, item=done | {"status": "in_progress", "arguments": ""})
    yield made.event("response.function_call_arguments.delta", **about, delta=call.arguments)
    yield made.event("response.function_call_arguments.done", **about, name=call.name, arguments=call.arguments)
    yield made.event("response.output_item.done", output_index=index, item=done)


@dataclass
class Made:
    """A response, as far as it is made."""

    asked: Asked
    items: list[dict[str, Any]] = field(default_factory=list)
    id: str = field(default_factory=lambda: new_id("resp_"))
    created: int = field(default_factory=now)
    _number: int = -1

    def event(self, kind: str, **fields: Any) -> bytes:
        self._number += 1
        return event({"type": kind, "sequence_number": self._number, **fields}, kind)

    def message(self, text: str, tokens: list[chat.Token], id: str = "") -> dict[str, Any]:
        return {
            "id": id or new_id("msg_"), "type": "message", "status": "completed", "role": "assistant",
            "content": [_part(text, tokens)],
        }  # fmt: skip

    def call(self, call: chat.ToolCall) -> dict[str, Any]:
        return {
            "id": new_id("fc_"), "type": "function_call", "status": "completed", "call_id": new_id("call_"),
            "name": call.name, "arguments": call.arguments,
        }  # fmt: skip

    def response(self, finish: str, usage: chat.Usage | None) -> dict[str, Any]:
        """finish: empty while it is made; failed where it broke off."""
        status = {"": "in_progress", "length": "incomplete", "failed": "failed"}.get(finish, "completed")
        items = [dict(item) for item in self.items]
        if finish == "length" and items:
            items[-1]["status"] = "incomplete"
        return {
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "completed_at": now() if status == "completed" else None,
            "status": status,
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if finish == "length" else None,
            "model": self.asked.model.name,
            "output": items,
            "usage": None if usage is None else _usage(usage),
            **self.asked.echo,
        }


def _part(text: str, tokens: list[chat.Token]) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": _logprobs(tokens)}


def _logprobs(tokens: list[chat.Token] | tuple[chat.Token, ...]) -> list[dict[str, Any]]:
    return [{**likely(token), "top_logprobs": [likely(other) for other in token.top]} for token in tokens]


def _usage(usage: chat.Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.prompt,
        "input_tokens_details": {"cached_tokens": usage.cached},
        "output_tokens": usage.completion,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.total,
    }


def _echo(fields: Fields, model: chat.Model, options: dict[str, Any]) -> dict[str, Any]:
    form = fields.object("text")
    return {
        "background": False,
        "instructions": fields.values.get("instructions"),
        "max_output_tokens": options["max_tokens"],
        "max_tool_calls": None,
        "metadata": fields.values.get("metadata") or {},
        "parallel_tool_calls": options["parallel_tool_calls"],
        "previous_response_id": None,
        "reasoning": {"effort": options["template_options"].get("reasoning_effort"), "summary": None},
        "service_tier": "default",
        "store": False,
        "temperature": options["temperature"],
        "text": {"format": form.values["format"] if form is not None and form.has("format") else {"type": "text"}},
        "tool_choice": fields.values.get("tool_choice") or "auto",
        "tools": [{"strict": None, "parameters": None, **tool} for tool in fields.values.get("tools") or []],
        "top_logprobs": options["top_logprobs"] or 0,
        "top_p": options["top_p"],
        "truncation": fields.values.get("truncation") or "disabled",
    }
