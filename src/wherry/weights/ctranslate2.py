"""CTranslate2 `model.bin`, version 6: what faster-whisper loads.

Little-endian: version u32, specification (string), revision u32, then the count of variables u32 and for each
name (string), rank u8, dimensions u32 each, type u8, bytes u32, data; then aliases: count u32, (alias, name) strings.
A string is its length u16 (with a final NUL) and its bytes.

NAME of whole numbers is quantised where NAME_scale stands beside it: int16 with one scale for all, int8 with one a row.
A weight is its number divided by the scale. What a file's quantisation leaves (biases, norms, positions) is float32,
float16 or bfloat16.
"""

import mmap
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.errors import FormatError
from wherry.weights.blocks import Quantized
from wherry.weights.checkpoint import Checkpoint, read_json, scaled_rows

_TYPES: dict[int, np.dtype[Any]] = {
    0: np.dtype("<f4"),
    1: np.dtype("i1"),
    2: np.dtype("<i2"),
    3: np.dtype("<i4"),
    4: np.dtype("<f2"),
    5: np.dtype("<u2"),  # bfloat16, which numpy lacks: its bits
}
_BFLOAT16 = 5
_SCALE = "_scale"
_MAX_RANK = 8
_MAX_TENSORS = 1 << 16  # large-v3 has under 2 thousand
_SPECIFICATION = b"WhisperSpec"


def recognises(head: bytes) -> bool:
    return len(head) >= 6 and head[:4] in (b"\x05\0\0\0", b"\x06\0\0\0") and _SPECIFICATION in head[:32]


def read(path: Path, config: Path | None = None) -> Checkpoint:
    """Raises FormatError where the file is truncated or lies about a size."""
    with path.open("rb") as file:
        reader = _Reader(path, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    reader.number("I", "version")
    reader.string("specification")
    reader.number("I", "revision")
    stored: dict[str, NDArray[Any] | Quantized] = {}
    for _ in range(reader.count("number of variables")):
        name = reader.string("variable name")
        rank = reader.number("B", f"{name}: rank")
        if rank > _MAX_RANK:
            raise FormatError(f'{path}: tensor "{name}": found {rank} dimensions, expected at most {_MAX_RANK}')
        shape = [reader.number("I", f"{name}: dimension") for _ in range(rank)]
        kind = reader.number("B", f"{name}: type")
        if kind not in _TYPES:
            raise FormatError(f'{path}: tensor "{name}": found type {kind}, expected one of f32 i8 i16 i32 f16 bf16')
        array = reader.array(name, shape, _TYPES[kind], reader.number("I", f"{name}: bytes"))
        if kind == _BFLOAT16:
            stored[name] = Quantized("bf16", array.shape, array.reshape(-1, 1).view(np.uint8))
        else:
            stored[name] = array
    tensors = _scaled(path, stored)
    for _ in range(reader.count("number of aliases")):
        alias, name = reader.string("alias"), reader.string("alias target")
        if name not in stored:
            raise FormatError(f'{path}: alias "{alias}": found target "{name}", expected a variable of the file')
        if name in tensors:  # the scale of an alias has one of its own
            tensors[alias] = tensors[name]
    if reader.offset != len(reader.data):
        raise FormatError(f"{path}: found {len(reader.data) - reader.offset} bytes after the last alias, expected none")
    beside = config or path.with_name("config.json")
    return Checkpoint(path, "ctranslate2", tensors, read_json(beside) if beside.is_file() else {})


def _scaled(path: Path, stored: Mapping[str, NDArray[Any] | Quantized]) -> dict[str, NDArray[Any] | Quantized]:
    """Variables of whole numbers and their scales -> the weights; others as they are."""
    tensors: dict[str, NDArray[Any] | Quantized] = {}
    for name, value in stored.items():
        if name.endswith(_SCALE) and name.removesuffix(_SCALE) in stored:
            continue
        scale = stored.get(name + _SCALE)
        if scale is None:
            tensors[name] = value
            continue
        if (
            isinstance(value, Quantized)
            or isinstance(scale, Quantized)
            or value.dtype not in (np.int8, np.int16)
            or not value.ndim
        ):
            raise FormatError(f'{path}: tensor "{name}": found a scale beside it, expected rows of int8 or int16')
        if not (scale > 0).all():
            raise FormatError(f'{path}: tensor "{name}{_SCALE}": found {float(scale.min())}, expected numbers above 0')
        tensors[name] = scaled_rows(path, name, value, 1 / scale.astype(np.float32))
    return tensors


class _Reader:
    def __init__(self, path: Path, data: mmap.mmap) -> None:
        self.path = path
        self.data = data
        self.offset = 0

    def _take(self, count: int, field: str) -> int:
        start = self.offset
        if count > len(self.data) - start:
            raise FormatError(
                f"{self.path}: {field}: found {len(self.data) - start} bytes left at {start}, expected {count}",
                hint="the file is truncated or damaged: fetch it again",
            )
        self.offset += count
        return start

    def number(self, code: str, field: str) -> int:
        size = struct.calcsize(code)
        return int(struct.unpack_from("<" + code, self.data, self._take(size, field))[0])

    def count(self, field: str) -> int:
        value = self.number("I", field)
        if value > _MAX_TENSORS:
            raise FormatError(f"{self.path}: {field}: found {value}, expected at most {_MAX_TENSORS}")
        return value

    def string(self, field: str) -> str:
        length = self.number("H", field)
        start = self._take(length, field)
        try:
            return self.data[start : start + length].rstrip(b"\0").decode()
        except UnicodeDecodeError as error:
            raise FormatError(f"{self.path}: {field}: found bytes that are not UTF-8, expected a name") from error

    def array(self, name: str, shape: list[int], dtype: np.dtype[Any], count: int) -> NDArray[Any]:
        items = 1
        for size in shape:
            items *= size
        if not items:
            raise FormatError(f'{self.path}: tensor "{name}": found shape {shape}, expected dimensions of at least 1')
        if items * dtype.itemsize != count:
            raise FormatError(
                f'{self.path}: tensor "{name}": found {count} bytes, expected {items * dtype.itemsize} for {shape} {dtype}'
            )
        start = self._take(count, name)
        return np.frombuffer(self.data, dtype, items, start).reshape(shape)
