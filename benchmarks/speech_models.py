"""The same whisper-tiny.en weights in the form each engine of `speech.py` reads, made from the file in Wherry's cache."""

import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from wherry.audio.log_mel import mel_filters
from wherry.engine.catalog import default_cache, find_model
from wherry.models.names import whisper_tensors
from wherry.models.whisper import WhisperDims
from wherry.weights import Quantized, open_checkpoint

_SAVE_CHECKPOINT = """
import json, sys, numpy, torch
tensors = {name: torch.from_numpy(value) for name, value in numpy.load(sys.argv[1]).items()}
torch.save({"dims": json.loads(sys.argv[2]), "model_state_dict": tensors}, sys.argv[3])
"""


def prepare(folder: Path) -> None:
    """Fill `folder`: wherry.json, ctranslate2/, openai.pt (where torch is installed), ggml.bin."""
    folder.mkdir(parents=True, exist_ok=True)
    files = find_model("whisper-tiny.en", default_cache())
    assert files.tokenizer is not None
    dims, tensors = whisper_tensors(open_checkpoint(files.weights))
    dense = {name: t.dequantize() if isinstance(t, Quantized) else np.asarray(t) for name, t in tensors.items()}
    words = json.loads(files.tokenizer.read_text(encoding="utf-8"))
    (folder / "wherry.json").write_text(json.dumps({"weights": str(files.weights), "tokenizer": str(files.tokenizer)}))
    _ctranslate2(folder / "ctranslate2", files.weights, files.tokenizer, words, dims.n_vocab)
    _openai(folder / "openai.pt", dims, dense)
    _ggml(folder / "ggml.bin", dims, dense, words)


def _vocabulary(words: dict[str, Any], size: int) -> list[str]:
    """tokenizer.json -> its tokens by id; ids without a token get a name of their own."""
    ids = {i: token for token, i in words["model"]["vocab"].items()}
    ids |= {added["id"]: added["content"] for added in words["added_tokens"]}
    return [ids.get(i, f"<|{i}|>") for i in range(size)]


def _ctranslate2(folder: Path, weights: Path, tokenizer: Path, words: dict[str, Any], n_vocab: int) -> None:
    folder.mkdir(exist_ok=True)
    for name, source in (
        ("model.bin", weights),
        ("tokenizer.json", tokenizer),
        ("config.json", weights.with_name("config.json")),
    ):
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(source)
    (folder / "vocabulary.json").write_text(json.dumps(_vocabulary(words, n_vocab)), encoding="utf-8")


def _openai(target: Path, dims: WhisperDims, tensors: dict[str, Any]) -> None:
    """openai-whisper's checkpoint; written by another process, for torch is large and may be missing."""
    if target.is_file():
        return
    state = {name: value.astype(np.float32) for name, value in tensors.items()}
    arrays = target.with_suffix(".npz")
    np.savez(arrays, **state)
    command = [sys.executable, "-c", _SAVE_CHECKPOINT, str(arrays), json.dumps(dims.__dict__), str(target)]
    subprocess.run(command, check=False, capture_output=True)
    arrays.unlink()


def _ggml(target: Path, dims: WhisperDims, tensors: dict[str, Any], words: dict[str, Any]) -> None:
    """whisper.cpp's first format: sizes, mel filters, vocabulary, then tensors; matrices in float16, the rest in float32."""
    if target.is_file():
        return
    byte_of = _byte_of_character()
    vocabulary = sorted((i, token) for token, i in words["model"]["vocab"].items() if not token.startswith("<|"))
    with target.open("wb") as file:
        file.write(struct.pack("<I", 0x67676D6C))
        file.write(
            struct.pack(
                "<11i", dims.n_vocab, dims.n_audio_ctx, dims.n_audio_state, dims.n_audio_head, dims.n_audio_layer,
                dims.n_text_ctx, dims.n_text_state, dims.n_text_head, dims.n_text_layer, dims.n_mels, 1,
            )
        )  # fmt: skip
        filters = mel_filters(dims.n_mels)
        file.write(struct.pack("<2i", *filters.shape) + filters.tobytes())
        file.write(struct.pack("<i", len(vocabulary)))
        for _, token in vocabulary:
            data = bytes(byte_of[character] for character in token)
            file.write(struct.pack("<I", len(data)) + data)
        for name, value in tensors.items():
            _ggml_tensor(file, name, value)


def _ggml_tensor(file: BinaryIO, name: str, value: Any) -> None:
    if name in ("encoder.conv1.bias", "encoder.conv2.bias"):
        value = value[:, None]  # whisper.cpp adds it along the frames
    half = value.ndim > 1 and not name.endswith(("positional_embedding", "bias"))
    label = name.encode()
    file.write(struct.pack("<3i", value.ndim, len(label), int(half)))
    file.write(struct.pack(f"<{value.ndim}i", *reversed(value.shape)))
    file.write(label + np.ascontiguousarray(value, np.float16 if half else np.float32).tobytes())


def _byte_of_character() -> dict[str, int]:
    """GPT-2's printable stand-in for each byte -> the byte: printable ones stand for themselves, the rest from 256 on."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + n): byte for n, byte in enumerate(others)}
