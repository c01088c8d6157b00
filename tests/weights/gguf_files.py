"""GGUF files for the tests: sound ones by PyPI `gguf`, lying ones byte by byte."""

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gguf
import numpy as np
from numpy.typing import NDArray

from tests.weights.files import quant_type
from wherry.weights.blocks import LAYOUTS

Field = tuple[str, int, bytes]  # key, type, value
U32, STRING, ARRAY = 4, 8, 9


def random_blocks(form: str, rows: int, cols: int, seed: int = 0) -> NDArray[np.uint8]:
    """Any bytes: (rows, bytes of a row)."""
    weights, size = LAYOUTS[form].weights, LAYOUTS[form].bytes
    return np.random.default_rng(seed).integers(0, 256, (rows, cols // weights * size), np.uint8)


def write(writer: gguf.GGUFWriter, path: Path) -> None:
    writer.write_header_to_file(path)
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_small(path: Path, **options: Any) -> None:
    """A file of a few kilobytes with some of everything."""
    writer = gguf.GGUFWriter(None, "llama", **options)
    writer.add_block_count(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_add_bos_token(True)
    writer.add_token_list(["<s>", "a", "b", "ü", "▁the"])
    writer.add_token_scores([0.0, -1.0, -2.0, -3.0, -4.5])
    writer.add_array("some.flags", [True, False, True])
    random = np.random.default_rng(5)
    writer.add_tensor("output_norm.weight", random.standard_normal(64).astype(np.float32))
    writer.add_tensor("token_embd.weight", random.standard_normal((5, 64)).astype(np.float16))
    for form, cols in (("bf16", 64), ("q8_0", 64), ("q4_1", 64), ("q4_k", 256), ("q6_k", 256)):
        writer.add_tensor(f"blk.0.{form}.weight", random_blocks(form, 3, cols), raw_dtype=quant_type(form))
    write(writer, path)


class Info(NamedTuple):
    """A tensor as a header announces it."""

    name: bytes = b"a"
    dims: Sequence[int] = (32,)
    kind: int = 0
    offset: int = 0
    rank: int | None = None


def string(data: bytes, size: int | None = None) -> bytes:
    return struct.pack("<Q", len(data) if size is None else size) + data


def field(key: bytes, kind: int, value: bytes) -> bytes:
    return string(key) + struct.pack("<I", kind) + value


def u32(key: bytes, value: int) -> bytes:
    return field(key, U32, struct.pack("<I", value))


def gguf_bytes(
    fields: Sequence[bytes] = (),
    tensors: Sequence[Info] = (),
    data: bytes = bytes(1024),
    *,
    version: int = 3,
    tensor_count: int | None = None,
    field_count: int | None = None,
    alignment: int = 32,
) -> bytes:
    """A file as it is told, sound or not."""
    tensor_count = len(tensors) if tensor_count is None else tensor_count
    field_count = len(fields) if field_count is None else field_count
    out = b"GGUF" + struct.pack("<IQQ", version, tensor_count, field_count) + b"".join(fields)
    for info in tensors:
        rank = len(info.dims) if info.rank is None else info.rank
        out += string(info.name) + struct.pack("<I", rank) + struct.pack(f"<{len(info.dims)}Q", *info.dims)
        out += struct.pack("<IQ", info.kind, info.offset)
    return out + bytes(-len(out) % alignment) + data
