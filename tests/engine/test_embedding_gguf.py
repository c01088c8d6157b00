"""Nomic BERT, and models of sentences from GGUF files as PyPI `gguf` writes them under llama.cpp's names."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from gguf.quants import quantize
from numpy.typing import NDArray

from tests.conftest import ROOT
from tests.engine.test_embedding import folder_of, operations
from tests.engine.test_embedding import small as small_bert
from tests.references.nomic_bert import TOKENS, weights_of
from tests.references.sentences import CONFIG, TEXTS
from tests.references.sentences import TOKENS as BERT_TOKENS
from tests.weights.gguf_files import write
from wherry.engine.catalog import ModelFiles, default_cache, find_model, model_kind
from wherry.engine.embedding import load_embedder, network
from wherry.errors import FormatError, InputError
from wherry.models.sentences import sentence_dims
from wherry.text.sentences import SentenceTokenizer
from wherry.wasm.nn.backend import kind_in, load_bytes, load_graph
from wherry.wasm.nn.graph import Tensor
from wherry.wasm.nn.preload import ENCODINGS, TARGETS, parse_preload
from wherry.weights import Checkpoint, open_checkpoint

# Made by tests/references/nomic_bert.py and tests/references/sentences.py.
_NOMIC = np.load(ROOT / "tests/fixtures/nomic_bert.npz")
_BERT = np.load(ROOT / "tests/fixtures/sentences.npz")
_NOMIC_CONFIG: dict[str, Any] = json.loads(str(_NOMIC["config"]))
# As Nomic's own repositories have it: the sizes under GPT-2's names, positions beyond the trained ones.
_NOMIC_OLD = {
    "model_type": "nomic_bert", "vocab_size": 160, "n_embd": 64, "n_inner": 96, "n_layer": 3, "n_head": 4, "n_positions": 256,
    "max_trained_positions": 64, "layer_norm_epsilon": 1e-12, "activation_function": "swiglu", "prenorm": False,
    "parallel_block": False, "use_rms_norm": False, "qkv_proj_bias": False, "mlp_fc1_bias": False, "mlp_fc2_bias": False,
    "rotary_emb_base": 1000, "rotary_emb_fraction": 1.0, "rotary_emb_interleaved": False, "rotary_emb_scale_base": None,
    "rotary_scaling_factor": None, "causal": False,
}  # fmt: skip
_WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *(chr(ord("a") + i) for i in range(26)), *(f"##{i}" for i in range(130))]
_SPECIAL = {"unknown": 1, "cls": 2, "seperator": 3, "padding": 0}


def nomic(config: Mapping[str, Any] = _NOMIC_CONFIG) -> Checkpoint:
    shapes = {name: tuple(shape) for name, shape in json.loads(str(_NOMIC["shapes"])).items()}
    return Checkpoint(Path("nomic.safetensors"), "safetensors", weights_of(shapes), {"config": dict(config)})


def phantom(words: list[str], special: set[int], older: bool) -> list[str]:
    """As llama.cpp's converter writes a vocabulary of WordPiece, this year's or 2024's."""
    kept = {i for i, word in enumerate(words) if word.startswith("[") and word.endswith("]")} if older else special
    return [w if i in kept else w.removeprefix("##") if w.startswith("##") else "\u2581" + w for i, w in enumerate(words)]


