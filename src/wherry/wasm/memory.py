"""The one file that touches guest memory: every pointer and length is checked against the memory's size of this moment."""

import ctypes
from collections.abc import Callable, Sequence

U32 = 0xFFFF_FFFF
MAX_IOVECS = 1024
PAGE_BYTES = 1 << 16


class GuestFault(Exception):
    """The guest named memory that it does not have. Never leaves a host function: it becomes an errno there."""


class GuestMemory:
    """Linear memory during one host call. `locate` gives its host address and its bytes."""

    def __init__(self, locate: Callable[[], tuple[int, int]]) -> None:
        self._base, self._size = locate()

    def _at(self, pointer: int, length: int) -> int:
        pointer &= U32  # wasmtime hands i32 over as signed
        length &= U32
        if pointer + length > self._size:
            raise GuestFault(f"found {length} bytes at {pointer}, expected them below {self._size}")
        return self._base + pointer

    def read(self, pointer: int, length: int) -> bytes:
        return ctypes.string_at(self._at(pointer, length), length & U32)

    def write(self, pointer: int, data: bytes) -> None:
        ctypes.memmove(self._at(pointer, len(data)), data, len(data))

    def u32(self, pointer: int) -> int:
        return int.from_bytes(self.read(pointer, 4), "little")

    def set_u32(self, pointer: int, value: int) -> None:
        self.write(pointer, value.to_bytes(4, "little"))

    def set_u16(self, pointer: int, value: int) -> None:
        self.write(pointer, value.to_bytes(2, "little"))

    def u32s(self, pointer: int, count: int) -> list[int]:
        """count little-endian u32 at pointer."""
        raw = self.read(pointer, self._product(count, 4))
        return [int.from_bytes(raw[i : i + 4], "little") for i in range(0, len(raw), 4)]

    def writable(self, pointer: int, length: int) -> "ctypes.Array[ctypes.c_char]":
        """A view to receive into; only good until the guest runs again."""
        return (ctypes.c_char * (length & U32)).from_address(self._at(pointer, length))

    def iovecs(self, pointer: int, count: int) -> Sequence[tuple[int, int]]:
        """(pointer, length) of each piece, all of them checked."""
        if not 0 <= count <= MAX_IOVECS:
            raise GuestFault(f"found {count & U32} iovecs, expected at most {MAX_IOVECS}")
        flat = self.u32s(pointer, 2 * count)
        pieces = list(zip(flat[::2], flat[1::2], strict=True))
        for start, length in pieces:
            self._at(start, length)
        return pieces

    def gather(self, pointer: int, count: int, limit: int) -> bytes:
        """The bytes of iovecs, at most `limit` of them."""
        out = bytearray()
        for start, length in self.iovecs(pointer, count):
            out += self.read(start, min(length, limit - len(out)))
            if len(out) >= limit:
                break
        return bytes(out)

    def _product(self, count: int, size: int) -> int:
        total = (count & U32) * size
        if total > self._size:
            raise GuestFault(f"found {count & U32} records of {size} bytes, expected them within {self._size} bytes")
        return total
