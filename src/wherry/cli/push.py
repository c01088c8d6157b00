"""`wherry push`."""

import click


@click.command()
@click.argument("image", metavar="IMAGE")
@click.option("-q", "--quiet", is_flag=True, help="Print the name and digest alone.")
def push(image: str, quiet: bool) -> None:
    """Send IMAGE to the registry that its name begins with.

    All platforms that are here are sent. What the registry has already is not sent again; an interrupted push goes on
    where it stopped. `wherry tag` gives an image a name in another registry.

    \b
    Example:
      wherry push localhost:5000/speech:1
    """
    from wherry.cli.moving import tell, transfers
    from wherry.oci.reference import Reference
    from wherry.oci.transfer import push as send

    reference = Reference.parse(image)
    with transfers(quiet=quiet) as moving:
        result = send(reference, moving)
    tell(result, moving.store, "pushed", quiet=quiet)
