"""Constrained output: which tokens may come next so that the whole answer fits a JSON schema, a regular expression or a grammar.

The work is PyPI `llguidance`'s (https://github.com/guidance-ai/llguidance), in worker processes: its limits do not hold for
every schema, and its work has no end by itself.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from llguidance import LLMatcher, LLParserLimits, LLTokenizer, TokenizerWrapper
from numpy.typing import NDArray

from wherry.errors import InputError, TooLargeError
from wherry.text.enforceable import Enforceable, Omission, can_close
from wherry.text.gbnf import is_lark, lark_of_gbnf
from wherry.text.language import Vocabulary
from wherry.text.workers import START_WITH_WORDS, Check, Limits, WorkerEndedError, Workers, no_check, shared_workers

_MAX_GRAMMAR = 1 << 18  # characters
_MAX_DEPTH = 100  # of a schema's JSON
_LIMITS = Limits(seconds=0.8, nbytes=512 << 20, deadline=5.0)  # to compile a grammar; for each mask of an answer
_MAX_SECONDS, _MAX_SECONDS_OF_TOKEN = 1.0, 0.01  # of all masks of an answer
_TOO_MUCH = (
    f"found a grammar that takes more than {_LIMITS.seconds:g} s of work or {_LIMITS.nbytes >> 20} MB, expected a simpler one"
)
_MAX_KNOWN = 128
_MAX_MESSAGE = 4000  # characters of what the library says: patterns are quoted in it
_UNSPACED: Any = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}


@dataclass(frozen=True)
class Grammar:
    """What an answer is to fit, checked; `field` names where it came from. Made by the functions below."""

    field: str
    text: str  # llguidance's own form
    omitted: tuple[str, ...] = ()  # what a schema says and the grammar does not keep: place and value
    schema: str = ""  # what the grammar keeps of a schema, in JSON


_known: dict[str, Grammar] = {}  # the last ones, by all that they were compiled from: most requests have one of a few


def json_schema(
    schema: Mapping[str, Any] | bool,
    field: str = "json_schema",
    *,
    spaced: bool = True,
    strict: bool = False,
    check: Check = no_check,
) -> Grammar:
    """Any JSON object is {"type": "object"}. spaced: whether there may be white space wherever JSON lets it be, in which small
    models lose themselves; else there is one space after each comma and colon.

    What only restricts an answer further and cannot be enforced is left out, and named in the grammar's `omitted`; with `strict`
    it is refused. Raises InputError, with the place, for a schema that says what cannot be kept, or that is too much work.
    """
    if _depth(schema) > _MAX_DEPTH:
        raise InputError(f"{field}: found a schema more than {_MAX_DEPTH} deep, expected a shallower one")
    return _compiled("json_schema", json.dumps(schema), field, check, spaced=spaced, strict=strict)


def regular_expression(pattern: str, field: str = "regex", *, check: Check = no_check) -> Grammar:
    """For the whole answer, in the syntax of Rust's regex. Raises InputError."""
    return _compiled("regex", pattern, field, check)


def gbnf(grammar: str, field: str = "grammar", *, check: Check = no_check) -> Grammar:
    """llama.cpp's grammars; Lark's are taken too. Raises InputError."""
    return _compiled("gbnf", grammar, field, check)


def answer_or_calls(
    answer: Grammar,
    calls: Grammar,
    begin: tuple[int | None, str],
    end: tuple[int | None, str],
    *,
    parallel: bool,
    check: Check = no_check,
) -> Grammar:
    """Of two JSON schemas' grammars: either the one, or calls between marks. A mark is a token, where one steers the model, and
    a text."""

    def words(mark: tuple[int | None, str]) -> str:
        token, text = mark
        return " ".join([*([] if token is None else [f"<[{token}]>"]), *([json.dumps(text)] if text else [])])

    lines = [
        "start: answer | calls",
        'calls: call ("\\n" call)*' if parallel else "calls: call",
        f"call: {words(begin)} arguments {words(end)}",
        f"answer: %json {answer.schema}",
        f"arguments: %json {calls.schema}",
    ]
    text = "\n".join(lines)
    return replace(_compiled("lark", text, answer.field, check), omitted=answer.omitted)


def _compiled(form: str, text: str, field: str, check: Check, **options: bool) -> Grammar:
    _check_size(field, text)
    job = {"form": form, "text": text, "field": field, "options": options}
    key = json.dumps(job)
    if (known := _known.get(key)) is not None:
        return known
    try:
        result, _ = shared_workers().run("grammar", job, limits=_LIMITS, check=check)
    except WorkerEndedError as error:
        raise InputError(f"{field}: {_TOO_MUCH}") from error
    while len(_known) >= _MAX_KNOWN:
        _known.pop(next(iter(_known), ""), None)
    _known[key] = grammar = Grammar(field, result["text"], tuple(result["omitted"]), result["schema"])
    return grammar


