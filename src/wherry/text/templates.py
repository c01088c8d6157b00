"""Chat templates: a model's own jinja2 program that writes a conversation as one prompt. Nobody's program is trusted."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, NoReturn

from jinja2 import TemplateError, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser

from wherry.errors import FormatError, InputError
from wherry.text import bounded
from wherry.text.bounded import BoundedEnvironment
from wherry.text.workers import Check, Limits, WorkerEndedError, no_check, shared_workers

_MAX_TEMPLATE = 1 << 18  # characters; the longest in use have some ten thousand
_MAX_DATE = 64  # characters of a date's form
_OWN_NAMES = frozenset({"messages", "tools", "add_generation_prompt", "bos_token", "eos_token"})
_MAX_BYTES = 1 << 30  # of memory: all that the environment lets a program make, and as much again
_MAX_PROMPT = 16 << 20  # characters


def render_chat(
    template: str,
    messages: Sequence[Mapping[str, Any]],
    *,
    names: Mapping[str, str],
    answer: bool = True,
    tools: Sequence[Mapping[str, Any]] | None = None,
    now: datetime | None = None,
    options: Mapping[str, Any] | None = None,
    check: Check = no_check,
) -> str:
    """messages: {"role", "content"}, first to last -> the prompt; with `answer` it ends where the assistant begins to speak.

    names: the names of special tokens that the template may write (bos_token, eos_token); options: what else it may read,
    as enable_thinking. The template runs in a worker process, which ends where `check` raises. Raises FormatError where the
    template is broken or takes too long, InputError where it refuses the messages.
    """
    job = {
        "template": template, "messages": list(messages), "names": dict(names), "answer": answer, "tools": tools,
        "now": now and now.isoformat(), "options": dict(options or {}), "seconds": bounded.MAX_SECONDS,
    }  # fmt: skip
    limits = Limits(bounded.MAX_SECONDS + 0.5, _MAX_BYTES, bounded.MAX_SECONDS + 1)  # its own limit is first, in Python
    try:
        result, _ = shared_workers().run("render", job, limits=limits, check=check)
    except WorkerEndedError as error:
        raise FormatError(
            f"chat template: found a program that does not end in {bounded.MAX_SECONDS:g} s or takes more than "
            f"{_MAX_BYTES >> 20} MB"
        ) from error
    return str(result["text"])


def render_here(
    template: str,
    messages: Sequence[Mapping[str, Any]],
    names: Mapping[str, str],
    *,
    answer: bool = True,
    tools: Sequence[Mapping[str, Any]] | None = None,
    now: str | None = None,
    options: Mapping[str, Any] | None = None,
    seconds: float = bounded.MAX_SECONDS,
) -> str:
    """As `render_chat`, in this process: in a worker."""
    if len(template) > _MAX_TEMPLATE:
        raise FormatError(f"chat template: found {len(template)} characters, expected at most {_MAX_TEMPLATE}")
    environment = _environment()
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = partial(_written, datetime.fromisoformat(now) if now else datetime.now().astimezone())
    values = {**names, "messages": [dict(message) for message in messages], "add_generation_prompt": answer, "tools": tools}
    try:
        program = environment.from_string(template)
        pieces, length = [], 0
        with bounded.bounded(seconds):
            for piece in program.generate({**_options(options or {}, environment.globals), **values}):
                length += len(piece)
                if length > _MAX_PROMPT:
                    raise InputError(f"messages: found more than {_MAX_PROMPT} characters, expected a shorter conversation")
                pieces.append(piece)
    except InputError:
        raise
    except Exception as error:  # the template's own, or Python's on what was made of it: nested too deep, a type that has no such
        raise FormatError(f"chat template: found one that fails on these messages ({str(error)[:500]})") from error
    return "".join(pieces)


def _options(options: Mapping[str, Any], taken: Mapping[str, Any]) -> Mapping[str, Any]:
    """Raises InputError for a name that means something else in templates."""
    for name in options:
        if name in taken or name in _OWN_NAMES:
            raise InputError(f"template_options: found {name[:100]}, expected another name: templates have one of their own")
    return options


def knows_tools(template: str) -> bool:
    """Whether a template has a use for tools. What is no template has none."""
    try:
        return any(kind == "name" and word == "tools" for _, kind, word in _environment().lex(template[:_MAX_TEMPLATE]))
    except TemplateError:
        return False


def _environment() -> BoundedEnvironment:
    return BoundedEnvironment(
        {"tojson": _to_json}, trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", _Generation]
    )


class _Generation(Extension):
    """{% generation %}…{% endgeneration %}, by which training finds the assistant's words: here they are words as all others."""

    tags = {"generation"}  # noqa: RUF012 (as the class above has it)

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _written(now: datetime, form: str) -> str:
    """The C library would write as wide as it is told."""
    if len(form) > _MAX_DATE or re.search(r"%\W*\d", form):
        raise ValueError(f"strftime_now: found {form[:_MAX_DATE]!r}, expected a short form without widths")
    return now.strftime(form)


def _refuse(message: str) -> NoReturn:
    raise InputError(f"messages: the model's chat template refuses them: {message}")


def _to_json(
    value: object,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """The filter's parameters are those that templates give."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
