"""The local store: an OCI layout folder (image-layout.md), which other tools can read, safe under processes and `kill -9`.

oci-layout  index.json      names -> manifests; replaced whole, under the lock `index.lock`
blobs/sha256/HEX            written aside, synced, then renamed: a blob that is there is whole
partial/sha256-HEX          a download that may go on; one process at a time has it
layers/DIFF-ID.gzip         which blob a plain tar became: it need not be compressed again
incoming/                   files being written; what a killed process left is swept by the next that is alone
use.lock                    shared: somebody reads or adds blobs; exclusive: nobody does, and blobs may be removed
"""

import fcntl
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial as bound
from pathlib import Path
from typing import IO, BinaryIO

from wherry.errors import FormatError, InputError, NotFoundError
from wherry.oci.digest import CHUNK, Digest, Readable, Verified
from wherry.oci.durable import locked_file, settle, write_piece
from wherry.oci.fields import Fields, to_json
from wherry.oci.image import INDEXES, MANIFESTS, MAX_MANIFEST, Descriptor, Index, Manifest, parse_document
from wherry.oci.reference import Reference

_NAME = "org.opencontainers.image.ref.name"
_CONTAINERD_NAME = "io.containerd.image.name"
_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
_DAMAGED = "the damaged file was removed; pull or build the image again"
_EMPTY_INDEX = Index.build([])


@dataclass(frozen=True)
class StoredImage:
    """A name and what it stands for."""

    reference: Reference
    descriptor: Descriptor


@dataclass(frozen=True)
class Pruned:
    """What was removed: files, and their bytes."""

    blobs: int
    bytes: int


