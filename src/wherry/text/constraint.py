"""Constrained output: which tokens may come next so that the whole answer fits a JSON schema, a regular expression or a grammar.

The work is PyPI `llguidance`'s: https://github.com/guidance-ai/llguidance.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from llguidance import LLMatcher, LLParserLimits, LLTokenizer, TokenizerWrapper, grammar_from
from numpy.typing import NDArray

from wherry.errors import InputError, TooLargeError
from wherry.text.enforceable import Enforceable, Omission
from wherry.text.gbnf import is_lark, plain_gbnf
from wherry.text.language import Vocabulary

_MAX_GRAMMAR = 1 << 18  # characters
_MAX_DEPTH = 100  # of a schema's JSON
_MAX_MESSAGE = 4000  # characters of what the library says: patterns are quoted in it
_UNSPACED: Any = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}


@dataclass(frozen=True)
class Grammar:
    """What an answer is to fit, checked; `field` names where it came from. Made by the functions below."""

    field: str
    text: str  # llguidance's own form
    omitted: tuple[str, ...] = ()  # what a schema says and the grammar does not keep: place and value
    schema: str = ""  # what the grammar keeps of a schema, in JSON


def json_schema(
    schema: Mapping[str, Any] | bool, field: str = "json_schema", *, spaced: bool = True, strict: bool = False
) -> Grammar:
    """Any JSON object is {"type": "object"}. spaced: whether there may be white space wherever JSON lets it be, in which small
    models lose themselves; else there is one space after each comma and colon.

    What only restricts an answer further and cannot be enforced is left out, and named in the grammar's `omitted`; with `strict`
    it is refused. Raises InputError, with the place, for a schema that says what cannot be kept.
    """
    if isinstance(schema, bool):
        if not schema:
            raise InputError(f"{field}: found false, which nothing fits, expected a schema")
        schema = {}
    if _depth(schema) > _MAX_DEPTH:
        raise InputError(f"{field}: found a schema more than {_MAX_DEPTH} deep, expected a shallower one")
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
    attempts = (Enforceable(), Enforceable(_pattern_fault), Enforceable(_pattern_fault, one_of=True))
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


def answer_or_calls(
    answer: Grammar, calls: Grammar, begin: tuple[int | None, str], end: tuple[int | None, str], *, parallel: bool
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
    return replace(_checked(answer.field, text, partial(LLMatcher.grammar_from_lark, text)), omitted=answer.omitted)


def regular_expression(pattern: str, field: str = "regex") -> Grammar:
    """For the whole answer, in the syntax of Rust's regex. Raises InputError."""
    return _checked(field, pattern, lambda: LLMatcher.grammar_from_regex(pattern))


def gbnf(grammar: str, field: str = "grammar") -> Grammar:
    """llama.cpp's grammars; Lark's are taken too. Raises InputError."""
    _check_size(field, grammar)
    text = grammar if is_lark(grammar) else plain_gbnf(grammar, field)
    return _checked(field, text, lambda: grammar_from("gbnf", text))


class Constraint:
    """One answer under a grammar: `mask` before each token, `take` after it."""

    def __init__(self, words: "GrammarWords", grammar: Grammar) -> None:
        self._matcher = LLMatcher(words.tokenizer, grammar.text, log_level=0, limits=_limits())
        self._field = grammar.field
        self._check()
        self._bits = np.zeros(-(-words.count // 32), np.uint32)
        self._count = words.count

    def mask(self) -> NDArray[np.bool_]:
        """(vocab,): whether each token may come next; ends are among them once the answer may end. Raises InputError where the
        grammar is too much work."""
        self._matcher.unsafe_compute_mask_ptr(self._bits.ctypes.data, self._bits.nbytes)
        self._check()
        return np.unpackbits(self._bits.view(np.uint8), bitorder="little")[: self._count].astype(bool)

    def take(self, token: int) -> None:
        """Raises InputError for a token that may not come."""
        self._matcher.consume_token(token)
        self._check()

    @property
    def ended(self) -> bool:
        """Nothing but an end can follow."""
        return bool(self._matcher.is_stopped())

    @property
    def complete(self) -> bool:
        """The answer fits as it is."""
        return bool(self._matcher.is_accepting() or self._matcher.is_stopped())

    def _check(self) -> None:
        if self._matcher.is_error():
            raise InputError(f"{self._field}: {_one_line(self._matcher.get_error())}")


@dataclass(frozen=True)
class GrammarWords:
    """A vocabulary as grammars see it: made once for a model, shared by all answers."""

    tokenizer: LLTokenizer
    count: int


def grammar_words(vocabulary: Vocabulary, n_vocab: int) -> GrammarWords:
    """n_vocab: the model's tokens, of which the vocabulary may have fewer."""
    ends = sorted(vocabulary.ends)
    if not ends:
        raise InputError("found a vocabulary without a token that ends an answer, expected one: no grammar could be fulfilled")
    # Tokens without bytes steer the model: no grammar has them. The library wants them marked, under a name.
    silent = [index for index, piece in enumerate(vocabulary.pieces) if not piece]
    pieces = [piece or b"\xff" + vocabulary.names[index].encode() for index, piece in enumerate(vocabulary.pieces)]
    pieces += [b"\xff<none>" for _ in range(n_vocab - len(pieces))]
    silent += range(len(vocabulary.pieces), n_vocab)
    wrapped = TokenizerWrapper(_Words(ends[0], pieces, silent, vocabulary.encode))
    return GrammarWords(LLTokenizer(wrapped, n_vocab=n_vocab, eos_token=ends), n_vocab)


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
