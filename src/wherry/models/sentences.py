"""Models of sentences: the sizes that a GGUF file or a config.json states, and the file's tensors as the network's weights."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from wherry.errors import FormatError
from wherry.models import nomic_bert
from wherry.models.bert import BertDims, BertWeights, Block, LayerNorm, Linear
from wherry.models.pooling import Pooling, read_pooling
from wherry.models.rotation import Rotation
from wherry.weights import Checkpoint, Quantized
from wherry.weights.checkpoint import check_type

FAMILIES = ("bert", "nomic-bert")  # as GGUF has them; a config.json says nomic_bert
_MOST = {"vocab": 1 << 20, "context": 1 << 16, "state": 1 << 14, "layers": 256, "heads": 1 << 10, "hidden": 1 << 16}
_TRAINED = 2048  # positions, where a Nomic BERT says nothing of them
_PREFIXES = ("", "bert.", "model.", "nomic_bert.")
# Our names of sizes -> theirs; of a config.json the first that is there.
_CONFIG = {
    "vocab": ("vocab_size",), "context": ("max_position_embeddings",), "state": ("hidden_size",),
    "layers": ("num_hidden_layers",), "heads": ("num_attention_heads",), "hidden": ("intermediate_size",),
    "eps": ("layer_norm_eps",),
}  # fmt: skip
_NOMIC_CONFIG = {
    "vocab": ("vocab_size",), "context": ("max_trained_positions", "max_position_embeddings"),
    "state": ("n_embd", "hidden_size"), "layers": ("n_layer", "num_hidden_layers"), "heads": ("n_head", "num_attention_heads"),
    "hidden": ("n_inner", "intermediate_size"), "eps": ("layer_norm_epsilon", "layer_norm_eps"),
}  # fmt: skip
_FIELDS = {
    "context": "context_length", "state": "embedding_length", "layers": "block_count", "heads": "attention.head_count",
    "hidden": "feed_forward_length", "eps": "attention.layer_norm_epsilon",
}  # fmt: skip
# What a network must say or leave unsaid; of these others there are models too, and they would be computed wrongly.
_FIXED: dict[str, dict[str, object]] = {
    "bert": {"hidden_act": "gelu", "position_embedding_type": "absolute"},
    "nomic-bert": {
        "activation_function": "swiglu", "hidden_act": "silu", "prenorm": False, "parallel_block": False, "use_rms_norm": False,
        "qkv_proj_bias": False, "mlp_fc1_bias": False, "mlp_fc2_bias": False, "rotary_emb_fraction": 1.0,
        "rotary_emb_interleaved": False, "rotary_emb_scale_base": None, "moe_every_n_layers": 0, "causal": False,
    },
}  # fmt: skip
# GGUF's names of tensors -> Hugging Face's; those of a block come after their block's.
_BERT_NAMES = {
    "token_embd": "embeddings.word_embeddings", "position_embd": "embeddings.position_embeddings",
    "token_types": "embeddings.token_type_embeddings", "token_embd_norm": "embeddings.LayerNorm", "blk": "encoder.layer",
    "attn_q": "attention.self.query", "attn_k": "attention.self.key", "attn_v": "attention.self.value",
    "attn_output": "attention.output.dense", "attn_output_norm": "attention.output.LayerNorm",
    "ffn_up": "intermediate.dense", "ffn_down": "output.dense", "layer_output_norm": "output.LayerNorm",
}  # fmt: skip
_NOMIC_NAMES = {
    "token_embd": "embeddings.word_embeddings", "token_types": "embeddings.token_type_embeddings", "token_embd_norm": "emb_ln",
    "blk": "encoder.layers", "attn_qkv": "attn.Wqkv", "attn_output": "attn.out_proj", "attn_output_norm": "norm1",
    "ffn_up": "mlp.fc11", "ffn_gate": "mlp.fc12", "ffn_down": "mlp.fc2", "layer_output_norm": "norm2",
}  # fmt: skip

Place = Callable[[Any], Any]


def sentence_family(checkpoint: Checkpoint) -> str:
    """One of FAMILIES. Raises FormatError where the model is of another, or says nothing of its kind."""
    said = _metadata(checkpoint).get("general.architecture" if checkpoint.format == "gguf" else "model_type")
    family = str(said).replace("_", "-")
    if family not in FAMILIES:
        name = "general.architecture" if checkpoint.format == "gguf" else "model_type"
        raise FormatError(f'{checkpoint.path}: "{name}": found {said!r}, expected {" or ".join(FAMILIES)}')
    return family


def sentence_dims(checkpoint: Checkpoint) -> BertDims:
    """Raises FormatError where the model is of no family of Wherry's, or a size is missing or cannot be."""
    family = sentence_family(checkpoint)
    said = _said(checkpoint, family)

    def size(ours: str) -> int:
        name, value = said[ours]
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= _MOST[ours]:
            raise FormatError(f"{checkpoint.path}: {name}: found {value!r}, expected 1 to {_MOST[ours]}")
        return value

    name, eps = said["eps"]
    eps = 1e-12 if eps is None else eps
    if isinstance(eps, bool) or not isinstance(eps, int | float) or not 0 < eps < 1:
        raise FormatError(f"{checkpoint.path}: {name}: found {eps!r}, expected a small number")
    n_vocab, n_ctx, n_state, n_layer, n_head, n_hidden = map(size, _MOST)
    if n_state % n_head or (family == "nomic-bert" and n_state // n_head % 2):
        pairs = ", each of an even size" if family == "nomic-bert" else ""
        raise FormatError(f"{checkpoint.path}: found {n_head} heads of a state of {n_state}, expected a divisor{pairs}")
    return BertDims(n_vocab, n_ctx, n_state, n_layer, n_head, n_hidden, float(eps))


def bert_weights(checkpoint: Checkpoint, dims: BertDims, place: Place) -> BertWeights[Any]:
    """The tensors, each put on the device by `place`. Raises FormatError for one that is missing or of another shape."""
    take = _Taker(checkpoint, _BERT_NAMES, place)
    n, hidden = dims.n_state, dims.n_hidden
    blocks = []
    for i in range(dims.n_layer):
        at = f"blk.{i}."
        query, key, value = (take.linear(f"{at}attn_{part}", n, n) for part in "qkv")
        block = Block(
            query, key, value, take.linear(f"{at}attn_output", n, n), take.norm(f"{at}attn_output_norm", n),
            take.linear(f"{at}ffn_up", hidden, n), take.linear(f"{at}ffn_down", n, hidden),
            take.norm(f"{at}layer_output_norm", n),
        )  # fmt: skip
        blocks.append(block)
    positions = _dense(take("position_embd.weight", dims.n_ctx, n)) + take.segment(n)
    tokens = place(take("token_embd.weight", dims.n_vocab, n))
    return BertWeights(tokens, place(positions), take.norm("token_embd_norm", n), tuple(blocks))


def nomic_weights(checkpoint: Checkpoint, dims: BertDims, place: Place, rotation: Any) -> nomic_bert.NomicWeights[Any]:
    """As `bert_weights`; rotation: the table of `nomic_rotation` on the device."""
    take = _Taker(checkpoint, _NOMIC_NAMES, place)
    n, hidden = dims.n_state, dims.n_hidden
    blocks = []
    for i in range(dims.n_layer):
        at = f"blk.{i}."
        fused = take(f"{at}attn_qkv.weight", 3 * n, n)
        query, key, value = (place(_rows(fused, slice(part * n, (part + 1) * n))) for part in range(3))
        block = nomic_bert.Block(
            query, key, value, place(take(f"{at}attn_output.weight", n, n)), take.norm(f"{at}attn_output_norm", n),
            place(take(f"{at}ffn_gate.weight", hidden, n)), place(take(f"{at}ffn_up.weight", hidden, n)),
            place(take(f"{at}ffn_down.weight", n, hidden)), take.norm(f"{at}layer_output_norm", n),
        )  # fmt: skip
        blocks.append(block)
    segment = place(np.tile(take.segment(n), (dims.n_ctx, 1)))
    tokens = place(take("token_embd.weight", dims.n_vocab, n))
    return nomic_bert.NomicWeights(tokens, segment, take.norm("token_embd_norm", n), rotation, tuple(blocks))


def nomic_rotation(checkpoint: Checkpoint, dims: BertDims) -> Rotation:
    """Raises FormatError for positions that are stretched: `sentence_dims` keeps to those that the model was trained on."""
    said = _metadata(checkpoint)
    if checkpoint.format == "gguf":
        kind, base = said.get("nomic-bert.rope.scaling.type"), said.get("nomic-bert.rope.freq_base")
    else:
        rope = said.get("rope_parameters") or {}
        if not isinstance(rope, dict):
            raise FormatError(f'{checkpoint.path}: "rope_parameters": found {rope!r}, expected an object')
        kind, base = rope.get("rope_type"), said.get("rotary_emb_base", rope.get("rope_theta"))
    if kind not in (None, "none", "default"):
        raise FormatError(f"{checkpoint.path}: rope scaling: found {kind!r}, expected none")
    base = 1000.0 if base is None else base
    if isinstance(base, bool) or not isinstance(base, int | float) or not 1 < base < 1e12:
        raise FormatError(f"{checkpoint.path}: base of the rotation: found {base!r}, expected a number above 1")
    return Rotation(dims.n_state // dims.n_head, float(base))


def sentence_pooling(checkpoint: Checkpoint) -> Pooling:
    """What stands for a text: the mean of its tokens where nothing is noted. Raises FormatError for what gives no vector."""
    pooling = read_pooling(checkpoint, sentence_family(checkpoint), Pooling.MEAN)
    if pooling is Pooling.RANK:
        raise FormatError(f"{checkpoint.path}: found a model that ranks texts, expected one that gives vectors")
    return pooling


def _metadata(checkpoint: Checkpoint) -> Mapping[str, object]:
    if checkpoint.format == "gguf":
        return checkpoint.metadata
    config = checkpoint.metadata.get("config")
    if not isinstance(config, dict):
        raise FormatError(f"{checkpoint.path}: found no config.json beside the weights, expected the model's sizes in it")
    return config


def _said(checkpoint: Checkpoint, family: str) -> dict[str, tuple[str, object]]:
    """Our name of a size -> the file's name and what it says."""
    said = _metadata(checkpoint)
    if checkpoint.format == "gguf":
        causal = f"{family}.attention.causal"
        if said.get(causal, False) is not False:
            raise FormatError(f'{checkpoint.path}: field "{causal}": found {said[causal]!r}, expected false')
        table = checkpoint.tensors.get("token_embd.weight")
        named = {ours: f"{family}.{theirs}" for ours, theirs in _FIELDS.items()}
        found = {ours: (f'field "{name}"', said.get(name)) for ours, name in named.items()}
        return {**found, "vocab": ('rows of "token_embd.weight"', None if table is None else table.shape[0])}
    for name, expected in _FIXED[family].items():
        if name in said and said[name] != expected and not (said[name] is None and expected in (False, 0)):
            raise FormatError(f'{checkpoint.path}: config "{name}": found {said[name]!r}, expected {expected}')
    names = _CONFIG if family == "bert" else _NOMIC_CONFIG
    chosen = {ours: next((name for name in theirs if said.get(name) is not None), theirs[0]) for ours, theirs in names.items()}
    sizes = {ours: (f'config "{name}"', said.get(name)) for ours, name in chosen.items()}
    if family == "nomic-bert" and sizes["context"][1] is None:  # Nomic's own code; what n_positions has beyond is stretched
        return {**sizes, "context": ("positions", _TRAINED)}
    return sizes


@dataclass(frozen=True)
class _Taker:
    """Tensors under GGUF's names, of whichever format. Errors say the file's own."""

    checkpoint: Checkpoint
    names: Mapping[str, str]  # of Hugging Face
    place: Place

    def __call__(self, name: str, *shape: int) -> Any:
        """-1: of any size but none."""
        name = name if self.checkpoint.format == "gguf" else self._published(name)
        found = self.checkpoint.tensors.get(name)
        if found is None:
            raise FormatError(f'{self.checkpoint.path}: tensor "{name}": found none, expected {list(shape)}')
        if len(found.shape) != len(shape) or any(a not in (b, -1) for a, b in zip(shape, found.shape, strict=True)):
            raise FormatError(f'{self.checkpoint.path}: tensor "{name}": found {list(found.shape)}, expected {list(shape)}')
        if 0 in found.shape:
            raise FormatError(f'{self.checkpoint.path}: tensor "{name}": found {list(found.shape)}, expected numbers in it')
        check_type(self.checkpoint.path, name, found)
        return found

    def linear(self, name: str, out: int, inner: int) -> Linear[Any]:
        return Linear(self.place(self(f"{name}.weight", out, inner)), self.place(self(f"{name}.bias", out)))

    def norm(self, name: str, size: int) -> LayerNorm[Any]:
        return LayerNorm(self.place(self(f"{name}.weight", size)), self.place(self(f"{name}.bias", size)))

    def segment(self, size: int) -> Any:
        """Of the first of two segments: (state,)."""
        return _dense(self("token_types.weight", -1, size))[0]

    def _published(self, name: str) -> str:
        *block, inner, kind = name.split(".")
        where = f"{self.names['blk']}.{block[1]}." if block else ""
        name = f"{where}{self.names[inner]}.{kind}"
        return next((prefix + name for prefix in _PREFIXES if prefix + name in self.checkpoint.tensors), name)


def _rows(tensor: Any, rows: slice) -> Any:
    return tensor.rows(rows) if isinstance(tensor, Quantized) else tensor[rows]


def _dense(value: Any) -> Any:
    return np.asarray(value.dequantize() if isinstance(value, Quantized) else value, np.float32)
