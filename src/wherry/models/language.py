"""Language models by family: the sizes that a GGUF file or a config.json states, and tensors under GGUF's names."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import log, sqrt
from typing import Any

import numpy as np

from wherry.errors import FormatError
from wherry.models import gemma, llama
from wherry.models.rotation import Rotation
from wherry.weights import Checkpoint, Quantized
from wherry.weights.checkpoint import check_type

_LLAMAS = ("llama", "mistral", "qwen2", "qwen3", "phi3")
_GEMMAS = ("gemma2", "gemma3")
_MAX_LAYERS, _MAX_SIZE, _MAX_CONTEXT = 512, 1 << 20, 1 << 24
# Hugging Face's names -> GGUF's.
_OUTER = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
_INNER = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "self_attn.qkv_proj": "attn_qkv", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.gate_up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
}  # fmt: skip
_GEMMA_NORMS = {
    "post_attention_layernorm": "post_attention_norm", "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}  # fmt: skip

Tensor = Any  # an array or a Quantized


@dataclass(frozen=True)
class LanguageModel:
    """What a file holds: `dims` tells the family. `tensors` are under GGUF's names, `rotations` for all layers and those with
    a window."""

    family: str
    dims: llama.LlamaDims | gemma.GemmaDims
    tensors: Mapping[str, Tensor]
    rotations: tuple[Rotation, Rotation]


def language_model(checkpoint: Checkpoint, context: int | None = None) -> LanguageModel:
    """context: positions that will be used; by default all that the model was made for.

    Raises FormatError where the family is not one of Wherry's, or a size or tensor is missing or cannot be.
    """
    settings = _gguf_settings(checkpoint) if checkpoint.format == "gguf" else _config_settings(checkpoint)
    if context is not None:
        settings = _Settings(checkpoint, {**settings.values, "context": min(context, settings.integer("context", _MAX_CONTEXT))})
    family = settings.family
    tensors = checkpoint.tensors if checkpoint.format == "gguf" else _renamed(checkpoint, family)
    dims = _gemma_dims(settings) if family in _GEMMAS else _llama_dims(settings, checkpoint.format == "gguf")
    rotation = _rotation(settings, dims.head_width, checkpoint)
    near = rotation
    if family == "gemma3":
        near = Rotation(dims.head_width, settings.number("near_base", 10000.0))
    model = LanguageModel(family, dims, tensors, (rotation, near))
    _check(checkpoint, model)
    return model


def llama_weights(model: LanguageModel, place: Callable[[Tensor], Any], rotation: Any) -> llama.LlamaWeights[Any]:
    """The tensors as the network's weights, each put on the device by `place`."""
    take = _taker(model, place)
    dims = model.dims
    assert isinstance(dims, llama.LlamaDims)
    tokens = take("token_embd.weight")
    blocks = []
    for i in range(dims.n_layer):

        def linear(name: str, at: str = f"blk.{i}.") -> llama.Linear[Any]:
            return llama.Linear(take(f"{at}{name}.weight"), take(f"{at}{name}.bias", optional=True))

        if f"blk.{i}.attn_qkv.weight" in model.tensors:
            query, key, value = _split(take, f"blk.{i}.attn_qkv.weight", _parts(dims, i))
            gate, up = _split(take, f"blk.{i}.ffn_up.weight", (dims.hidden(i), dims.hidden(i)))
        else:
            query, key, value, gate, up = map(linear, ("attn_q", "attn_k", "attn_v", "ffn_gate", "ffn_up"))
        attention = llama.Attention(
            query, key, value, linear("attn_output"),
            take(f"blk.{i}.attn_q_norm.weight", optional=True), take(f"blk.{i}.attn_k_norm.weight", optional=True),
        )  # fmt: skip
        norms = take(f"blk.{i}.attn_norm.weight"), take(f"blk.{i}.ffn_norm.weight")
        blocks.append(llama.Block(norms[0], attention, norms[1], gate, up, linear("ffn_down")))
    output = take("output.weight", optional=True)
    return llama.LlamaWeights(tokens, tuple(blocks), take("output_norm.weight"), tokens if output is None else output, rotation)


