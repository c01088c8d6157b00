"""llama.cpp's grammars: what they let through is what llama.cpp lets through, and what it refuses is refused with its place."""

import json
import time
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.text.test_vocabularies import vocabulary_of
from wherry.errors import InputError
from wherry.text.constraint import Constraint, GrammarWords, gbnf, grammar_words

# Made by tests/references/llm_grammars.py.
_CASES: list[dict[str, Any]] = json.loads((ROOT / "tests/fixtures/llm_grammars.json").read_text(encoding="utf-8"))
_GOOD = [case for case in _CASES if None not in case["texts"].values()]
_BAD = [case["grammar"] for case in _CASES if None in case["texts"].values()]


@pytest.fixture(scope="module")
def words() -> GrammarWords:
    letters = vocabulary_of("gpt2").names
    vocabulary = vocabulary_of("gpt2", tokens=[*letters, "<e>"], token_type=[1] * 256 + [3], eos_token_id=256)
    return grammar_words(vocabulary, 257)


def lets_through(words: GrammarWords, grammar: str, text: str) -> bool:
    constraint = Constraint(words, gbnf(grammar))
    for token in vocabulary_of("gpt2").encode(text):
        if constraint.ended or not constraint.mask()[token]:
            return False
        constraint.take(token)
    return constraint.complete


@pytest.mark.parametrize("case", _GOOD, ids=lambda case: ascii(case["grammar"]))
def test_a_grammar_lets_through_what_llama_cpps_does(case: dict[str, Any], words: GrammarWords) -> None:
    for text, expected in case["texts"].items():
        assert lets_through(words, case["grammar"], text) == expected, text


@pytest.mark.parametrize("grammar", _BAD, ids=ascii)
def test_a_grammar_that_llama_cpp_refuses_is_refused(grammar: str) -> None:
    with pytest.raises(InputError, match=r"^grammar: "):
        gbnf(grammar)


@pytest.mark.parametrize(
    ("grammar", "words"),
    [
        ('root ::= "a"\n  b ::= "\\q"', r"line 2, column 11: found 'q\"', expected one of x u U"),
        ("root ::= missing", 'found no rule "missing"'),
        ('other ::= "a"', 'found no rule "root"'),
        ('root ::= "\\ud800"', "U\\+D800 is none"),
        ("root ::= <think>", "tokens by name or number"),
        ("root ::= [z-a]", "a character in them"),
    ],
)
def test_the_place_of_a_fault_in_a_grammar_is_named(grammar: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        gbnf(grammar)


def test_a_grammar_of_many_brackets_is_refused_at_once() -> None:
    started = time.monotonic()
    for grammar in ("root ::= " + "(" * 100_000, "root ::= " + "(" * 5000 + '"a"' + ")" * 5000, 'root ::= "a"' + "{2000}" * 9):
        with pytest.raises(InputError):
            gbnf(grammar)
    assert time.monotonic() - started < 30


def test_a_grammar_in_larks_language_is_read_too(words: GrammarWords) -> None:
    assert lets_through(words, 'start: "a" b\nb: "c"', "ac")
    assert not lets_through(words, 'start: "a" b\nb: "c"', "ab")
