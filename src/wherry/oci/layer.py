"""Layers: tar files that the same inputs give byte for byte, on every machine (image-spec, layer.md).

Names are sorted, times and owners are 0, a mode is 0755 (folders, programs) or 0644: what differs between two checkouts
of one commit is not in a layer.
"""

import io
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from wherry.errors import InputError
from wherry.oci.compression import Compression, Compressor, Writable
from wherry.oci.digest import Digest
from wherry.oci.image import OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD, Descriptor
from wherry.oci.store import Store

_MEDIA_TYPES = {Compression.NONE: OCI_LAYER, Compression.GZIP: OCI_LAYER_GZIP, Compression.ZSTD: OCI_LAYER_ZSTD}
_PROGRAM, _FILE = 0o755, 0o644
_PROGRAMS = range(1 << 20, 32 << 20)  # bytes of a layer's tar: larger ones hold models


@dataclass(frozen=True)
class Entry:
    """One name in a layer: `path` is absolute, `source` a file of the host, `target` a symbolic link's; `content` stands in the
    recipe itself. Without any of them it is a folder. `program` says whether it may be run, where that is not the source's mode.
    """

    path: PurePosixPath
    source: Path | None = None
    target: str | None = None
    content: bytes | None = None
    program: bool | None = None

    @property
    def is_folder(self) -> bool:
        return self.source is None and self.target is None and self.content is None


@dataclass(frozen=True)
class Layer:
    """A layer in the store; `diff_id` is the digest of the plain tar."""

    descriptor: Descriptor
    diff_id: Digest


def store_layer(
    store: Store,
    entries: Sequence[Entry],
    compression: Compression,
    on_bytes: Callable[[int, int], None] = lambda done, total: None,
) -> Layer:
    """Write a layer into the store, or find it there: what was compressed before is not compressed again. `on_bytes` hears how
    much of the plain tar is written, of how much.

    Raises InputError where a file changes while it is read.
    """
    plain = _Hashing(None)
    _write_tar(plain, entries)
    diff_id = plain.digest
    key = f"{diff_id.hex}.{compression.value}"
    with store.hold():
        if (known := store.recall(key)) is not None:
            return Layer(known, diff_id)
        with store.writer() as writer:
            with Compressor(writer, compression, program=plain.size in _PROGRAMS) as compressor:
                again = _Hashing(compressor, lambda done: on_bytes(done, plain.size))
                _write_tar(again, entries)
            if again.digest != diff_id:
                raise InputError("layer: found files that changed while they were read, expected them to stay")
            digest, size = writer.commit()
        descriptor = Descriptor(_MEDIA_TYPES[compression], digest, size)
        store.remember(key, descriptor)
        return Layer(descriptor, diff_id)


class _Hashing(io.RawIOBase):
    """Hashes what is written, and passes it on where there is somewhere to pass it to."""

    def __init__(self, sink: Writable | None, on_bytes: Callable[[int], None] = lambda done: None) -> None:
        super().__init__()
        self.size = 0
        self._on_bytes = on_bytes
        self._sink = sink
        self._hasher = Digest("sha256", "").hasher()

    def writable(self) -> bool:
        return True

    def write(self, piece: bytes, /) -> int:  # type: ignore[override]  # tarfile writes bytes
        self._hasher.update(piece)
        self.size += len(piece)
        if self._sink is not None:
            self._sink.write(piece)
        self._on_bytes(self.size)
        return len(piece)

    @property
    def digest(self) -> Digest:
        return Digest("sha256", self._hasher.hexdigest())


def _write_tar(sink: _Hashing, entries: Sequence[Entry]) -> None:
    with tarfile.open(fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT, encoding="utf-8", errors="surrogateescape") as tar:
        for entry in sorted(entries, key=lambda entry: entry.path.parts):
            header = tarfile.TarInfo(str(entry.path).lstrip("/"))
            header.mode = _PROGRAM
            if entry.target is not None:
                header.type, header.linkname, header.mode = tarfile.SYMTYPE, entry.target, 0o777
                tar.addfile(header)
            elif entry.source is not None:
                _add_file(tar, header, entry.source, entry.program)
            elif entry.content is not None:
                header.size, header.mode = len(entry.content), _PROGRAM if entry.program else _FILE
                tar.addfile(header, io.BytesIO(entry.content))
            else:
                header.type = tarfile.DIRTYPE
                tar.addfile(header)


def _add_file(tar: tarfile.TarFile, header: tarfile.TarInfo, source: Path, program: bool | None) -> None:
    with source.open("rb") as file:
        status = source.stat()
        header.size = status.st_size
        header.mode = _PROGRAM if (status.st_mode & 0o111 if program is None else program) else _FILE
        try:
            tar.addfile(header, file)
        except OSError as error:
            if error.errno is not None:
                raise
            raise InputError(f"{source}: found fewer than {header.size} bytes, expected it to stay as it is") from error
