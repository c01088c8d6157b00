"""What `wherry run` starts: a file, an image or a Wasm artifact."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from posixpath import normpath
from typing import TYPE_CHECKING

from wherry.errors import FormatError, InputError, NotFoundError
from wherry.wasm.host import Mount

if TYPE_CHECKING:  # a file is run without waiting for what only images need
    from wherry.oci.image import ImageConfig, Manifest, Platform
    from wherry.oci.rootfs import Roots
    from wherry.oci.store import Store, StoredImage


@dataclass(frozen=True)
class Program:
    """A module and what it is to be given.

    labels     the image's: how it wants to be run
    models     the folder in which the image's preloads find their files: what the guest has at `/`, as it was
    """

    module: Path
    argv: Sequence[str]
    variables: dict[str, str] = field(default_factory=dict)
    mounts: Sequence[Mount] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    models: Path | None = None


@contextmanager
def open_program(
    target: str, arguments: Sequence[str], *, entrypoint: str | None, platform: str | None, pull_policy: str, read_only: bool
) -> Iterator[Program]:
    """`target` is a file where there is one, or its name ends with .wasm; else an image, fetched where the store has none.

    Of an image the guest gets the root, a copy of its own unless `read_only`; it is gone at the end.
    Raises NotFoundError, FormatError, InputError, DownloadError.
    """
    if target.endswith(".wasm") or Path(target).is_file():
        path = Path(target)
        yield Program(path, [entrypoint or path.name, *arguments])
        return
    from wherry.cli.store import open_manifest, open_roots, open_store
    from wherry.oci.image import Platform

    store = open_store()
    wanted = Platform.parse(platform) if platform is not None else None
    image = _find(store, target, wanted, pull_policy)
    manifest, config = open_manifest(store, image, wanted)
    if config is None:
        name = image.reference.familiar
        yield Program(_artifact(store, manifest), [entrypoint or name, *arguments])
        return
    with ExitStack() as stack:
        yield _of_image(stack, open_roots(store), manifest, config, arguments, entrypoint, read_only)


def _find(store: "Store", target: str, platform: "Platform | None", policy: str) -> "StoredImage":
    """As `docker run --pull`: missing, always or never."""
    from wherry.cli.store import find_image
    from wherry.oci.reference import Reference
    from wherry.oci.store import StoredImage

    if policy != "always":
        try:
            return find_image(store, target)
        except NotFoundError:
            if policy == "never":
                raise
    reference = Reference.parse(target)
    from wherry.cli.moving import transfers
    from wherry.oci.transfer import pull

    print(f"fetching {reference.familiar}", file=sys.stderr)
    with transfers(quiet=False) as moving:
        return StoredImage(reference, pull(reference, moving, platform=platform).descriptor)


def _artifact(store: "Store", manifest: "Manifest") -> Path:
    """The module of a Wasm artifact, where it lies in the store, checked."""
    from wherry.oci.artifact import wasm_layer
    from wherry.oci.digest import CHUNK

    layer = wasm_layer(manifest)
    with store.open(layer.digest) as stream:
        while stream.read(CHUNK):
            pass
    return store.path(layer.digest)


def _of_image(
    stack: ExitStack,
    roots: "Roots",
    manifest: "Manifest",
    config: "ImageConfig",
    arguments: Sequence[str],
    entrypoint: str | None,
    read_only: bool,
) -> Program:
    command = [entrypoint, *arguments] if entrypoint else [*config.entrypoint, *(arguments or config.cmd)]
    if not command:
        raise InputError(f"image {manifest.digest}: found neither an entrypoint nor a command", hint="name one with --entrypoint")
    from wherry.cli.activity import activity

    with activity("unpacking the image, once", lambda line: print(line, file=sys.stderr)):
        unpacked = stack.enter_context(roots.unpacked(manifest, config))
    root = unpacked if read_only else stack.enter_context(roots.writable(unpacked))
    folder = config.working_dir or "/"
    return Program(
        _module(unpacked, folder, command[0]),
        command,
        {"PWD": folder, **config.variables},
        [Mount(root, "/", writable=not read_only)],
        config.labels,
        unpacked,
    )


def _module(root: Path, folder: str, name: str) -> Path:
    """The file that a command's first word means: from the root, or from the working folder. Links stay within the root."""
    inside = Path(os.path.realpath(root))
    for path in (normpath(f"{folder}/{name}"), normpath(f"/{name}")) if not name.startswith("/") else (normpath(name),):
        found = Path(os.path.realpath(inside / path.lstrip("/")))  # a circle of links leads nowhere, and is no error
        if found.is_relative_to(inside) and found.is_file():
            with found.open("rb") as file:
                if (first := file.read(4)) != b"\0asm":
                    raise FormatError(f'image: entrypoint "{name}": found the first bytes {first.hex()}, expected a Wasm module')
            return found
    raise NotFoundError(f'image: entrypoint: found no file "{name}" in the image')
