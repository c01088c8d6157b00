"""Models of sentences: the sizes that a config.json states, and Hugging Face's tensors as the network's weights."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from wherry.errors import FormatError
from wherry.models.bert import BertDims, BertWeights, Block, LayerNorm, Linear
from wherry.weights import Checkpoint, Quantized

_MOST = {"vocab_size": 1 << 20, "max_position_embeddings": 1 << 16, "hidden_size": 1 << 14, "num_hidden_layers": 256}
_MOST |= {"num_attention_heads": 1 << 10, "intermediate_size": 1 << 16}
_PREFIXES = ("", "bert.", "model.")


def bert_dims(checkpoint: Checkpoint) -> BertDims:
    """Raises FormatError where the model is no BERT, or a size is missing or cannot be."""
    config = checkpoint.metadata.get("config")
    if not isinstance(config, dict):
        raise FormatError(f"{checkpoint.path}: found no config.json beside the weights, expected the model's sizes in it")
    fixed = {"model_type": "bert", "hidden_act": "gelu", "position_embedding_type": "absolute"}
    for name, expected in fixed.items():
        if config.get(name, expected if name != "model_type" else None) != expected:
            raise FormatError(f'{checkpoint.path}: config "{name}": found {config.get(name)!r}, expected {expected}')

    def size(name: str) -> int:
        value = config.get(name)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= _MOST[name]:
            raise FormatError(f'{checkpoint.path}: config "{name}": found {value!r}, expected 1 to {_MOST[name]}')
        return value

    eps = config.get("layer_norm_eps", 1e-12)
    if isinstance(eps, bool) or not isinstance(eps, int | float) or not 0 < eps < 1:
        raise FormatError(f'{checkpoint.path}: config "layer_norm_eps": found {eps!r}, expected a small number')
    n_vocab, n_ctx, n_state, n_layer, n_head, n_hidden = map(size, _MOST)
    dims = BertDims(n_vocab, n_ctx, n_state, n_layer, n_head, n_hidden, float(eps))
    if dims.n_state % dims.n_head:
        raise FormatError(f"{checkpoint.path}: found {dims.n_head} heads of a state of {dims.n_state}, expected a divisor")
    return dims


def bert_weights(checkpoint: Checkpoint, dims: BertDims, place: Callable[[Any], Any]) -> BertWeights[Any]:
    """The tensors, each put on the device by `place`. Raises FormatError for one that is missing or of another shape."""
    tensors = checkpoint.tensors
    prefix = next((p for p in _PREFIXES if f"{p}embeddings.word_embeddings.weight" in tensors), "")

    def take(name: str, *shape: int) -> Any:
        return _tensor(checkpoint, tensors, prefix + name, shape)

    def linear(name: str, out: int, inner: int) -> Linear[Any]:
        return Linear(place(take(f"{name}.weight", out, inner)), place(take(f"{name}.bias", out)))

    def norm(name: str) -> LayerNorm[Any]:
        return LayerNorm(place(take(f"{name}.weight", n)), place(take(f"{name}.bias", n)))

    n, hidden = dims.n_state, dims.n_hidden
    blocks = []
    for i in range(dims.n_layer):
        at = f"encoder.layer.{i}."
        query, key, value = (linear(f"{at}attention.self.{part}", n, n) for part in ("query", "key", "value"))
        block = Block(
            query, key, value, linear(f"{at}attention.output.dense", n, n), norm(f"{at}attention.output.LayerNorm"),
            linear(f"{at}intermediate.dense", hidden, n), linear(f"{at}output.dense", n, hidden), norm(f"{at}output.LayerNorm"),
        )  # fmt: skip
        blocks.append(block)
    positions = _dense(take("embeddings.position_embeddings.weight", dims.n_ctx, n))
    segments = _dense(take("embeddings.token_type_embeddings.weight", -1, n))
    tokens = place(take("embeddings.word_embeddings.weight", dims.n_vocab, n))
    return BertWeights(tokens, place(positions + segments[0]), norm("embeddings.LayerNorm"), tuple(blocks))


def _tensor(checkpoint: Checkpoint, tensors: Mapping[str, Any], name: str, shape: tuple[int, ...]) -> Any:
    if name not in tensors:
        raise FormatError(f'{checkpoint.path}: tensor "{name}": found none, expected {list(shape)}')
    found = tensors[name]
    if len(found.shape) != len(shape) or any(a not in (b, -1) and b != a for a, b in zip(shape, found.shape, strict=True)):
        raise FormatError(f'{checkpoint.path}: tensor "{name}": found {list(found.shape)}, expected {list(shape)}')
    if 0 in found.shape:
        raise FormatError(f'{checkpoint.path}: tensor "{name}": found {list(found.shape)}, expected numbers in it')
    return found


def _dense(value: Any) -> Any:
    return np.asarray(value.dequantize() if isinstance(value, Quantized) else value, np.float32)
