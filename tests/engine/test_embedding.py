"""Vectors of texts against transformers: a small random BERT on every device, and all-MiniLM-L6-v2."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from tests.conftest import ROOT
from tests.devices import open_for_tests
from tests.references.llm_families import random_weights
from tests.references.sentences import CONFIG, TEXTS, TOKENS
from wherry.engine.catalog import default_cache, find_model
from wherry.engine.embedding import Embedder, load_embedder
from wherry.errors import FormatError, InputError, NotFoundError, StoppedError, TooLargeError
from wherry.kernels.compiled import compiled
from wherry.kernels.cpu import CpuOperations
from wherry.kernels.gpu import GpuOperations
from wherry.models import bert
from wherry.models.sentences import bert_weights, sentence_dims
from wherry.text.sentences import SentenceTokenizer
from wherry.weights import Checkpoint

# Made by tests/references/sentences.py.
_FIXTURE = np.load(ROOT / "tests/fixtures/sentences.npz")


def small() -> Checkpoint:
    shapes = {name: tuple(shape) for name, shape in json.loads(str(_FIXTURE["shapes"])).items()}
    return Checkpoint(Path("small.safetensors"), "safetensors", random_weights(shapes), {"config": CONFIG})


def operations(name: str) -> Any:
    return CpuOperations(code=compiled()) if name == "cpu" else GpuOperations(open_for_tests(name))


@pytest.mark.parametrize("device", ["cpu", "wgpu", "dawn"])
def test_hidden_states_are_transformers(device: str) -> None:
    ops, checkpoint = operations(device), small()
    dims = sentence_dims(checkpoint)
    weights = bert_weights(checkpoint, dims, ops.weight)
    for index, tokens in enumerate(TOKENS):
        given = ops.array(np.asarray([tokens], np.int32)), ops.array(np.zeros(1, np.int32))
        found = ops.numpy(bert.encode(ops, dims, weights, *given)).reshape(len(tokens), -1)
        np.testing.assert_allclose(found, _FIXTURE[f"hidden {index}"], atol=1e-4)


@pytest.fixture(scope="module")
def minilm() -> Embedder:
    files = find_model("all-minilm-l6-v2", default_cache())
    return load_embedder(files.weights, tokenizer=files.tokenizer, device="cpu")


def test_tokens_and_vectors_of_texts_are_transformers(minilm: Embedder) -> None:
    tokens = minilm.tokens(TEXTS)
    assert tokens == [_FIXTURE[f"tokens {index}"].tolist() for index in range(len(TEXTS))]
    expected = np.stack([_FIXTURE[f"vector {index}"] for index in range(len(TEXTS))])
    np.testing.assert_allclose(minilm.embed(tokens), expected, atol=2e-6)
    assert expected[0] @ expected[1] > 2 * expected[0] @ expected[2]  # what such vectors are for


def test_a_text_does_not_depend_on_its_neighbours(minilm: Embedder) -> None:
    tokens = minilm.tokens(["one text", "two words", "and a longer text of more words", "one text"])
    together = minilm.embed(tokens)
    np.testing.assert_allclose(together, np.concatenate([minilm.embed([text]) for text in tokens]), atol=1e-6)
    assert minilm.embed([]).shape == (0, 384)


def test_what_does_not_fit_is_refused(minilm: Embedder) -> None:
    with pytest.raises(TooLargeError, match=r"text 1: found \d+ tokens, expected at most the 512"):
        minilm.tokens(["short", "word " * 600])
    for tokens in ([], [1 << 20], [-1], [5] * 513):
        with pytest.raises(InputError, match="tokens: found"):
            minilm.embed([tokens])

    def stop() -> None:
        raise StoppedError("enough")

    with pytest.raises(StoppedError):
        minilm.embed([[5]], stop)


def folder_of(path: Path, config: dict[str, Any], weights: dict[str, NDArray[np.float32]]) -> Path:
    save_file(weights, path / "model.safetensors")
    (path / "config.json").write_text(json.dumps(config))
    return path / "model.safetensors"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "roberta"}, "model_type"),
        ({"hidden_act": "relu"}, "hidden_act"),
        ({"num_attention_heads": 5}, "5 heads"),
        ({"num_attention_heads": 0}, "num_attention_heads"),
        ({"hidden_size": 1 << 40}, "hidden_size"),
        ({"layer_norm_eps": "small"}, "layer_norm_eps"),
        ({"vocab_size": 161}, r"found \[160, 64\], expected \[161, 64\]"),
        ({"num_hidden_layers": 4}, r"encoder\.layer\.3\.attention\.self\.query\.weight"),
    ],
)
def test_models_that_cannot_be_are_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    weights = folder_of(tmp_path, CONFIG | change, dict(small().tensors))  # type: ignore[arg-type]
    words = find_model("all-minilm-l6-v2", default_cache()).tokenizer
    assert words is not None
    with pytest.raises(FormatError, match=message):
        placed(Checkpoint(weights, "safetensors", small().tensors, {"config": CONFIG | change}))
    with pytest.raises(FormatError):
        load_embedder(weights, tokenizer=words, device="cpu")


def placed(checkpoint: Checkpoint) -> bert.BertWeights[Any]:
    return bert_weights(checkpoint, sentence_dims(checkpoint), lambda tensor: tensor)


def test_a_folder_without_its_words_is_refused(tmp_path: Path) -> None:
    weights = folder_of(tmp_path, CONFIG, dict(small().tensors))  # type: ignore[arg-type]
    with pytest.raises(NotFoundError, match="expected the model's tokenizer"):
        load_embedder(weights, device="cpu")
    (tmp_path / "tokenizer.json").write_text('{"model": 7}')
    with pytest.raises(FormatError, match="no readable tokenizer"):
        SentenceTokenizer.from_file(tmp_path / "tokenizer.json", 160)
