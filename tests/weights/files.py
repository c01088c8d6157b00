"""Weight files for the tests, written byte by byte from their formats' descriptions and not with Wherry's code."""

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gguf
import msgpack
import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]
GGML_TYPES = {"f32": 0, "f16": 1, "q4_0": 2, "q4_1": 3, "q5_0": 6, "q5_1": 7, "q8_0": 8}


def ggml_bytes(tensors: Arrays, dims: Mapping[str, int], vocabulary: Sequence[bytes], form: str) -> bytes:
    """What whisper.cpp's convert-pt-to-ggml.py, then its quantize, write: matrices but the positions in `form`."""
    order = "n_vocab n_audio_ctx n_audio_state n_audio_head n_audio_layer n_text_ctx n_text_state n_text_head n_text_layer n_mels"
    ftype = {"f32": 0, "f16": 1, "q4_0": 2, "q4_1": 3, "q8_0": 7, "q5_0": 8, "q5_1": 9}[form]
    ftype += 2000 if form.startswith("q") else 0
    out = [struct.pack("<I10iI", 0x67676D6C, *(dims[name] for name in order.split()), ftype)]
    filters = mel_filters(dims["n_mels"])
    out.append(struct.pack("<2i", *filters.shape) + filters.tobytes())
    out.append(struct.pack("<i", len(vocabulary)))
    out += [struct.pack("<i", len(token)) + token for token in vocabulary]
    for name, x in tensors.items():
        if name in ("encoder.conv1.bias", "encoder.conv2.bias"):
            x = x.reshape(-1, 1)
        kind = "f32"
        if x.ndim > 1 and "positional" not in name and not name.endswith("bias"):
            kind = form if x.ndim == 2 or form == "f32" else "f16"
        data = ggml_blocks(x, kind)
        out.append(struct.pack("<3i", x.ndim, len(name), GGML_TYPES[kind]))
        out.append(struct.pack(f"<{x.ndim}i", *reversed(x.shape)) + name.encode() + data)
    return b"".join(out)


def ggml_blocks(x: NDArray[Any], kind: str) -> bytes:
    if kind in ("f32", "f16"):
        return x.astype("<f4" if kind == "f32" else "<f2").tobytes()
    return gguf.quants.quantize(x.astype(np.float32), quant_type(kind)).tobytes()


def quant_type(kind: str) -> gguf.GGMLQuantizationType:
    return gguf.GGMLQuantizationType[kind.upper()]


def mel_filters(n_mels: int) -> NDArray[np.float32]:
    """Slaney's mel bank (n_mels, 201), as librosa makes it for 16 kHz and 400 points."""

    def hertz(mel: NDArray[Any]) -> NDArray[Any]:
        return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))

    edges = hertz(np.linspace(0, 15 + 27 * np.log(8) / np.log(6.4), n_mels + 2))
    ramps = edges[:, None] - np.linspace(0, 8000, 201)[None]
    widths = np.diff(edges)[:, None]
    bank = np.maximum(0, np.minimum(-ramps[:-2] / widths[:-1], ramps[2:] / widths[1:]))
    return np.asarray(bank * (2 / (edges[2:] - edges[:-2]))[:, None], np.float32)


def base_vocabulary(tokenizer: Path) -> list[bytes]:
    """The bytes of the ordinary tokens of a tokenizer.json, in order (GPT-2's byte letters undone)."""
    letters = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [byte for byte in range(256) if byte not in letters]
    byte_of = {chr(byte): byte for byte in letters} | {chr(0x100 + i): byte for i, byte in enumerate(rest)}
    ids: dict[str, int] = json.loads(tokenizer.read_text())["model"]["vocab"]
    plain = sorted((i, text) for text, i in ids.items() if not (text.startswith("<|") and text.endswith("|>")))
    return [bytes(byte_of[letter] for letter in text) for _, text in plain]


