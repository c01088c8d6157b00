"""safetensors: OpenAI or Hugging Face names, float32 or float16, and Wherry's q8_0.

Wherry's q8_0 keeps a matrix as two tensors: NAME (int8, the matrix's shape) and NAME.scales (float16, one a block of 32
weights of a row). The file's metadata says `wherry.format = q8_0` and `wherry.dims` = the model's sizes as JSON.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from wherry.errors import FormatError
from wherry.weights.blocks import BLOCK, Quantized
from wherry.weights.checkpoint import Checkpoint, read_json

_SCALES = ".scales"
_TABLE_STEP = 0.035  # of the token table's root mean square
_ENCODER_SHARE = 0.9  # of a row's blocks share one scale in the encoder


def recognises(head: bytes) -> bool:
    return len(head) > 9 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 100 << 20


def read(path: Path, config: Path | None = None) -> Checkpoint:
    """Raises FormatError where the header lies or a tensor is of a type that numpy lacks (bfloat16)."""
    try:
        file = safe_open(str(path), framework="numpy")
        names = list(file.keys())  # type: ignore[no-untyped-call]
        stored = dict(file.metadata() or {})  # type: ignore[no-untyped-call]
    except (SafetensorError, OSError, ValueError) as error:
        raise FormatError(f"{path}: found an unreadable safetensors header ({error}), expected a whole file") from error
    metadata: dict[str, object] = dict(stored)
    if "wherry.dims" in stored:
        try:
            metadata["dims"] = json.loads(stored["wherry.dims"])
        except (ValueError, RecursionError) as error:
            raise FormatError(f'{path}: metadata "wherry.dims": found no JSON ({error}), expected an object') from error
    else:
        beside = config or path.with_name("config.json")
        if beside.is_file():
            metadata["config"] = read_json(beside)
    return Checkpoint(path, "safetensors", _Tensors(path, file, names), metadata)


def write(path: Path, tensors: Mapping[str, NDArray[Any] | Quantized], dims: Mapping[str, int], *, format: str = "f16") -> None:
    """Write a model under OpenAI's names. format: f32, f16, or q8_0 (matrices in blocks, the rest float16)."""
    out: dict[str, NDArray[Any]] = {}
    for name, tensor in tensors.items():
        dense = tensor.dequantize() if isinstance(tensor, Quantized) else np.asarray(tensor)
        if format == "q8_0" and dense.ndim == 2 and "positional" not in name and dense.shape[1] % BLOCK == 0:
            out[name], out[name + _SCALES] = _quantize(name, dense)
        else:
            out[name] = np.ascontiguousarray(dense, np.float32 if format == "f32" else np.float16)
    metadata = {"wherry.format": format, "wherry.dims": json.dumps(dict(dims))}
    temporary = path.with_name(path.name + ".part")
    save_file(out, str(temporary), metadata)
    temporary.chmod(0o644)  # the library makes it its user's alone
    temporary.replace(path)


def _quantize(name: str, x: NDArray[Any]) -> tuple[NDArray[np.int8], NDArray[np.float16]]:
    """x (rows, columns) -> int8 of the same shape and scales (rows, columns / 32).

    A block's scale is its own, but no finer than a floor: small blocks then hold small numbers, which compress. The floors
    were found for tiny.en, where they keep the encoder's output and the first logits within 2 % of the float16 model's and
    the file under 32 MB (with a scale of each block's own: 37 MB).
    """
    blocks = x.astype(np.float32).reshape(len(x), -1, BLOCK)
    tops = np.abs(blocks).max(axis=2)  # (rows, blocks of a row)
    if "token_embedding" in name:  # a few columns are far larger than the rest: a row's own maximum says nothing
        floor = np.sqrt(np.square(blocks).mean()) * _TABLE_STEP * 127
    else:
        floor = np.quantile(tops, _ENCODER_SHARE if name.startswith("encoder") else 1.0, axis=1, keepdims=True)
    scales = (np.maximum(tops, floor) / np.float32(127)).astype(np.float16)
    inverse = np.divide(np.float32(1), scales, out=np.zeros(scales.shape, np.float32), where=scales > 0)
    values = np.clip(np.rint(blocks * inverse[:, :, None]), -127, 127).astype(np.int8)
    return values.reshape(x.shape), scales


class _Tensors(Mapping[str, NDArray[Any] | Quantized]):
    """Read on demand; an int8 matrix and its scales come back as one q8_0 tensor."""

    def __init__(self, path: Path, file: Any, names: list[str]) -> None:
        self._path = path
        self._file = file
        self._stored = set(names)
        self._names = [n for n in names if not (n.endswith(_SCALES) and n.removesuffix(_SCALES) in self._stored)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, name: str) -> NDArray[Any] | Quantized:
        if name not in self._stored:
            raise KeyError(name)
        try:
            value: NDArray[Any] = self._file.get_tensor(name)
            if name + _SCALES not in self._stored:
                return value
            scales: NDArray[Any] = self._file.get_tensor(name + _SCALES)
        except (SafetensorError, TypeError, AttributeError) as error:
            raise FormatError(
                f'{self._path}: tensor "{name}": found a type that is not readable ({error}), expected f32, f16 or q8_0',
                hint="write the weights as float16: model.half().save_pretrained(FOLDER)",
            ) from error
        if value.dtype != np.int8 or value.ndim != 2 or scales.shape != (value.shape[0], value.shape[1] // BLOCK):
            raise FormatError(
                f'{self._path}: tensor "{name}{_SCALES}": found {scales.dtype} {scales.shape}, expected float16 scales of '
                f"an int8 matrix, one for each {BLOCK} weights of {value.shape}"
            )
        data = np.empty((scales.size, 2 + BLOCK), np.uint8)
        data[:, :2] = scales.astype("<f2").reshape(-1, 1).view(np.uint8)
        data[:, 2:] = value.reshape(-1, BLOCK).view(np.uint8)
        return Quantized("q8_0", tuple(value.shape), data)
