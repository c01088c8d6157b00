"""`wherry save` and `wherry load`."""

import sys
import tempfile
from pathlib import Path

import click

from wherry.errors import InputError


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="IMAGE...")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The tar file. Default: stdout.")
@click.option("--layout", type=click.Path(path_type=Path), help="Write an OCI layout, a folder, and no tar file.")
def save(names: tuple[str, ...], output: Path | None, layout: Path | None) -> None:
    """Write images into a tar file that `docker load`, `podman load`, `ctr image import` and skopeo read.

    \b
    Examples:
      wherry save -o speech.tar speech
      wherry save speech | docker load
    """
    from wherry.cli.store import find_image, open_store
    from wherry.oci.archive import save as save_archive
    from wherry.oci.layout import save_folder

    if output is not None and layout is not None:
        raise InputError("--output: found it together with --layout, expected one of them")
    store = open_store()
    with store.hold():
        images = [find_image(store, name) for name in names]
        if layout is not None:
            save_folder(store, images, layout)
        elif output is not None:
            with tempfile.NamedTemporaryFile(dir=output.absolute().parent, prefix=f".{output.name}-", delete=False) as file:
                try:
                    save_archive(store, images, file)
                    Path(file.name).chmod(0o644)
                    Path(file.name).rename(output)
                finally:
                    Path(file.name).unlink(missing_ok=True)
        elif sys.stdout.isatty():
            raise InputError("stdout: found a terminal, expected a file or a pipe", hint="name a file with --output")
        else:
            save_archive(store, images, sys.stdout.buffer)
            sys.stdout.buffer.flush()


@click.command()
@click.option("-i", "--input", "source", type=click.Path(path_type=Path), help="A tar file, or the folder of an OCI layout.")
@click.option("-t", "--tag", metavar="NAME[:TAG]", help="The name for an image that has none, or another.")
def load(source: Path | None, tag: str | None) -> None:
    """Read images from a tar file that docker, podman, skopeo or Wherry wrote, or from an OCI layout. Default: stdin.

    \b
    Examples:
      docker save app | wherry load
      wherry load -i speech.tar
    """
    from wherry.cli.activity import CountedReader, bytes_shown
    from wherry.cli.store import open_store, warn_of_what_does_not_run
    from wherry.errors import NotFoundError
    from wherry.oci.archive import load as load_archive
    from wherry.oci.layout import load_folder
    from wherry.oci.reference import Reference

    name = Reference.parse(tag) if tag else None
    store = open_store()
    if source is None:
        with bytes_shown("stdin") as on_bytes:
            images = load_archive(store, CountedReader(sys.stdin.buffer, 0, on_bytes), "stdin", name)
    elif source.is_dir():
        images = load_folder(store, source, name)
    elif source.is_file():
        with source.open("rb") as file, bytes_shown(source.name) as on_bytes:
            images = load_archive(store, CountedReader(file, source.stat().st_size, on_bytes), str(source), name)
    else:
        raise NotFoundError(f"{source}: found no such file, expected a tar file or the folder of an OCI layout")
    for image in images:
        click.echo(f"{image.reference.familiar} {image.descriptor.digest}")
        warn_of_what_does_not_run(store, image)
