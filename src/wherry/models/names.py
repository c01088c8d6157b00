"""The names and layouts of Whisper's tensors in each file format -> those of OpenAI's checkpoints."""

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.errors import FormatError
from wherry.models.whisper import WhisperDims
from wherry.weights import Checkpoint, Quantized
from wherry.weights.checkpoint import check_type

Tensor = NDArray[Any] | Quantized
Tensors = dict[str, Tensor]
_POSITIONS = "encoder.positional_embedding"
_CONVOLUTIONS = ("encoder.conv1.weight", "encoder.conv2.weight")


def whisper_tensors(checkpoint: Checkpoint) -> tuple[WhisperDims, Tensors]:
    """The model's sizes and its tensors under OpenAI's names, Linear weights (out, in), every shape checked.

    Raises FormatError naming the tensor that is missing or has another shape.
    """
    readers: dict[str, Callable[[Checkpoint], Tensors]] = {
        "ctranslate2": _from_ctranslate2,
        "safetensors": _from_state_dict,
        "burn": _from_burn,
        "ggml": _from_ggml,
        "torch": _from_state_dict,
    }
    if checkpoint.format not in readers:
        raise FormatError(
            f"{checkpoint.path}: found a {checkpoint.format} file, expected a Whisper model in {', '.join(readers)}"
        )
    tensors = readers[checkpoint.format](checkpoint)
    _restore(checkpoint, tensors)
    dims = _dims(checkpoint, tensors)
    expected = _shapes(dims)
    for name, shape in expected.items():
        if name not in tensors:
            raise FormatError(f'{checkpoint.path}: found no tensor for "{name}", expected {list(shape)}')
        if (held := tuple(tensors[name].shape)) != shape:
            raise FormatError(f'{checkpoint.path}: tensor "{name}": found shape {list(held)}, expected {list(shape)}')
        check_type(checkpoint.path, name, tensors[name])
    found = {name: tensors[name] for name in expected}
    for name, tensor in found.items():
        if name.endswith("positional_embedding") and isinstance(tensor, Quantized):
            found[name] = tensor.dequantize()  # added to, not multiplied with: no format of weights is read there
    return dims, found


def _dims(checkpoint: Checkpoint, tensors: Tensors) -> WhisperDims:
    """From the file's own word where it has one, checked by the shapes; heads are 64 wide in every Whisper."""
    try:
        n_audio_state, n_mels, _ = tensors["encoder.conv1.weight"].shape
        n_vocab, n_text_state = tensors["decoder.token_embedding.weight"].shape
        n_audio_ctx = tensors["encoder.positional_embedding"].shape[0]
        n_text_ctx = tensors["decoder.positional_embedding"].shape[0]
    except (KeyError, ValueError, IndexError) as error:
        raise FormatError(f"{checkpoint.path}: found no Whisper tensors ({error}), expected an encoder and a decoder") from error
    dims = WhisperDims(
        n_mels, n_audio_ctx, n_audio_state, n_audio_state // 64, _layers(tensors, "encoder"),
        n_vocab, n_text_ctx, n_text_state, n_text_state // 64, _layers(tensors, "decoder"),
    )  # fmt: skip
    said = checkpoint.metadata.get("dims")
    if isinstance(said, Mapping):
        for name, value in asdict(dims).items():
            if name in said and said[name] != value:
                raise FormatError(f'{checkpoint.path}: "{name}": found {said[name]!r}, expected {value} from the tensors')
    if n_audio_state != n_text_state or n_audio_state % 64:
        raise FormatError(
            f"{checkpoint.path}: found an encoder {n_audio_state} wide and a decoder {n_text_state} wide, "
            "expected the same multiple of 64"
        )
    for field in fields(dims):
        if getattr(dims, field.name) < 1:
            raise FormatError(f'{checkpoint.path}: "{field.name}": found {getattr(dims, field.name)}, expected at least 1')
    return dims


