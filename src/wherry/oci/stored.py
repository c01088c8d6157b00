"""Images in the store, as a run opens them: the manifest of a platform, its configuration, and what is wrong with them."""

from collections.abc import Sequence

from wherry.errors import FormatError, NotFoundError
from wherry.oci.choice import Candidate, answered, choose, is_program, look_through
from wherry.oci.image import PREFERRED, Descriptor, ImageConfig, Index, Manifest, Platform
from wherry.oci.store import Store


def open_image(
    store: Store, descriptor: Descriptor, wanted: Sequence[Platform] = PREFERRED
) -> tuple[Manifest, ImageConfig | None]:
    """The manifest for the first of the platforms that is there; an artifact has no image configuration.

    Raises NotFoundError, FormatError.
    """
    document = store.document(descriptor)
    if isinstance(document, Index):
        _, document = answered(choose(document, wanted), lambda blob: _read(store, blob))
    if not document.is_image:
        return document, None
    return document, read_config(store, document)


def read_config(store: Store, manifest: Manifest) -> ImageConfig:
    """Of an image, which must fit its layers. Raises NotFoundError, FormatError."""
    raw = store.read(manifest.config.digest)
    config = ImageConfig.parse(raw, manifest.config.media_type, place=f"configuration {manifest.config.digest}")
    config.check_layers(manifest)
    return config


def stored_images(store: Store, index: Index) -> list[Candidate]:
    """All images of an index, whether they are here or not. Raises FormatError."""
    return answered(look_through(index), lambda blob: _read(store, blob)).images


def check_image(store: Store, descriptor: Descriptor) -> None:
    """Before a name is given to it, or it is sent. Raises FormatError for what no run could open, on any machine."""
    document = store.document(descriptor)
    if isinstance(document, Manifest):
        if document.is_image:
            read_config(store, document)
        return
    contents = answered(look_through(document), lambda blob: _read(store, blob))
    if contents.is_void:
        raise FormatError(f"index {document.digest}: found {contents.words()}, expected an image")
    for image in contents.images:
        if store.has(image.descriptor.digest):
            manifest = store.document(image.descriptor)
            if isinstance(manifest, Manifest) and manifest.is_image and store.has(manifest.config.digest):
                read_config(store, manifest)


def why_not_run(store: Store, descriptor: Descriptor) -> str:
    """What `wherry run` would say to it, from what is known before it is unpacked; nothing where it would run it."""
    try:
        manifest, config = open_image(store, descriptor)
    except (NotFoundError, FormatError) as error:
        return error.message
    if config is None:
        return "" if is_program(manifest) else f"found {manifest.artifact_type or manifest.config.media_type}, expected a program"
    if not any(config.platform.matches(platform) for platform in PREFERRED):
        return f"platform: found {config.platform}, expected {' or '.join(map(str, PREFERRED))}"
    return ""


def _read(store: Store, blob: Descriptor) -> bytes | None:
    return store.read(blob.digest) if store.has(blob.digest) else None
