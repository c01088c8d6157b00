"""Whole images between the local store and registries.

A name is given, and a manifest appears in the store, only when all that hangs from it is there: an interrupted pull leaves blobs
and parts of blobs, with which the next one goes on. A push sends blobs, then manifests, then the index under its tag.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial as bound
from io import BytesIO
from pathlib import Path
from typing import TypeVar

from wherry.errors import FormatError, NotFoundError
from wherry.oci.choice import MAX_DEPTH, Needs, choose
from wherry.oci.connection import Connection, Patience
from wherry.oci.digest import Digest
from wherry.oci.docker_config import Credentials, DockerConfig
from wherry.oci.download import check_space, download, full_disk_explained
from wherry.oci.image import INDEXES, MANIFESTS, PREFERRED, Descriptor, ImageConfig, Index, Manifest, Platform
from wherry.oci.progress import Progress, unwatched
from wherry.oci.reference import Reference
from wherry.oci.registry import Registry, pull_scopes, push_scopes
from wherry.oci.store import Store
from wherry.oci.stored import check_image, stored_images
from wherry.oci.upload import upload

T = TypeVar("T")

_MAX_MANIFESTS = 1024  # of one image
_MAX_NEIGHBOURS = 8  # repositories of the same registry from which blobs may be mounted


@dataclass(frozen=True)
class Transfers:
    """What pulls and pushes work with. `jobs` blobs move at once."""

    store: Store
    config: DockerConfig
    patience: Patience = field(default_factory=Patience)
    progress: Progress = unwatched
    jobs: int = 4


@dataclass(frozen=True)
class Transferred:
    """`bytes` of blobs went over the line. `platforms`: those of the image that the store has now, or the registry."""

    reference: Reference
    descriptor: Descriptor
    platforms: tuple[Platform, ...]
    bytes: int


def pull(
    reference: Reference, transfers: Transfers, *, platform: Platform | None = None, all_platforms: bool = False
) -> Transferred:
    """Bring an image or artifact into the store, under its name.

    Of an index, the entry for `platform` (by default the first of PREFERRED that is there), and those of PREFERRED that need no
    other layers: Wherry's own images arrive whole, of others what runs here. `all_platforms` takes everything.
    Raises NotFoundError, FormatError, DownloadError.
    """
    with full_disk_explained(transfers.store):
        return asyncio.run(_Pull(reference, transfers, platform, all_platforms).run())


def push(reference: Reference, transfers: Transfers) -> Transferred:
    """Send what a name stands for in the store to the registry that it names.

    Raises NotFoundError where parts are neither here nor there, FormatError, DownloadError.
    """
    return asyncio.run(_push(reference, transfers))


def check_login(registry: str, credentials: Credentials, patience: Patience | None = None) -> None:
    """Raises DownloadError unless the registry (HOST[:PORT]) takes them."""

    async def check() -> None:
        async with Connection(registry, _Given(Path("the command line"), credentials), patience or Patience()) as connection:
            await connection.ask("GET", connection.address(""), frozenset(), frozenset({200}))

    asyncio.run(check())


@dataclass(frozen=True)
class _Given(DockerConfig):
    """Not from a file."""

    given: Credentials

    def credentials(self, registry: str) -> Credentials | None:
        return self.given


class _Pull:
    def __init__(self, reference: Reference, transfers: Transfers, platform: Platform | None, all_platforms: bool) -> None:
        self._reference = reference
        self._transfers = transfers
        self._store = transfers.store
        self._platform = platform
        self._all_platforms = all_platforms
        self._found: dict[Digest, Manifest | Index] = {}  # an index after what it names

    async def run(self) -> Transferred:
        reference, store = self._reference, self._store
        async with Connection(reference.registry, self._transfers.config, self._transfers.patience) as connection:
            registry = Registry(connection, reference.repository, pull_scopes(reference.repository))
            with store.hold():
                root = await registry.document(reference)
                descriptor = Descriptor(root.media_type, reference.digest or root.digest, len(root.raw))
                await self._gather(registry, descriptor, root)
                manifests = [document for document in self._found.values() if isinstance(document, Manifest)]
                check_space(store, _unique(manifests))
                received = 0
                if isinstance(root, Manifest) and root.is_image and self._platform is not None:
                    received += await self._fetch(registry, [root.config])
                    self._check_platform(root, self._platform)
                received += await self._fetch(registry, _unique(manifests))
                for digest, document in self._found.items():
                    store.put(BytesIO(document.raw), digest, len(document.raw))
                check_image(store, descriptor)
                store.tag(reference, descriptor)
        return Transferred(reference, descriptor, _platforms(store, root), received)

    async def _gather(self, registry: Registry, descriptor: Descriptor, document: Manifest | Index) -> None:
        """Find the manifests that are to be here."""
        if isinstance(document, Index):
            if self._all_platforms:
                await self._gather_all(registry, document, 0)
            else:
                await self._gather_chosen(registry, document)
        self._take(descriptor, document)

    async def _gather_all(self, registry: Registry, index: Index, depth: int) -> None:
        """What is below an index, an index after what it names."""
        if depth > MAX_DEPTH:
            raise FormatError(f"index {index.digest}: found it in {MAX_DEPTH} other indexes, expected fewer")
        for entry in index.manifests:
            if entry.digest not in self._found and entry.media_type in (*MANIFESTS, *INDEXES):
                document = await self._document(registry, entry)
                if isinstance(document, Index):
                    await self._gather_all(registry, document, depth + 1)
                self._take(entry, document)

    async def _gather_chosen(self, registry: Registry, index: Index) -> None:
        """The image for the platform, the indexes that lead to it, and of each index what comes with it at no cost."""
        wanted = (self._platform,) if self._platform is not None else PREFERRED
        image, main = await self._answered(registry, choose(index, wanted))
        self._take(image.descriptor, main)
        for parent in (index, *(inner for _, inner in image.path)):
            for entry, child in await self._companions(registry, parent, main):
                self._take(entry, child)
        for entry, inner in reversed(image.path):
            self._take(entry, inner)

    async def _companions(self, registry: Registry, index: Index, main: Manifest) -> list[tuple[Descriptor, Manifest]]:
        """Entries that are here, so that what they lost comes back, and those for platforms of ours that have the same layers."""
        layers = {layer.digest for layer in main.layers}
        taken = []
        for entry in index.manifests:
            if entry.digest in self._found or entry.media_type not in MANIFESTS:
                continue
            here = self._store.has(entry.digest)
            if here or (entry.platform in PREFERRED and layers):
                child = await self._document(registry, entry) if here else await registry.child(entry)
                if isinstance(child, Manifest) and (here or {layer.digest for layer in child.layers} <= layers):
                    taken.append((entry, child))
        return taken

    async def _answered(self, registry: Registry, needs: Needs[T]) -> T:
        """A choice, with what it needs from the store or the registry."""
        try:
            wanted = next(needs)
            while True:
                if wanted.media_type in (*MANIFESTS, *INDEXES):
                    raw = (await self._document(registry, wanted)).raw
                else:
                    await self._fetch(registry, [wanted])
                    raw = self._store.read(wanted.digest)
                wanted = needs.send(raw)
        except StopIteration as end:
            result: T = end.value
            return result

    def _take(self, descriptor: Descriptor, document: Manifest | Index) -> None:
        self._found[descriptor.digest] = document
        if len(self._found) > _MAX_MANIFESTS:
            raise FormatError(f"image {self._reference}: found more than {_MAX_MANIFESTS} manifests")

    async def _document(self, registry: Registry, entry: Descriptor) -> Manifest | Index:
        """From the store where it is, else from the registry."""
        if self._store.has(entry.digest):
            with suppress(FormatError, NotFoundError):  # a damaged one is removed as it is read
                return self._store.document(entry)
        return await registry.child(entry)

    async def _fetch(self, registry: Registry, blobs: Sequence[Descriptor]) -> int:
        transfers = self._transfers
        return await _together(transfers.jobs, [bound(download, registry, self._store, b, transfers.progress) for b in blobs])

    def _check_platform(self, manifest: Manifest, wanted: Platform) -> None:
        """An image without an index is for one platform, which its configuration names."""
        has = ImageConfig.parse(self._store.read(manifest.config.digest), manifest.config.media_type).platform
        if (has.os, has.architecture) != (wanted.os, wanted.architecture) or wanted.variant not in ("", has.variant):
            raise NotFoundError(
                f"image {self._reference}: platform: found {has}, expected {wanted}",
                hint="without --platform it is taken as it is",
            )


async def _push(reference: Reference, transfers: Transfers) -> Transferred:
    store = transfers.store
    with store.hold():
        descriptor = store.resolve(reference)
        store.require(descriptor)
        check_image(store, descriptor)
        found, absent = _stored(store, descriptor)
        root = found[descriptor.digest]
        blobs = _unique(document for document in found.values() if isinstance(document, Manifest))
        neighbours = _neighbours(store, reference, {blob.digest for blob in blobs})
        sources = sorted({name for names in neighbours.values() for name in names})
        async with Connection(reference.registry, transfers.config, transfers.patience) as connection:
            registry = Registry(connection, reference.repository, push_scopes(reference.repository, *sources))
            for entry in absent:
                if not await registry.has_manifest(entry.digest):
                    raise NotFoundError(
                        f"image {reference.familiar}: {entry.platform or entry.media_type}: manifest {entry.digest}: "
                        "found it neither here nor in the registry",
                        hint="pull the image with --all-platforms from where it came, then push it",
                    )
            jobs = [bound(upload, registry, store, b, neighbours.get(b.digest, []), transfers.progress) for b in blobs]
            sent = await _together(transfers.jobs, jobs)
            for digest, document in found.items():  # an index comes after what it names
                if document is not root:
                    await registry.put_manifest(str(digest), document)
            await registry.put_manifest(reference.tag or str(descriptor.digest), root)
    return Transferred(reference, descriptor, _platforms(store, root), sent)


def _stored(store: Store, root: Descriptor) -> tuple[dict[Digest, Manifest | Index], list[Descriptor]]:
    """All manifests below one that are here, each before those that name it; and the entries that are not here."""
    found: dict[Digest, Manifest | Index] = {}
    absent: list[Descriptor] = []

    def visit(descriptor: Descriptor, depth: int) -> None:
        if descriptor.digest in found:
            return
        if depth > MAX_DEPTH + 1:
            raise FormatError(f"index {root.digest}: found indexes in indexes, expected at most {MAX_DEPTH}")
        document = store.document(descriptor)
        if isinstance(document, Index):
            for entry in document.manifests:
                if entry.media_type not in (*MANIFESTS, *INDEXES):
                    continue
                if store.has(entry.digest):
                    visit(entry, depth + 1)
                else:
                    absent.append(entry)
        found[descriptor.digest] = document

    visit(root, 0)
    return found, absent


def _neighbours(store: Store, reference: Reference, wanted: set[Digest]) -> dict[Digest, list[str]]:
    """The registry's other repositories that should have a blob, as the names in the store tell."""
    found: dict[Digest, list[str]] = {}
    names: set[str] = set()
    for image in store.images():
        name = image.reference.repository
        if (
            image.reference.registry != reference.registry
            or name == reference.repository
            or not store.has(image.descriptor.digest)
        ):
            continue
        documents, _ = _stored(store, image.descriptor)
        shared = {blob.digest for blob in _unique(d for d in documents.values() if isinstance(d, Manifest))} & wanted
        if shared and (name in names or len(names) < _MAX_NEIGHBOURS):
            names.add(name)
            for digest in shared:
                found.setdefault(digest, []).append(name)
    return found