def sinusoids(length: int, channels: int) -> NDArray[np.float32]:
    """The encoder's positions (length, channels): sines, then cosines, of wavelengths from 2 pi to 10,000 times that."""
    rates = np.exp(-np.log(10_000) / (channels // 2 - 1) * np.arange(channels // 2))
    angles = np.arange(length)[:, None] * rates
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)


def compact(tensors: Mapping[str, Tensor]) -> Tensors:
    """What a small file need not hold as it is: positions that can be computed are left out, convolutions become matrices."""
    out = dict(tensors)
    positions = out.get(_POSITIONS)
    if isinstance(positions, np.ndarray) and np.abs(positions - sinusoids(*positions.shape)).max() < 1e-3:
        del out[_POSITIONS]
    for name in _CONVOLUTIONS:
        weight = out[name]
        dense = weight if isinstance(weight, np.ndarray) else weight.dequantize()
        out[name] = np.ascontiguousarray(dense.transpose(0, 2, 1)).reshape(len(dense), -1)  # (out, 3 in)
    return out


def _restore(checkpoint: Checkpoint, tensors: Tensors) -> None:
    """Undo `compact`."""
    said = checkpoint.metadata.get("dims")
    if _POSITIONS not in tensors and isinstance(said, Mapping) and checkpoint.metadata.get("wherry.format"):
        length, channels = said.get("n_audio_ctx"), said.get("n_audio_state")
        if not (isinstance(length, int) and 0 < length <= 1 << 16 and isinstance(channels, int) and 4 <= channels <= 1 << 14):
            raise FormatError(f'{checkpoint.path}: "wherry.dims": found {length} x {channels}, expected the encoder\'s sizes')
        tensors[_POSITIONS] = sinusoids(length, channels)
    for name in _CONVOLUTIONS:
        weight = tensors.get(name)
        if weight is not None and len(weight.shape) == 2 and weight.shape[1] % 3 == 0:
            dense = weight if isinstance(weight, np.ndarray) else weight.dequantize()
            taps = dense.reshape(dense.shape[0], 3, -1).transpose(0, 2, 1)
            tensors[name] = np.ascontiguousarray(taps, np.float16 if isinstance(weight, Quantized) else dense.dtype)


def _layers(tensors: Tensors, part: str) -> int:
    found = {int(match[1]) for name in tensors if (match := re.match(rf"{part}\.blocks\.([0-9]{{1,3}})\.", name))}
    return max(found, default=-1) + 1


def _shapes(dims: WhisperDims) -> dict[str, tuple[int, ...]]:
    """OpenAI's names -> shapes."""
    audio, text = dims.n_audio_state, dims.n_text_state
    shapes: dict[str, tuple[int, ...]] = {
        "encoder.conv1.weight": (audio, dims.n_mels, 3),
        "encoder.conv1.bias": (audio,),
        "encoder.conv2.weight": (audio, audio, 3),
        "encoder.conv2.bias": (audio,),
        "encoder.positional_embedding": (dims.n_audio_ctx, audio),
        "encoder.ln_post.weight": (audio,),
        "encoder.ln_post.bias": (audio,),
        "decoder.token_embedding.weight": (dims.n_vocab, text),
        "decoder.positional_embedding": (dims.n_text_ctx, text),
        "decoder.ln.weight": (text,),
        "decoder.ln.bias": (text,),
    }

    def block(name: str, n: int, attentions: tuple[str, ...]) -> None:
        for attention in attentions:
            for part in ("query", "key", "value", "out"):
                shapes[f"{name}.{attention}.{part}.weight"] = (n, n)
                if part != "key":
                    shapes[f"{name}.{attention}.{part}.bias"] = (n,)
            shapes[f"{name}.{attention}_ln.weight"] = shapes[f"{name}.{attention}_ln.bias"] = (n,)
        shapes.update({f"{name}.mlp.0.weight": (4 * n, n), f"{name}.mlp.0.bias": (4 * n,)})
        shapes.update({f"{name}.mlp.2.weight": (n, 4 * n), f"{name}.mlp.2.bias": (n,)})
        shapes[f"{name}.mlp_ln.weight"] = shapes[f"{name}.mlp_ln.bias"] = (n,)

    for i in range(dims.n_audio_layer):
        block(f"encoder.blocks.{i}", audio, ("attn",))
    for i in range(dims.n_text_layer):
        block(f"decoder.blocks.{i}", text, ("attn", "cross_attn"))
    return shapes


def _from_ctranslate2(checkpoint: Checkpoint) -> Tensors:
    """Fused rows are taken apart: self-attention's linear_0 is q, k, v; cross-attention's linear_1 is k, v."""
    source = checkpoint.tensors
    out: Tensors = {}
    plain = {
        "encoder/conv1/weight": "encoder.conv1.weight",
        "encoder/conv1/bias": "encoder.conv1.bias",
        "encoder/conv2/weight": "encoder.conv2.weight",
        "encoder/conv2/bias": "encoder.conv2.bias",
        "encoder/position_encodings/encodings": "encoder.positional_embedding",
        "encoder/layer_norm/gamma": "encoder.ln_post.weight",
        "encoder/layer_norm/beta": "encoder.ln_post.bias",
        "decoder/embeddings/weight": "decoder.token_embedding.weight",
        "decoder/position_encodings/encodings": "decoder.positional_embedding",
        "decoder/layer_norm/gamma": "decoder.ln.weight",
        "decoder/layer_norm/beta": "decoder.ln.bias",
    }
    parts = {
        "self_attention/layer_norm/gamma": ("attn_ln.weight",),
        "self_attention/layer_norm/beta": ("attn_ln.bias",),
        "self_attention/linear_0/weight": ("attn.query.weight", "attn.key.weight", "attn.value.weight"),
        "self_attention/linear_0/bias": ("attn.query.bias", "attn.key.bias", "attn.value.bias"),
        "self_attention/linear_1/weight": ("attn.out.weight",),
        "self_attention/linear_1/bias": ("attn.out.bias",),
        "attention/layer_norm/gamma": ("cross_attn_ln.weight",),
        "attention/layer_norm/beta": ("cross_attn_ln.bias",),
        "attention/linear_0/weight": ("cross_attn.query.weight",),
        "attention/linear_0/bias": ("cross_attn.query.bias",),
        "attention/linear_1/weight": ("cross_attn.key.weight", "cross_attn.value.weight"),
        "attention/linear_1/bias": ("cross_attn.key.bias", "cross_attn.value.bias"),
        "attention/linear_2/weight": ("cross_attn.out.weight",),
        "attention/linear_2/bias": ("cross_attn.out.bias",),
        "ffn/layer_norm/gamma": ("mlp_ln.weight",),
        "ffn/layer_norm/beta": ("mlp_ln.bias",),
        "ffn/linear_0/weight": ("mlp.0.weight",),
        "ffn/linear_0/bias": ("mlp.0.bias",),
        "ffn/linear_1/weight": ("mlp.2.weight",),
        "ffn/linear_1/bias": ("mlp.2.bias",),
    }
    for name, tensor in source.items():
        match = re.fullmatch(r"(encoder|decoder)/layer_(\d+)/(.+)", name)
        if name in plain:
            check_type(checkpoint.path, name, tensor)
            out[plain[name]] = tensor
        elif match and match[3] in parts:
            check_type(checkpoint.path, name, tensor)
            targets = parts[match[3]]
            if tensor.shape and tensor.shape[0] % len(targets) == 0:
                for target, part in zip(targets, _split_rows(tensor, len(targets)), strict=True):
                    out[f"{match[1]}.blocks.{match[2]}.{target}"] = part
    _drop_zero_key_biases(checkpoint, out)
    return out


def _split_rows(tensor: Tensor, count: int) -> list[Tensor]:
    """Some tensors of as many rows that lie one above the other."""
    if isinstance(tensor, np.ndarray):
        return list(np.split(tensor, count))
    if count == 1:
        return [tensor]
    shape = (tensor.shape[0] // count, *tensor.shape[1:])
    return [Quantized(tensor.format, shape, data) for data in np.split(tensor.data, count)]


def _from_state_dict(checkpoint: Checkpoint) -> Tensors:
    """OpenAI's names as they are; Hugging Face's translated."""
    if "encoder.conv1.weight" in checkpoint.tensors:
        return dict(checkpoint.tensors.items())
    attention = {"q_proj": "query", "k_proj": "key", "v_proj": "value", "out_proj": "out"}
    layer = {
        "self_attn": "attn", "encoder_attn": "cross_attn", "self_attn_layer_norm": "attn_ln",
        "encoder_attn_layer_norm": "cross_attn_ln", "final_layer_norm": "mlp_ln", "fc1": "mlp.0", "fc2": "mlp.2",
    }  # fmt: skip
    top = {
        "encoder.embed_positions.weight": "encoder.positional_embedding",
        "decoder.embed_positions.weight": "decoder.positional_embedding",
        "decoder.embed_tokens.weight": "decoder.token_embedding.weight",
    }
    out: Tensors = {}
    for name in checkpoint.tensors:
        short = name.removeprefix("model.")
        match = re.fullmatch(r"(encoder|decoder)\.layers\.(\d+)\.(\w+)(?:\.(\w+_proj))?\.(weight|bias)", short)
        if match and match[3] in layer:
            inner = "." + attention[match[4]] if match[4] in attention else ""
            target = f"{match[1]}.blocks.{match[2]}.{layer[match[3]]}{inner}.{match[5]}"
        elif short in top:
            target = top[short]
        elif re.fullmatch(r"encoder\.conv[12]\.(weight|bias)", short):
            target = short
        elif match := re.fullmatch(r"(encoder|decoder)\.layer_norm\.(weight|bias)", short):
            target = f"{match[1]}.{'ln_post' if match[1] == 'encoder' else 'ln'}.{match[2]}"
        else:
            continue  # proj_out is the token embedding again
        out[target] = checkpoint.tensors[name]
        check_type(checkpoint.path, name, out[target])
    _drop_zero_key_biases(checkpoint, out)
    return out


def _from_burn(checkpoint: Checkpoint) -> Tensors:
    """Burn keeps Linear weights as (in, out), LayerNorm as gamma and beta, and bare parameters without `.weight`."""
    out: Tensors = {}
    for name, tensor in checkpoint.tensors.items():
        assert isinstance(tensor, np.ndarray), "the Burn reader gives arrays"
        target = name.replace(".mlp.lin1.", ".mlp.0.").replace(".mlp.lin2.", ".mlp.2.")
        target = target.replace(".gamma", ".weight").replace(".beta", ".bias")
        if target == "decoder.token_embedding":
            target += ".weight"
        linear = re.search(r"\.(query|key|value|out|mlp\.[02])\.weight$", target)
        out[target] = tensor.T if linear and tensor.ndim == 2 else tensor
    _drop_zero_key_biases(checkpoint, out)
    return out


def _from_ggml(checkpoint: Checkpoint) -> Tensors:
    """OpenAI's names; the convolutions' biases stand in a column of their own."""
    out: Tensors = dict(checkpoint.tensors.items())
    for name in ("encoder.conv1.bias", "encoder.conv2.bias"):
        bias = out.get(name)
        if isinstance(bias, np.ndarray) and bias.ndim == 2 and bias.shape[1] == 1:
            out[name] = bias[:, 0]
    return out


def _drop_zero_key_biases(checkpoint: Checkpoint, tensors: Tensors) -> None:
    """Whisper's keys have no bias; formats that must store one store zeros."""
    for name in [n for n in tensors if n.endswith(".key.bias")]:
        bias = tensors.pop(name)
        if np.any(np.asarray(bias if isinstance(bias, np.ndarray) else bias.dequantize())):
            raise FormatError(f'{checkpoint.path}: tensor "{name}": found a key bias that is not zero, expected none')