def gemma_weights(model: LanguageModel, place: Callable[[Tensor], Any], rotation: Any, near: Any) -> gemma.GemmaWeights[Any]:
    """The tensors as the network's weights, each put on the device by `place`."""
    take = _taker(model, place)
    blocks = []
    for i in range(model.dims.n_layer):

        def linear(name: str, at: str = f"blk.{i}.") -> llama.Linear[Any]:
            return llama.Linear(take(f"{at}{name}.weight"))

        attention = llama.Attention(
            linear("attn_q"), linear("attn_k"), linear("attn_v"), linear("attn_output"),
            take(f"blk.{i}.attn_q_norm.weight", optional=True), take(f"blk.{i}.attn_k_norm.weight", optional=True),
        )  # fmt: skip
        names = ("attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm")
        norms = [take(f"blk.{i}.{name}.weight") for name in names]
        gate, up, down = map(linear, ("ffn_gate", "ffn_up", "ffn_down"))
        blocks.append(gemma.Block(norms[0], attention, norms[1], norms[2], gate, up, down, norms[3]))
    return gemma.GemmaWeights(take("token_embd.weight"), tuple(blocks), take("output_norm.weight"), rotation, near)


# -- sizes


@dataclass(frozen=True)
class _Settings:
    """A family's numbers under our names; a number that is missing or cannot be is an error that names the file."""

    checkpoint: Checkpoint
    values: Mapping[str, object]

    @property
    def family(self) -> str:
        name = self.values.get("family")
        if name not in (*_LLAMAS, *_GEMMAS):
            raise FormatError(
                f'{self.checkpoint.path}: found the architecture "{name}", expected one of {" ".join((*_LLAMAS, *_GEMMAS))}'
            )
        return str(name)

    def integer(self, name: str, most: int, default: int | None = None) -> int:
        value = self.values.get(name)
        if value is None and default is not None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= most:
            raise FormatError(f'{self.checkpoint.path}: "{name}": found {value!r}, expected a whole number from 1 to {most}')
        return value

    def of_layers(self, name: str, most: int, count: int, default: int | None = None) -> tuple[int, ...]:
        """A number of each of `count` layers: one for all of them, or an array. Raises FormatError."""
        value = self.values.get(name)
        if not isinstance(value, np.ndarray | list | tuple):
            return (self.integer(name, most, default),) * count
        values = value.tolist() if isinstance(value, np.ndarray) else list(value)
        whole = all(isinstance(each, int) and not isinstance(each, bool) and 0 < each <= most for each in values)
        if len(values) != count or not whole:
            raise FormatError(
                f'{self.checkpoint.path}: "{name}": found {str(values)[:60]}, expected 1 to {most} for each of {count} layers'
            )
        return tuple(values)

    def number(self, name: str, default: float) -> float:
        value = self.values.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
            raise FormatError(f'{self.checkpoint.path}: "{name}": found {value!r}, expected a number')
        return float(value)


def _gguf_settings(checkpoint: Checkpoint) -> _Settings:
    fields = checkpoint.metadata
    family = fields.get("general.architecture")
    names = {
        "context": "context_length", "state": "embedding_length", "layers": "block_count", "hidden": "feed_forward_length",
        "heads": "attention.head_count", "kv_heads": "attention.head_count_kv", "width": "attention.key_length",
        "eps": "attention.layer_norm_rms_epsilon", "base": "rope.freq_base", "rotated": "rope.dimension_count",
        "window": "attention.sliding_window", "score_cap": "attn_logit_softcapping", "logit_cap": "final_logit_softcapping",
        "kind": "rope.scaling.type", "factor": "rope.scaling.factor", "trained": "rope.scaling.original_context_length",
        "amplitude": "rope.scaling.attn_factor", "near_base": "rope.freq_base_swa",
    }  # fmt: skip
    values = {ours: fields.get(f"{family}.{theirs}") for ours, theirs in names.items()}
    if values["factor"] is None:
        values["factor"] = fields.get(f"{family}.rope.scale_linear")  # as older converters wrote it
    table = checkpoint.tensors.get("token_embd.weight")
    return _Settings(checkpoint, {**values, "family": family, "vocab": None if table is None else table.shape[0]})