class Store:
    """The store in folder `root`, made where there is none.

    Whoever adds several blobs does so within `hold()`, and `tag`s within it too: outside, blobs without a name may go.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("blobs/sha256", "blobs/sha512", "partial", "layers", "incoming"):
            (root / name).mkdir(parents=True, exist_ok=True)
        if not (root / "oci-layout").is_file():
            self._replace(root / "oci-layout", _LAYOUT)

    # -- blobs

    def path(self, digest: Digest) -> Path:
        """Where the blob lies, or would. To be read, never written."""
        return self.root / "blobs" / digest.algorithm / digest.hex

    def has(self, digest: Digest) -> bool:
        return self.path(digest).is_file()

    def size(self, digest: Digest) -> int:
        """Bytes. Raises NotFoundError."""
        with self._open(digest) as file:
            return os.fstat(file.fileno()).st_size

    def open(self, digest: Digest) -> Verified:
        """The blob, checked as it is read: FormatError instead of a wrong byte, and then the damaged file is gone.

        Raises NotFoundError.
        """
        file = self._open(digest)
        return _StoreReader(file, digest, os.fstat(file.fileno()).st_size, self.path(digest))

    def read(self, digest: Digest, *, limit: int = MAX_MANIFEST) -> bytes:
        """A small blob, checked. Raises NotFoundError, FormatError."""
        with self.open(digest) as stream:
            raw = stream.read(limit + 1) or b""
            while len(raw) <= limit and (more := stream.read(limit + 1 - len(raw))):
                raw += more
        if len(raw) > limit:
            raise FormatError(f"blob {digest}: found more than {limit} bytes, expected a document")
        return raw

    def document(self, descriptor: Descriptor) -> Manifest | Index:
        """The manifest or index that a descriptor points to. Raises NotFoundError, FormatError."""
        return parse_document(self.read(descriptor.digest), descriptor.media_type, place=f"manifest {descriptor.digest}")

    def put(self, stream: Readable, digest: Digest, size: int) -> None:
        """Keep `size` bytes that must have this digest. Raises FormatError where they have not; then nothing is kept."""
        if self.has(digest):
            return
        with self.writer(digest.algorithm) as writer, Verified(stream, digest, size) as checked:
            while piece := checked.read(CHUNK):
                writer.write(piece)
            writer.commit()

    def put_bytes(self, raw: bytes) -> Digest:
        with self.writer() as writer:
            writer.write(raw)
            return writer.commit()[0]

    @contextmanager
    def writer(self, algorithm: str = "sha256") -> Iterator["BlobWriter"]:
        """For bytes whose digest is not known yet; without `commit` nothing is kept."""
        with self.hold(), tempfile.NamedTemporaryFile(dir=self.root / "incoming", delete=False) as file:
            try:
                yield BlobWriter(self, file, Path(file.name), algorithm)
            finally:
                Path(file.name).unlink(missing_ok=True)

    @contextmanager
    def partial(self, descriptor: Descriptor) -> Iterator["PartialBlob"]:
        """What is there of a download; waits while another process or thread has it. It stays unless committed."""
        path = self._partial_path(descriptor.digest)
        with self.hold(), locked_file(path) as file:
            part = PartialBlob(self, file, path, descriptor)
            if part.complete:
                path.unlink()  # ours by the lock, and empty
            yield part

    def partial_size(self, digest: Digest) -> int:
        """Bytes that are there of a download."""
        try:
            return self._partial_path(digest).stat().st_size
        except FileNotFoundError:
            return 0

    def recall(self, key: str) -> Descriptor | None:
        """What was remembered under `key`, where its blob is still here. Raises FormatError where the note is damaged."""
        path = self.root / "layers" / key
        if not path.is_file():
            return None
        descriptor = Descriptor.read(Fields.parse(path.read_bytes(), str(path)))
        return descriptor if self.has(descriptor.digest) else None

    def remember(self, key: str, descriptor: Descriptor) -> None:
        self._replace(self.root / "layers" / key, to_json(descriptor.to_json()))

    # -- names

    def images(self) -> list[StoredImage]:
        """All names, sorted. Raises FormatError where the index is damaged."""
        found = {
            entry.annotations[_NAME]: replace(entry, annotations={})
            for entry in self._index().manifests
            if _NAME in entry.annotations
        }
        try:
            return [StoredImage(Reference.parse(name), found[name]) for name in sorted(found)]
        except InputError as error:
            raise FormatError(f"{self.root / 'index.json'}: {error.message}") from error

    def resolve(self, reference: Reference) -> Descriptor:
        """Raises NotFoundError."""
        images = self.images()
        for image in images:
            if image.reference == reference:
                return image.descriptor
        if reference.digest is not None:
            same = [image for image in images if image.descriptor.digest == reference.digest]
            if same:
                return same[0].descriptor
            if self.has(reference.digest):
                raw = self.read(reference.digest)
                return parse_document(raw, place=f"image {reference.familiar}").descriptor
        raise NotFoundError(
            f'image "{reference.familiar}": found none of this name in {self.root}',
            hint=f"`wherry pull {reference.familiar}` fetches it, `wherry images` lists what is there",
        )

    def tag(self, reference: Reference, descriptor: Descriptor) -> None:
        """Let a name stand for an image whose blobs are all here. Raises NotFoundError where one is missing."""
        self.require(descriptor)
        with self._changing_index() as entries:
            entries[:] = [entry for entry in entries if entry.annotations.get(_NAME) != str(reference)]
            names = {_CONTAINERD_NAME: str(reference), _NAME: str(reference)}
            entries.append(replace(descriptor, annotations=names))

    def untag(self, reference: Reference) -> Descriptor:
        """Forget a name -> what it stood for; the blobs stay until `prune`. Raises NotFoundError."""
        with self._changing_index() as entries:
            for entry in entries:
                if entry.annotations.get(_NAME) == str(reference):
                    entries.remove(entry)
                    return replace(entry, annotations={})
        raise NotFoundError(
            f'image "{reference.familiar}": found none of this name in {self.root}', hint="`wherry images` lists what is there"
        )

    def require(self, descriptor: Descriptor) -> None:
        """Raises NotFoundError unless every blob is here. Of an index, one manifest must be, and what is must be whole."""
        left, seen = [descriptor], set[Digest]()
        while left:
            here = left.pop()
            if here.media_type and here.media_type not in (*MANIFESTS, *INDEXES):
                self._require_blob(descriptor, here)
                continue
            document = self.document(here)
            if isinstance(document, Manifest):
                for blob in document.blobs:
                    self._require_blob(here, blob)
                continue
            present = [entry for entry in document.manifests if self.has(entry.digest)]
            if document.manifests and not present:
                raise NotFoundError(f"index {here.digest}: found none of its {len(document.manifests)} manifests")
            left += [entry for entry in present if entry.digest not in seen]
            seen |= {entry.digest for entry in present}

    def reach(self, descriptors: Iterable[Descriptor]) -> list[Descriptor]:
        """These and all that hangs from them, as far as it is here, each once and what is named after what names it.

        Raises FormatError for a damaged manifest.
        """
        found: dict[Digest, Descriptor] = {}
        left = list(reversed(list(descriptors)))
        while left:
            here = left.pop()
            if here.digest in found or not self.has(here.digest):
                continue
            found[here.digest] = here
            if here.media_type in (*MANIFESTS, *INDEXES):
                document = self.document(here)
                left += reversed(document.blobs if isinstance(document, Manifest) else document.manifests)
        return list(found.values())

    # -- what is used, and what may go

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Until its end nothing is removed from the store."""
        with (self.root / "use.lock").open("a") as lock:
            with suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._sweep()  # nobody else is here: these files have no writer any more
            fcntl.flock(lock, fcntl.LOCK_SH)
            yield

    def prune(self) -> Pruned:
        """Remove every blob and download that no name leads to. Raises InputError while somebody else uses the store."""
        with (self.root / "use.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise InputError(
                    f"{self.root}: found another process that reads or adds images, expected none",
                    hint="try again when it is done",
                ) from error
            self._sweep()
            needed = {self.path(here.digest) for here in self.reach(self._index().manifests)}
            files = {*(self.root / "blobs").glob("*/*"), *(self.root / "partial").iterdir()}
            gone = files - needed
            size = sum(file.stat().st_size for file in gone)
            for file in gone:
                file.unlink()
            for note in (self.root / "layers").iterdir():
                if self.recall(note.name) is None:
                    note.unlink()
            return Pruned(len(gone), size)

    # -- inside

    def _partial_path(self, digest: Digest) -> Path:
        return self.root / "partial" / f"{digest.algorithm}-{digest.hex}"

    def _open(self, digest: Digest) -> BinaryIO:
        try:
            return self.path(digest).open("rb")
        except FileNotFoundError as error:
            raise NotFoundError(f"blob {digest}: found none in {self.root}", hint="pull or build the image again") from error

    def _require_blob(self, owner: Descriptor, blob: Descriptor) -> None:
        try:
            size = self.size(blob.digest)
        except NotFoundError as error:
            raise NotFoundError(f"image {owner.digest}: {blob.media_type}: {error.message}", hint=error.hint) from error
        if size != blob.size:
            self.path(blob.digest).unlink(missing_ok=True)
            raise FormatError(
                f"image {owner.digest}: {blob.media_type}: {self.path(blob.digest)}: found {size} bytes, expected {blob.size}",
                hint=_DAMAGED,
            )

    def _sweep(self) -> None:
        for file in (self.root / "incoming").iterdir():
            file.unlink(missing_ok=True)

    def _index(self) -> Index:
        try:
            raw = (self.root / "index.json").read_bytes()
        except FileNotFoundError:
            return _EMPTY_INDEX
        found = parse_document(raw, place=str(self.root / "index.json"))
        if not isinstance(found, Index):
            raise FormatError(f"{self.root / 'index.json'}: found a manifest, expected an index")
        return found

    @contextmanager
    def _changing_index(self) -> Iterator[list[Descriptor]]:
        with (self.root / "index.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            entries = list(self._index().manifests)
            yield entries
            self._replace(self.root / "index.json", Index.build(entries).raw)

    def _replace(self, path: Path, raw: bytes) -> None:
        with self.hold(), tempfile.NamedTemporaryFile(dir=self.root / "incoming", delete=False) as file:
            write_piece(file, Path(file.name), raw)
            settle(file, Path(file.name), path, mode=0o644)


class BlobWriter:
    """A blob on its way in, from `Store.writer`."""

    def __init__(self, store: Store, file: IO[bytes], path: Path, algorithm: str) -> None:
        self._store = store
        self._file = file
        self._path = path
        self._algorithm = algorithm
        self._hasher = Digest(algorithm, "").hasher()
        self.size = 0  # bytes written

    def write(self, piece: bytes) -> int:
        write_piece(self._file, self._path, piece)
        self._hasher.update(piece)
        self.size += len(piece)
        return len(piece)

    @property
    def digest(self) -> Digest:
        """Of what was written so far."""
        return Digest(self._algorithm, self._hasher.hexdigest())

    def commit(self) -> tuple[Digest, int]:
        """Keep what was written -> its digest and size in bytes."""
        digest = self.digest
        if not self._store.has(digest):
            settle(self._file, self._path, self._store.path(digest), mode=0o444)
        return digest, self.size


class PartialBlob:
    """A download, from `Store.partial`: `size` bytes are there, `complete` where the blob is in the store already."""

    def __init__(self, store: Store, file: BinaryIO, path: Path, descriptor: Descriptor) -> None:
        self._store = store
        self._file = file
        self._path = path
        self._descriptor = descriptor
        self._hasher = descriptor.digest.hasher()
        self.size = 0
        self.complete = store.has(descriptor.digest)
        if not self.complete:
            for piece in iter(bound(file.read, CHUNK), b""):
                self._hasher.update(piece)
                self.size += len(piece)
            if self.size > descriptor.size:
                self.restart()

    def write(self, piece: bytes) -> None:
        """Add to the end. Raises FormatError where that is more than the blob has."""
        if self.size + len(piece) > self._descriptor.size:
            self.restart()
            raise FormatError(f"blob {self._descriptor.digest}: found more than {self._descriptor.size} bytes")
        write_piece(self._file, self._path, piece)
        self._hasher.update(piece)
        self.size += len(piece)

    def restart(self) -> None:
        """Throw away what is there."""
        self._file.seek(0)
        self._file.truncate()
        self._hasher = self._descriptor.digest.hasher()
        self.size = 0

    def commit(self) -> None:
        """Move the whole blob into the store. Raises FormatError where bytes are missing or wrong; wrong ones are thrown away."""
        expected = self._descriptor
        if self.size != expected.size:
            raise FormatError(f"blob {expected.digest}: found {self.size} bytes, expected {expected.size}")
        found = Digest(expected.digest.algorithm, self._hasher.hexdigest())
        if found != expected.digest:
            self.restart()
            raise FormatError(f"blob {expected.digest}: found digest {found}, expected its own")
        settle(self._file, self._path, self._store.path(expected.digest), mode=0o444)
        self.complete = True


class _StoreReader(Verified):
    """Removes a blob that turns out to be damaged: its name says what it should be, so nobody can want it."""

    def __init__(self, file: BinaryIO, digest: Digest, size: int, path: Path) -> None:
        super().__init__(file, digest, size, place=str(path))
        self._path = path

    def _fail(self, what: str) -> None:
        try:
            super()._fail(what)
        except FormatError as error:
            self._path.unlink(missing_ok=True)
            error.hint = _DAMAGED
            raise
