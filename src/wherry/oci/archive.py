"""Images in one tar file, which is at once an OCI layout and what `docker save` writes: every engine can load it.

Read are both of these forms, also the old one of docker, with a folder a layer (moby's image/spec/v1.2.md).
"""

import io
import json
import posixpath
import re
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field

from wherry.errors import FormatError, InputError, NotFoundError
from wherry.oci.compression import Compression, Decompressed, Writable
from wherry.oci.digest import Digest, Readable
from wherry.oci.fields import Fields
from wherry.oci.image import (
    DOCKER_CONFIG,
    MAX_MANIFEST,
    OCI_CONFIG,
    OCI_LAYER,
    OCI_LAYER_GZIP,
    OCI_LAYER_ZSTD,
    Descriptor,
    ImageConfig,
    Index,
    Manifest,
    Platform,
)
from wherry.oci.layout import LAYOUT, check_layout, images_of, index_of, parse_index
from wherry.oci.reference import Reference
from wherry.oci.store import Store, StoredImage
from wherry.oci.stored import check_image, stored_images
from wherry.oci.tarstream import Limits, TarStream, check_space

_DOCUMENTS = ("oci-layout", "index.json", "manifest.json")
_BLOB = re.compile(r"blobs/(sha256|sha512)/([0-9a-f]+)")
_LEGACY = re.compile(r"[^/]+\.json|[^/]+\.tar|[^/]+/layer\.tar")
_PREFERRED = (Platform("linux", "amd64"), Platform("wasi", "wasm"))  # what docker's older stores take
_MAX_IMAGES = 1000
_KINDS = {Compression.NONE: OCI_LAYER, Compression.GZIP: OCI_LAYER_GZIP, Compression.ZSTD: OCI_LAYER_ZSTD}


