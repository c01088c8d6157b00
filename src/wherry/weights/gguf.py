"""GGUF, versions 2 and 3: language models with their vocabulary and sizes, in one file or in pieces.

Little-endian: magic, version u32, count of tensors u64, count of fields u64; for each field its key (string), type u32 and value;
for each tensor its name (string), rank u32, dimensions u64 from the innermost outwards, type u32 and offset u64; then, from the
next multiple of `general.alignment` on, the data, where each offset is a multiple of it too. A string is its length u64 and
UTF-8; an array is the type of its items u32, their count u64 and the items. Files exist whose strings are other bytes: a token
may be half a character, and a name in Latin-1 is no reason to refuse a model.

PyPI `gguf` reads these files as well: item by item, 9 s and 700 MB for a vocabulary of 262,144 tokens, and it believes every
count. See docs/decisions/0009.
"""

import mmap
import re
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wherry.errors import FormatError, NotFoundError
from wherry.weights.blocks import LAYOUTS, Quantized
from wherry.weights.checkpoint import Checkpoint

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_NUMBERS: dict[int, str] = {  # types of fields, by struct's letters, which are numpy's too
    0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 10: "Q", 11: "q", 12: "d",
}  # fmt: skip
_BOOL, _STRING, _ARRAY = 7, 8, 9
_TYPES = {
    0: "f32", 1: "f16", 2: "q4_0", 3: "q4_1", 6: "q5_0", 7: "q5_1", 8: "q8_0", 10: "q2_k", 11: "q3_k", 12: "q4_k", 13: "q5_k",
    14: "q6_k", 20: "iq4_nl", 24: "i8", 25: "i16", 26: "i32", 27: "i64", 28: "f64", 30: "bf16",
}  # fmt: skip
_UNSUPPORTED = {
    9: "q8_1", 15: "q8_k", 16: "iq2_xxs", 17: "iq2_xs", 18: "iq3_xxs", 19: "iq1_s", 21: "iq3_s", 22: "iq2_s", 23: "iq4_xs",
    29: "iq1_m", 34: "tq1_0", 35: "tq2_0", 39: "mxfp4", 40: "nvfp4", 41: "q1_0",
}  # fmt: skip
_DENSE: dict[str, np.dtype[Any]] = {
    "f32": np.dtype("<f4"), "f16": np.dtype("<f2"), "f64": np.dtype("<f8"),
    "i8": np.dtype("i1"), "i16": np.dtype("<i2"), "i32": np.dtype("<i4"), "i64": np.dtype("<i8"),
}  # fmt: skip
_ALIGNMENT = 32  # where the file does not say
_MAX_FIELDS = 1 << 16  # real files have some fifty
_MAX_TENSORS = 1 << 16  # the largest models have a few thousand
_MAX_KEY = (1 << 16) - 1  # bytes, as the specification says
_MAX_NAME = 256  # bytes of a tensor's name; ggml itself keeps 64
_MAX_STRING = 64 << 20  # bytes: a tokenizer.json within the file
_MAX_STRINGS = 1 << 22  # of an array: the largest vocabularies have a quarter of a million
_MAX_RANK = 4
_MAX_DIMENSION = 1 << 40
_BYTES = tuple(f'field "tokenizer.ggml.{key}"' for key in ("tokens", "merges"))  # whose strings are bytes
_PIECE = re.compile(r"(.+)-(\d{5})-of-(\d{5})\.gguf")

Fields = dict[str, object]
Tensors = dict[str, NDArray[Any] | Quantized]


def recognises(head: bytes) -> bool:
    return head[:4] == _MAGIC


def read(path: Path, config: Path | None = None) -> Checkpoint:
    """`metadata` has the file's fields by their keys: int, float, bool, str, tuples of str, and arrays of numbers as in the file.
    Bytes that are no UTF-8 are surrogates in a tokenizer's lists, so that no two tokens become one, and U+FFFD elsewhere.

    Any piece of a split file opens the whole: the pieces lie beside each other. Raises FormatError where a file is truncated
    or lies, NotFoundError where a piece is missing.
    """
    metadata, tensors = _read_file(path)
    count = _integer(path, metadata, "split.count", 1)
    if count > 1:
        metadata, tensors = _read_pieces(path, count)
    return Checkpoint(path, "gguf", tensors, metadata)


def read_fields(path: Path) -> Fields:
    """What one file says of its model; of a split model's pieces the first says it. Raises FormatError, NotFoundError."""
    return _read_file(path)[0]