def random_whisper(dims: Mapping[str, int], seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """Small random weights under OpenAI's names."""
    random = np.random.default_rng(seed)
    out: dict[str, NDArray[np.float32]] = {}

    def add(name: str, *shape: int) -> None:
        out[name] = (np.rint(random.standard_normal(shape) * 2) / 32).astype(np.float32)  # few values: fixtures compress

    def linear(name: str, outputs: int, inputs: int, bias: bool = True) -> None:
        add(f"{name}.weight", outputs, inputs)
        if bias:
            add(f"{name}.bias", outputs)

    def norm(name: str, n: int) -> None:
        out[f"{name}.weight"] = np.ones(n, np.float32)
        add(f"{name}.bias", n)

    audio, text = dims["n_audio_state"], dims["n_text_state"]
    for name, inputs in (("conv1", dims["n_mels"]), ("conv2", audio)):
        add(f"encoder.{name}.weight", audio, inputs, 3)
        add(f"encoder.{name}.bias", audio)
    add("encoder.positional_embedding", dims["n_audio_ctx"], audio)
    add("decoder.positional_embedding", dims["n_text_ctx"], text)
    add("decoder.token_embedding.weight", dims["n_vocab"], text)
    norm("encoder.ln_post", audio)
    norm("decoder.ln", text)
    for side, n, attentions in (("encoder", audio, ("attn",)), ("decoder", text, ("attn", "cross_attn"))):
        for i in range(dims["n_audio_layer" if side == "encoder" else "n_text_layer"]):
            block = f"{side}.blocks.{i}"
            for attention in attentions:
                for part in ("query", "key", "value", "out"):
                    linear(f"{block}.{attention}.{part}", n, n, part != "key")
                norm(f"{block}.{attention}_ln", n)
            linear(f"{block}.mlp.0", 4 * n, n)
            linear(f"{block}.mlp.2", n, 4 * n)
            norm(f"{block}.mlp_ln", n)
    return out


def ctranslate2_bytes(tensors: Arrays, *, aliases: Mapping[str, str] | None = None) -> bytes:
    """Version 6, as ctranslate2's converters write it; uint16 are the bits of bfloat16."""

    def string(text: str) -> bytes:
        return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"

    out = [struct.pack("<I", 6), string("WhisperSpec"), struct.pack("<II", 3, len(tensors))]
    for name, x in tensors.items():
        kind = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4, "uint16": 5}[str(x.dtype)]
        out += [string(name), struct.pack(f"<B{x.ndim}I", x.ndim, *x.shape), struct.pack("<BI", kind, x.nbytes), x.tobytes()]
    aliases = aliases or {}
    out.append(struct.pack("<I", len(aliases)))
    out += [string(alias) + string(name) for alias, name in aliases.items()]
    return b"".join(out)


def burn_bytes(tensors: Arrays, form: str) -> bytes:
    """A Burn record of `tensors` (dotted names), packed by the msgpack library.

    form: full, half, double (one number an element, until 0.13), or bytes (0.14 and later).
    """
    floats = {"full": "f32", "half": "half::binary16::f16", "double": "f64", "bytes": "f32"}[form]
    single = form == "full"

    def param(x: NDArray[Any]) -> dict[str, Any]:
        if form == "bytes":
            kind = {"float32": "F32", "float16": "F16", "float64": "F64"}[str(x.dtype)]
            return {"id": "a", "param": {"bytes": x.tobytes(), "shape": list(x.shape), "dtype": kind}}
        flat = x.astype(np.float16).view(np.uint16) if form == "half" else x
        return {"id": "a", "param": {"value": flat.reshape(-1).tolist(), "shape": list(x.shape)}}

    def tree(prefix: str) -> Any:
        inside = [name[len(prefix) :] for name in tensors if name.startswith(prefix)]
        keys = list(dict.fromkeys(name.split(".")[0] for name in inside))
        parts = [param(tensors[prefix + key]) if prefix + key in tensors else tree(f"{prefix}{key}.") for key in keys]
        return parts if all(key.isdigit() for key in keys) else {**dict(zip(keys, parts, strict=True)), "n_head": None}

    metadata = {"float": floats, "int": "i32", "format": "…", "version": "0.13.2", "settings": "…"}
    packed: bytes = msgpack.packb({"metadata": metadata, "item": tree(""), "_b": []}, use_single_float=single)
    return packed
