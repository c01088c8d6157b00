"""Every size of Whisper, tiny to large-v3-turbo: alignment heads and tokens are openai-whisper's."""

import json
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.weights.files import base_vocabulary
from wherry.engine.alignment_heads import alignment_heads
from wherry.engine.catalog import default_cache, find_model
from wherry.models.whisper import WhisperDims
from wherry.text.whisper import WhisperTokenizer

# Made by tests/references/openai_whisper_sizes.py.
_FIXTURE: dict[str, Any] = json.loads((ROOT / "tests/fixtures/openai_whisper_sizes.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", _FIXTURE["models"])
def test_alignment_heads_are_the_published_ones(name: str) -> None:
    said = _FIXTURE["models"][name]
    width = 64 * said["heads"]
    dims = WhisperDims(
        said["n_mels"], 1500, width, said["heads"], said["audio_layers"],
        said["n_vocab"], 448, width, said["heads"], said["text_layers"],
    )  # fmt: skip
    assert [list(head) for head in alignment_heads(dims, {})] == said["alignment_heads"]


DISTILLED = WhisperDims(128, 1500, 1280, 20, 32, 51866, 448, 1280, 20, 2)


@pytest.mark.parametrize(
    ("metadata", "heads"),
    [
        ({}, ()),
        ({"config": {"alignment_heads": None}}, ()),
        ({"generation_config": {"alignment_heads": [[7, 0], [10, 17], [25, 6]]}}, ()),  # the teacher's
        ({"config": {"alignment_heads": []}}, ()),
        ({"config": {"alignment_heads": "all"}}, ()),
        ({"generation_config": {"alignment_heads": [[1, 0], [1, 17]]}}, ((1, 0), (1, 17))),
        ({"config": {"alignment_heads": [[0, 3]]}, "generation_config": {"alignment_heads": [[7, 0]]}}, ((0, 3),)),
    ],
)
def test_a_distilled_model_has_the_heads_that_are_named_for_it_or_none(metadata: Any, heads: Any) -> None:
    assert alignment_heads(DISTILLED, metadata) == heads


@pytest.mark.parametrize("n_vocab", [51864, 51865, 51866])
def test_tokens_are_openai_whispers(n_vocab: int) -> None:
    """The tokenizer made of a bare vocabulary, for each of the three vocabularies there are."""
    said = _FIXTURE["tokens"][str(n_vocab)]
    published = find_model("whisper-tiny.en" if n_vocab == 51864 else "whisper-base", default_cache()).tokenizer
    assert published is not None
    tokenizer = WhisperTokenizer.from_vocabulary(base_vocabulary(published), n_vocab).using("ko", "translate")
    assert list(tokenizer.sot_sequence) == said["sot_sequence"]
    for name, token in said["special"].items():
        assert getattr(tokenizer, name) == token, name
    if tokenizer.multilingual:
        assert {code: token for token, code in tokenizer.languages.items()} == said["languages"]
    assert sorted(tokenizer.non_speech_tokens) == said["non_speech"]
    assert tokenizer.encode(said["text"]) == said["encoded"]
    assert tokenizer.decode(said["encoded"]) == said["text"]