class Constraint:
    """One answer under a grammar: `mask` before each token, `take` after it. The matcher runs in a process of its own, which is
    computing the next mask when `take` returns; `close` ends it."""

    def __init__(self, words: "GrammarWords", grammar: Grammar, check: Check = no_check) -> None:
        """Raises InputError where the grammar is too much work; what `check` raises meanwhile ends it."""
        self._field, self._count, self._check = grammar.field, words.count, check
        self._session = words.workers.start("match", limits=_LIMITS, kind=START_WITH_WORDS, argument=words.count, check=check)
        self._status: dict[str, Any] | None = None
        self._mask: NDArray[np.bool_] = np.zeros(0, np.bool_)
        with self._bounded():
            self._session.send({"text": grammar.text, "field": grammar.field}, check=check)
            self._state()
        self._check = no_check  # from now on the text's own cancellation ends the work

    def mask(self) -> NDArray[np.bool_]:
        """(vocab,): whether each token may come next; ends are among them once the answer may end. Raises InputError where the
        grammar is too much work."""
        self._state()
        return self._mask

    def take(self, token: int) -> None:
        """Raises InputError for a token that may not come."""
        if not self.mask()[token]:
            raise InputError(f"{self._field}: found token {token}, which the grammar does not allow here")
        self._status = None
        with self._bounded():
            self._session.send({"take": token})

    @property
    def ended(self) -> bool:
        """Nothing but an end can follow."""
        return bool(self._state()["stopped"])

    @property
    def complete(self) -> bool:
        """The answer fits as it is."""
        return bool(self._state()["accepting"])

    def close(self) -> None:
        self._session.close()

    def _state(self) -> dict[str, Any]:
        if self._status is None:
            with self._bounded():
                self._status, data = self._session.receive(self._check)
            bits = np.frombuffer(data, np.uint8)
            self._mask = np.unpackbits(bits, bitorder="little")[: self._count].astype(bool)
        return self._status

    @contextmanager
    def _bounded(self) -> Iterator[None]:
        try:
            yield
        except WorkerEndedError as error:
            self.close()
            raise InputError(f"{self._field}: {_TOO_MUCH}") from error
        except BaseException:
            self.close()
            raise


@dataclass(frozen=True)
class GrammarWords:
    """A vocabulary as grammars see it, in the worker processes that have it; count: the model's tokens."""

    workers: Workers
    count: int


def grammar_words(vocabulary: Vocabulary, n_vocab: int) -> GrammarWords:
    """n_vocab: the model's tokens, of which the vocabulary may have fewer."""
    if not vocabulary.ends:
        raise InputError("found a vocabulary without a token that ends an answer, expected one: no grammar could be fulfilled")
    return GrammarWords(vocabulary.workers, n_vocab)


# -- in a worker process


def compile_here(form: str, text: str, field: str, options: Mapping[str, bool]) -> Grammar:
    """A grammar in the library's form, checked."""
    if form == "json_schema":
        return _json_schema(json.loads(text), field, **options)
    if form == "regex":
        return _checked(field, text, lambda: LLMatcher.grammar_from_regex(text))
    if form == "lark":
        return _checked(field, text, lambda: LLMatcher.grammar_from_lark(text))
    _check_size(field, text)
    lark = text if is_lark(text) else lark_of_gbnf(text, field)
    return _checked(field, text, lambda: LLMatcher.grammar_from_lark(lark))