def _unique(manifests: Iterable[Manifest]) -> list[Descriptor]:
    """The blobs of manifests, each once. Raises FormatError where two disagree on a size."""
    found: dict[Digest, Descriptor] = {}
    for manifest in manifests:
        for blob in manifest.blobs:
            if (known := found.setdefault(blob.digest, blob)).size != blob.size:
                raise FormatError(f"blob {blob.digest}: found the sizes {known.size} and {blob.size}, expected one")
    return list(found.values())


def _platforms(store: Store, root: Manifest | Index) -> tuple[Platform, ...]:
    """Those of an image that are in the store; an artifact has none."""
    if isinstance(root, Index):
        return tuple(image.platform for image in stored_images(store, root) if store.has(image.descriptor.digest))
    return (ImageConfig.parse(store.read(root.config.digest), root.config.media_type).platform,) if root.is_image else ()


async def _together(jobs: int, work: Sequence[Callable[[], Awaitable[int]]]) -> int:
    """The sum of what each gives; the first error ends all."""
    free = asyncio.Semaphore(jobs)

    async def one(job: Callable[[], Awaitable[int]]) -> int:
        async with free:
            return await job()

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(job)) for job in work]
    except ExceptionGroup as errors:
        raise errors.exceptions[0]  # noqa: B904  # its own cause says more than the group
    return sum(task.result() for task in tasks)