def write_model(
    path: Path,
    family: gguf.MODEL_ARCH,
    sizes: Mapping[str, int],
    tensors: Mapping[str, NDArray[np.float32]],
    words: list[str],
    special: Mapping[str, int],
    *,
    form: str = "F32",
    pooling: int | None = 1,
    older: bool = False,
    change: Callable[[gguf.GGUFWriter], None] = lambda writer: None,
) -> Path:
    """Tensors under Hugging Face's names; form: of the matrices."""
    arch = gguf.MODEL_ARCH_NAMES[family]
    writer = gguf.GGUFWriter(None, arch)
    writer.add_context_length(sizes["context"])
    writer.add_embedding_length(sizes["state"])
    writer.add_block_count(sizes["layers"])
    writer.add_feed_forward_length(sizes["hidden"])
    writer.add_head_count(sizes["heads"])
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(False)
    if pooling is not None:
        writer.add_uint32(f"{arch}.pooling_type", pooling)
    if family == gguf.MODEL_ARCH.NOMIC_BERT:
        writer.add_rope_freq_base(1000.0)
    writer.add_token_type_count(2)
    writer.add_tokenizer_model("bert")
    writer.add_token_list(phantom(words, set(special.values()), older))
    writer.add_token_types([3 if i in special.values() else 1 for i in range(len(words))])
    for name, token in special.items():
        writer.add_uint32(f"tokenizer.ggml.{name}_token_id", token)
    change(writer)
    names = gguf.get_tensor_name_map(family, sizes["layers"])
    for name, value in tensors.items():
        if "pooler" in name or "position_ids" in name:
            continue
        ours = names.get_name(name, try_suffixes=(".weight", ".bias"))
        assert ours is not None, name
        kind = gguf.GGMLQuantizationType[form if value.ndim == 2 and "token_types" not in ours else "F32"]
        stored = value if kind.name == "F32" else quantize(value, kind)
        writer.add_tensor(ours, stored, raw_dtype=None if kind.name in ("F32", "F16") else kind)
    write(writer, path)
    return path


def small_file(path: Path, family: str, **options: Any) -> Path:
    sizes = {"context": 64, "state": 64, "layers": 3, "hidden": 96, "heads": 4}
    tensors = dict((nomic() if family == "nomic-bert" else small_bert()).tensors)
    kind = gguf.MODEL_ARCH.NOMIC_BERT if family == "nomic-bert" else gguf.MODEL_ARCH.BERT
    return write_model(path, kind, sizes, tensors, _WORDS, _SPECIAL, **options)  # type: ignore[arg-type]


def hidden(checkpoint: Checkpoint, device: str, tokens: list[int]) -> NDArray[np.float32]:
    ops = operations(device)
    encode = network(checkpoint, sentence_dims(checkpoint), ops)
    found = encode(ops.array(np.asarray([tokens], np.int32)), ops.array(np.zeros(1, np.int32)))
    return np.asarray(ops.numpy(found)).reshape(len(tokens), -1)


@pytest.mark.parametrize("device", ["cpu", "wgpu", "dawn"])
def test_nomics_hidden_states_are_transformers(device: str) -> None:
    for index, tokens in enumerate(TOKENS):
        np.testing.assert_allclose(hidden(nomic(), device, tokens), _NOMIC[f"hidden {index}"], atol=1e-4)


def test_nomics_own_configuration_says_the_same() -> None:
    """Of its positions those beyond the trained ones would be stretched: they are not offered."""
    assert sentence_dims(nomic(_NOMIC_OLD)) == sentence_dims(nomic())
    unsaid = {name: value for name, value in _NOMIC_OLD.items() if name != "max_trained_positions"}
    assert sentence_dims(nomic(unsaid)).n_ctx == 2048
    np.testing.assert_allclose(hidden(nomic(_NOMIC_OLD), "cpu", TOKENS[0]), _NOMIC["hidden 0"], atol=1e-4)


@pytest.mark.parametrize("device", ["cpu", "wgpu", "dawn"])
@pytest.mark.parametrize(("form", "error"), [("F32", 1e-4), ("F16", 0.01), ("Q8_0", 0.06)])
@pytest.mark.parametrize("family", ["bert", "nomic-bert"])
def test_a_gguf_file_is_the_same_network(family: str, form: str, error: float, device: str, tmp_path: Path) -> None:
    checkpoint = open_checkpoint(small_file(tmp_path / "small.gguf", family, form=form))
    fixture, texts = (_NOMIC, TOKENS) if family == "nomic-bert" else (_BERT, BERT_TOKENS)
    np.testing.assert_allclose(hidden(checkpoint, device, texts[0]), fixture["hidden 0"], atol=error)


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [(1, lambda x: x.mean(0)), (2, lambda x: x[0]), (3, lambda x: x[-1]), (None, lambda x: x.mean(0)), (0, lambda x: x.mean(0))],
    ids=["mean", "first", "last", "unsaid", "none"],
)
def test_what_stands_for_a_text_is_as_the_file_says(pooling: int | None, expected: Callable[[Any], Any], tmp_path: Path) -> None:
    embedder = load_embedder(small_file(tmp_path / "small.gguf", "bert", pooling=pooling), device="cpu")
    vector = expected(_BERT["hidden 0"])
    np.testing.assert_allclose(embedder.embed([BERT_TOKENS[0]])[0], vector / np.linalg.norm(vector), atol=1e-5)


