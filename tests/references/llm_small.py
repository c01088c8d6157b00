"""Small language models in GGUF with random weights, and what llama.cpp makes of them: tests/fixtures/llm_small.npz.

Needs gguf and xllamacpp 2026.10.11549:

    PYTHONPATH=. python tests/references/llm_small.py tests/fixtures
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
STATE, HEADS, KV_HEADS, HIDDEN, LAYERS, CONTEXT, WIDTH = 64, 4, 2, 96, 2, 128, 16
TEXT = "the hello"
TOKENS = [1, *range(259, 284), *range(3, 31), 5, *range(259, 284)]  # 80: beyond the 32 positions that some were trained on
_ROPE = "rope.scaling."
# What is said of the model (under its family's name, or in full), and what of its tokenizer.
LOGITS: dict[str, tuple[str, Mapping[str, Any]]] = {
    "plain": ("llama", {}),
    "scale_linear": ("llama", {"rope.scale_linear": 4.0}),
    "factor alone": ("llama", {_ROPE + "factor": 4.0}),
    "factor 0": ("llama", {_ROPE + "factor": 0.0}),
    "factor and scale_linear": ("llama", {_ROPE + "factor": 2.0, "rope.scale_linear": 4.0}),
    "linear": ("qwen2", {_ROPE + "type": "linear", _ROPE + "factor": 8.0}),
    "linear below 1": ("llama", {_ROPE + "type": "linear", _ROPE + "factor": 0.5}),
    "none with a factor": ("llama", {_ROPE + "type": "none", _ROPE + "factor": 4.0}),
    "yarn": ("llama", {_ROPE + "type": "yarn", _ROPE + "factor": 4.0, _ROPE + "original_context_length": 32}),
    "yarn of no positions": ("qwen2", {_ROPE + "type": "yarn", _ROPE + "factor": 4.0}),
    "yarn, attn_factor": (
        "qwen2",
        {_ROPE + "type": "yarn", _ROPE + "factor": 4.0, _ROPE + "original_context_length": 32, _ROPE + "attn_factor": 0.7},
    ),
    "yarn, betas": (
        "llama",
        {
            _ROPE + "type": "yarn",
            _ROPE + "factor": 4.0,
            _ROPE + "original_context_length": 32,
            _ROPE + "yarn_beta_fast": 8.0,
            _ROPE + "yarn_beta_slow": 2.0,
        },
    ),
    "yarn, ext_factor": (
        "llama",
        {_ROPE + "type": "yarn", _ROPE + "factor": 4.0, _ROPE + "original_context_length": 32, _ROPE + "yarn_ext_factor": 0.5},
    ),
    "linear, attn_factor": ("llama", {_ROPE + "type": "linear", _ROPE + "factor": 4.0, _ROPE + "attn_factor": 1.3}),
    "factors of frequencies": ("llama", {"rope_freqs": True}),
    "factors and a factor": ("llama", {"rope_freqs": True, _ROPE + "factor": 2.0}),
    "base": ("qwen2", {"rope.freq_base": 500000.0}),
    "sizes in arrays": ("llama", {"feed_forward_length": [96, 96], "attention.head_count_kv": [2, 2]}),
    "sizes of layers": ("llama", {"feed_forward_length": [96, 128]}),
    "heads of keys of layers": ("llama", {"attention.head_count_kv": [2, 4]}),
    "all sizes of layers": (
        "qwen2",
        {"feed_forward_length": [64, 96], "attention.head_count_kv": [4, 1], "attention.head_count": [4, 4]},
    ),
    "heads of layers": (
        "llama",
        {"attention.head_count": [4, 2], "attention.head_count_kv": [2, 1], "attention.key_length": 16},
    ),
}  # fmt: skip
VECTORS: dict[str, tuple[str, Mapping[str, Any]]] = {
    "unsaid": ("llama", {}),
    "none": ("llama", {"pooling_type": 0}),
    "mean": ("llama", {"pooling_type": 1}),
    "cls": ("qwen2", {"pooling_type": 2}),
    "last": ("llama", {"pooling_type": 3}),
    "last, with an end": ("qwen2", {"pooling_type": 3, "tokenizer.ggml.add_eos_token": True}),
    "mean, with an end": ("llama", {"pooling_type": 1, "tokenizer.ggml.add_eos_token": True}),
    "mean, without a beginning": ("llama", {"pooling_type": 1, "tokenizer.ggml.add_bos_token": False}),
}


def bytes_said() -> dict[str, Any]:
    """A vocabulary with tokens that are no UTF-8, and a name that is none."""
    names = [name.encode() for name in vocabulary()["tokens"]]
    places = names.index(b"hell"), names.index(b"llo")
    names[places[0]], names[places[1]] = b"\xe9", b"he\xff"
    return {"tokenizer.ggml.tokens": names, "general.name": b"caf\xe9"}


def vocabulary() -> dict[str, Any]:
    fixture = json.loads((ROOT / "tests/fixtures/llm_vocabularies.json").read_text(encoding="utf-8"))
    found: dict[str, Any] = fixture["vocabularies"]["llama"]
    return found


def write_model(path: Path, family: str = "llama", said: Mapping[str, Any] | None = None, *, alike: bool = False) -> Path:
    """A file of two layers. said: fields of the family, `tokenizer.…` and `general.…` in full; `rope_freqs` is a tensor.

    alike: layers of other sizes are filled up to one size so that they compute the same, for llama.cpp: its llamas have layers
    of one size.
    """
    fields: dict[str, Any] = {
        "block_count": LAYERS, "context_length": CONTEXT, "embedding_length": STATE, "feed_forward_length": HIDDEN,
        "attention.head_count": HEADS, "attention.head_count_kv": KV_HEADS, "attention.layer_norm_rms_epsilon": 1e-5,
        "rope.dimension_count": WIDTH, **{f"tokenizer.ggml.{key}": value for key, value in vocabulary().items()},
    } | dict(said or {})  # fmt: skip
    factors = fields.pop("rope_freqs", False)
    tensors = _tensors(family, fields, factors)
    if alike:
        _fill_up(fields, tensors)
    writer = gguf.GGUFWriter(None, family)
    for key, value in fields.items():
        name = key if key.startswith(("tokenizer.", "general.")) else f"{family}.{key}"
        if isinstance(value, bool):
            writer.add_bool(name, value)
        elif isinstance(value, list):
            writer.add_array(name, value)
        elif isinstance(value, str | bytes):
            writer.add_string(name, value)  # type: ignore[arg-type]
        else:
            (writer.add_float32 if isinstance(value, float) else writer.add_uint32)(name, value)
    for name, tensor in tensors.items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file(path)
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _tensors(family: str, fields: Mapping[str, Any], factors: bool) -> dict[str, NDArray[np.float32]]:
    random = np.random.default_rng(3)

    def matrix(rows: int, cols: int) -> NDArray[np.float32]:
        return np.asarray(random.normal(0, cols**-0.5, (rows, cols)), np.float32)

    def of(key: str, layer: int) -> int:
        value = fields[key]
        return int(value[layer] if isinstance(value, list) else value)

    ones = np.ones(STATE, np.float32)
    found = {"token_embd.weight": matrix(len(fields["tokenizer.ggml.tokens"]), STATE), "output_norm.weight": ones}
    for i in range(LAYERS):
        queries, keys = of("attention.head_count", i) * WIDTH, of("attention.head_count_kv", i) * WIDTH
        hidden = of("feed_forward_length", i)
        sizes = {"attn_q": (queries, STATE), "attn_k": (keys, STATE), "attn_v": (keys, STATE), "attn_output": (STATE, queries)}
        sizes |= {"ffn_gate": (hidden, STATE), "ffn_up": (hidden, STATE), "ffn_down": (STATE, hidden)}
        found |= {f"blk.{i}.{name}.weight": matrix(*size) for name, size in sizes.items()}
        found |= {f"blk.{i}.attn_norm.weight": ones, f"blk.{i}.ffn_norm.weight": ones}
        if family == "qwen2":
            found |= {f"blk.{i}.{name}.bias": matrix(1, sizes[name][0])[0] for name in ("attn_q", "attn_k", "attn_v")}
    if factors:
        found["rope_freqs.weight"] = np.asarray([1, 1, 1, 1.5, 3, 8, 8, 8], np.float32)
    return found


def _fill_up(fields: dict[str, Any], tensors: dict[str, NDArray[np.float32]]) -> None:
    """Zeros, and heads of keys that stand there twice."""
    keys = ("attention.head_count", "attention.head_count_kv", "feed_forward_length")
    sizes = [value if isinstance(value := fields[key], list) else [value] * LAYERS for key in keys]
    if all(len(set(each)) == 1 for each in sizes):
        return
    queries, heads, hidden = (max(each) for each in sizes)
    for layer, (own_queries, own_heads, own_hidden) in enumerate(zip(*sizes, strict=True)):
        for name in ("q", "k", "v"):
            for kind in ("weight", "bias"):
                key = f"blk.{layer}.attn_{name}.{kind}"
                if key not in tensors:
                    continue
                if name == "q":
                    tensors[key] = _padded(tensors[key], queries * WIDTH, 0)
                elif own_queries == queries:
                    tensors[key] = np.repeat(tensors[key].reshape(own_heads, WIDTH, -1), heads // own_heads, axis=0).reshape(
                        heads * WIDTH, *tensors[key].shape[1:]
                    )
                else:
                    tensors[key] = _padded(tensors[key], heads * WIDTH, 0)
        tensors[f"blk.{layer}.attn_output.weight"] = _padded(tensors[f"blk.{layer}.attn_output.weight"], queries * WIDTH, 1)
        for name in ("ffn_gate", "ffn_up"):
            tensors[f"blk.{layer}.{name}.weight"] = _padded(tensors[f"blk.{layer}.{name}.weight"], hidden, 0)
        tensors[f"blk.{layer}.ffn_down.weight"] = _padded(tensors[f"blk.{layer}.ffn_down.weight"], hidden, 1)
        assert own_hidden <= hidden
    fields |= dict(zip(keys, (queries, heads, hidden), strict=True))


def _padded(x: NDArray[np.float32], size: int, axis: int) -> NDArray[np.float32]:
    return np.pad(x, [(0, size - count if at == axis else 0) for at, count in enumerate(x.shape)])


def main(target: Path) -> None:
    from tests.references.llama_cpp import LlamaModel

    fixture: dict[str, Any] = {}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "small.gguf"
        for name, (family, said) in LOGITS.items():
            model = LlamaModel(write_model(path, family, said, alike=True))
            fixture[f"logits {name}"] = model.logits(TOKENS)[[0, 40, 79], :64]
            model.close()
        for name, (family, said) in VECTORS.items():
            model = LlamaModel(write_model(path, family, said))
            fixture[f"vector {name}"] = model.vector(model.tokens(TEXT, add_special=True, parse_special=True))
            model.close()
        model = LlamaModel(write_model(path, "llama", bytes_said()))
        fixture["bytes tokens"] = model.tokens(TEXT, add_special=True)
        fixture["bytes pieces"] = np.asarray([model.piece(token).hex() for token in range(model.count)])
        model.close()
    np.savez_compressed(target / "llm_small.npz", **fixture)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
