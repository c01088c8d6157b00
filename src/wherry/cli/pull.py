"""`wherry pull`."""

import click

from wherry.errors import InputError


@click.command()
@click.argument("image", metavar="IMAGE")
@click.option("--platform", metavar="OS/ARCH", help="Of several, the image for this platform.")
@click.option("--all-platforms", is_flag=True, help="Take the image for every platform.")
@click.option("-q", "--quiet", is_flag=True, help="Print the name and digest alone.")
def pull(image: str, platform: str | None, all_platforms: bool, quiet: bool) -> None:
    """Fetch IMAGE from its registry, or an artifact.

    IMAGE is what docker takes: app, app:1, localhost:5000/team/app:1, app@sha256:... Without a registry it is docker.io's.
    Logins are docker's (config.json and credential helpers).

    Of an image for several platforms comes the one for wasi/wasm, or wasip1/wasm, or linux/amd64, and what else needs no
    other layers: an image of `wherry build` comes whole. An interrupted pull goes on where it stopped.

    \b
    Examples:
      wherry pull localhost:5000/speech:1
      wherry pull --platform linux/arm64 registry.example/team/app
    """
    from wherry.cli.moving import tell, transfers
    from wherry.oci.image import Platform
    from wherry.oci.reference import Reference
    from wherry.oci.transfer import pull as fetch

    if platform is not None and all_platforms:
        raise InputError("--platform and --all-platforms: found both, expected one of them")
    wanted = Platform.parse(platform) if platform is not None else None
    reference = Reference.parse(image)
    with transfers(quiet=quiet) as moving:
        result = fetch(reference, moving, platform=wanted, all_platforms=all_platforms)
    tell(result, moving.store, "pulled", quiet=quiet)