# -- words


@pytest.fixture(scope="module")
def minilm() -> ModelFiles:
    return find_model("all-minilm-l6-v2", default_cache())


@pytest.fixture(scope="module")
def minilm_words(minilm: ModelFiles) -> tuple[list[str], dict[str, int]]:
    """The vocabulary in order, and its special tokens."""
    assert minilm.tokenizer is not None
    found = json.loads(minilm.tokenizer.read_text())["model"]["vocab"]
    words = sorted(found, key=lambda word: int(found[word]))
    special = {"unknown": "[UNK]", "cls": "[CLS]", "seperator": "[SEP]", "padding": "[PAD]", "mask": "[MASK]"}
    return words, {name: words.index(word) for name, word in special.items()}


def corpus() -> list[str]:
    """Sentences in many languages, and every letter there is between words."""
    texts: list[str] = json.loads((ROOT / "tests/fixtures/llm_tokens.json").read_text())["texts"]
    every = [chr(point) for point in range(0x20000) if not 0xD800 <= point < 0xE000]
    texts = texts + ["".join(every[i : i + 48]) for i in range(0, len(every), 48)]
    texts += [f"un{letter}able {letter}" for letter in every[:0x3000]]
    return [*texts, *TEXTS, "a" * 99, "a" * 100, "a" * 101, "[unused7] [MASK] ##ing \u2581ing", "\0\ufffd\u200b\u00ad \t\r\n"]


@pytest.mark.parametrize("older", [False, True], ids=["newer", "older"])
def test_words_of_a_gguf_file_are_those_of_the_published_tokenizer(
    older: bool, minilm: ModelFiles, minilm_words: tuple[list[str], dict[str, int]]
) -> None:
    words, special = minilm_words
    assert minilm.tokenizer is not None
    published = SentenceTokenizer.from_file(minilm.tokenizer, len(words))
    fields = {
        "tokenizer.ggml.model": "bert",
        "tokenizer.ggml.tokens": tuple(phantom(words, set(special.values()), older)),
        "tokenizer.ggml.token_type": np.asarray([3 if i in special.values() else 1 for i in range(len(words))]),
        **{f"tokenizer.ggml.{name}_token_id": token for name, token in special.items()},
    }
    stored = SentenceTokenizer.from_gguf(Path("a.gguf"), fields, len(words))
    different = [text for text in corpus() if stored.encode(text) != published.encode(text)]
    assert different == []


def test_minilm_from_gguf_makes_transformers_vectors(
    minilm: ModelFiles, minilm_words: tuple[list[str], dict[str, int]], tmp_path: Path
) -> None:
    """A vector by wasi-nn, as guests of WasmEdge's plugin ask for it, too."""
    tensors = {name: np.asarray(value) for name, value in open_checkpoint(minilm.weights).tensors.items()}
    sizes = {"context": 512, "state": 384, "layers": 6, "hidden": 1536, "heads": 12}
    file = write_model(tmp_path / "model.gguf", gguf.MODEL_ARCH.BERT, sizes, tensors, *minilm_words)
    embedder = load_embedder(file, device="cpu")
    tokens = embedder.tokens(TEXTS)
    assert tokens == [_BERT[f"tokens {index}"].tolist() for index in range(len(TEXTS))]
    expected = np.stack([_BERT[f"vector {index}"] for index in range(len(TEXTS))])
    np.testing.assert_allclose(embedder.embed(tokens), expected, atol=2e-6)


# -- from guests


