"""Whisper as Burn 0.13 records it in full precision: `.mpk`, and the sizes in a `.cfg` beside it."""

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def write_burn(path: Path, tensors: Mapping[str, NDArray[Any]], dims: Mapping[str, int]) -> None:
    """tensors: dense, under OpenAI's names; dims: named as in OpenAI's checkpoints."""
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as file:
        for piece in _record(tensors, dims):
            file.write(piece)
    temporary.replace(path)
    write_config(path.with_suffix(".cfg"), dims)


def write_config(path: Path, dims: Mapping[str, int]) -> None:
    """The sizes as a `.cfg`, which a Burn preload names beside the weights, whatever their format."""
    path.write_text(_config(dims), encoding="utf-8")


def _record(tensors: Mapping[str, NDArray[Any]], dims: Mapping[str, int]) -> list[bytes]:
    """The pieces of the file, in Burn's order of fields."""
    out: list[bytes] = []

    def text(value: str) -> None:
        data = value.encode()
        out.append((bytes([0xA0 | len(data)]) if len(data) < 32 else bytes([0xD9, len(data)])) + data)

    def open_map(count: int) -> None:
        out.append(bytes([0x80 | count]))

    def open_array(count: int) -> None:
        out.append(
            bytes([0x90 | count])
            if count < 16
            else b"\xdc" + struct.pack(">H", count)
            if count < 1 << 16
            else b"\xdd" + struct.pack(">I", count)
        )

    def integer(value: int) -> None:
        out.append(
            bytes([value])
            if value < 128
            else struct.pack(">BB", 0xCC, value)
            if value < 256
            else struct.pack(">BH", 0xCD, value)
            if value < 1 << 16
            else struct.pack(">BI", 0xCE, value)
        )

    def nil(*names: str) -> None:
        for name in names:
            text(name)
            out.append(b"\xc0")

    def param(name: str, x: NDArray[Any]) -> None:
        text(name)
        open_map(2)
        text("id")
        serial = len(out)  # any unique id serves: Burn ignores its value
        text(f"{serial:08x}-0000-4000-8000-{serial:012x}")
        text("param")
        open_map(2)
        text("value")
        open_array(x.size)
        numbers = np.empty(x.size, np.dtype([("marker", "u1"), ("value", ">f4")]))
        numbers["marker"] = 0xCA
        numbers["value"] = x.reshape(-1)
        out.append(numbers.tobytes())
        text("shape")
        open_array(x.ndim)
        for size in x.shape:
            integer(size)

    def linear(field: str, name: str) -> None:
        text(field)
        open_map(2)
        param("weight", tensors[f"{name}.weight"].T)
        if f"{name}.bias" in tensors:
            param("bias", tensors[f"{name}.bias"])
        else:
            nil("bias")

    def norm(field: str, name: str) -> None:
        text(field)
        open_map(3)
        param("gamma", tensors[f"{name}.weight"])
        param("beta", tensors[f"{name}.bias"])
        nil("epsilon")

    def conv(name: str) -> None:
        text(name)
        open_map(7)
        param("weight", tensors[f"encoder.{name}.weight"])
        param("bias", tensors[f"encoder.{name}.bias"])
        nil("stride", "kernel_size", "dilation", "groups", "padding")

    def block(prefix: str, attentions: tuple[str, ...]) -> None:
        open_map(2 * len(attentions) + 2)
        for attention in attentions:
            text(attention)
            open_map(5)
            nil("n_head")
            for part in ("query", "key", "value", "out"):
                linear(part, f"{prefix}.{attention}.{part}")
            norm(f"{attention}_ln", f"{prefix}.{attention}_ln")
        text("mlp")
        open_map(3)
        linear("lin1", f"{prefix}.mlp.0")
        nil("gelu")
        linear("lin2", f"{prefix}.mlp.2")
        norm("mlp_ln", f"{prefix}.mlp_ln")

    open_map(3)
    text("metadata")
    open_map(5)
    for key, value in (
        ("float", "f32"),
        ("int", "i32"),
        ("format", "burn_core::record::file::NamedMpkFileRecorder<burn_core::record::settings::FullPrecisionSettings>"),
        ("version", "0.13.2"),
        ("settings", "FullPrecisionSettings"),
    ):
        text(key)
        text(value)
    text("item")
    open_map(2)
    text("encoder")
    open_map(9)
    conv("conv1")
    nil("gelu1")
    conv("conv2")
    nil("gelu2")
    text("blocks")
    open_array(dims["n_audio_layer"])
    for i in range(dims["n_audio_layer"]):
        block(f"encoder.blocks.{i}", ("attn",))
    norm("ln_post", "encoder.ln_post")
    param("positional_embedding", tensors["encoder.positional_embedding"])
    nil("n_mels", "n_audio_ctx")
    text("decoder")
    open_map(7)
    param("token_embedding", tensors["decoder.token_embedding.weight"])
    param("positional_embedding", tensors["decoder.positional_embedding"])
    text("blocks")
    open_array(dims["n_text_layer"])
    for i in range(dims["n_text_layer"]):
        block(f"decoder.blocks.{i}", ("attn", "cross_attn"))
    norm("ln", "decoder.ln")
    param("mask", np.triu(np.full((dims["n_text_ctx"],) * 2, -np.inf, np.float32), 1))
    nil("n_vocab", "n_text_ctx")
    text("_b")
    out.append(b"\x90")
    return out


def _config(dims: Mapping[str, int]) -> str:
    """The two sections of a `.cfg`, as serde_json prints them."""
    lines = ["{"]
    for section, part, first in (
        ("audio_encoder_config", "audio", "n_mels"),
        ("text_decoder_config", "text", "n_vocab"),
    ):
        names = [first, f"n_{part}_ctx", f"n_{part}_state", f"n_{part}_head", f"n_{part}_layer"]
        lines.append(f'  "{section}": {{')
        lines += [f'    "{name}": {dims[name]}{"" if name == names[-1] else ","}' for name in names]
        lines.append("  }" + ("," if part == "audio" else ""))
    return "\n".join([*lines, "}"])