def _read_pieces(path: Path, count: int) -> tuple[Fields, Tensors]:
    """The fields of the first piece and the tensors of all."""
    named = _PIECE.fullmatch(path.name)
    if named is None or int(named[3]) != count:
        raise FormatError(
            f'{path}: field "split.count": found {count}, expected a file name that ends in -00001-of-{count:05}.gguf',
            hint="keep the names that the pieces were published under",
        )
    metadata: Fields = {}
    tensors: Tensors = {}
    for i in range(count):
        piece = path.with_name(f"{named[1]}-{i + 1:05}-of-{named[3]}.gguf")
        if not piece.is_file():
            raise NotFoundError(
                f"{piece}: found no such file, expected piece {i + 1} of {count}", hint="put all pieces into one folder"
            )
        fields, more = _read_file(piece)
        for field, expected in (("split.no", i), ("split.count", count)):
            if (found := _integer(piece, fields, field, 0)) != expected:
                raise FormatError(f'{piece}: field "{field}": found {found}, expected {expected}')
        for name in more:
            if name in tensors:
                raise FormatError(f'{piece}: tensor "{name}": found it in an earlier piece too, expected each name once')
        tensors |= more
        metadata = metadata or fields
    total = _integer(path, metadata, "split.tensors.count", len(tensors))
    if total != len(tensors):
        raise FormatError(f'{path}: field "split.tensors.count": found {total}, expected the {len(tensors)} of all pieces')
    return metadata, tensors


def _integer(path: Path, metadata: Fields, key: str, default: int) -> int:
    value = metadata.get(key, default)
    if not isinstance(value, int):
        raise FormatError(f'{path}: field "{key}": found {_shown(value)}, expected an integer')
    return value


