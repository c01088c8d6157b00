"""gzip and zstd: written so that the same bytes come out on every machine, read in pieces of bounded size. bzip2 and xz are read.

What a zlib writes depends on whose zlib it is, so gzip is written by one pinned libdeflate. It compresses whole buffers:
a long stream becomes several gzip members, which every reader takes as one (RFC 1952, section 2.2).
"""

import bz2
import io
import lzma
import sys
import zlib
from enum import Enum
from types import TracebackType
from typing import Protocol

import deflate

from wherry.errors import FormatError, InputError
from wherry.interruption import interruptible
from wherry.oci.digest import Readable

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_GZIP_LEVEL = 9
_PROGRAM_GZIP_LEVEL = 10  # twice the time for 3 % less: worth it for programs, not for models
_ZSTD_LEVEL = 9
_MEMBER = 16 << 20  # bytes of content in a gzip member
_PIECE = 1 << 14  # bytes read at once of what is compressed
_MAX_WINDOW_LOG = 27  # 128 MiB, as Go's and Rust's readers have it
_SKIPPABLE = [bytes([0x50 + i]) for i in range(16)]
_LONGEST_MAGIC = 10
_MAX_EMPTY = 1000  # members or frames without content, one after another


_MAX_XZ_MEMORY = 128 << 20  # bytes: xz -9 needs 65 MiB


class Compression(Enum):
    NONE = "none"
    GZIP = "gzip"
    ZSTD = "zstd"
    BZIP2 = "bzip2"  # read only, as is xz: archives of images come in them, layers do not
    XZ = "xz"


WRITTEN = (Compression.NONE, Compression.GZIP, Compression.ZSTD)


class Writable(Protocol):
    def write(self, piece: bytes, /) -> object: ...


class Compressor:
    """Writes to `sink`, compressed; `close` writes the end. program: no model."""

    def __init__(self, sink: Writable, compression: Compression, *, program: bool = False) -> None:
        if compression not in WRITTEN:
            raise InputError(f"compression: found {compression.value}, expected gzip, zstd or none")
        self._sink = sink
        self._level = _PROGRAM_GZIP_LEVEL if program else _GZIP_LEVEL
        self._compression = compression
        self._waiting = bytearray()
        self._members = 0
        self._zstd = zstd.ZstdCompressor(options={zstd.CompressionParameter.compression_level: _ZSTD_LEVEL})

    def write(self, piece: bytes) -> int:
        match self._compression:
            case Compression.NONE:
                self._sink.write(piece)
            case Compression.ZSTD:
                self._sink.write(bytes(self._zstd.compress(piece)))
            case Compression.GZIP:
                self._waiting += piece
                while len(self._waiting) >= _MEMBER:
                    self._write_member(_MEMBER)
        return len(piece)

    def close(self) -> None:
        match self._compression:
            case Compression.ZSTD:
                self._sink.write(bytes(self._zstd.flush(zstd.ZstdCompressor.FLUSH_FRAME)))
            case Compression.GZIP if self._waiting or not self._members:
                self._write_member(len(self._waiting))

    def __enter__(self) -> "Compressor":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.close()

    def _write_member(self, size: int) -> None:
        plain, level = bytes(self._waiting[:size]), self._level
        self._sink.write(interruptible(lambda: bytes(deflate.gzip_compress(plain, level))))  # seconds of native work
        del self._waiting[:size]
        self._members += 1


class _Decoder(Protocol):
    """One member, frame or stream; the manners of zstd's."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class Decompressed(io.RawIOBase):
    """Reads what `stream` holds, whatever it is compressed with: its first bytes say so, not its name.

    Raises FormatError for damaged, truncated or trailing bytes. `consumed` counts the compressed bytes.
    """

    def __init__(self, stream: Readable, *, place: str) -> None:
        super().__init__()
        self._stream = stream
        self._place = place
        self._input = b""
        self.consumed = 0
        self.compression = _recognise(self._first(_LONGEST_MAGIC))
        self._decoder = self._new_decoder()
        self._empty = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # typeshed's Buffer has no len()
        piece = self._next(len(buffer)) if len(buffer) else b""
        buffer[: len(piece)] = piece
        return len(piece)

    def _next(self, size: int) -> bytes:
        """1 to `size` bytes, none at the end."""
        if self._decoder is None:
            if not self._input and not self._fill():
                return b""
            piece, self._input = self._input[:size], self._input[size:]
            return piece
        try:
            return self._decode(self._decoder, size)
        except (zlib.error, zstd.ZstdError, lzma.LZMAError, _Bzip2Error) as error:
            raise FormatError(f"{self._place}: found damaged {self.compression.value}: {error}") from error

    def _decode(self, decoder: _Decoder, size: int) -> bytes:
        while True:
            if decoder.eof:
                self._input = decoder.unused_data
                if not self._input and not self._fill():
                    return b""
                self._empty += 1
                if self._empty > _MAX_EMPTY or _recognise(self._first(_LONGEST_MAGIC)) is not self.compression:
                    raise FormatError(f"{self._place}: found more bytes after the {self.compression.value} data, expected none")
                self._decoder = decoder = self._new_decoder() or decoder
            given, self._input = self._input, b""
            piece = decoder.decompress(given, size)
            if piece:
                self._empty = 0
                return piece
            if not decoder.eof and not self._fill():
                raise FormatError(f"{self._place}: found the end of the {self.compression.value} data too soon")

    def _first(self, count: int) -> bytes:
        while len(self._input) < count and self._fill():
            pass
        return self._input

    def _fill(self) -> bool:
        piece = self._stream.read(_PIECE)
        self._input += piece
        self.consumed += len(piece)
        return bool(piece)

    def _new_decoder(self) -> _Decoder | None:
        match self.compression:
            case Compression.GZIP:
                return _Gzip()
            case Compression.ZSTD:
                return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _MAX_WINDOW_LOG})
            case Compression.XZ:
                return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MAX_XZ_MEMORY)
            case Compression.BZIP2:
                return _Bzip2()
            case _:
                return None


class _Gzip:
    """zlib's decoder with the manners of zstd's."""

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(31)
        self._left = b""

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        piece = self._decoder.decompress(self._left + data, max_length)
        self._left = self._decoder.unconsumed_tail
        return piece


class _Bzip2Error(Exception):
    """bz2 raises OSError for damage, as does reading the file: they should not be taken for one another."""


class _Bzip2:
    def __init__(self) -> None:
        self._decoder = bz2.BZ2Decompressor()

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        try:
            return self._decoder.decompress(data, max_length)
        except (OSError, ValueError) as error:
            raise _Bzip2Error(str(error)) from error


def _recognise(first: bytes) -> Compression:
    if first.startswith(b"\x1f\x8b"):
        return Compression.GZIP
    if first.startswith(b"\xfd7zXZ\0"):
        return Compression.XZ
    if first[:3] == b"BZh" and first[4:10] in (b"1AY&SY", b"\x17rE8P\x90"):  # a block, or none
        return Compression.BZIP2
    skippable = first[:1] in _SKIPPABLE and first[1:4] == b"\x2a\x4d\x18"  # RFC 8878, section 3.1.2
    return Compression.ZSTD if first.startswith(b"\x28\xb5\x2f\xfd") or skippable else Compression.NONE
