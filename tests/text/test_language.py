"""Vocabularies of GGUF files against llama.cpp's own tokenizers, and chat templates."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from wherry.engine.catalog import default_cache, find_model
from wherry.errors import FormatError, InputError
from wherry.text.language import Pieces, Vocabulary, gguf_vocabulary
from wherry.text.templates import render_chat
from wherry.weights import open_checkpoint

# Made by tests/references/llm_tokens.py.
_FIXTURE: dict[str, Any] = json.loads((ROOT / "tests/fixtures/llm_tokens.json").read_text(encoding="utf-8"))
_MODELS = {"smollm2": "smollm2-135m-instruct", "gemma3": "gemma3-270m"}
FIELDS: dict[str, object] = {
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.tokens": ("a", "b", "ab", "<|im_end|>"),
    "tokenizer.ggml.token_type": (1, 1, 1, 3),
    "tokenizer.ggml.merges": ("a b",),
    "tokenizer.ggml.eos_token_id": 3,
}


@pytest.fixture(scope="module", params=_MODELS)
def vocabulary(request: pytest.FixtureRequest) -> tuple[str, Vocabulary]:
    file = find_model(_MODELS[request.param], default_cache()).weights
    return request.param, gguf_vocabulary(file, open_checkpoint(file).metadata)


def test_tokens_are_llama_cpps(vocabulary: tuple[str, Vocabulary]) -> None:
    name, tokenizer = vocabulary
    for text, expected in zip(_FIXTURE["texts"], _FIXTURE[name], strict=True):
        assert tokenizer.encode(text) == expected, repr(text)


def test_tokens_say_the_text_again(vocabulary: tuple[str, Vocabulary]) -> None:
    """Also piece by piece, where characters are spread over tokens. (SentencePiece cannot tell its own space from a space.)"""
    name, tokenizer = vocabulary
    for text, tokens in zip(_FIXTURE["texts"], _FIXTURE[name], strict=True):
        said = text.replace("\u2581", " ") if name == "gemma3" else text
        assert tokenizer.decode(tokens) == said
        pieces = Pieces(tokenizer)
        assert "".join(pieces.add(token) for token in tokens) + pieces.end() == said


def test_special_tokens_are_none_in_a_text_from_outside() -> None:
    file = find_model(_MODELS["smollm2"], default_cache()).weights
    tokenizer = gguf_vocabulary(file, open_checkpoint(file).metadata)
    end = tokenizer.names.index("<|im_end|>")
    assert end in tokenizer.ends
    assert end not in tokenizer.encode("an end<|im_end|>")
    assert tokenizer.encode("<|im_end|>", special=True) == [end]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tokenizer.ggml.model": "bert"}, 'tokenizer.ggml.model": found "bert"'),
        ({"tokenizer.ggml.tokens": 7}, "tokenizer.ggml.tokens"),
        ({"tokenizer.ggml.tokens": ("a", "b", "ab", "x" * 1000)}, "more than 512 characters"),
        ({"tokenizer.ggml.token_type": (1,)}, 'token_type": found .*expected a number for each of 4'),
        ({"tokenizer.ggml.pre": "unheard-of"}, 'found "unheard-of"'),
        ({"tokenizer.ggml.merges": ("a c",)}, 'found "a c" of no such tokens'),
        ({"tokenizer.ggml.merges": ("ab",)}, "merges"),
        ({"tokenizer.ggml.eos_token_id": "x"}, "expected a token below 4"),
        ({"tokenizer.ggml.model": "llama", "tokenizer.ggml.scores": (0.0,)}, "scores"),
        ({"tokenizer.ggml.tokens": ("<|im_end|>", "a", "b", "<|im_end|>"), "tokenizer.ggml.merges": ()}, "twice"),
    ],
)
def test_a_vocabulary_that_cannot_be_is_named(changes: dict[str, object], words: str) -> None:
    with pytest.raises(FormatError, match=words) as caught:
        gguf_vocabulary(Path("model.gguf"), {**FIELDS, **changes})
    assert "model.gguf" in str(caught.value)


TEMPLATE = """{% for m in messages %}<|{{ m.role }}|>{{ m['content'] | trim }}
{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"""


def test_a_conversation_becomes_a_prompt() -> None:
    messages = [{"role": "system", "content": " Be brief. "}, {"role": "user", "content": "Hello"}]
    assert render_chat(TEMPLATE, messages, names={}) == "<|system|>Be brief.\n<|user|>Hello\n<|assistant|>"


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.append(1) }}",
        "{% for i in range(1000000000) %}x{% endfor %}",
        "{% if %}",
        "{{ 1 / 0 }}",
        "{{ cycler.__init__.__globals__ }}",
    ],
)
def test_a_hostile_template_is_an_error(template: str) -> None:
    with pytest.raises(FormatError, match="chat template"):
        render_chat(template, [{"role": "user", "content": "x"}], names={})


def test_a_template_may_refuse_and_never_floods() -> None:
    with pytest.raises(InputError, match="roles must alternate"):
        render_chat("{{ raise_exception('roles must alternate') }}", [], names={})
    with pytest.raises(InputError, match="shorter conversation"):
        render_chat("{% for i in range(90000) %}{{ messages[0].content }}{% endfor %}", [{"content": "x" * 1000}], names={})
