"""Answers under a grammar: tokens drawn at random among those that may come always end in what was asked for."""

import json
import re
from collections.abc import Callable
from typing import Any

import jsonschema
import numpy as np
import pytest

from wherry.engine.catalog import default_cache, find_model
from wherry.errors import InputError, TooLargeError
from wherry.text.constraint import Constraint, Grammar, GrammarWords, gbnf, grammar_words, json_schema, regular_expression
from wherry.text.language import Vocabulary, gguf_vocabulary
from wherry.weights import open_checkpoint

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "tags": {"type": "array", "items": {"enum": ["a", "b", "cé"]}, "maxItems": 3},
        "address": {"$ref": "#/$defs/address"},
    },
    "required": ["name", "age", "address"],
    "additionalProperties": False,
    "$defs": {
        "address": {
            "type": "object",
            "properties": {"zip": {"type": "string", "pattern": "^[0-9]{5}$"}},
            "required": ["zip"],
            "additionalProperties": False,
        }
    },
}


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    file = find_model("smollm2-135m-instruct", default_cache()).weights
    return gguf_vocabulary(file, open_checkpoint(file).metadata)


@pytest.fixture(scope="module")
def words(vocabulary: Vocabulary) -> GrammarWords:
    return grammar_words(vocabulary, len(vocabulary.pieces) + 3)


def drawn(words: GrammarWords, vocabulary: Vocabulary, grammar: Grammar, seed: int, most: int = 400) -> str:
    """The text of tokens drawn with equal odds until an end is drawn."""
    random, constraint, tokens = np.random.default_rng(seed), Constraint(words, grammar), []
    ends = np.asarray(sorted(vocabulary.ends))
    for _ in range(most):
        mask = constraint.mask()
        assert mask.any()
        assert mask[ends].any() == constraint.complete
        if mask[ends].any() and (len(tokens) > 60 or random.random() < 0.3 or not mask.sum() > mask[ends].sum()):
            return vocabulary.decode(tokens)
        allowed = np.flatnonzero(mask)
        allowed = allowed[~np.isin(allowed, ends)]
        if len(tokens) > 20:  # white space between the parts of JSON has no end
            allowed = [token for token in allowed if vocabulary.pieces[token].strip()] or allowed
        token = int(random.choice(allowed))
        constraint.take(token)
        tokens.append(token)
    pytest.fail(f"no end after {most} tokens: {vocabulary.decode(tokens)}")


def test_200_drawn_objects_fit_their_schema(words: GrammarWords, vocabulary: Vocabulary) -> None:
    grammar = json_schema(PERSON)
    for seed in range(200):
        jsonschema.validate(json.loads(drawn(words, vocabulary, grammar, seed)), PERSON)


@pytest.mark.parametrize("pattern", [r"[a-c]{2,5}-[0-9]{3}", r"(yes|no)( really)?", "é+ñ"])
def test_regular_expressions_hold_for_the_whole(words: GrammarWords, vocabulary: Vocabulary, pattern: str) -> None:
    grammar = regular_expression(pattern)
    for seed in range(20):
        assert re.fullmatch(pattern, drawn(words, vocabulary, grammar, seed))


def test_llama_cpps_grammars_are_taken(words: GrammarWords, vocabulary: Vocabulary) -> None:
    grammar = gbnf('root ::= "move " piece " to " square\npiece ::= "rook" | "bishop"\nsquare ::= [a-h] [1-8]')
    for seed in range(10):
        assert re.fullmatch(r"move (rook|bishop) to [a-h][1-8]", drawn(words, vocabulary, grammar, seed))


def test_a_token_that_may_not_come_is_refused(words: GrammarWords, vocabulary: Vocabulary) -> None:
    constraint = Constraint(words, regular_expression("yes"))
    (no,) = vocabulary.encode("no")
    assert not constraint.mask()[no]
    with pytest.raises(InputError, match="regex"):
        constraint.take(no)


def test_special_tokens_and_those_beyond_the_vocabulary_never_come(words: GrammarWords, vocabulary: Vocabulary) -> None:
    mask = Constraint(words, regular_expression(r"(.|\n)*")).mask()
    silent = [index for index, piece in enumerate(vocabulary.pieces) if not piece and index not in vocabulary.ends]
    assert silent and not mask[silent].any() and not mask[len(vocabulary.pieces) :].any()
    assert mask[vocabulary.encode("word")[0]]


@pytest.mark.parametrize(
    "make",
    [
        lambda: json_schema({"type": "nonsense"}),
        lambda: json_schema({"$ref": "http://example.com/other.json"}),
        lambda: json_schema({"type": "string", "pattern": "("}),
        lambda: regular_expression("[a-"),
        lambda: gbnf("root := what"),
        lambda: gbnf('root ::= missing "a"'),
        lambda: json_schema(nested(5000)),
    ],
)
def test_grammars_that_cannot_be_are_refused(make: Callable[[], Grammar]) -> None:
    with pytest.raises(InputError, match=r"^(json_schema|regex|grammar): "):
        make()


def test_what_is_too_much_is_refused(words: GrammarWords, vocabulary: Vocabulary) -> None:
    with pytest.raises(TooLargeError, match="regex: found"):
        regular_expression("a" * 300_000)
    wild = Constraint(words, regular_expression("(a|aa|aaa|aaaa)*(.|a.|b..|c...){0,3000}x"))
    with pytest.raises(InputError, match=r"regex: .*too many"):
        go_on(wild, vocabulary.encode("ababab"), 60)


def go_on(constraint: Constraint, liked: list[int], times: int) -> None:
    for _ in range(times):
        mask = constraint.mask()
        constraint.take(next((token for token in liked if mask[token]), int(np.flatnonzero(mask)[0])))


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "array", "items": schema}
    return schema
