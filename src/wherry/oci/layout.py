"""OCI image layouts (image-spec, image-layout.md): folders of blobs with an index that names some of them."""

import os
import stat
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from wherry.errors import FormatError, InputError, NotFoundError
from wherry.oci.digest import CHUNK, Digest
from wherry.oci.fields import Fields
from wherry.oci.image import INDEXES, MANIFESTS, MAX_MANIFEST, Descriptor, Index, Manifest, parse_document
from wherry.oci.reference import Reference
from wherry.oci.store import Store, StoredImage
from wherry.oci.stored import check_image

LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
_NAME = "org.opencontainers.image.ref.name"
_CONTAINERD_NAME = "io.containerd.image.name"


def index_of(images: Sequence[StoredImage]) -> Index:
    """The `index.json` of a layout that holds these images, named as docker and containerd name them."""
    entries = []
    for image in images:
        names = {_CONTAINERD_NAME: str(image.reference)}
        if image.reference.tag:
            names[_NAME] = image.reference.tag
        entries.append(replace(image.descriptor, annotations=names))
    return Index.build(entries)


def name_of(entry: Descriptor, given: Reference | None, place: str) -> Reference:
    """What an entry of `index.json` is to be called: as `given`, else as it says. Raises InputError where nobody says."""
    if given is not None:
        return given
    name = entry.annotations.get(_CONTAINERD_NAME) or entry.annotations.get(_NAME, "")
    if not any(sign in name for sign in "/:@"):  # a tag, which alone names nothing
        raise InputError(f'{place}: found an image called "{name}", expected NAME:TAG', hint="name it with --tag")
    return Reference.parse(name)


def check_layout(raw: bytes, place: str) -> None:
    """Raises FormatError unless `oci-layout` is of version 1."""
    version = Fields.parse(raw, place).text("imageLayoutVersion")
    if version.partition(".")[0] != "1":
        raise FormatError(f'{place}: imageLayoutVersion: found "{version}", expected "1.0.0"')


def images_of(index: Index, given: Reference | None, place: str) -> list[StoredImage]:
    """The images that an `index.json` names; what it does not name belongs to another. Raises InputError, FormatError."""
    entries = [entry for entry in index.manifests if entry.media_type in (*MANIFESTS, *INDEXES)]
    if not entries:
        raise FormatError(f"{place}: found no image, expected one")
    named = [entry for entry in entries if any(entry.annotations.get(key) for key in (_CONTAINERD_NAME, _NAME))] or entries
    if given is not None:
        named = list({entry.digest: entry for entry in named}.values())  # several names of one image are one image
    if given is not None and len(named) != 1:
        raise InputError(f"{place}: found {len(named)} images and one name, expected one image for --tag")
    return [StoredImage(name_of(entry, given, place), replace(entry, annotations={}, platform=None)) for entry in named]


def parse_index(raw: bytes, place: str) -> Index:
    """`index.json`. Raises FormatError."""
    found = parse_document(raw, place=place)
    if not isinstance(found, Index):
        raise FormatError(f"{place}: found a manifest, expected an index")
    return found


def save_folder(store: Store, images: Sequence[StoredImage], folder: Path) -> None:
    """Write a layout; `folder` is made, and must not be there. Raises FormatError, NotFoundError, InputError."""
    if folder.exists():
        raise InputError(f"{folder}: found it, expected a folder to make")
    with store.hold():
        for image in images:
            store.require(image.descriptor)
        for blob in store.reach(image.descriptor for image in images):
            path = folder / "blobs" / blob.digest.algorithm / blob.digest.hex
            path.parent.mkdir(parents=True, exist_ok=True)
            with store.open(blob.digest) as source, path.open("wb") as target:
                while piece := source.read(CHUNK):
                    target.write(piece)
    (folder / "oci-layout").write_bytes(LAYOUT)
    (folder / "index.json").write_bytes(index_of(images).raw)


def load_folder(store: Store, folder: Path, given: Reference | None = None) -> list[StoredImage]:
    """Read a layout into the store, every blob checked. Raises NotFoundError, FormatError, InputError."""
    check_layout(_small(folder / "oci-layout"), str(folder / "oci-layout"))
    place = str(folder / "index.json")
    images = images_of(parse_index(_small(folder / "index.json"), place), given, place)
    with store.hold():
        for image in images:
            _load(store, folder, image.descriptor)
            store.require(image.descriptor)
            check_image(store, image.descriptor)
        for image in images:
            store.tag(image.reference, image.descriptor)
    return images


def _load(store: Store, folder: Path, root: Descriptor) -> None:
    """Bring in all that hangs from `root`; of an index, the manifests that are there."""
    left, seen = [root], set[Digest]()
    while left:
        here = left.pop()
        seen.add(here.digest)
        path = folder / "blobs" / here.digest.algorithm / here.digest.hex
        try:
            with _open_inside(folder, path) as file:
                store.put(file, here.digest, here.size)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFoundError(f"{path}: found no such file, expected a {here.media_type}") from error
        except FormatError as error:
            raise FormatError(f"{path}: {error.message}") from error
        if here.media_type in (*MANIFESTS, *INDEXES):
            document = store.document(here)
            if isinstance(document, Manifest):
                children = document.blobs
            else:
                blobs = folder / "blobs"
                children = tuple(e for e in document.manifests if (blobs / e.digest.algorithm / e.digest.hex).exists())
            left += [child for child in children if child.digest not in seen]


def _open_inside(folder: Path, path: Path) -> BinaryIO:
    """A file of a layout that somebody else wrote: no link leads out of it, no pipe or device is waited for.

    Raises FileNotFoundError, FormatError.
    """
    real = Path(os.path.realpath(path))
    if not real.is_relative_to(os.path.realpath(folder)):
        raise FormatError(f"{path}: found a link out of {folder}, expected a file in it")
    file = os.fdopen(os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise FormatError(f"{path}: found no regular file, expected one")
    return file


def _small(path: Path) -> bytes:
    try:
        with _open_inside(path.parent, path) as file:
            raw = file.read(MAX_MANIFEST + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFoundError(f"{path}: found no such file, expected an OCI layout", hint="a tar file is read as it is") from error
    if len(raw) > MAX_MANIFEST:
        raise FormatError(f"{path}: found more than {MAX_MANIFEST} bytes, expected fewer")
    return raw
