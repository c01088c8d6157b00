"""Burn's `.mpk` and `.mpk.gz` records, of every version from 0.7 on, in full, half and double precision.

A record is one MessagePack map {metadata, item, …}. `item` mirrors the modules; a parameter is {id, param}, and param is
{value, shape} (one MessagePack number an element) or, from 0.14 on, {bytes, shape, dtype}. A model is 38 million such
numbers, so the reader walks the mapped bytes itself and takes runs of numbers of one kind as strided arrays.
"""

import mmap
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.errors import FormatError, TooLargeError
from wherry.weights.checkpoint import Checkpoint, read_json

_MAX_BYTES = 16 << 30  # what a gzip member may grow to: twice large-v3 in full precision
_MAX_DEPTH = 64
_MAX_RANK = 8
_MAX_ENTRIES = 1 << 16  # keys of one map, modules of one array
_MAX_VALUES = 1 << 20  # maps, arrays, strings and constants of one file: large-v3 has 30 thousand
_MAX_KEY = 256  # characters of a key
_MAX_RUNS = 1 << 20  # changes of kind within the numbers of one file: real ones have thousands
_MAX_GROWTH = 16  # times that gzip may shrink a model: real ones 2
_ALWAYS_BYTES = 64 << 20  # what any gzip file may grow to
_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1"}
# The first byte of a number -> (bytes with it, type of the number after it).
_NUMBERS = {0xCA: (5, ">f4"), 0xCB: (9, ">f8"), 0xCC: (2, ">u1"), 0xCD: (3, ">u2"), 0xCE: (5, ">u4")}


def recognises(head: bytes) -> bool:
    return head[:2] == b"\x1f\x8b" or (len(head) > 9 and head[0] in (0x82, 0x83) and head[1:10] == b"\xa8metadata")


def read(path: Path, config: Path | None = None) -> Checkpoint:
    """Raises FormatError where the record is truncated, lies about a size, or holds no parameters."""
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    data: mmap.mmap | bytearray = _gunzip(path, mapped) if mapped[:2] == b"\x1f\x8b" else mapped
    if not recognises(bytes(data[:16])) or data[:2] == b"\x1f\x8b":
        raise FormatError(f'{path}: found first bytes {bytes(data[:8]).hex(" ")}, expected a Burn record ("metadata", "item")')
    walker = _Walker(path, data)
    record = walker.value("", 0)
    if walker.offset != len(data):
        raise FormatError(f"{path}: found {len(data) - walker.offset} bytes after the record, expected none")
    assert isinstance(record, dict)
    metadata = record.get("metadata")
    if not isinstance(metadata, dict) or "item" not in record:
        raise FormatError(f'{path}: found keys {list(record)[:8]}, expected "metadata" and "item"')
    tensors: dict[str, NDArray[Any]] = {}
    _collect(path, record["item"], "", str(metadata.get("float", "")), tensors)
    if not tensors:
        raise FormatError(f"{path}: item: found no parameters, expected {{id, param}} records")
    beside = config or path.with_suffix(".cfg")
    said: dict[str, object] = {"burn": metadata}
    if beside.is_file():
        said["dims"] = _dims_of(beside)
    return Checkpoint(path, "burn", tensors, said)