def _read_file(path: Path) -> tuple[Fields, Tensors]:
    try:
        with path.open("rb") as file:
            reader = _Reader(path, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except ValueError as error:  # mmap's word for an empty file
        raise FormatError(f"{path}: found an empty file, expected a GGUF file") from error
    except OSError as error:
        raise NotFoundError(f"{path}: found a file that cannot be read ({error.strerror}), expected a GGUF file") from error
    if not recognises(reader.data[:4]):
        raise FormatError(f"{path}: magic: found {reader.data[:4].hex(' ')}, expected {_MAGIC.hex(' ')} (GGUF)")
    reader.take(4, "magic")
    version = reader.number("I", "version")
    if version not in _VERSIONS:
        big = int.from_bytes(version.to_bytes(4, "little"), "big") in _VERSIONS
        raise FormatError(
            f"{path}: version: found {f'{version:#x}, a big-endian file' if big else version}, expected 2 or 3",
            hint="convert the model again with a llama.cpp of 2023-11 or later, on or for a little-endian machine",
        )
    tensor_count = reader.count("number of tensors", _MAX_TENSORS)
    field_count = reader.count("number of fields", _MAX_FIELDS)
    metadata: Fields = {}
    for _ in range(field_count):
        key = reader.string("key", _MAX_KEY)
        field = f'field "{_shown(key)}"'
        if key in metadata:
            raise FormatError(f"{path}: {field}: found it twice, expected each key once")
        metadata[key] = reader.value(reader.number("I", f"{field}: type"), field)
    infos = [reader.tensor() for _ in range(tensor_count)]
    alignment = _integer(path, metadata, "general.alignment", _ALIGNMENT)
    if alignment < 1 or alignment & (alignment - 1):
        raise FormatError(f'{path}: field "general.alignment": found {alignment}, expected a power of two')
    return metadata, _place(path, reader.data, infos, alignment, -(-reader.offset // alignment) * alignment)


class _Info(NamedTuple):
    """A tensor as its header announces it; offset from the beginning of the data, in bytes."""

    name: str
    form: str
    shape: tuple[int, ...]
    items: int  # numbers or blocks
    item_size: int  # bytes
    offset: int

    @property
    def end(self) -> int:
        return self.offset + self.items * self.item_size


def _place(path: Path, data: mmap.mmap, infos: Iterable[_Info], alignment: int, start: int) -> Tensors:
    """The tensors where they lie, from byte `start` of the file on; none outside the file, none upon another."""
    tensors: Tensors = {}
    previous: _Info | None = None
    for info in sorted(infos, key=lambda info: info.offset):
        field = f'tensor "{info.name}"'
        if info.name in tensors:
            raise FormatError(f"{path}: {field}: found it twice, expected each name once")
        if info.offset % alignment:
            raise FormatError(f"{path}: {field}: found offset {info.offset}, expected a multiple of {alignment}")
        if start + info.end > len(data):
            raise FormatError(
                f"{path}: {field}: found {max(0, len(data) - start - info.offset)} bytes at offset {info.offset}, "
                f"expected {info.end - info.offset}",
                hint="the file is truncated or damaged: fetch it again",
            )
        if previous is not None and info.offset < previous.end:
            raise FormatError(
                f'{path}: {field}: found offset {info.offset}, expected at least {previous.end}, the end of "{previous.name}"'
            )
        at = start + info.offset
        if info.form in _DENSE:
            tensors[info.name] = np.ndarray(info.shape, _DENSE[info.form], data, at)
        else:
            blocks = np.ndarray((info.items, info.item_size), np.uint8, data, at)
            tensors[info.name] = Quantized(info.form, info.shape, blocks)
        previous = info
    return tensors


class _Reader:
    def __init__(self, path: Path, data: mmap.mmap) -> None:
        self.path = path
        self.data = data
        self.offset = 0

    def take(self, count: int, field: str) -> int:
        """-> where the next `count` bytes begin."""
        start = self.offset
        if count > len(self.data) - start:
            raise FormatError(
                f"{self.path}: {field}: found {len(self.data) - start} bytes left at {start}, expected {count}",
                hint="the file is truncated or damaged: fetch it again",
            )
        self.offset += count
        return start

    def number(self, code: str, field: str) -> Any:
        return struct.unpack_from("<" + code, self.data, self.take(struct.calcsize(code), field))[0]

    def count(self, field: str, most: int) -> int:
        value = int(self.number("Q", field))
        if value > most:
            raise FormatError(f"{self.path}: {field}: found {value} at byte {self.offset - 8}, expected at most {most}")
        return value

    def string(self, field: str, most: int = _MAX_STRING) -> str:
        size = self.count(f"{field}: length", most)
        start = self.take(size, field)
        return self.data[start : start + size].decode("utf-8", "replace")

    def value(self, kind: int, field: str) -> object:
        if kind == _STRING:
            return self.string(field)
        if kind == _ARRAY:
            item_kind = self.number("I", f"{field}: type of items")
            if item_kind == _STRING:
                return self.strings(self.count(f"{field}: length", _MAX_STRINGS), field)
            return self.numbers(item_kind, self.number("Q", f"{field}: length"), field)
        return self.numbers(kind, 1, field).item()

    def numbers(self, kind: int, count: int, field: str) -> NDArray[Any]:
        """Numbers or truth values, where they lie in the file."""
        if kind not in _NUMBERS and kind != _BOOL:
            raise FormatError(f"{self.path}: {field}: found type {kind}, expected numbers, truth values or strings")
        dtype = np.dtype("?" if kind == _BOOL else _NUMBERS[kind]).newbyteorder("<")
        values = np.ndarray((count,), dtype, self.data, self.take(count * dtype.itemsize, field))
        if kind == _BOOL and (values.view(np.uint8) > 1).any():
            raise FormatError(f"{self.path}: {field}: found {values.view(np.uint8).max()}, expected 0 or 1")
        return values

    def strings(self, count: int, field: str) -> tuple[str, ...]:
        """A vocabulary is most of a header: read without a call for each."""
        data, end, at = self.data, len(self.data), self.offset
        length = struct.Struct("<Q").unpack_from
        found = []
        for i in range(count):
            if end - at < 8 or (size := length(data, at)[0]) > end - at - 8:
                raise FormatError(
                    f"{self.path}: {field}: found string {i} of {count} at byte {at} beyond the end, expected a whole file",
                    hint="the file is truncated or damaged: fetch it again",
                )
            at += 8 + size
            found.append(data[at - size : at])
        self.offset = at
        try:
            return tuple(map(bytes.decode, found))
        except UnicodeDecodeError:
            errors = "surrogateescape" if field in _BYTES else "replace"
            return tuple(each.decode("utf-8", errors) for each in found)

    def tensor(self) -> _Info:
        name = self.string("tensor name", _MAX_NAME)
        field = f'tensor "{name}"'
        rank = self.number("I", f"{field}: rank")
        if not 1 <= rank <= _MAX_RANK:
            raise FormatError(f"{self.path}: {field}: found {rank} dimensions, expected 1 to {_MAX_RANK}")
        shape = tuple(self.count(f"{field}: dimension", _MAX_DIMENSION) for _ in range(rank))[::-1]
        if 0 in shape:
            raise FormatError(f"{self.path}: {field}: found shape {list(shape)}, expected dimensions of at least 1")
        kind = self.number("I", f"{field}: type")
        if kind not in _TYPES:
            known = f" ({_UNSUPPORTED[kind]})" if kind in _UNSUPPORTED else ""
            raise FormatError(
                f"{self.path}: {field}: found type {kind}{known}, expected one of {' '.join(_TYPES.values())}",
                hint=f"convert it with `llama-quantize --allow-requantize {self.path.name} out.gguf Q4_K_M`",
            )
        form = _TYPES[kind]
        weights, size = (1, _DENSE[form].itemsize) if form in _DENSE else (LAYOUTS[form].weights, LAYOUTS[form].bytes)
        if shape[-1] % weights:
            raise FormatError(
                f"{self.path}: {field}: found shape {list(shape)} in {form}, expected rows of whole blocks of {weights}"
            )
        items = 1
        for dimension in shape:
            items *= dimension
        return _Info(name, form, shape, items // weights, size, self.number("Q", f"{field}: offset"))


def _shown(value: object) -> str:
    """A value of the file in an error: no longer than a line."""
    text = str(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
