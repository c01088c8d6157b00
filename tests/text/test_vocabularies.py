"""Vocabularies of GGUF files against llama.cpp: where words end by every name, special tokens, what stands around a text."""

import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from wherry.errors import FormatError
from wherry.text.language import Vocabulary, gguf_vocabulary
from wherry.text.sentences import SentenceTokenizer
from wherry.text.splitters import SPLITTERS

# Made by tests/references/llm_vocabularies.py.
_FIXTURE: dict[str, Any] = json.loads((ROOT / "tests/fixtures/llm_vocabularies.json").read_text(encoding="utf-8"))
_SPLITTERS: dict[str, Any] = _FIXTURE["splitters"]
_CASES: dict[str, Any] = _FIXTURE["cases"]


def fields_of(kind: str, **changes: Any) -> dict[str, object]:
    said = {**_FIXTURE["vocabularies"][kind], **changes}
    return {f"tokenizer.ggml.{key}": tuple(value) if isinstance(value, list) else value for key, value in said.items()}


def vocabulary_of(kind: str, **changes: Any) -> Vocabulary:
    return gguf_vocabulary(Path("model.gguf"), fields_of(kind, **changes))


def case(name: str) -> Vocabulary:
    said = _CASES[name]
    base = _FIXTURE["vocabularies"][said["kind"]]
    changes = {**said["said"], "tokens": base["tokens"] + [token for token, _ in said["extra"]]}
    changes["token_type"] = base["token_type"] + [kind for _, kind in said["extra"]]
    if "scores" in base:
        changes["scores"] = base["scores"] + [0.0] * len(said["extra"])
    return vocabulary_of(said["kind"], **changes)


@pytest.mark.parametrize("name", _SPLITTERS)
def test_words_end_where_llama_cpp_ends_them(name: str) -> None:
    found = _SPLITTERS[name]
    found = _SPLITTERS[found] if isinstance(found, str) else found
    vocabulary = vocabulary_of(found["vocabulary"], pre=name, bos_token_id=5, eos_token_id=6)
    assert vocabulary.before == ((5,) if found["adds_bos"] else ())
    for text, expected in zip(_FIXTURE["texts"], found["checksums"], strict=True):
        tokens = vocabulary.encode(text)
        assert zlib.crc32(json.dumps(tokens).encode()) == expected, (text, [vocabulary.names[token] for token in tokens])


def test_every_name_of_a_splitter_is_compared_with_llama_cpp() -> None:
    assert _SPLITTERS.keys() == SPLITTERS.keys()


def test_a_file_without_a_name_has_llama_cpps_default_splitter() -> None:
    unnamed, default = vocabulary_of("words"), vocabulary_of("words", pre="default")
    for text in _FIXTURE["texts"]:
        assert unnamed.encode(text) == default.encode(text)


@pytest.mark.parametrize("name", _CASES)
def test_special_tokens_are_llama_cpps(name: str) -> None:
    vocabulary, expected = case(name), _CASES[name]
    assert vocabulary.ends == set(expected["ends"])
    assert (vocabulary.bos, vocabulary.eos) == tuple(None if token < 0 else token for token in (expected["bos"], expected["eos"]))
    extra = len(expected["extra"])
    assert [piece.hex() for piece in vocabulary.pieces[len(vocabulary.pieces) - extra :]] == expected["pieces"]
    for text, tokens, marked in zip(_FIXTURE["case_texts"], expected["texts"], expected["marked"], strict=True):
        assert [*vocabulary.before, *vocabulary.encode(text), *vocabulary.after] == tokens, text
        assert vocabulary.encode(text, special=True) == marked, text


def test_numbers_of_no_token_are_passed_over_and_said() -> None:
    remarks = case("no token of these numbers").remarks
    assert any('"tokenizer.ggml.bos_token_id": found 4294967295' in remark for remark in remarks)
    assert any('"tokenizer.ggml.eos_token_id": found 99999' in remark for remark in remarks)


def test_a_text_never_spells_a_token_that_steers() -> None:
    """SentencePiece would join "<s" and ">" to <s>."""
    tokens = [*_FIXTURE["vocabularies"]["llama"]["tokens"], "<s", "s>"]
    count = len(tokens)
    kinds, scores = _FIXTURE["vocabularies"]["llama"]["token_type"], _FIXTURE["vocabularies"]["llama"]["scores"]
    vocabulary = vocabulary_of("llama", tokens=tokens, token_type=[*kinds, 1, 1], scores=[*scores, 0.0, 0.0])
    assert not {0, 1, 2} & set(vocabulary.encode("<s></s><unk>"))
    assert {count - 2, count - 1} & set(vocabulary.encode("<s></s>"))


def test_a_file_without_types_or_scores_has_plain_tokens() -> None:
    fields = fields_of("llama")
    del fields["tokenizer.ggml.token_type"], fields["tokenizer.ggml.scores"]
    vocabulary = gguf_vocabulary(Path("model.gguf"), fields)
    assert vocabulary.decode(vocabulary.encode("the hello")) == " the hello"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"add_bos_token": 1}, "add_bos_token"),
        ({"add_eos_token": "yes"}, "add_eos_token"),
        ({"eos_token_id": "2"}, "eos_token_id"),
        ({"add_bos_token": True, "pre": "glm4"}, 'field "tokenizer.ggml.bos_token_id": found none'),
        ({"pre": "unheard-of"}, "found .unheard-of., expected one of default, llama3"),
        ({"pre": 7}, "tokenizer.ggml.pre"),
    ],
)
def test_what_a_file_says_wrongly_of_its_tokens_is_named(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(FormatError, match=words):
        vocabulary_of("gpt2", **changes)


@pytest.mark.parametrize("name", _FIXTURE["sentences"]["cases"])
def test_words_of_sentences_are_llama_cpps(name: str) -> None:
    said = _FIXTURE["sentences"]
    fields = {
        "model": "bert",
        "tokens": tuple(said["tokens"]),
        "token_type": tuple(said["token_type"]),
        **said["cases"][name]["said"],
    }
    fields = {f"tokenizer.ggml.{key}": value for key, value in fields.items()}
    tokenizer = SentenceTokenizer.from_gguf(Path("model.gguf"), fields, 1000)
    for text, expected in zip(said["texts"], said["cases"][name]["tokens"], strict=True):
        assert tokenizer.encode(text) == expected, text
