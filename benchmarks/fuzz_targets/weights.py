"""Every reader of weights: the file opened, each tensor read, and a Whisper model made of it."""

import gzip
import io
import json
import random
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.fuzz import Read, Target, damage_bytes
from wherry.models.names import whisper_tensors
from wherry.weights import Quantized, open_checkpoint


def reader(folder: Path) -> Read:
    path = folder / "model"

    def read(data: bytes) -> None:
        path.write_bytes(data)
        checkpoint = open_checkpoint(path)
        for tensor in checkpoint.tensors.values():
            dense = tensor.dequantize() if isinstance(tensor, Quantized) else tensor
            np.asarray(dense).reshape(-1)[:8].tolist()
        if checkpoint.format != "gguf":  # which holds no Whisper
            whisper_tensors(checkpoint)

    return read


def config_reader(folder: Path) -> Read:
    """A configuration beside the weights, as safetensors and CTranslate2 have it."""
    from wherry.engine.alignment_heads import alignment_heads

    (folder / "model.safetensors").write_bytes(_files("safetensors")[0])

    def read(data: bytes) -> None:
        (folder / "config.json").write_bytes(data)
        checkpoint = open_checkpoint(folder / "model.safetensors")
        alignment_heads(whisper_tensors(checkpoint)[0], checkpoint.metadata)

    return read


def _files(*names: str) -> list[bytes]:
    from tests.weights.test_hostile_files import FILES

    return [FILES[name]() for name in names]


def _seeds(*names: str) -> Callable[[], list[bytes]]:
    return lambda: _files(*names)


def damage_inside(data: bytes, words: Sequence[bytes], chosen: random.Random) -> bytes:
    """A gzip member's content or a zip archive's pickle damaged under a right checksum, or one of the bytes around it."""
    if chosen.randrange(3) == 0:
        return damage_bytes(data, words, chosen)
    if data[:2] == b"\x1f\x8b":
        return gzip.compress(damage_bytes(gzip.decompress(data), words, chosen), 1, mtime=0)
    if data[:2] != b"PK":
        return damage_bytes(data, words, chosen)
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w") as target:
        for entry in source.infolist():
            content = source.read(entry)
            if entry.filename.endswith("data.pkl"):
                content = damage_bytes(content, words, chosen)
            target.writestr(entry.filename, content)
    return out.getvalue()


TARGETS = [
    Target(
        "weights-ctranslate2",
        _seeds("ctranslate2", "ctranslate2-int8", "ctranslate2-bf16"),
        reader,
        words=(b"_scale", b"/weight", b"encoder/", b"\x05", b"\x01"),
        suite_cases=150,
    ),
    Target("weights-ggml", _seeds("ggml-f16", "ggml-q5_1"), reader, words=(b"lmgg",), suite_cases=150),
    Target("weights-gguf", _seeds("gguf"), reader, words=(b"GGUF", b"general.alignment", b"weight")),
    Target(
        "weights-burn",
        _seeds("burn-full", "burn-half", "burn-bytes", "burn-gzip"),
        reader,
        words=(b"\xa5param", b"\xa5value", b"\xa5shape", b"\xdd", b"\xc6"),
        damage=damage_inside,
        suite_cases=100,
    ),
    Target(
        "weights-safetensors",
        _seeds("safetensors", "safetensors-q8_0", "safetensors-int8"),
        reader,
        words=(b'"I8"', b'"BF16"', b'"F8_E4M3"', b".SCB", b".scales", b'"shape":[', b'"data_offsets":['),
        suite_cases=150,
    ),
    Target(
        "weights-torch",
        _seeds("torch-zip", "torch-legacy", "torch-whisper"),
        reader,
        words=(b"cbuiltins\neval\n", b"R", b"ShortStorage", b"\x85", b"("),
        damage=damage_inside,
        suite_cases=150,
    ),
    Target(
        "weights-config",
        lambda: [json.dumps({"alignment_heads": [[0, 0]], "model_type": "whisper", "suppress_ids": [1, 2]}).encode()],
        config_reader,
        words=(b"alignment_heads",),
        suite_cases=100,
    ),
]