def _config_settings(checkpoint: Checkpoint) -> _Settings:
    config = checkpoint.metadata.get("config")
    if not isinstance(config, dict):
        raise FormatError(f"{checkpoint.path}: found no config.json beside the weights, expected the model's sizes in it")
    kind = str(config.get("model_type", "")).removesuffix("_text")
    names = {
        "context": "max_position_embeddings", "state": "hidden_size", "layers": "num_hidden_layers",
        "hidden": "intermediate_size", "heads": "num_attention_heads", "kv_heads": "num_key_value_heads", "width": "head_dim",
        "eps": "rms_norm_eps", "window": "sliding_window", "score_cap": "attn_logit_softcapping",
        "logit_cap": "final_logit_softcapping", "query_scale": "query_pre_attn_scalar", "vocab": "vocab_size",
        "near_base": "rope_local_base_freq", "layer_types": "layer_types", "base": "rope_theta",
    }  # fmt: skip
    values: dict[str, object] = {ours: config.get(theirs) for ours, theirs in names.items()}
    if kind in ("qwen2", "qwen3") and not config.get("use_sliding_window"):
        values["window"] = None
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if isinstance(rope, dict) and "full_attention" in rope:
        values["near_base"] = (rope.get("sliding_attention") or {}).get("rope_theta")
        rope = rope["full_attention"]
    if not isinstance(rope, dict):
        raise FormatError(f"{checkpoint.path}: config.json: rope_parameters: found {rope!r}, expected an object")
    stretched = {
        "kind": "rope_type", "factor": "factor", "trained": "original_max_position_embeddings", "amplitude": "attention_factor",
        "short": "short_factor", "long": "long_factor",
    }  # fmt: skip
    values |= {ours: rope.get(theirs) for ours, theirs in stretched.items()}
    values["kind"] = values["kind"] or rope.get("type")
    values["base"] = rope.get("rope_theta") or values["base"]
    values["low"] = rope.get("low_freq_factor") or rope.get("beta_slow")
    values["high"] = rope.get("high_freq_factor") or rope.get("beta_fast")
    share = rope.get("partial_rotary_factor") or config.get("partial_rotary_factor")
    if isinstance(share, int | float) and share != 1:
        values["share"] = share
    values["trained"] = values["trained"] or config.get("original_max_position_embeddings")
    return _Settings(checkpoint, {**values, "family": kind})