def serve_matcher(
    receive: Callable[[], tuple[dict[str, Any], bytes]],
    send: Callable[[dict[str, Any], bytes], None],
    limit_work: Callable[[float], None],
    tokenizer: LLTokenizer,
    count: int,
) -> None:
    """A matcher for a `Constraint`: a grammar comes, then tokens; a status and a mask go out after each of them."""
    header, _ = receive()
    field, taken = header["field"], 0
    matcher = LLMatcher(tokenizer, header["text"], log_level=0, limits=_limits())
    bits = np.zeros(-(-count // 32), np.uint32)
    while True:
        if not matcher.is_error():
            matcher.unsafe_compute_mask_ptr(bits.ctypes.data, bits.nbytes)
        if matcher.is_error():
            raise InputError(f"{field}: {_one_line(matcher.get_error())}")
        if time.process_time() > _MAX_SECONDS + taken * _MAX_SECONDS_OF_TOKEN:
            raise InputError(f"{field}: {_TOO_MUCH}")
        stopped = bool(matcher.is_stopped())
        send({"stopped": stopped, "accepting": stopped or bool(matcher.is_accepting())}, bits.tobytes())
        header, _ = receive()
        limit_work(_LIMITS.seconds)
        matcher.consume_token(header["take"])
        taken += 1


def library_words(vocabulary: Vocabulary, n_vocab: int) -> LLTokenizer:
    """A vocabulary as the library wants it."""
    # Tokens without bytes steer the model: no grammar has them. The library wants them marked, under a name.
    silent = [index for index, piece in enumerate(vocabulary.pieces) if not piece]
    names = vocabulary.names
    pieces = [piece or b"\xff" + names[index].encode(errors="replace") for index, piece in enumerate(vocabulary.pieces)]
    pieces += [b"\xff<none>" for _ in range(n_vocab - len(pieces))]
    silent += range(len(vocabulary.pieces), n_vocab)
    ends = sorted(vocabulary.ends)
    wrapped = TokenizerWrapper(_Words(ends[0], pieces, silent, vocabulary.encode_here))
    return LLTokenizer(wrapped, n_vocab=n_vocab, eos_token=ends)


def _json_schema(schema: Mapping[str, Any] | bool, field: str, *, spaced: bool, strict: bool) -> Grammar:
    if isinstance(schema, bool):
        if not schema:
            raise InputError(f"{field}: found false, which nothing fits, expected a schema")
        schema = {}
    _check_size(field, json.dumps(schema))
    grammar, text, omitted = _enforced(schema, field, {} if spaced else _UNSPACED)
    if strict and omitted:
        raise InputError(
            f"{field}: {omitted[0]}: cannot be enforced, expected a schema without it where strict is true",
            hint="without strict it is accepted, and is not enforced",
        )
    return Grammar(field, grammar, tuple(map(str, omitted)), text)


def _enforced(schema: Mapping[str, Any], field: str, options: dict[str, Any]) -> tuple[str, str, list[Omission]]:
    """The library's grammar, the schema with its options, and what is left out. Patterns and `oneOf` are looked at one by one
    only where it refuses them."""
    closes = can_close(schema)
    attempts = (
        Enforceable(closes=closes),
        Enforceable(_pattern_fault, closes=closes),
        Enforceable(_pattern_fault, one_of=True, closes=closes),
    )
    for attempt in attempts:
        relaxed, given = attempt.of(schema), {**options, "coerce_one_of": attempt.one_of}
        text = json.dumps({**relaxed, "x-guidance": given})
        try:
            made = _checked(field, text, partial(LLMatcher.grammar_from_json_schema, text))
            return made.text, text, attempt.omitted
        except InputError:
            if attempt is attempts[-1]:
                raise
    raise AssertionError("the last attempt ends or raises")


def _pattern_fault(pattern: str) -> str:
    """What the library says of a pattern that it cannot keep; "" of any other."""
    try:
        _checked(
            "pattern", pattern, lambda: LLMatcher.grammar_from_json_schema(json.dumps({"type": "string", "pattern": pattern}))
        )
    except InputError as error:
        return error.message.removeprefix("pattern: ")
    return ""


@dataclass(frozen=True)
class _Words:
    """What the library asks of a tokenizer."""

    eos_token_id: int
    tokens: list[bytes]
    special_token_ids: list[int]
    encode: Callable[[str], list[int]]
    bos_token_id: int | None = None

    def __call__(self, text: bytes | str) -> list[int]:
        return self.encode(text if isinstance(text, str) else text.decode("utf-8", errors="replace"))


def _checked(field: str, text: str, make: Callable[[], str]) -> Grammar:
    _check_size(field, text)
    try:
        made = make()
    except (ValueError, RecursionError) as error:
        raise InputError(f"{field}: {_one_line(str(error))}") from error
    failed, messages = LLMatcher.validate_grammar_with_warnings(made, None, limits=_limits())
    if failed:
        raise InputError(f"{field}: {_one_line(messages[0])}")
    return Grammar(field, made)


def _check_size(field: str, text: str) -> None:
    if len(text) > _MAX_GRAMMAR:
        raise TooLargeError(f"{field}: found {len(text)} characters, expected at most {_MAX_GRAMMAR}")


def _limits() -> LLParserLimits:
    """A grammar from outside gets so much work and no more: the library's own limits, but for 100 MB of states."""
    return LLParserLimits(max_lexer_states=50_000)


def _one_line(text: str) -> str:
    """A message of the library's, without the lines that only point at a place in the one before."""
    lines = [line.strip() for line in text.strip().splitlines()]
    return "; ".join(line for line in lines if line.strip("^ "))[:_MAX_MESSAGE] or "found a grammar that cannot be"


def _depth(value: Any) -> int:
    deepest, level = 0, [value]
    while level and deepest <= _MAX_DEPTH:
        deepest += 1
        level = [
            inner
            for each in level
            if isinstance(each, Mapping | list)
            for inner in (each.values() if isinstance(each, Mapping) else each)
        ]
    return deepest
