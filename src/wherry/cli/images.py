"""`wherry images`, `inspect`, `tag`, `rm` and `prune`."""

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from wherry.oci.store import Store, StoredImage


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def images(as_json: bool) -> None:
    """List the images in the store."""
    from wherry.cli.store import open_store

    store = open_store()
    rows = [_row(store, image) for image in store.images()]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    width = max([4, *(len(row["name"]) for row in rows)])
    click.echo(f"{'NAME':{width}}  {'DIGEST':12}  {'SIZE':>10}  PLATFORMS")
    for row in rows:
        digest, size = row["digest"].partition(":")[2][:12], f"{row['bytes'] / 1e6:.1f} MB"
        click.echo(f"{row['name']:{width}}  {digest:12}  {size:>10}  {' '.join(row['platforms'])}")


@click.command()
@click.argument("image")
@click.option("--platform", metavar="OS/ARCH", help="Of an image for several. Default: wasi/wasm.")
@click.option("--raw", is_flag=True, help="Print the bytes of the index or manifest that the name stands for.")
def inspect(image: str, platform: str | None, raw: bool) -> None:
    """Show what an image is made of and how it wants to be run, as JSON."""
    from wherry.cli.store import find_image, open_manifest, open_store
    from wherry.oci.image import Platform
    from wherry.oci.settings import RunSettings

    store = open_store()
    with store.hold():
        found = find_image(store, image)
        if raw:
            click.echo(store.read(found.descriptor.digest), nl=False)
            return
        manifest, config = open_manifest(store, found, Platform.parse(platform) if platform else None)
        said = _row(store, found) | {
            "mediaType": found.descriptor.media_type,
            "manifest": str(manifest.digest),
            "layers": [{"mediaType": b.media_type, "digest": str(b.digest), "bytes": b.size} for b in manifest.layers],
        }
        if config is not None:
            settings = RunSettings.of_image(config.labels, config.variables)
            said |= {
                "platform": str(config.platform),
                "entrypoint": list(config.entrypoint),
                "cmd": list(config.cmd),
                "env": list(config.env),
                "workingDir": config.working_dir,
                "exposedPorts": list(config.exposed_ports),
                "labels": dict(config.labels),
                "run": {name: value for name, value in vars(settings).items() if value},
            }
        else:
            said["artifact"] = manifest.artifact_type or manifest.config.media_type
    click.echo(json.dumps(said, indent=2, ensure_ascii=False))


@click.command()
@click.argument("image")
@click.argument("name")
def tag(image: str, name: str) -> None:
    """Give IMAGE another name, NAME[:TAG]."""
    from wherry.cli.store import find_image, open_store
    from wherry.oci.reference import Reference

    store = open_store()
    with store.hold():
        store.tag(Reference.parse(name), find_image(store, image).descriptor)


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="IMAGE...")
def rm(names: tuple[str, ...]) -> None:
    """Remove images by name. What no other image needs is deleted by `wherry prune`."""
    from wherry.cli.store import find_image, open_store

    store = open_store()
    for name in names:
        image = find_image(store, name)
        store.untag(image.reference)
        click.echo(image.reference.familiar)


@click.command()
def prune() -> None:
    """Delete what no image needs: layers, unfinished downloads, unpacked roots and models.

    Refused while another command adds images; roots stay while an image runs.
    """
    from wherry.cli.store import open_manifests, open_roots, open_store
    from wherry.engine.catalog import default_cache
    from wherry.oci.model import prune_models

    store = open_store()
    blobs = store.prune()
    roots = open_roots(store).prune(open_manifests(store))
    folders = roots.blobs + prune_models(store, default_cache() / "oci-models")
    click.echo(f"{blobs.blobs} files of {blobs.bytes / 1e6:.1f} MB, {folders} folders of {roots.bytes / 1e6:.1f} MB deleted")


def _row(store: "Store", image: "StoredImage") -> dict[str, Any]:
    """A line of the list: `bytes` is what a pull would bring, each layer once."""
    from wherry.oci.image import Index
    from wherry.oci.stored import read_config, stored_images

    document = store.document(image.descriptor)
    if isinstance(document, Index):
        found = stored_images(store, document)
        platforms = [str(entry.platform) for entry in found if store.has(entry.descriptor.digest)]
    else:
        platforms = [str(read_config(store, document).platform)] if document.is_image else []
    return {
        "name": image.reference.familiar,
        "digest": str(image.descriptor.digest),
        "platforms": platforms,
        "bytes": sum(blob.size for blob in store.reach([image.descriptor])),
    }
