"""whisper.cpp's ggml `.bin`: sizes, mel filters, vocabulary and tensors in one file, under OpenAI's names.

Little-endian 32-bit numbers throughout: magic, eleven sizes, (mels, bins) and mels * bins float32, the count of tokens and for
each its length and bytes; then to the end of the file, for each tensor, rank, length of its name, type, its dimensions from the
innermost outwards, the name, the data. A type is f32, f16 or one of ggml's blocks (blocks.py).
"""

import mmap
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.errors import FormatError
from wherry.weights.blocks import LAYOUTS, Quantized
from wherry.weights.checkpoint import Checkpoint

_MAGIC = b"lmgg"  # 0x67676d6c
_SIZES = (
    "n_vocab", "n_audio_ctx", "n_audio_state", "n_audio_head", "n_audio_layer",
    "n_text_ctx", "n_text_state", "n_text_head", "n_text_layer", "n_mels", "ftype",
)  # fmt: skip
_TYPES = {0: "f32", 1: "f16", 2: "q4_0", 3: "q4_1", 6: "q5_0", 7: "q5_1", 8: "q8_0"}
_DENSE: dict[str, np.dtype[Any]] = {"f32": np.dtype("<f4"), "f16": np.dtype("<f2")}
_LAYOUT_VERSION = 2  # of the blocks, thousands of ftype: their scales are float16 since
_MAX_RANK = 4
_MAX_NAME = 256
_MAX_TOKENS = 1 << 18
_MAX_TOKEN_BYTES = 1024
_MAX_TENSORS = 1 << 16  # large-v3 has under 2 thousand


def recognises(head: bytes) -> bool:
    return head[:4] == _MAGIC


def read(path: Path, config: Path | None = None) -> Checkpoint:
    """`metadata` has "dims" and "vocabulary", a tuple of the tokens' bytes; raises FormatError where the file lies."""
    with path.open("rb") as file:
        reader = _Reader(path, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    reader.take(4, "magic")
    sizes = {name: reader.number(name) for name in _SIZES}
    layout, kind = divmod(sizes.pop("ftype"), 1000)
    if kind > 1 and layout != _LAYOUT_VERSION:
        raise FormatError(
            f"{path}: ftype: found blocks of layout {layout}, expected {_LAYOUT_VERSION}",
            hint="quantise the model again with a whisper.cpp of 2023-05 or later",
        )
    filters = reader.number("mel filters") * reader.number("mel filter bins")
    reader.take(4 * filters, "mel filters")  # Wherry makes its own
    vocabulary = reader.vocabulary()
    tensors: dict[str, NDArray[Any] | Quantized] = {}
    while reader.offset < len(reader.data):
        name, tensor = reader.tensor()
        if name in tensors:
            raise FormatError(f'{path}: tensor "{name}": found it twice, expected each name once')
        if len(tensors) == _MAX_TENSORS:
            raise FormatError(f"{path}: found over {_MAX_TENSORS} tensors, expected a model")
        tensors[name] = tensor
    if not tensors:
        raise FormatError(f"{path}: found no tensors after the vocabulary, expected a whole file")
    return Checkpoint(path, "ggml", tensors, {"dims": sizes, "vocabulary": vocabulary})


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

    def number(self, field: str, most: int = 1 << 30) -> int:
        (value,) = struct.unpack_from("<I", self.data, self.take(4, field))
        if value > most:
            raise FormatError(f"{self.path}: {field}: found {value} at byte {self.offset - 4}, expected at most {most}")
        return int(value)

    def vocabulary(self) -> tuple[bytes, ...]:
        tokens = []
        for i in range(self.number("vocabulary", _MAX_TOKENS)):
            field = f"token {i}"
            size = self.number(field, _MAX_TOKEN_BYTES)
            start = self.take(size, field)
            tokens.append(self.data[start : start + size])
        return tuple(tokens)

    def tensor(self) -> tuple[str, NDArray[Any] | Quantized]:
        field = f"tensor at byte {self.offset}"
        rank = self.number(f"{field}: rank", _MAX_RANK)
        length = self.number(f"{field}: length of its name", _MAX_NAME)
        kind = self.number(f"{field}: type")
        shape = tuple(self.number(f"{field}: dimension") for _ in range(rank))[::-1]
        if not shape or 0 in shape:
            raise FormatError(f"{self.path}: {field}: found shape {list(shape)}, expected dimensions of at least 1")
        start = self.take(length, f"{field}: name")
        try:
            name = self.data[start : start + length].decode()
        except UnicodeDecodeError as error:
            raise FormatError(f"{self.path}: {field}: found a name that is not UTF-8, expected text") from error
        field = f'tensor "{name}"'
        if kind not in _TYPES:
            raise FormatError(
                f"{self.path}: {field}: found type {kind}, expected one of {' '.join(_TYPES.values())}",
                hint="take the f16, q8_0 or q5_1 file of the same model",
            )
        items = 1
        for size in shape:
            items *= size
        form = _TYPES[kind]
        if form in _DENSE:
            at = self.take(items * _DENSE[form].itemsize, field)
            # The tensors follow each other at any byte: numpy reads what is not aligned.
            return name, np.ndarray(shape, _DENSE[form], self.data, at)
        layout = LAYOUTS[form]
        if shape[-1] % layout.weights:
            raise FormatError(
                f"{self.path}: {field}: found shape {list(shape)} in {form}, expected rows of whole blocks of {layout.weights}"
            )
        blocks = items // layout.weights
        at = self.take(blocks * layout.bytes, field)
        return name, Quantized(form, shape, np.ndarray((blocks, layout.bytes), np.uint8, self.data, at))
