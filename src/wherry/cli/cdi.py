"""`wherry cdi`."""

from pathlib import Path

import click

from wherry.cli.suggest import SuggestingGroup
from wherry.container.cdi import generate as describe
from wherry.container.cdi import this_host


@click.group(cls=SuggestingGroup)
def cdi() -> None:
    """Describe this host's GPUs to container engines (Container Device Interface). Linux only."""


@cdi.command("generate")
@click.option(
    "--output", type=click.Path(path_type=Path), help="The file to write, such as /etc/cdi/wherry.json. Default: stdout."
)
def generate(output: Path | None) -> None:
    """Write the CDI spec of docker.com/gpu: `webgpu` for every GPU of this host, `lavapipe` for Mesa's driver for the CPU.

    It names the Vulkan drivers' libraries, descriptions and device nodes, and nothing else. VK_DRIVER_FILES limits it to
    some drivers.

    \b
    Examples:
      wherry cdi generate
      wherry cdi generate --output /etc/cdi/wherry.json
    """
    spec = describe(this_host())
    for remark in spec.remarks:
        click.echo(remark, err=True)
    if output is None:
        click.echo(spec.text(), nl=False)
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(spec.text())
    click.echo(f"wrote {output}", err=True)
