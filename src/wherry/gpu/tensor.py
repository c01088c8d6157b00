"""Tensors on the device, and the memory they come from."""

import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

# On the device a type is its bits: float16 only as weights, decoded by the kernels that read them.
DTYPES: dict[str, tuple[Any, int]] = {
    "f32": (np.float32, 4),
    "i32": (np.int32, 4),
    "u32": (np.uint32, 4),
    "f16": (np.float16, 2),
}
# Weights as they lie in their files, for kernels alone (kernels/formats): how many share a block, and its bytes.
BLOCKS = {
    "bf16": (1, 2),
    "q4_0": (32, 18),
    "q4_1": (32, 20),
    "q5_0": (32, 22),
    "q5_1": (32, 24),
    "q8_0": (32, 34),
    "iq4_nl": (32, 18),
    "q2_k": (256, 84),
    "q3_k": (256, 110),
    "q4_k": (256, 144),
    "q5_k": (256, 176),
    "q6_k": (256, 210),
}


@dataclass
class Pool:
    """Buffers by size, reused in the order of the commands. `make` asks the device for a new one."""

    make: Callable[[int], Any]
    free: dict[int, list[Any]] = field(default_factory=lambda: defaultdict(list))
    held: list[Any] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)  # a tensor may be dropped by the collector anywhere

    def take(self, size: int) -> Any:
        with self.lock:
            if self.free[size]:
                return self.free[size].pop()
        buffer = self.make(size)
        with self.lock:
            self.held.append(buffer)
        return buffer

    def give(self, size: int, buffer: Any) -> None:
        with self.lock:
            self.free[size].append(buffer)

    def bytes(self) -> int:
        return sum(buffer.size for buffer in self.held)

    def trim(self) -> None:
        """Give the buffers that nothing uses back to the device."""
        with self.lock:
            unused = [buffer for buffers in self.free.values() for buffer in buffers]
            self.free.clear()
            gone = set(map(id, unused))
            self.held = [buffer for buffer in self.held if id(buffer) not in gone]
        for buffer in unused:
            buffer.destroy()

    def destroy(self) -> None:
        with self.lock:
            held, self.held = self.held, []
            self.free.clear()
        for buffer in held:
            buffer.destroy()


def buffer_size(size: int) -> int:
    """Bytes a buffer takes: rounded up by at most an eighth, so that sizes repeat and buffers find a second use."""
    size = max(size, 256)
    step = max(256, 1 << (size.bit_length() - 4))
    return -(-size // step) * step


class Tensor:
    """`shape` numbers of `dtype` in a buffer of the device. Released by `release`, or when nobody holds it."""

    __slots__ = ("_released", "buffer", "dtype", "pool", "shape", "size")

    def __init__(self, pool: Pool, shape: tuple[int, ...], dtype: str) -> None:
        self._released = True  # until there is something to release
        self.shape = shape
        self.dtype = dtype
        self.pool = pool
        self.size = byte_size(shape, dtype)
        self.buffer = pool.take(buffer_size(self.size))
        self._released = False

    def reshape(self, shape: tuple[int, ...]) -> "View":
        """The same numbers under another shape (no copy)."""
        return View(self, shape)

    def head(self, shape: tuple[int, ...]) -> "View":
        """The first of its numbers under this shape (no copy)."""
        return View(self, shape, part=True)

    def release(self) -> None:
        """Give the memory back now; the tensor must not be used after."""
        if not self._released:
            self._released = True
            self.pool.give(buffer_size(self.size), self.buffer)

    def __del__(self) -> None:
        self.release()

    def __repr__(self) -> str:
        return f"Tensor({self.dtype} {list(self.shape)})"


class View(Tensor):
    """Another tensor's memory under another shape; holds that tensor."""

    __slots__ = ("base",)

    def __init__(self, base: Tensor, shape: tuple[int, ...], *, part: bool = False) -> None:
        if prod(shape) > prod(base.shape) if part else prod(shape) != prod(base.shape):
            raise ValueError(f"reshape: found {list(base.shape)}, which cannot be {list(shape)}")
        self.base = base
        self.shape, self.dtype, self.pool, self.buffer = shape, base.dtype, base.pool, base.buffer
        self.size = byte_size(shape, base.dtype)
        self._released = True  # the base releases


def byte_size(shape: tuple[int, ...], dtype: str) -> int:
    if dtype in BLOCKS:
        weights, size = BLOCKS[dtype]
        return prod(shape) // weights * size
    return prod(shape) * DTYPES[dtype][1]


def dtype_of(value: NDArray[Any]) -> str:
    for name in ("f32", "i32", "u32", "f16"):
        if value.dtype == DTYPES[name][0]:
            return name
    raise ValueError(f"tensor: found {value.dtype}, expected float32, float16, int32 or uint32")