def test_a_guest_has_vectors_of_a_preloaded_gguf_file(tmp_path: Path) -> None:
    file = small_file(tmp_path / "small.gguf", "nomic-bert")
    assert model_kind(ModelFiles(file, None, None)) == "sentences"
    given: dict[int, Tensor] = {0: Tensor((1,), 2, b"a"), 1: Tensor((1,), 2, b'{"embedding": true, "batch_size": 512}')}
    expected = load_embedder(file, device="cpu")
    vector = expected.embed(expected.tokens(["a"]))[0]
    for encoding in ("GGML", "Autodetect"):
        preload = parse_preload(f"v:{encoding}:CPU:{file}")
        assert kind_in(preload, Path) == "sentences"
        graph = load_graph({"v": preload}, "v", Path, "cpu", False, lambda line: None)
        outputs = graph.compute(given, lambda: None)
        assert json.loads(outputs[0])["n_embedding"] == 64
        np.testing.assert_allclose(json.loads(outputs[0])["embedding"], vector, atol=1e-6)
        assert json.loads(outputs[1])["input_tokens"] == 3
    passed = [file.read_bytes(), b'{"embedding": true, "ctx-size": 64}']
    graph = load_bytes(passed, ENCODINGS["ggml"], TARGETS["cpu"], Path, "cpu", False, lambda line: None)
    np.testing.assert_allclose(json.loads(graph.compute(given, lambda: None)[0])["embedding"], vector, atol=1e-6)
    for config in (b'{"temp": 1}', b'{"embedding": false}', b"[]"):
        with pytest.raises(InputError, match="configuration"):
            graph.configured(config)


# -- what cannot be


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"activation_function": "gelu"}, "activation_function"),
        ({"moe_every_n_layers": 2}, "moe_every_n_layers"),
        ({"rotary_emb_interleaved": True}, "rotary_emb_interleaved"),
        ({"prenorm": True}, "prenorm"),
        ({"qkv_proj_bias": True}, "qkv_proj_bias"),
        ({"n_head": 64}, "of an even size"),
        ({"n_inner": 97}, r"mlp\.fc12\.weight.*expected \[97, 64\]"),
        ({"rotary_emb_base": 0}, "base of the rotation"),
        ({"rope_parameters": {"rope_type": "yarn"}}, "rope scaling"),
        ({"rope_parameters": 7}, "rope_parameters"),
    ],
)
def test_nomic_models_that_cannot_be_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        hidden(nomic(_NOMIC_OLD | change), "cpu", [5])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pooling": 4}, "ranks texts"),
        ({"pooling": 5}, "pooling_type"),
        ({"change": lambda writer: writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)}, None),
        ({"change": lambda writer: writer.add_causal_attention(True)}, "causal"),
        ({"change": lambda writer: writer.add_tokenizer_model("llama")}, "expected bert"),
        ({"change": lambda writer: writer.add_context_length(65)}, r"position_embd\.weight"),
        ({"change": lambda writer: writer.add_block_count(4)}, r"blk\.3\.attn_q\.weight"),
        ({"change": lambda writer: writer.add_head_count(5)}, "5 heads"),
        ({"change": lambda writer: writer.add_token_list(["a"] * 160)}, "twice"),
        ({"change": lambda writer: writer.add_token_list([*map(str, range(158)), "\u2581##a", "a"])}, "words twice"),
        ({"change": lambda writer: writer.add_string("tokenizer.ggml.cls_token_id", "2")}, "cls_token_id"),
    ],
)
def test_gguf_files_that_cannot_be_are_refused(options: dict[str, Any], message: str | None, tmp_path: Path) -> None:
    overwriting = options.get("change", lambda writer: None)

    def change(writer: gguf.GGUFWriter) -> None:
        before = dict(writer.kv_data[0])
        writer.kv_data[0].clear()  # PyPI's writer warns of a field that is given twice
        overwriting(writer)
        writer.kv_data[0].update({key: value for key, value in before.items() if key not in writer.kv_data[0]})

    family = "nomic-bert" if message is None else "bert"
    file = small_file(tmp_path / "small.gguf", family, **options | {"change": change})
    with pytest.raises(FormatError, match=message or "rope scaling"):
        load_embedder(file, device="cpu")


def test_a_folder_of_nomics_is_one_of_sentences(tmp_path: Path) -> None:
    weights = folder_of(tmp_path, _NOMIC_OLD, dict(nomic().tensors))  # type: ignore[arg-type]
    assert model_kind(ModelFiles(weights, None, None)) == "sentences"
    assert model_kind(ModelFiles(folder_of(tmp_path, CONFIG, {}), None, None)) == "sentences"
