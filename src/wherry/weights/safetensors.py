"""safetensors: OpenAI or Hugging Face names, one file or shards with their index, and Wherry's q8_0.

A sharded model is `model-00001-of-0000N.safetensors` and `model.safetensors.index.json`, whose "weight_map" says which tensor
lies in which file. bfloat16 stays as it lies, as a `Quantized`.

Wherry's q8_0 keeps a matrix as two tensors: NAME (int8, the matrix's shape) and NAME.scales (float16, one a block of 32
weights of a row). The file's metadata says `wherry.format = q8_0` and `wherry.dims` = the model's sizes as JSON.

Of what others quantise, int8 with a scale for each row is read: bitsandbytes' STEM.weight with STEM.SCB (a row's largest
weight, which is 127 there) and compressed-tensors' with STEM.weight_scale. Their other forms are refused by name.
"""

import json
import mmap
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from wherry.errors import FormatError, NotFoundError
from wherry.weights.blocks import BLOCK, Quantized
from wherry.weights.checkpoint import Checkpoint, read_json, scaled_rows

_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "u1",
}  # fmt: skip
_BESIDE = re.compile(r"[\w.+-]{1,200}\.safetensors", re.ASCII)
_SHARD = re.compile(r"(.+)-\d{5}-of-\d{5}\.safetensors")
_SCALES = ".scales"
# What stands beside STEM.weight where it is quantised in a form that is not read -> whose form that is.
_OTHER_FORMS = {
    "weight.quant_map": "bitsandbytes' 4-bit form",
    "weight.absmax": "bitsandbytes' 4-bit form",
    "weight_zero_point": "compressed-tensors' form with zero points",
    "weight_scale_inv": "8-bit floats in blocks",
}
_TABLE_STEP = 0.035  # of the token table's root mean square
_ENCODER_SHARE = 0.9  # of a row's blocks share one scale in the encoder


def recognises(head: bytes) -> bool:
    """A file, or the index of several."""
    return _is_index(head) or (len(head) > 9 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 100 << 20)


def _is_index(head: bytes) -> bool:
    return head.lstrip()[:1] == b"{"


def read(path: Path, config: Path | None = None) -> Checkpoint:
    """`metadata` has what the file says of itself, "dims" (Wherry's) or "config", the config.json beside it.

    An index, or any shard beside its index, opens the whole. Raises FormatError where a header lies, NotFoundError where a shard
    is missing; a tensor of a type that neither numpy nor Wherry has is a FormatError when it is asked for.
    """
    metadata: dict[str, object] = {}
    tensors: Mapping[str, NDArray[Any] | Quantized]
    shard = _SHARD.fullmatch(path.name)
    index = path.with_name(f"{shard[1]}.safetensors.index.json") if shard else path
    with path.open("rb") as file:
        whole = not _is_index(file.read(64))
    if whole and not (shard and index.is_file()):
        tensors, stored = _open(path)
        metadata.update(stored)
    else:
        tensors = _open_shards(index)
    if "wherry.dims" in metadata:
        try:
            metadata["dims"] = json.loads(str(metadata["wherry.dims"]))
        except (ValueError, RecursionError) as error:
            raise FormatError(f'{path}: metadata "wherry.dims": found no JSON ({error}), expected an object') from error
    else:
        beside = config or path.with_name("config.json")
        if beside.is_file():
            metadata["config"] = read_json(beside)
    return Checkpoint(path, "safetensors", tensors, metadata)


def _open(path: Path) -> tuple["_Tensors", dict[str, str]]:
    """One file's tensors, and what it says of itself."""
    try:
        # The library compares sizes, offsets and the file's length, but has no arrays for bfloat16, and copies the others.
        with safe_open(os.fspath(path), framework="numpy") as file:
            stored = dict(file.metadata() or {})
        with path.open("rb") as mapped:
            data = mmap.mmap(mapped.fileno(), 0, access=mmap.ACCESS_READ)
        start = 8 + int.from_bytes(data[:8], "little")
        entries: dict[str, Any] = json.loads(data[8:start])
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise FormatError(f"{path}: found an unreadable safetensors header ({error}), expected a whole file") from error
    entries.pop("__metadata__", None)
    return _Tensors(path, data, start, entries), stored


def _open_shards(index: Path) -> "_Shards":
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise FormatError(f'{index}: "weight_map": found none, expected the index of a sharded safetensors model')
    shards: dict[str, _Tensors] = {}
    places = {}
    for name, file in weight_map.items():
        if not isinstance(file, str) or not _BESIDE.fullmatch(file):
            raise FormatError(f'{index}: "weight_map": found "{str(file)[:80]}", expected a .safetensors file beside the index')
        if file not in shards:
            path = index.with_name(file)
            if not path.is_file():
                raise NotFoundError(
                    f"{path}: found no such file, expected a shard of {index.name}", hint="put all shards into one folder"
                )
            shards[file], _ = _open(path)
        if name not in shards[file]:
            raise FormatError(f'{index.with_name(file)}: tensor "{name[:80]}": found none, expected it as {index.name} says')
        places[name] = shards[file]
    return _Shards(places)


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
    _sort_metadata(temporary)
    temporary.chmod(0o644)  # the library makes it its user's alone
    temporary.replace(path)


