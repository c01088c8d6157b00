"""Prompts as openai-whisper's own tokenizer reads ordinary text (tests/references/openai_whisper_options.py)."""

import json
from typing import Any

import pytest

from tests.conftest import ROOT
from wherry.engine.catalog import default_cache, find_model
from wherry.engine.session import Whisper
from wherry.engine.transcript import TranscribeOptions
from wherry.text.whisper import WhisperTokenizer

_PROMPTS: dict[str, dict[str, list[int]]] = json.loads(
    (ROOT / "tests/fixtures/openai_whisper_options.json").read_text(encoding="utf-8")
)["prompts"]


@pytest.mark.parametrize(("model", "n_vocab"), [("tiny.en", 51864), ("base", 51865)])
def test_names_of_control_tokens_in_a_prompt_are_text(model: str, n_vocab: int) -> None:
    file = find_model(f"whisper-{model}", default_cache()).tokenizer
    assert file
    tokenizer = WhisperTokenizer.from_file(file, n_vocab)
    for text, tokens in _PROMPTS[model].items():
        assert tokenizer.encode(text) == tokens
        assert tokenizer.decode(tokens) == text


@pytest.mark.parametrize(
    "prompt", ["<|endoftext|>", "<|startoftranscript|><|en|><|translate|>", "<|0.00|> one <|29.98|>", "<|nospeech|>" * 300]
)
def test_a_prompt_of_control_tokens_steers_nothing(prompt: str, tiny_en: Whisper, sample: Any) -> None:
    assert all(token < tiny_en.tokenizer.eot for token in tiny_en.tokenizer.encode_option(prompt))
    options = TranscribeOptions(temperature=(0.0,), initial_prompt=prompt, clip_timestamps=(4.5,))
    assert "processor" in tiny_en.transcribe(sample, options).text


def test_only_the_end_of_a_long_prompt_is_read(tiny_en: Whisper) -> None:
    tokenizer = tiny_en.tokenizer
    text = "wherry boats " * 1_000_000
    assert tokenizer.encode_option(text)[-223:] == tokenizer.encode_option(text[-10_000:])[-223:]
    assert len(tokenizer.encode_option(text)) < 1 << 14
