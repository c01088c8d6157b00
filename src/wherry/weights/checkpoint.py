"""A weight file, whatever its format: recognised by its first bytes, its tensors by the names they have in the file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.errors import FormatError, NotFoundError
from wherry.weights.blocks import Quantized

_ROWS = 4096  # of a matrix of whole numbers, multiplied with their scales at once
_IN_FOLDER = ("model.safetensors", "model.safetensors.index.json")  # what Hugging Face calls a model's weights
_MAX_JSON_BYTES = 16 << 20  # a configuration is a few kilobytes


@dataclass(frozen=True)
class Checkpoint:
    """Names to arrays, and what the file says of the model. Arrays are views of the mapped file."""

    path: Path
    format: str
    tensors: Mapping[str, NDArray[Any] | Quantized]
    metadata: Mapping[str, object]


def open_checkpoint(path: Path, *, config: Path | None = None) -> Checkpoint:
    """Open a weight file, or a folder as Hugging Face publishes models. `config` is the file with the sizes, where the format
    needs one; without it the one beside the weights is taken.

    Raises NotFoundError where there is no such file, FormatError where it is not one that Wherry reads.
    """
    from wherry.weights import burn, ctranslate2, ggml, gguf, safetensors, torch

    if path.is_dir():
        path = _in_folder(path)
    if not path.is_file():
        raise NotFoundError(f"{path}: found no such file, expected model weights")
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as error:
        raise NotFoundError(f"{path}: found a file that cannot be read ({error.strerror}), expected model weights") from error
    for reader in (ctranslate2, ggml, gguf, safetensors, burn, torch):
        if reader.recognises(head):
            checkpoint: Checkpoint = reader.read(path, config)
            return checkpoint
    raise FormatError(
        f"{path}: found first bytes {head[:8].hex(' ') or '(empty file)'}, "
        "expected a GGUF or safetensors file, a CTranslate2 model.bin, a Burn .mpk or .mpk.gz, a PyTorch .pt or a whisper.cpp "
        "ggml .bin"
    )


def check_type(path: Path, name: str, tensor: NDArray[Any] | Quantized) -> None:
    """Raises FormatError where a tensor of weights has numbers that cannot be computed with as they stand."""
    if isinstance(tensor, np.ndarray) and tensor.dtype.kind != "f":
        raise FormatError(
            f'{path}: tensor "{name[:200]}": found type {tensor.dtype}, expected float16, bfloat16, float32, float64 or a '
            "quantised form with its scales",
            hint="convert the model anew with its weights as float16 or bfloat16",
        )


def scaled_rows(path: Path, name: str, whole: NDArray[Any], scales: NDArray[Any]) -> NDArray[Any]:
    """whole (rows, ...) numbers of a row, scales (rows,) or one for all -> the weights as float16, or float32 where they are too
    large. Raises FormatError where the scales are of another shape or type."""
    if scales.dtype.kind != "f" or scales.size not in (1, len(whole)) or scales.ndim > 2:
        raise FormatError(
            f'{path}: tensor "{name[:200]}": found scales {list(scales.shape)} of type {scales.dtype}, expected one or '
            f"{len(whole)} float32"
        )
    factors = np.broadcast_to(scales.reshape(-1).astype(np.float32), len(whole))
    if not np.isfinite(factors).all():
        raise FormatError(f'{path}: tensor "{name[:200]}": found scales that are not finite, expected numbers')
    rows = whole.reshape(len(whole), -1)
    largest = np.finfo(np.float16).max / max(1, np.iinfo(whole.dtype).max)
    out = np.empty(rows.shape, np.float16 if (np.abs(factors) < largest).all() else np.float32)
    for first in range(0, len(rows), _ROWS):
        part = slice(first, first + _ROWS)
        out[part] = rows[part] * factors[part, None]
    return out.reshape(whole.shape)


def _in_folder(folder: Path) -> Path:
    for name in _IN_FOLDER:
        if (folder / name).is_file():
            return folder / name
    raise NotFoundError(f"{folder}: found a folder without weights, expected {' or '.join(_IN_FOLDER)} in it")


def read_json(path: Path) -> dict[str, object]:
    """A small JSON object. Raises FormatError naming the file."""
    try:
        if path.stat().st_size > _MAX_JSON_BYTES:
            raise FormatError(f"{path}: found {path.stat().st_size} bytes, expected a configuration under {_MAX_JSON_BYTES}")
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NotFoundError(f"{path}: found no such file, expected a JSON configuration") from error
    except (OSError, ValueError, RecursionError) as error:
        raise FormatError(f"{path}: found unreadable JSON ({error}), expected an object") from error
    if not isinstance(value, dict):
        raise FormatError(f"{path}: found a JSON {type(value).__name__}, expected an object")
    return value