def _sort_metadata(path: Path) -> None:
    """The library writes its entries in an order of its own each time: the same model would be several files."""
    with path.open("r+b") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        raw = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
        if len(raw) <= size:  # as it is for all that JSON says in one way only
            file.seek(8)
            file.write(raw.ljust(size))


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
    """Views of the mapped file; an int8 matrix and its scales come back as one q8_0 tensor."""

    def __init__(self, path: Path, data: mmap.mmap, start: int, entries: dict[str, Any]) -> None:
        self._path = path
        self._data = data
        self._start = start  # of the tensors, in bytes
        self._entries = entries
        names = (n for n in entries if not (n.endswith(_SCALES) and n.removesuffix(_SCALES) in entries))
        self._names = dict.fromkeys(names)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, name: str) -> NDArray[Any] | Quantized:
        self._refuse_other_forms(name)
        value = self._view(name)
        stem = name.removesuffix(".weight")
        for beside, factor in ((".SCB", np.float32(1 / 127)), (".weight_scale", np.float32(1))):
            if stem != name and stem + beside in self._entries:
                return self._scaled(name, value, stem + beside, factor)
        if name + _SCALES not in self._entries:
            return value
        scales = self._view(name + _SCALES)
        if (
            not (isinstance(value, np.ndarray) and isinstance(scales, np.ndarray))
            or value.dtype != np.int8
            or value.ndim != 2
            or value.shape[1] % BLOCK
            or scales.shape != (value.shape[0], value.shape[1] // BLOCK)
        ):
            raise FormatError(
                f'{self._path}: tensor "{name[:80]}{_SCALES}": found shape {list(scales.shape)}, expected float16 scales of an '
                f"int8 matrix, one for each {BLOCK} weights of {list(value.shape)}"
            )
        data = np.empty((scales.size, 2 + BLOCK), np.uint8)
        data[:, :2] = scales.astype("<f2").reshape(-1, 1).view(np.uint8)
        data[:, 2:] = value.reshape(-1, BLOCK).view(np.uint8)
        return Quantized("q8_0", tuple(value.shape), data)

    def _refuse_other_forms(self, name: str) -> None:
        stem = name.removesuffix(".weight")
        for beside, form in _OTHER_FORMS.items():
            if stem != name and f"{stem}.{beside}" in self._entries:
                raise FormatError(
                    f'{self._path}: tensor "{name[:80]}": found {form} ("{beside}" beside it), expected float16, '
                    "bfloat16 or int8 with a scale for each row",
                    hint="take the model as it was published before it was quantised, or as GGUF",
                )

    def _scaled(self, name: str, value: NDArray[Any] | Quantized, beside: str, factor: np.float32) -> NDArray[Any] | Quantized:
        scales = self._view(beside)
        dense = scales.dequantize() if isinstance(scales, Quantized) else scales
        if not isinstance(value, np.ndarray) or value.dtype != np.int8 or value.ndim != 2 or dense.dtype.kind != "f":
            raise FormatError(
                f'{self._path}: tensor "{name[:80]}": found {self._entries[name]["dtype"]} of {list(value.shape)} with '
                f'"{beside[:80]}" beside it, expected rows of int8 and a scale for each'
            )
        layout = name.removesuffix(".weight") + ".weight_format"
        if layout in self._entries and np.any(np.asarray(self._view(layout))):
            raise FormatError(
                f'{self._path}: tensor "{layout[:80]}": found a layout of a GPU, expected 0, rows',
                hint="save the model with a bitsandbytes of 0.41 or later",
            )
        return scaled_rows(self._path, name, value, dense.astype(np.float32) * factor)

    def _view(self, name: str) -> NDArray[Any] | Quantized:
        entry = self._entries[name]
        kind, shape, begin = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"][0]
        if kind not in _DTYPES and kind != "BF16":
            raise FormatError(
                f'{self._path}: tensor "{name[:80]}": found type {kind}, expected one of {" ".join(_DTYPES)} BF16',
                hint="write the weights as bfloat16 or float16: model.half().save_pretrained(FOLDER)",
            )
        try:
            if kind == "BF16":
                halves = np.ndarray((*shape, 2), np.uint8, self._data, self._start + begin)
                return Quantized("bf16", shape, halves.reshape(-1, 2))
            return np.ndarray(shape, _DTYPES[kind], self._data, self._start + begin)
        except (ValueError, TypeError, OverflowError) as error:
            raise FormatError(f'{self._path}: tensor "{name[:80]}": found a shape that no array has ({error})') from error


class _Shards(Mapping[str, NDArray[Any] | Quantized]):
    """Each tensor from the file that holds it."""

    def __init__(self, places: dict[str, _Tensors]) -> None:
        self._places = places

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, name: str) -> NDArray[Any] | Quantized:
        return self._places[name][name]
