"""Tar files from outside, read forward in pieces of bounded size, whatever their headers claim.

tarfile reads the headers; it would believe what they say of their own size, so it reads from a stream that does not.
"""

import io
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wherry.errors import FormatError, TooLargeError
from wherry.oci.compression import Decompressed
from wherry.oci.digest import CHUNK, Digest, Readable

_BLOCK = 512
_MAX_HEADER = 1 << 20  # bytes that a header may have: a name, pax records


@dataclass(frozen=True)
class Limits:
    """What one tar may take.

    entries  files, links and folders, those included that only lead to them
    bytes    of content, and of the tar itself
    ratio    bytes of content for a compressed one, counted beyond `free`
    free     bytes that may be highly compressed
    reserve  bytes that must stay free on the disk
    """

    entries: int = 100_000
    bytes: int = 64 << 30
    ratio: int = 200
    free: int = 64 << 20
    reserve: int = 256 << 20


class TarStream(io.RawIOBase):
    """The tar in `stream`, decompressed, hashed and bounded. `place` names it in errors."""

    def __init__(self, stream: Readable, limits: Limits, place: str, *, algorithm: str = "sha256") -> None:
        super().__init__()
        self._stream = Decompressed(stream, place=place)
        self._algorithm = algorithm
        self._hasher = Digest(algorithm, "").hasher()
        self._limits = limits
        self._place = place
        self._position = 0
        self._header_left = _MAX_HEADER
        self._last = b""

    def members(self) -> Iterator[tarfile.TarInfo]:
        """The entries; the content of each is to be taken before the next is asked for. Raises FormatError, TooLargeError."""
        try:
            with tarfile.open(fileobj=self, mode="r:", errors="surrogateescape", encoding="utf-8") as tar:
                member = tar.next()
                while member is not None:
                    yield member
                    self.seek(tar.offset)
                    self._header_left = _MAX_HEADER
                    try:
                        member = tarfile.TarInfo.fromtarfile(tar)
                    except tarfile.HeaderError:
                        if not self._at_end(tar.offset):
                            raise
                        member = None
        except (tarfile.TarError, ValueError, ArithmeticError, LookupError, RecursionError) as error:
            raise FormatError(f"{self._place}: found no tar: {str(error)[:200]}") from error

    def content(self, member: tarfile.TarInfo) -> Iterator[bytes]:
        """The bytes of the entry that was last given, in pieces. Raises FormatError where some are missing."""
        if member.sparse is not None or member.size < 0:
            raise FormatError(
                f"{self._place}: {member.name[:200]!r}: found a sparse file or a negative size, expected whole files"
            )
        left = member.size
        while left:
            piece = self._take(min(left, CHUNK))
            if not piece:
                raise FormatError(
                    f"{self._place}: {member.name[:200]!r}: found {member.size - left} bytes, expected {member.size}"
                )
            left -= len(piece)
            yield piece

    def finish(self) -> Digest:
        """After the last entry there are zeros, if anything -> the digest of the plain tar."""
        while piece := self._take(CHUNK):
            if piece.strip(b"\0"):
                raise FormatError(f"{self._place}: found other bytes after the last entry, expected zeros")
        return Digest(self._algorithm, self._hasher.hexdigest())

    # -- for tarfile

    def read(self, size: int = -1, /) -> bytes:
        """As many bytes as there are up to `size`."""
        if not 0 <= size <= self._header_left:
            raise FormatError(f"{self._place}: found a header larger than {_MAX_HEADER} bytes")
        self._header_left -= size
        self._last = self._take(size)
        return self._last

    def tell(self) -> int:
        return self._position

    def seek(self, position: int, whence: int = 0, /) -> int:
        """Forward only."""
        if whence or position < self._position:
            raise FormatError(f"{self._place}: found an entry that begins before the last one ended")
        while self._position < position:
            if not self._take(min(CHUNK, position - self._position)):
                raise FormatError(f"{self._place}: found the end within an entry")
        return position

    # -- inside

    def _at_end(self, begin: int) -> bool:
        """Whether what stands where a header should begin is the end: zeros, or nothing."""
        return self._position <= begin + _BLOCK and not self._last.strip(b"\0")

    def _take(self, size: int) -> bytes:
        """As many bytes as there are up to `size`."""
        pieces = []
        while size and (piece := self._stream.read(size)):
            pieces.append(piece)
            size -= len(piece)
            self._count(piece)
        return b"".join(pieces)

    def _count(self, piece: bytes) -> None:
        self._hasher.update(piece)
        self._position += len(piece)
        if self._position > self._limits.bytes:
            raise TooLargeError(f"{self._place}: found more than {self._limits.bytes} bytes, expected fewer")
        if self._position > self._limits.free + self._limits.ratio * self._stream.consumed:
            raise TooLargeError(f"{self._place}: found more than {self._limits.ratio} bytes for every compressed one: a bomb")


def check_space(folder: Path, size: int, limits: Limits, place: str) -> None:
    """Raises TooLargeError where `size` bytes more would leave less than `limits.reserve` free."""
    free = shutil.disk_usage(folder).free
    if size + limits.reserve > free:
        raise TooLargeError(
            f"{place}: found a file of {size / 1e6:.0f} MB, expected to fit into the {free / 1e6:.0f} MB free at "
            f"{folder} and leave {limits.reserve / 1e6:.0f}",
            hint="`wherry prune` removes what no image needs; XDG_CACHE_HOME moves the cache",
        )
