"""Content digests (OCI image specification, descriptor.md), and the reader that lets no wrong byte through unnoticed."""

import hashlib
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from wherry.errors import FormatError

if TYPE_CHECKING:
    from hashlib import _Hash

_HEX_LENGTHS = {"sha256": 64, "sha512": 128}
_HEX = re.compile(r"[0-9a-f]+")
CHUNK = 1 << 20  # bytes


class Readable(Protocol):
    """Whatever gives bytes in pieces: a file, a response, a decompressor."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, order=True)
class Digest:
    """`algorithm` is sha256 or sha512, `hex` lower case and of that algorithm's length."""

    algorithm: str
    hex: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"

    @property
    def short(self) -> str:
        """Twelve digits, as engines print them."""
        return self.hex[:12]

    @classmethod
    def parse(cls, text: str) -> "Digest":
        """`sha256:…` or `sha512:…`. Raises FormatError."""
        algorithm, _, digits = text.partition(":")
        if algorithm not in _HEX_LENGTHS:
            raise FormatError(f'digest: found "{text[:200]}", expected sha256:… or sha512:…')
        if len(digits) != _HEX_LENGTHS[algorithm] or not _HEX.fullmatch(digits):
            raise FormatError(f'digest: found "{text[:200]}", expected {_HEX_LENGTHS[algorithm]} digits of 0-9a-f')
        return cls(algorithm, digits)

    @classmethod
    def of_bytes(cls, data: bytes, algorithm: str = "sha256") -> "Digest":
        return cls(algorithm, hashlib.new(algorithm, data).hexdigest())

    @classmethod
    def of_stream(cls, stream: Readable, algorithm: str = "sha256") -> "Digest":
        hasher = hashlib.new(algorithm)
        while piece := stream.read(CHUNK):
            hasher.update(piece)
        return cls(algorithm, hasher.hexdigest())

    def hasher(self) -> "_Hash":
        """A fresh hash object of this digest's algorithm."""
        return hashlib.new(self.algorithm)


class Verified(io.RawIOBase):
    """Reads `stream`, which must be `size` bytes with this digest; `place` names it in errors.

    The last byte is handed out only after all of them have been checked. Raises FormatError where the stream is shorter,
    longer or other bytes, and again on every later read.
    """

    def __init__(self, stream: Readable, digest: Digest, size: int, *, place: str = "") -> None:
        super().__init__()
        self._stream = stream
        self._digest = digest
        self._size = size
        self._place = place or str(digest)
        self._hasher = digest.hasher()
        self._count = 0
        self._checked = False
        self._error: FormatError | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # typeshed's Buffer has no len()
        if self._error is not None:
            raise self._error
        if not len(buffer) or self._checked:
            return 0
        # One byte more than is due would show a stream that is too long.
        piece = self._stream.read(min(len(buffer), self._size - self._count)) if self._count < self._size else b""
        self._hasher.update(piece)
        self._count += len(piece)
        if self._count == self._size:
            self._check_end()
        elif not piece:
            self._fail(f"found {self._count} bytes, expected {self._size}")
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        close = getattr(self._stream, "close", None)
        if close is not None and not self.closed:
            close()
        super().close()

    def _check_end(self) -> None:
        if self._stream.read(1):
            self._fail(f"found more than {self._size} bytes, expected {self._size}")
        found = Digest(self._digest.algorithm, self._hasher.hexdigest())
        if found != self._digest:
            self._fail(f"found digest {found}, expected {self._digest}")
        self._checked = True

    def _fail(self, what: str) -> None:
        self._error = FormatError(f"{self._place}: {what}")
        raise self._error