def save(store: Store, images: Sequence[StoredImage], sink: Writable) -> None:
    """Write a tar; the same images give the same bytes. Raises NotFoundError, FormatError."""
    with store.hold(), tarfile.open(fileobj=_Sink(sink), mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for image in images:
            store.require(image.descriptor)
        blobs = sorted(store.reach(image.descriptor for image in images), key=lambda blob: blob.digest)
        for name in ("blobs", *sorted({f"blobs/{blob.digest.algorithm}" for blob in blobs})):
            tar.addfile(_header(name, tarfile.DIRTYPE))
        for blob in blobs:
            with store.open(blob.digest) as stream:
                tar.addfile(_header(_path(blob), size=blob.size), io.BufferedReader(stream))
        listing = _docker_listing(store, images)
        for name, raw in (("index.json", index_of(images).raw), ("manifest.json", listing), ("oci-layout", LAYOUT)):
            tar.addfile(_header(name, size=len(raw)), io.BytesIO(raw))


def load(
    store: Store, stream: Readable, place: str, given: Reference | None = None, *, limits: Limits | None = None
) -> list[StoredImage]:
    """Read a tar, of either form and compressed or not, into the store. `given` is the name to give to its one image.

    Raises FormatError, NotFoundError, InputError, TooLargeError.
    """
    with store.hold():
        found = _take_in(store, TarStream(stream, limits or Limits(), place), limits or Limits(), place)
        if "index.json" in found.documents:
            if "oci-layout" in found.documents:
                check_layout(found.documents["oci-layout"], f"{place}: oci-layout")
            where = f"{place}: index.json"
            images = images_of(parse_index(found.documents["index.json"], where), given, where)
        elif "manifest.json" in found.documents:
            images = _docker_images(store, found, given, f"{place}: manifest.json")
        else:
            raise FormatError(
                f"{place}: found neither index.json nor manifest.json, expected an image",
                hint="`docker save` and `wherry save` write one",
            )
        for image in images:
            store.require(image.descriptor)
            check_image(store, image.descriptor)
        for image in images:
            store.tag(image.reference, image.descriptor)
    return images


@dataclass(frozen=True)
class _Contents:
    """What a tar held: `files` by name (digest and size in the store), `links` from name to name, small `documents`."""

    files: dict[str, tuple[Digest, int]] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    documents: dict[str, bytes] = field(default_factory=dict)

    def find(self, name: str, place: str) -> tuple[Digest, int]:
        """A file, by way of links: docker saves a layer that two images share once."""
        here = _normal(name)
        for _ in range(3):
            if here in self.files:
                return self.files[here]
            here = self.links.get(here, "")
        raise NotFoundError(f'{place}: found no file "{name}" in the archive')


def _take_in(store: Store, tar: TarStream, limits: Limits, place: str) -> _Contents:
    found = _Contents()
    for count, member in enumerate(tar.members()):
        if count > limits.entries:
            raise FormatError(f"{place}: found more than {limits.entries} entries, expected fewer")
        name = _normal(member.name)
        if member.issym() or member.islnk():
            folder = posixpath.dirname(name) if member.issym() else ""
            found.links[name] = _normal(posixpath.normpath(posixpath.join(folder, member.linkname)))
        elif member.isfile() and name in _DOCUMENTS:
            if member.size > MAX_MANIFEST:
                raise FormatError(f"{place}: {name}: found {member.size} bytes, expected at most {MAX_MANIFEST}")
            found.documents[name] = b"".join(tar.content(member))
        elif member.isfile() and ((blob := _BLOB.fullmatch(name)) is not None or _LEGACY.fullmatch(name)):
            check_space(store.root, member.size, limits, place)
            with store.writer(blob[1] if blob else "sha256") as writer:
                for piece in tar.content(member):
                    writer.write(piece)
                if blob and writer.digest != Digest(blob[1], blob[2]):
                    raise FormatError(f"{place}: {name}: found digest {writer.digest}, expected its name's")
                found.files[name] = writer.commit()
    tar.finish()
    if tar.is_empty:
        raise FormatError(f"{place}: found nothing, expected an image")
    return found


def _docker_images(store: Store, found: _Contents, given: Reference | None, place: str) -> list[StoredImage]:
    """The images of a `manifest.json`, which is a list: as OCI manifests over docker's own configurations."""
    items = Fields.parse(b'{"images":' + found.documents["manifest.json"] + b"}", place).children("images", _MAX_IMAGES)
    images: list[StoredImage] = []
    for item in items:
        digest, size = found.find(item.text("Config"), item.place)
        config = ImageConfig.parse(store.read(digest), DOCKER_CONFIG, place=f"{item.place}: Config")
        names = item.texts("Layers", _MAX_IMAGES)
        if len(names) != len(config.diff_ids):
            raise FormatError(f"{item.place}: found {len(names)} layers and {len(config.diff_ids)} diff_ids, expected as many")
        layers = [_layer(store, found, name, expected, item.place) for name, expected in zip(names, config.diff_ids, strict=True)]
        manifest = Manifest.build(Descriptor(OCI_CONFIG, digest, size), layers)
        store.put_bytes(manifest.raw)
        tags = [given] if given is not None else [Reference.parse(tag) for tag in item.texts("RepoTags", _MAX_IMAGES)]
        images += [StoredImage(tag, manifest.descriptor) for tag in tags]
    if not items or (given is not None and len(items) != 1):
        raise InputError(f"{place}: found {len(items)} images, expected {'one for --tag' if given else 'at least one'}")
    if not images:
        raise InputError(f"{place}: found an image without a name, expected one", hint="name it with --tag")
    return images


def _layer(store: Store, found: _Contents, name: str, diff_id: Digest, place: str) -> Descriptor:
    """docker's archive has no digest of its own for a layer: the configuration says what it must be, as a plain tar."""
    digest, size = found.find(name, place)
    with store.open(digest) as stream:
        plain = Decompressed(io.BufferedReader(stream), place=f"{place}: {name}")
        if (there := Digest.of_stream(plain, diff_id.algorithm)) != diff_id:
            raise FormatError(f"{place}: {name}: diff_id: found {there}, expected {diff_id}")
    if plain.compression not in _KINDS:
        raise FormatError(
            f"{place}: {name}: found a layer in {plain.compression.value}, expected a tar, plain or in gzip or zstd"
        )
    return Descriptor(_KINDS[plain.compression], digest, size)


def _docker_listing(store: Store, images: Sequence[StoredImage]) -> bytes:
    """`manifest.json`: a list, one entry an image, each of one platform."""
    entries = []
    for image in images:
        document = store.document(image.descriptor)
        if isinstance(document, Index):
            here = [found.descriptor for found in stored_images(store, document) if store.has(found.descriptor.digest)]
            chosen = [entry for platform in _PREFERRED for entry in here if entry.platform == platform] + here
            document = store.document(chosen[0]) if chosen else document
        if isinstance(document, Manifest) and document.is_image:
            names = [image.reference.familiar] if image.reference.tag and not image.reference.digest else []
            entries.append(
                {"Config": _path(document.config), "RepoTags": names, "Layers": [_path(layer) for layer in document.layers]}
            )
    return json.dumps(entries, separators=(",", ":")).encode()


def _path(blob: Descriptor) -> str:
    return f"blobs/{blob.digest.algorithm}/{blob.digest.hex}"


def _normal(name: str) -> str:
    """A name in a tar without `./` and a leading `/`. What leads out of it matches nothing."""
    return posixpath.normpath(name).lstrip("/")


def _header(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.type, header.size, header.mode = kind, size, 0o755 if kind == tarfile.DIRTYPE else 0o644
    return header


class _Sink(io.RawIOBase):
    """tarfile wants a file; a sink that writes is enough."""

    def __init__(self, sink: Writable) -> None:
        super().__init__()
        self._sink = sink

    def writable(self) -> bool:
        return True

    def write(self, piece: bytes, /) -> int:  # type: ignore[override]  # tarfile writes bytes
        self._sink.write(piece)
        return len(piece)
