"""Which manifest of an index is the image for a platform (OCI image specification, image-index.md).

Indexes in registries are of many hands: entries without a platform, which their configuration alone says; indexes in indexes;
attestations, bills of materials and signatures beside images. So a choice may have to read. It is a generator, which asks for
what it needs: the store answers it at once, a registry over the line.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from wherry.errors import FormatError, NotFoundError
from wherry.oci.fields import Fields
from wherry.oci.image import (
    DOCKER_CONFIG,
    INDEXES,
    MANIFESTS,
    OCI_CONFIG,
    PREFERRED,
    WASM_CONFIG,
    WASM_LAYER,
    Descriptor,
    Index,
    Manifest,
    Platform,
    parse_document,
)

T = TypeVar("T")
Needs = Generator[Descriptor, bytes | None, T]  # what is asked for, its bytes or None where they are not here, the result

MAX_DEPTH = 4  # of indexes in indexes
_MAX_DOCUMENTS = 1024  # that one choice reads
_PURPOSE = "vnd.docker.reference.type"  # BuildKit's annotation of what is no image: attestation-manifest
_ARTIFACT = "artifact "
_RUNNABLE = (OCI_CONFIG, DOCKER_CONFIG, WASM_CONFIG)


@dataclass(frozen=True)
class Candidate:
    """An entry that is an image, below the indexes `path` (without the one that was looked through)."""

    descriptor: Descriptor
    platform: Platform
    path: tuple[tuple[Descriptor, Index], ...] = ()


@dataclass
class Contents:
    """What an index turns out to hold. others: what is no image, in words; absent: entries that are not here."""

    images: list[Candidate] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    absent: list[Descriptor] = field(default_factory=list)
    documents: int = 0

    @property
    def is_void(self) -> bool:
        """Whether there is nothing that anybody could want by this name: attestations alone, or not even these."""
        return not self.images and not self.absent and not any(other.startswith(_ARTIFACT) for other in self.others)

    def words(self) -> str:
        """For errors: platforms, then how many there are of what is no image."""
        kinds = list(dict.fromkeys(str(image.platform) for image in self.images))
        kinds += [f"{self.others.count(kind)} × {kind}" for kind in dict.fromkeys(self.others)]
        kinds += [f"{len(self.absent)} × an entry that is not here"] if self.absent else []
        return ", ".join(kinds) or "none"


def choose(index: Index, wanted: Sequence[Platform] = PREFERRED) -> Needs[tuple[Candidate, Manifest]]:
    """The image for the first of the `wanted` platforms that is there.

    Raises NotFoundError, which names what is there; FormatError where it is no index of images.
    """
    contents = yield from look_through(index)
    missing: Descriptor | None = None
    for platform in (other for each in wanted for other in each.alternatives):
        for image in contents.images:
            if not image.platform.matches(platform):
                continue
            raw = yield image.descriptor
            if raw is None:
                missing = missing or image.descriptor
                continue
            manifest = Manifest.parse(raw, image.descriptor.media_type, place=f"manifest {image.descriptor.digest}")
            if is_program(manifest):
                return image, manifest
    if missing is not None:
        raise NotFoundError(
            f"index {index.digest}: manifest {missing.digest}: found it not here", hint="pull the image with --platform"
        )
    raise NotFoundError(
        f"index {index.digest}: platform: found {contents.words()}, expected {' or '.join(map(str, wanted))}",
        hint="name one that is there with --platform" if contents.images else "",
    )


def look_through(index: Index) -> Needs[Contents]:
    """All that an index holds, in its order. Raises FormatError."""
    contents = Contents()
    yield from _look(index, None, (), contents)
    return contents


def answered(needs: Needs[T], read: Callable[[Descriptor], bytes | None]) -> T:
    """Run a choice whose documents are read at once."""
    try:
        wanted = next(needs)
        while True:
            wanted = needs.send(read(wanted))
    except StopIteration as end:
        result: T = end.value
        return result


def is_program(manifest: Manifest) -> bool:
    """Whether it may be run: an image, or a Wasm artifact."""
    if manifest.artifact_type and manifest.artifact_type not in _RUNNABLE and not manifest.is_image:
        return any(layer.media_type == WASM_LAYER for layer in manifest.layers)
    return manifest.config.media_type in _RUNNABLE or any(layer.media_type == WASM_LAYER for layer in manifest.layers)


def _look(
    index: Index, inherited: Platform | None, path: tuple[tuple[Descriptor, Index], ...], contents: Contents
) -> Needs[None]:
    for entry in index.manifests:
        contents.documents += 1
        if contents.documents > _MAX_DOCUMENTS:
            raise FormatError(f"index {index.digest}: found more than {_MAX_DOCUMENTS} entries below it, expected fewer")
        if (other := _what_else(entry)) is not None:
            contents.others.append(other)
            continue
        platform = entry.platform or inherited
        if entry.media_type in INDEXES:
            if len(path) == MAX_DEPTH:
                raise FormatError(f"index {entry.digest}: found it in {MAX_DEPTH} other indexes, expected fewer")
            raw = yield entry
            if raw is None:
                contents.absent.append(entry)
                continue
            inner = parse_document(raw, entry.media_type, place=f"index {entry.digest}")
            if isinstance(inner, Index):  # else parse_document has refused it
                yield from _look(inner, platform, (*path, (entry, inner)), contents)
        elif platform is not None:
            contents.images.append(Candidate(entry, platform, path))
        else:
            yield from _look_inside(entry, path, contents)


def _look_inside(entry: Descriptor, path: tuple[tuple[Descriptor, Index], ...], contents: Contents) -> Needs[None]:
    """A manifest whose platform its configuration alone says."""
    raw = yield entry
    if raw is None:
        contents.absent.append(entry)
        return
    manifest = Manifest.parse(raw, entry.media_type, place=f"manifest {entry.digest}")
    if not is_program(manifest):
        contents.others.append(f"{_ARTIFACT}{manifest.artifact_type or manifest.config.media_type}")
        return
    raw = yield manifest.config
    if raw is None:
        contents.absent.append(entry)
        return
    platform = Platform.read_optional(Fields.parse(raw, f"configuration {manifest.config.digest}"))
    contents.images.append(Candidate(entry, platform or Platform("unknown", "unknown"), path))


def _what_else(entry: Descriptor) -> str | None:
    """What an entry is that is no image, where it says so itself."""
    if purpose := entry.annotations.get(_PURPOSE):
        return f"{purpose.removesuffix('-manifest')[:80]}"
    if entry.media_type not in (*MANIFESTS, *INDEXES):
        return entry.media_type[:80] or "nothing"
    if entry.artifact_type and entry.artifact_type not in _RUNNABLE:
        return f"{_ARTIFACT}{entry.artifact_type[:80]}"
    if entry.platform is not None and "unknown" in (entry.platform.os, entry.platform.architecture):
        return str(entry.platform)[:80]
    return None
