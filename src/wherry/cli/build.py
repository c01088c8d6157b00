"""`wherry build`."""

from pathlib import Path

import click

from wherry.errors import InputError


@click.command()
@click.argument("source", metavar="FOLDER|FILE.wasm", default=".", type=click.Path(path_type=Path))
@click.option(
    "-t",
    "--tag",
    "tags",
    multiple=True,
    metavar="NAME[:TAG]",
    help="The image's name. Repeatable. Default: the one in wherry.toml.",
)
@click.option("-f", "--file", type=click.Path(path_type=Path), help="The Dockerfile or wherry.toml. Default: FOLDER's.")
@click.option("--build-arg", "arguments", multiple=True, metavar="NAME=VALUE", help="A value for an ARG of the Dockerfile.")
@click.option(
    "--compression",
    type=click.Choice(["gzip", "zstd", "none"]),
    default="gzip",
    show_default=True,
    help="Of the layers. Docker before version 23 cannot read zstd.",
)
@click.option(
    "--standalone", is_flag=True, help="Let the image for linux/amd64 carry the runtime: it runs where nothing is installed."
)
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="[NAME=]MODEL",
    help="A model that the app finds, put into the image: a short name, a weight file, or an address (hf://, oci://, pypi://). "
    "The first is the default. Repeatable.",
)
@click.option("--no-cache", is_flag=True, help="Look for the app's requirements and compile it anew, even if nothing changed.")
@click.option("-q", "--quiet", is_flag=True, help="Print the digest and nothing else.")
def build(
    source: Path,
    tags: tuple[str, ...],
    file: Path | None,
    arguments: tuple[str, ...],
    compression: str,
    standalone: bool,
    models: tuple[str, ...],
    no_cache: bool,
    quiet: bool,
) -> None:
    """Build an image from FOLDER's Dockerfile or wherry.toml, or from the web app in it.

    A web app is a folder with an app.py, which has a WSGI app called `app`, and perhaps a requirements.txt, in pure Python. It
    is compiled to a component; its other files are there as they were beside it.

    The image is for wasi/wasm, wasip1/wasm and linux/amd64, over the same layers: `wherry run`, docker, podman and containerd
    run it alike. The same files give the same digest on every machine. A web app is compiled first: its image has the same
    digest on every Linux with glibc on x86-64, where Wherry, componentize-py and what pip finds are the same; elsewhere a line
    says that the digest is this build's own. What --standalone brings along is this machine's.

    A Dockerfile may have FROM scratch, COPY, ADD, ENV, LABEL, EXPOSE, WORKDIR, ENTRYPOINT, CMD and ARG, and .dockerignore is
    honoured. The labels wherry.preload, wherry.publish, wherry.device, wherry.memory, wherry.timeout, wherry.requests,
    wherry.coarse-clock and wherry.allow-net say how the image wants to be run. Prints the digest.

    On a terminal each step shows how far it is, and an app is prepared for this machine at the end, so that its first run starts
    at once.

    FILE.wasm alone becomes a Wasm artifact, which is the module and nothing else.

    \b
    Examples:
      wherry build shout --model whisper-tiny.en -t shout
      wherry build -t speech .
      wherry build -t localhost:5000/speech:1 -f Dockerfile.tiny --build-arg MODEL=tiny_en .
    """
    import sys
    from contextlib import ExitStack
    from functools import partial

    from wherry.cli.activity import activity, bytes_shown
    from wherry.cli.build_app import app_recipe, is_app, prepare_app
    from wherry.cli.store import open_store
    from wherry.container.standalone import bundle
    from wherry.engine.catalog import default_cache
    from wherry.oci.artifact import build_artifact
    from wherry.oci.build import build as build_image
    from wherry.oci.build import read_recipe
    from wherry.oci.compression import Compression
    from wherry.oci.reference import Reference

    def say(line: str) -> None:
        if not quiet:
            click.echo(line, err=True)

    given = dict(_argument(text) for text in arguments)
    references = [Reference.parse(tag) for tag in tags]  # a name that cannot be is told before anything is compiled
    if any(reference.digest is not None for reference in references):
        raise InputError(f"--tag: found {next(str(r) for r in references if r.digest)}, expected a name without a digest")
    store = open_store()
    if source.suffix == ".wasm":
        if file is not None or given or standalone or models:
            raise InputError(f"{source}: found --file, --build-arg, --standalone or --model, which only an image has")
        descriptor = build_artifact(store, source, references[0] if references else None)
    else:
        with ExitStack() as stack:
            if is_app(source, file):
                made = app_recipe(source, models, default_cache(), anew=no_cache, say=say, shown=not quiet)
                recipe = stack.enter_context(made)
            elif models:
                raise InputError(f"{source}: found --model, which only a folder with an app.py has")
            else:
                recipe = read_recipe(source, file, given)
            if not references and recipe.name:
                references = [Reference.parse(recipe.name)]
            carried = bundle(default_cache() / "standalone", say) if standalone else None
            packing = Compression(compression)
            first = references[0] if references else None
            watch = partial(bytes_shown, shown=not quiet)
            descriptor = build_image(recipe, store, first, compression=packing, bundle=carried, say=say, watch=watch)
            if is_app(source, file) and not quiet and sys.stderr.isatty():  # somebody who is there, and will run it next
                with activity("preparing it for this machine: its first run starts at once", say):
                    prepare_app(recipe, default_cache())
    for reference in references:
        if reference != references[0]:
            store.tag(reference, descriptor)
        say(f"{reference.familiar} is {descriptor.digest}")
    click.echo(str(descriptor.digest))


def _argument(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not name or not sign:
        raise InputError(f'--build-arg: found "{text}", expected NAME=VALUE')
    return name, value