def _sizes(settings: _Settings) -> dict[str, Any]:
    state, layers = settings.integer("state", _MAX_SIZE), settings.integer("layers", _MAX_LAYERS)
    heads = settings.of_layers("heads", _MAX_SIZE, layers)
    kv_heads = settings.of_layers("kv_heads", max(heads), layers, max(heads))
    hidden = settings.of_layers("hidden", 1 << 24, layers)
    differing = {"layer_heads": heads, "layer_kv_heads": kv_heads, "layer_hidden": hidden}
    return {
        "n_vocab": settings.integer("vocab", 1 << 24),
        "n_ctx": settings.integer("context", _MAX_CONTEXT),
        "n_state": state,
        "n_layer": layers,
        "n_head": max(heads),
        "n_kv_head": max(kv_heads),
        "head_width": settings.integer("width", 1 << 12, max(1, state // heads[0])),
        "n_hidden": max(hidden),
        "eps": settings.number("eps", 1e-6),
        **{name: values for name, values in differing.items() if len(set(values)) > 1},
    }


def _llama_dims(settings: _Settings, gguf: bool) -> llama.LlamaDims:
    window = int(settings.number("window", 0))
    return llama.LlamaDims(**_sizes(settings), window=window, interleaved=gguf and settings.family == "llama")


def _gemma_dims(settings: _Settings) -> gemma.GemmaDims:
    sizes = _sizes(settings)
    window = settings.integer("window", _MAX_CONTEXT, 4096 if settings.family == "gemma2" else 512)
    types = settings.values.get("layer_types")
    every = 2 if settings.family == "gemma2" else 6  # this layer of so many sees all keys
    if isinstance(types, list) and len(types) == sizes["n_layer"]:
        windows = tuple(window if kind == "sliding_attention" else 0 for kind in types)
    else:
        windows = tuple(0 if (i + 1) % every == 0 else window for i in range(sizes["n_layer"]))
    # The largest of either generation scale by the state's share of a head (the papers' table of sizes; GGUF does not say).
    largest = sizes["n_layer"] == (46 if settings.family == "gemma2" else 62)
    scaled = sizes["n_state"] / sizes["n_head"] if largest else sizes["head_width"]
    return gemma.GemmaDims(
        **sizes,
        windows=windows,
        scale=settings.number("query_scale", scaled) ** -0.5,
        score_cap=settings.number("score_cap", 0.0),
        logit_cap=settings.number("logit_cap", 0.0),
    )


def _rotation(settings: _Settings, head_width: int, checkpoint: Checkpoint) -> Rotation:
    share = settings.number("share", 1.0)
    width = settings.integer("rotated", head_width, max(2, int(head_width * share)))
    base = settings.number("base", 1e6 if settings.family == "gemma3" else 10000.0)
    if base <= 1:
        raise FormatError(f"{checkpoint.path}: rope: found the base {base}, expected one above 1")
    if checkpoint.format == "gguf":
        return _gguf_rotation(settings, checkpoint, width, base)
    kind = settings.values.get("kind") or "default"
    factor, trained = settings.number("factor", 1.0), int(settings.number("trained", 0))
    amplitude = settings.number("amplitude", 0.0) or None
    context = settings.integer("context", _MAX_CONTEXT)
    if kind == "longrope":  # Phi-3: one list for the trained context, one beyond it
        factors = _factors(settings, checkpoint, "long" if trained and context > trained else "short")
        whole = context / trained if trained else 1.0
        amplitude = amplitude or (sqrt(1 + log(max(whole, 1)) / log(trained)) if trained > 1 else 1.0)
        return Rotation(width, base, amplitude=amplitude, factors=factors)
    if kind in ("linear", "llama3", "yarn"):
        if factor < 1 or (kind != "linear" and trained < 1):
            raise FormatError(f"{checkpoint.path}: rope scaling {kind}: found factor {factor} of {trained} positions")
        low, high = settings.number("low", 1.0), settings.number("high", 32.0 if kind == "yarn" else 4.0)
        if not 0 < low < high:
            raise FormatError(f"{checkpoint.path}: rope scaling {kind}: found turns from {low} to {high}")
        return Rotation(width, base, str(kind), factor, trained, low, high, amplitude)
    if kind not in ("default", "none"):
        raise FormatError(f'{checkpoint.path}: rope scaling: found "{kind}", expected linear, llama3, yarn or longrope')
    return Rotation(width, base)


def _gguf_rotation(settings: _Settings, checkpoint: Checkpoint, width: int, base: float) -> Rotation:
    """As llama.cpp has it: positions are stretched linearly where nothing is said of how, whatever factors divide the
    frequencies besides; `attn_factor` multiplies what the way itself gives. What a file says of YaRN's turns it reads for other
    families alone."""
    kind = settings.values.get("kind") or "linear"
    if kind not in ("none", "linear", "yarn", "longrope"):
        raise FormatError(f'{checkpoint.path}: rope scaling: found "{kind}", expected none, linear, yarn or longrope')
    factor = 1.0 if kind == "none" else settings.number("factor", 1.0) or 1.0
    context = settings.integer("context", _MAX_CONTEXT)
    trained = int(settings.number("trained", 0)) or context
    factors: tuple[float, ...] = ()
    if "rope_freqs.weight" in checkpoint.tensors:  # llama 3, where GGUF keeps what the formula gives
        factors = _stored_factors(checkpoint, "rope_freqs.weight", width)
    elif "rope_factors_long.weight" in checkpoint.tensors or "rope_factors_short.weight" in checkpoint.tensors:
        factors = _stored_factors(checkpoint, f"rope_factors_{'long' if context > trained else 'short'}.weight", width)
    amplitude = settings.number("amplitude", 1.0)
    if kind != "yarn":
        return Rotation(width, base, "linear", factor, trained, amplitude=amplitude, factors=factors)
    amplitude *= 0.1 * log(factor) + 1 if factor > 1 else 1
    return Rotation(width, base, "yarn", factor, trained, 1.0, 32.0, amplitude, factors)


def _factors(settings: _Settings, checkpoint: Checkpoint, which: str) -> tuple[float, ...]:
    listed = settings.values.get(which)
    if isinstance(listed, list) and all(isinstance(x, int | float) and x > 0 for x in listed):
        return tuple(map(float, listed))
    raise FormatError(f"{checkpoint.path}: rope scaling longrope: found no list of {which} factors")


def _stored_factors(checkpoint: Checkpoint, name: str, width: int) -> tuple[float, ...]:
    """Of a GGUF file: one of each pair."""
    stored = checkpoint.tensors.get(name)
    found = np.zeros(0, np.float32) if stored is None else _dense(stored)
    if found.shape != (width // 2,) or not (np.isfinite(found) & (found > 0)).all():
        raise FormatError(f'{checkpoint.path}: tensor "{name}": found {list(found.shape)}, expected {width // 2} numbers above 0')
    return tuple(found.tolist())


def _dense(tensor: Tensor) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.asarray(tensor.dequantize() if isinstance(tensor, Quantized) else tensor, np.float32)


# -- tensors


class _Renamed(Mapping[str, Tensor]):
    """Hugging Face's tensors under GGUF's names; Gemma's norms get the 1 that the paper adds."""

    def __init__(self, names: Mapping[str, str], tensors: Mapping[str, Tensor], gemma_norms: bool) -> None:
        self._names, self._tensors, self._gemma = names, tensors, gemma_norms

    def __getitem__(self, name: str) -> Tensor:
        tensor = self._tensors[self._names[name]]
        return _dense(tensor) + 1 if self._gemma and "norm" in name else tensor

    def stored(self, name: str) -> str:
        """What the file calls it."""
        return self._names[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _renamed(checkpoint: Checkpoint, family: str) -> Mapping[str, Tensor]:
    inner = {**_INNER, **_GEMMA_NORMS} if family in _GEMMAS else _INNER
    names = {}
    for name in checkpoint.tensors:
        stem, _, kind = name.rpartition(".")
        if stem in _OUTER:
            names[f"{_OUTER[stem]}.{kind}"] = name
        elif stem.startswith("model.layers."):
            number, _, rest = stem.removeprefix("model.layers.").partition(".")
            if rest in inner and number.isdecimal():
                names[f"blk.{number}.{inner[rest]}.{kind}"] = name
    return _Renamed(names, checkpoint.tensors, family in _GEMMAS)


def _parts(dims: llama.LlamaDims, layer: int) -> tuple[int, int, int]:
    """Rows of query, key and value."""
    keys = dims.kv_heads(layer) * dims.head_width
    return dims.heads(layer) * dims.head_width, keys, keys


def _taker(model: LanguageModel, place: Callable[[Tensor], Any]) -> Callable[..., Any]:
    def take(name: str, *, optional: bool = False, rows: slice | None = None) -> Any:
        if name not in model.tensors and optional:
            return None
        tensor = model.tensors[name]
        return place(tensor if rows is None else _rows(tensor, rows))

    return take


def _rows(tensor: Tensor, rows: slice) -> Tensor:
    return tensor.rows(rows) if isinstance(tensor, Quantized) else tensor[rows]


def _split(take: Callable[..., Any], name: str, rows: tuple[int, ...]) -> list[llama.Linear[Any]]:
    """Some matrices that lie one above the other (Phi-3's)."""
    ends = np.cumsum(rows).tolist()
    return [llama.Linear(take(name, rows=slice(end - count, end))) for end, count in zip(ends, rows, strict=True)]


def _check(checkpoint: Checkpoint, model: LanguageModel) -> None:
    """Every tensor is there and of the size that the settings say."""
    dims, expected = model.dims, _expected(model)
    for name, shape in expected.items():
        if name not in model.tensors:
            raise FormatError(f'{checkpoint.path}: tensor "{name}": found none, expected {list(shape)}')
        if (found := tuple(model.tensors[name].shape)) != shape:
            raise FormatError(f'{checkpoint.path}: tensor "{name}": found {list(found)}, expected {list(shape)}')
    for name, tensor in model.tensors.items():
        check_type(checkpoint.path, model.tensors.stored(name) if isinstance(model.tensors, _Renamed) else name, tensor)
    heads = [(dims.heads(i), dims.kv_heads(i)) for i in range(dims.n_layer)]
    if any(queries % keys for queries, keys in heads) or dims.head_width % 2 or dims.n_state % 4:
        raise FormatError(
            f"{checkpoint.path}: found {dims.n_head} heads of {dims.head_width} over {dims.n_kv_head} of keys, "
            "expected a whole number of heads for each of the keys'"
        )


def _expected(model: LanguageModel) -> dict[str, tuple[int, ...]]:
    dims = model.dims
    state = (dims.n_state,)
    found: dict[str, tuple[int, ...]] = {"token_embd.weight": (dims.n_vocab, *state), "output_norm.weight": state}
    fused = "blk.0.attn_qkv.weight" in model.tensors
    for i in range(dims.n_layer):
        queries, keys = dims.heads(i) * dims.head_width, dims.kv_heads(i) * dims.head_width
        hidden = dims.hidden(i)
        block: dict[str, tuple[int, ...]] = {"attn_norm": state, "ffn_norm": state, "attn_output": (*state, queries)}
        block["ffn_down"] = (*state, hidden)
        if fused:
            block |= {"attn_qkv": (queries + 2 * keys, *state), "ffn_up": (2 * hidden, *state)}
        else:
            block |= {"attn_q": (queries, *state), "attn_k": (keys, *state), "attn_v": (keys, *state)}
            block |= {"ffn_gate": (hidden, *state), "ffn_up": (hidden, *state)}
        if model.family in ("qwen3", "gemma3"):
            block |= {"attn_q_norm": (dims.head_width,), "attn_k_norm": (dims.head_width,)}
        if model.family in _GEMMAS:
            block |= {"post_attention_norm": state, "post_ffw_norm": state}
        found |= {f"blk.{i}.{name}.weight": shape for name, shape in block.items()}
        if model.family == "qwen2":
            found |= {f"blk.{i}.attn_{x}.bias": (rows,) for x, rows in (("q", queries), ("k", keys), ("v", keys))}
    if "output.weight" in model.tensors:
        found["output.weight"] = (dims.n_vocab, *state)
    return found
