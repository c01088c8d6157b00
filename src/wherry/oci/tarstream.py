"""Tar files from outside, read forward in pieces of bounded size, whatever their headers claim.

tarfile reads the headers; it would believe what they say of their own size, so it reads from a stream that does not.
"""

import io
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

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

    @property
    def is_empty(self) -> bool:
        """Whether not a byte was there: to an engine, a layer of nothing."""
        return not self._position

    def members(self) -> Iterator[tarfile.TarInfo]:
        """The entries; the content of each is to be taken before the next is asked for. Raises FormatError, TooLargeError."""
        try:
            with tarfile.open(fileobj=self, mode="r:", errors="surrogateescape", encoding="utf-8", pax_headers=_Ignored()) as tar:
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
            if not self.is_empty:
                raise FormatError(f"{self._place}: found no tar: {str(error)[:200]}") from error

    def content(self, member: tarfile.TarInfo) -> Iterator[bytes]:
        """The bytes of the entry that was last given, in pieces. Raises FormatError where some are missing."""
        if member.sparse is not None:
            raise FormatError(f"{self._place}: {member.name[:200]!r}: found a sparse file, expected a whole one")
        return (piece for _, piece in self.segments(member))

    def segments(self, member: tarfile.TarInfo) -> Iterator[tuple[int, bytes]]:
        """As `content`, with the place of each piece in the file: a sparse file has holes between them."""
        reached = 0
        pieces: list[tuple[int, int]] = [(0, member.size)]
        if member.sparse is not None:
            pieces = cast("list[tuple[int, int]]", member.sparse)  # typeshed calls them bytes
        for offset, size in pieces:
            if not size and member.sparse is not None:
                continue  # GNU tar writes such an end, and fills its header up with them
            if size < 0 or offset < reached or offset + size > member.size:
                raise FormatError(
                    f"{self._place}: {member.name[:200]!r}: found {size} bytes at {offset} of a file of {member.size}, "
                    f"expected them from {reached} on"
                )
            reached = offset + size
            while offset < reached:
                piece = self._take(min(reached - offset, CHUNK))
                if not piece:
                    raise FormatError(f"{self._place}: {member.name[:200]!r}: found {offset} bytes, expected {member.size}")
                yield offset, piece
                offset += len(piece)

    def finish(self) -> Digest:
        """After the last entry there are two blocks of zeros, if anything -> the digest of the plain tar.

        What is after them belongs to no entry: engines hash it, as we do, and pass over it.
        """
        if self._take(_BLOCK).strip(b"\0"):
            raise FormatError(f"{self._place}: found other bytes after the last entry, expected zeros")
        while self._take(CHUNK):
            pass
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


class _Ignored(dict[str, str]):
    """Headers that an archive has for all its entries: engines pass over them (moby's archive, containerd's), and so do we."""

    def __setitem__(self, key: str, value: str) -> None:
        pass


def check_space(folder: Path, size: int, limits: Limits, place: str) -> None:
    """Raises TooLargeError where `size` bytes more would leave less than `limits.reserve` free."""
    free = shutil.disk_usage(folder).free
    if size + limits.reserve > free:
        raise TooLargeError(
            f"{place}: found a file of {size / 1e6:.0f} MB, expected to fit into the {free / 1e6:.0f} MB free at "
            f"{folder} and leave {limits.reserve / 1e6:.0f}",
            hint="`wherry prune` removes what no image needs; XDG_CACHE_HOME moves the cache",
        )
