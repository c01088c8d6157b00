"""Language models without their weights: `python benchmarks/llm_files.py strip MODEL.gguf OUT.xz`, and `fill OUT.xz MODEL.gguf`.

A stripped file holds what a GGUF says of its model, its vocabulary and its tensors' shapes and formats. Filled with numbers drawn
anew it costs a machine exactly what the model costs it, and travels in a megabyte or three.
"""

import lzma
import mmap
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.weights import Quantized, open_checkpoint
from wherry.weights.blocks import LAYOUTS

# Where a block's float16 factors lie: of its scales, of its minima.
_FACTORS = {"q2_k": (80, 82), "q3_k": (108,), "q6_k": (208,), "q4_1": (0, 2), "q5_1": (0, 2), "q4_k": (0, 2), "q5_k": (0, 2)}


def strip(source: Path, target: Path) -> None:
    arrays = _bytes_of(source)
    start = min(at for at, _ in arrays.values())
    target.write_bytes(lzma.compress(struct.pack("<Q", source.stat().st_size) + source.read_bytes()[:start]))


def fill(source: Path, target: Path, seed: int = 0) -> None:
    packed = lzma.decompress(source.read_bytes())
    with target.open("wb") as file:
        file.write(packed[8:])
        file.truncate(struct.unpack("<Q", packed[:8])[0])
    random = np.random.default_rng(seed)
    tensors = open_checkpoint(target).tensors
    with target.open("r+b") as file:
        for name, (at, tensor) in _bytes_of(target).items():
            file.seek(at)
            file.write(_drawn(name, tensor, random).tobytes())
    assert tensors


def _drawn(name: str, tensor: NDArray[Any] | Quantized, random: np.random.Generator) -> NDArray[Any]:
    """Norms of about one, matrices that keep the length of what they are multiplied with."""
    if not isinstance(tensor, Quantized):
        return random.uniform(0.8, 1.2, tensor.shape).astype(tensor.dtype)
    blocks = random.integers(0, 256, tensor.data.shape, np.uint8)
    factors = _FACTORS.get(tensor.format, (0,))
    middle = (-7.5 if tensor.format == "q4_1" else -15.5) if tensor.format[3] == "1" else 7.5
    for place, value in zip(factors, (1.0, middle), strict=False):
        blocks[:, place : place + 2] = np.asarray([value], "<f2").view(np.uint8)
    some = blocks[:256]
    weights = LAYOUTS[tensor.format].weights
    spread = Quantized(tensor.format, (len(some), weights), some).dequantize().std()
    size = 1 / float(spread) / tensor.shape[-1] ** 0.5
    for place, value in zip(factors, (1.0, middle), strict=False):
        blocks[:, place : place + 2] = np.asarray([value * size], "<f2").view(np.uint8)
    return blocks


def _bytes_of(path: Path) -> dict[str, tuple[int, NDArray[Any] | Quantized]]:
    """Where each tensor begins in the file."""
    found = {}
    for name, tensor in open_checkpoint(path).tensors.items():
        array: Any = tensor.data if isinstance(tensor, Quantized) else tensor
        base = array
        while not isinstance(base, mmap.mmap):
            base = base.obj if isinstance(base, memoryview) else base.base
        start = np.frombuffer(base, np.uint8).ctypes.data
        found[name] = (array.ctypes.data - start, tensor)
    return found


if __name__ == "__main__":
    {"strip": strip, "fill": fill}[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