class _Walker:
    """Reads one MessagePack value; numbers of a `value` or `bytes` array come as one numpy array."""

    def __init__(self, path: Path, data: mmap.mmap | bytearray) -> None:
        self.path = path
        self.data = data
        self.bytes = np.frombuffer(data, np.uint8)
        self.offset = 0
        self.values = 0
        self.runs = 0

    def value(self, field: str, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            raise self._wrong(field, "modules nested deeper than", f"at most {_MAX_DEPTH} levels")
        self.values += 1
        if self.values > _MAX_VALUES:
            raise self._wrong(field, f"over {_MAX_VALUES} values", "a model")
        marker = self._uint(1, field)
        if 0x80 <= marker <= 0x8F:
            return self._map(marker & 0xF, field, depth)
        if marker in (0xDE, 0xDF):
            return self._map(self._uint(2 << (marker - 0xDE), field), field, depth)
        if 0x90 <= marker <= 0x9F:
            return self._array(marker & 0xF, field, depth)
        if marker in (0xDC, 0xDD):
            return self._array(self._uint(2 << (marker - 0xDC), field), field, depth)
        if 0xA0 <= marker <= 0xBF:
            return self._text(marker & 0x1F, field)
        if 0xD9 <= marker <= 0xDB:
            return self._text(self._uint(1 << (marker - 0xD9), field), field)
        if 0xC4 <= marker <= 0xC6:
            size = self._uint(1 << (marker - 0xC4), field)
            start = self._take(size, field)
            return self.bytes[start : start + size]
        if marker in (0xC0, 0xC2, 0xC3):
            return {0xC0: None, 0xC2: False, 0xC3: True}[marker]
        if marker <= 0x7F:
            return marker
        if marker >= 0xE0:
            return marker - 0x100
        if 0xCC <= marker <= 0xCF:
            return self._uint(1 << (marker - 0xCC), field)
        if 0xD0 <= marker <= 0xD3:
            size = 1 << (marker - 0xD0)
            return int.from_bytes(self.data[self._take(size, field) : self.offset], "big", signed=True)
        if marker in (0xCA, 0xCB):
            code = ">f" if marker == 0xCA else ">d"
            return struct.unpack_from(code, self.data, self._take(struct.calcsize(code), field))[0]
        raise self._wrong(field, f"MessagePack type 0x{marker:02x}", "a map, array, string, number or nil")

    def _map(self, count: int, field: str, depth: int) -> dict[str, Any]:
        if count > _MAX_ENTRIES:
            raise self._wrong(field, f"a map of {count} entries", f"at most {_MAX_ENTRIES}")
        out: dict[str, Any] = {}
        for _ in range(count):
            key = self.value(f"{field}.(key)", depth + 1)
            if not isinstance(key, str) or len(key) > _MAX_KEY:
                raise self._wrong(field, f"a key of type {type(key).__name__}", f"a string of at most {_MAX_KEY} characters")
            out[key] = self.value(f"{field}.{key}".lstrip("."), depth + 1)
        return out

    def _array(self, count: int, field: str, depth: int) -> Any:
        left = len(self.data) - self.offset
        if count > left:
            raise self._wrong(field, f"an array of {count} elements with {left} bytes left", "a whole file")
        if field.endswith((".param.value", ".param.bytes")):
            return self._numbers(count, field)
        if count > _MAX_ENTRIES:
            raise self._wrong(field, f"an array of {count} elements", f"at most {_MAX_ENTRIES}")
        return [self.value(f"{field}.{i}", depth + 1) for i in range(count)]

    def _numbers(self, count: int, field: str) -> NDArray[Any]:
        """The elements of a tensor: runs of one kind (marker and big-endian number) are read as one strided view each."""
        if not count:
            return np.zeros(0, np.uint8 if field.endswith(".bytes") else np.float32)
        first = int(self.bytes[self.offset]) if self.offset < len(self.bytes) else 0xC0
        floats = first in (0xCA, 0xCB)
        if floats and count > (len(self.data) - self.offset) // _NUMBERS[first][0]:
            raise self._wrong(field, f"{len(self.data) - self.offset} bytes left", f"{count} floats")
        kind, limit = (np.uint8, 0xFF) if field.endswith(".bytes") else (np.uint16, 0xFFFF)  # the bits of a float16
        out = np.empty(count, _NUMBERS[first][1].replace(">", "=") if floats else kind)
        done = 0
        while done < count:
            self.runs += 1
            if self.runs > _MAX_RUNS:
                raise self._wrong(field, f"over {_MAX_RUNS} changes of number type", "numbers of one type")
            marker = int(self.bytes[self._take(1, field)])
            self.offset -= 1
            size, code = (1, ">u1") if marker <= 0x7F else _NUMBERS.get(marker, (0, ""))
            if not size or (floats and marker != first) or (not floats and "f" in code):
                raise self._wrong(field, f"MessagePack type 0x{marker:02x} at element {done}", "numbers of one kind")
            length = self._run(marker, size, count - done)
            if not length:
                raise self._wrong(field, "the end of the file", f"{count - done} more numbers")
            raw = self.bytes[self.offset : self.offset + length * size].reshape(length, size)
            run = np.ascontiguousarray(raw[:, min(size - 1, 1) :]).view(code)[:, 0]
            if not floats and int(run.max()) > limit:
                raise self._wrong(field, f"the integer {int(run.max())}", f"at most {limit}")
            out[done : done + length] = run
            self.offset += length * size
            done += length
        return out

    def _run(self, marker: int, size: int, most: int) -> int:
        """How many elements from here on, at most `most`, have this marker."""
        possible = min(most, (len(self.data) - self.offset) // size)
        length, window = 0, 64
        while length < possible:
            stop = min(possible, length + window)
            markers = self.bytes[self.offset + length * size : self.offset + stop * size : size]
            other = markers > 0x7F if size == 1 else markers != marker
            place = int(other.argmax())
            if other[place]:
                return length + place
            length = stop
            window = min(window * 8, 1 << 20)
        return length

    def _take(self, count: int, field: str) -> int:
        start = self.offset
        if count > len(self.data) - start:
            raise self._wrong(field, f"{len(self.data) - start} bytes left", f"{count}")
        self.offset += count
        return start

    def _uint(self, size: int, field: str) -> int:
        start = self._take(size, field)
        return int.from_bytes(self.data[start : start + size], "big")

    def _text(self, size: int, field: str) -> str:
        start = self._take(size, field)
        try:
            return bytes(self.data[start : start + size]).decode()
        except UnicodeDecodeError as error:
            raise self._wrong(field, "bytes that are not UTF-8", "a string") from error

    def _wrong(self, field: str, found: str, expected: str) -> FormatError:
        place = f"{field or 'record'} at byte {self.offset}"
        return FormatError(f"{self.path}: {place}: found {found}, expected {expected}")


def _collect(path: Path, item: Any, name: str, precision: str, out: dict[str, NDArray[Any]]) -> None:
    """Every {id, param} below `item`, under its dotted name; constants and ids carry nothing."""
    if isinstance(item, dict):
        if "param" in item and "id" in item:
            out[name] = _tensor(path, item["param"], name, precision)
            return
        for key, value in item.items():
            _collect(path, value, f"{name}.{key}".lstrip("."), precision, out)
    elif isinstance(item, list):
        for i, value in enumerate(item):
            _collect(path, value, f"{name}.{i}".lstrip("."), precision, out)


def _tensor(path: Path, param: Any, name: str, precision: str) -> NDArray[Any]:
    shape = param.get("shape") if isinstance(param, dict) else None
    if not isinstance(shape, list) or len(shape) > _MAX_RANK or not all(isinstance(n, int) and 0 <= n < 1 << 40 for n in shape):
        raise FormatError(f'{path}: tensor "{name}": found shape {str(shape)[:80]}, expected a list of sizes')
    assert isinstance(param, dict)
    flat: Any
    if "value" in param:
        flat = param["value"]
        if not isinstance(flat, np.ndarray):
            raise FormatError(f'{path}: tensor "{name}": found no numbers in "value", expected an array')
        if flat.dtype.kind == "u":  # half::f16 is written as the integer of its bits
            if not precision.endswith("f16"):
                raise FormatError(f'{path}: tensor "{name}": found integers, expected floats of type "{precision}"')
            flat = flat.view(np.float16)
    else:
        dtype, raw = param.get("dtype"), param.get("bytes")
        if not isinstance(dtype, str) or dtype not in _DTYPES or not isinstance(raw, np.ndarray):
            raise FormatError(f'{path}: tensor "{name}": found type {dtype!r}, expected one of {" ".join(_DTYPES)}')
        kind = np.dtype(_DTYPES[dtype])
        if raw.dtype != np.uint8 or raw.size % kind.itemsize:
            raise FormatError(f'{path}: tensor "{name}": found {raw.size} bytes, expected a multiple of {kind.itemsize}')
        flat = np.ascontiguousarray(raw).view(kind)
    items = 1
    for size in shape:
        items *= size
    if flat.size != items:
        raise FormatError(f'{path}: tensor "{name}": found {flat.size} numbers, expected {items} for shape {shape[:8]}')
    return np.asarray(flat.reshape(shape))


def _gunzip(path: Path, mapped: mmap.mmap) -> bytearray:
    engine = zlib.decompressobj(wbits=31)
    out = bytearray()
    most = min(_MAX_BYTES, max(_ALWAYS_BYTES, _MAX_GROWTH * len(mapped)))
    step = 1 << 20
    try:
        for start in range(0, len(mapped), step):
            rest = mapped[start : start + step]
            while rest and not engine.eof:
                out += engine.decompress(rest, step)
                rest = engine.unconsumed_tail
                if len(out) > most:
                    raise TooLargeError(f"{path}: found over {most} bytes when decompressed, expected a model")
        while not engine.eof and (piece := engine.decompress(b"", step)):
            out += piece
    except zlib.error as error:
        raise FormatError(f"{path}: found damaged gzip data ({error}), expected a Burn .mpk.gz") from error
    if not engine.eof:
        raise FormatError(f"{path}: found the end of the file inside its gzip data, expected a whole file")
    return out


def _dims_of(config: Path) -> dict[str, object]:
    said = read_json(config)
    out: dict[str, object] = {}
    for section in ("audio_encoder_config", "text_decoder_config"):
        part = said.get(section)
        if not isinstance(part, dict):
            raise FormatError(f'{config}: "{section}": found {part!r}, expected an object of sizes')
        out |= part
    return out
