"""Where the commands that deal with images find them."""

import re

import click

from wherry.engine.catalog import default_cache
from wherry.errors import FormatError, InputError, NotFoundError
from wherry.oci.image import MANIFESTS, PREFERRED, ImageConfig, Manifest, Platform
from wherry.oci.reference import Reference
from wherry.oci.rootfs import Roots
from wherry.oci.store import Store, StoredImage
from wherry.oci.stored import open_image, why_not_run

_ID = re.compile(r"(?:sha256:)?([0-9a-f]{6,64})")


def open_store() -> Store:
    """The store in the cache."""
    return Store(default_cache() / "images")


def open_roots(store: Store) -> Roots:
    """The roots unpacked from it."""
    return Roots(default_cache() / "rootfs", store)


def find_image(store: Store, text: str) -> StoredImage:
    """An image by name, or by at least six digits of its digest. Raises NotFoundError, InputError."""
    found = _ID.fullmatch(text)
    if found is not None:
        same = [image for image in store.images() if image.descriptor.digest.hex.startswith(found[1])]
        if len({image.descriptor.digest for image in same}) > 1:
            raise InputError(f'image "{text}": found {len(same)} that begin so, expected one', hint="give more digits")
        if same:
            return same[0]
    reference = Reference.parse(text)
    return StoredImage(reference, store.resolve(reference))


def open_manifest(store: Store, image: StoredImage, platform: Platform | None = None) -> tuple[Manifest, ImageConfig | None]:
    """The manifest for a platform, by default the first of wasi/wasm, wasip1/wasm, wasip2/wasm and linux/amd64; an artifact has
    no image configuration. Raises NotFoundError, FormatError."""
    try:
        return open_image(store, image.descriptor, (platform,) if platform is not None else PREFERRED)
    except (NotFoundError, FormatError) as error:
        raise type(error)(f"image {image.reference.familiar}: {error.message}", hint=error.hint) from error


def warn_of_what_does_not_run(store: Store, image: StoredImage) -> None:
    """A line on stderr where `wherry run` would refuse what was just brought in, or sent."""
    if reason := why_not_run(store, image.descriptor):
        click.echo(f"note: `wherry run {image.reference.familiar}` would refuse it: {reason}", err=True)


def open_manifests(store: Store) -> list[tuple[Manifest, ImageConfig]]:
    """Every image in the store that has a name, for every platform of it. Raises FormatError."""
    found = []
    for descriptor in store.reach(image.descriptor for image in store.images()):
        if descriptor.media_type in MANIFESTS:
            document = store.document(descriptor)
            if isinstance(document, Manifest) and document.is_image and store.has(document.config.digest):
                found.append((document, ImageConfig.parse(store.read(document.config.digest), document.config.media_type)))
    return found
