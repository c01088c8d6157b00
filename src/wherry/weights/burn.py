"""Burn's `.mpk` and `.mpk.gz` records, of every version from 0.7 on, in full, half and double precision.

A record is one MessagePack map {metadata, item, …}. `item` mirrors the modules; a parameter is {id, param}, and param is
{value, shape} (one MessagePack number an element) or, from 0.14 on, {bytes, shape, dtype}. A model is 38 million such
numbers, so the reader walks the mapped bytes itself and takes runs of numbers of one kind as strided arrays.
"""

import mmap
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.errors import FormatError, TooLargeError
from wherry.weights.checkpoint import Checkpoint, read_json

_MAX_BYTES = 16 << 30  # what a gzip member may grow to: twice large-v3 in full precision
_MAX_DEPTH = 64
_MAX_ENTRIES = 1 << 16  # keys of one map, modules of one array
_MAX_RUNS = 1 << 20  # changes of kind within one tensor: real ones have thousands
_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1"}
# The first byte of a number -> (bytes with it, type of the number after it).
_NUMBERS = {0xCA: (5, ">f4"), 0xCB: (9, ">f8"), 0xCC: (2, ">u1"), 0xCD: (3, ">u2"), 0xCE: (5, ">u4")}


def recognises(head: bytes) -> bool:
    return head[:2] == b"\x1f\x8b" or (len(head) > 9 and head[0] in (0x82, 0x83) and head[1:10] == b"\xa8metadata")


def read(path: Path, config: Path | None = None) -> Checkpoint:
    """Raises FormatError where the record is truncated, lies about a size, or holds no parameters."""
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    data: mmap.mmap | bytes = _gunzip(path, mapped) if mapped[:2] == b"\x1f\x8b" else mapped
    if not recognises(data[:16]) or data[:2] == b"\x1f\x8b":
        raise FormatError(f'{path}: found first bytes {data[:8].hex(" ")}, expected a Burn record ("metadata", "item")')
    walker = _Walker(path, data)
    record = walker.value("", 0)
    if walker.offset != len(data):
        raise FormatError(f"{path}: found {len(data) - walker.offset} bytes after the record, expected none")
    assert isinstance(record, dict)
    metadata = record.get("metadata")
    if not isinstance(metadata, dict) or "item" not in record:
        raise FormatError(f'{path}: found keys {list(record)}, expected "metadata" and "item"')
    tensors: dict[str, NDArray[Any]] = {}
    _collect(path, record["item"], "", str(metadata.get("float", "")), tensors)
    if not tensors:
        raise FormatError(f"{path}: item: found no parameters, expected {{id, param}} records")
    beside = config or path.with_suffix(".cfg")
    said: dict[str, object] = {"burn": metadata}
    if beside.is_file():
        said["dims"] = _dims_of(beside)
    return Checkpoint(path, "burn", tensors, said)


def write(path: Path, tensors: Mapping[str, NDArray[Any]], dims: Mapping[str, int]) -> None:
    """Write a Whisper model (OpenAI's names) as Burn 0.13 does in full precision, and its `.cfg` beside it."""
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as file:
        for piece in _record(tensors, dims):
            file.write(piece)
    temporary.replace(path)
    path.with_suffix(".cfg").write_text(_config(dims), encoding="utf-8")


class _Walker:
    """Reads one MessagePack value; numbers of a `value` or `bytes` array come as one numpy array."""

    def __init__(self, path: Path, data: mmap.mmap | bytes) -> None:
        self.path = path
        self.data = data
        self.bytes = np.frombuffer(data, np.uint8)
        self.offset = 0

    def value(self, field: str, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            raise self._wrong(field, "modules nested deeper than", f"at most {_MAX_DEPTH} levels")
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
            if not isinstance(key, str):
                raise self._wrong(field, f"a key of type {type(key).__name__}", "a string")
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
        """The elements of a tensor: runs of one kind (marker and big-endian number) are one strided view each."""
        pieces: list[NDArray[Any]] = []
        done = 0
        while done < count:
            if len(pieces) > _MAX_RUNS:
                raise self._wrong(field, f"over {_MAX_RUNS} changes of number type", "numbers of one type")
            start = self._take(1, field)
            marker = int(self.bytes[start])
            size, kind = (1, "u1") if marker <= 0x7F else _NUMBERS.get(marker, (0, ""))
            if not size:
                raise self._wrong(field, f"MessagePack type 0x{marker:02x} at element {done}", "a number")
            possible = min(count - done, (len(self.data) - start) // size, 1 << 20 if pieces else count)
            if not possible:
                raise self._wrong(field, "the end of the file", f"{count - done} more numbers")
            markers = self.bytes[start : start + possible * size : size]
            other = markers > 0x7F if size == 1 else markers != marker
            length = int(other.argmax()) if other.any() else possible
            raw = self.bytes[start : start + length * size].reshape(length, size)
            piece = raw[:, 0] if size == 1 else np.ascontiguousarray(raw[:, 1:]).view(kind)[:, 0]
            pieces.append(piece.astype(piece.dtype.newbyteorder("=")))
            self.offset = start + length * size
            done += length
        kinds = {piece.dtype.kind for piece in pieces}
        if len(kinds) > 1:
            raise self._wrong(field, "floats and integers in one tensor", "one kind of number")
        return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)

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
    if not isinstance(shape, list) or not all(isinstance(n, int) and 0 <= n < 1 << 40 for n in shape):
        raise FormatError(f'{path}: tensor "{name}": found shape {shape!r}, expected a list of sizes')
    assert isinstance(param, dict)
    flat: Any
    if "value" in param:
        flat = param["value"]
        if not isinstance(flat, np.ndarray):
            raise FormatError(f'{path}: tensor "{name}": found no numbers in "value", expected an array')
        if flat.dtype.kind == "u":  # half::f16 is written as the integer of its bits
            if not precision.endswith("f16"):
                raise FormatError(f'{path}: tensor "{name}": found integers, expected floats of type "{precision}"')
            if flat.size and int(flat.max()) > 0xFFFF:
                raise FormatError(f'{path}: tensor "{name}": found {int(flat.max())}, expected 16 bits of a float16')
            flat = flat.astype(np.uint16).view(np.float16)
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
        raise FormatError(f'{path}: tensor "{name}": found {flat.size} numbers, expected {items} for shape {shape}')
    return np.asarray(flat.reshape(shape))


def _gunzip(path: Path, mapped: mmap.mmap) -> bytes:
    engine = zlib.decompressobj(wbits=31)
    pieces: list[bytes] = []
    total = 0
    try:
        for start in range(0, len(mapped), 1 << 20):
            piece = engine.decompress(mapped[start : start + (1 << 20)])
            total += len(piece)
            if total > _MAX_BYTES:
                raise TooLargeError(f"{path}: found over {_MAX_BYTES} bytes when decompressed, expected a model")
            pieces.append(piece)
    except zlib.error as error:
        raise FormatError(f"{path}: found damaged gzip data ({error}), expected a Burn .mpk.gz") from error
    if not engine.eof:
        raise FormatError(f"{path}: found the end of the file inside its gzip data, expected a whole file")
    return b"".join(pieces)


def _dims_of(config: Path) -> dict[str, object]:
    said = read_json(config)
    out: dict[str, object] = {}
    for section in ("audio_encoder_config", "text_decoder_config"):
        part = said.get(section)
        if not isinstance(part, dict):
            raise FormatError(f'{config}: "{section}": found {part!r}, expected an object of sizes')
        out |= part
    return out


# -- writing


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
