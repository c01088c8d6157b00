"""`wherry runtime`."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from wherry.cli.suggest import SuggestingGroup
from wherry.container import install as installation
from wherry.container.engines import find_engine
from wherry.errors import NotFoundError

_ENGINES = click.Choice(["docker", "podman", "containerd"])
_PREFIX = click.option(
    "--prefix", type=click.Path(path_type=Path), help="The runtime's folder. Default: /usr/local/lib/wherry, or below your home."
)


@click.group(cls=SuggestingGroup)
def runtime() -> None:
    """Let Docker, Podman and containerd run wasm images. Linux only.

    The engines start a small program in front of runc or crun. Containers whose entrypoint is Wasm get the runtime as a read-only
    mount; every other container is untouched.
    """


@runtime.command("install")
@click.option("--engine", type=_ENGINES, required=True, help="Who is to know the runtime.")
@click.option("--name", help="Its name there. Default: io.containerd.wasmedge.v1; for containerd, which has handlers: wherry.")
@_PREFIX
@click.option("--config", type=click.Path(path_type=Path), help="The engine's configuration, where it is not the usual file.")
@click.option("--oci-runtime", type=click.Path(exists=True, path_type=Path), help="runc or crun. Default: the first in PATH.")
@click.option(
    "--device-requests",
    type=click.Choice(installation.REQUESTS),
    default="none",
    show_default=True,
    help="Engines without CDI: give docker.com/gpu to containers that ask by a mount; all: by a variable or annotation too.",
)
@click.option("--cdi-folder", multiple=True, help="Where --device-requests finds CDI specs. Default: /etc/cdi and /var/run/cdi.")
@click.option("--containerd-images", is_flag=True, help="docker: switch to the image store that takes wasi/wasm images.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
def install(
    engine: str,
    name: str | None,
    prefix: Path | None,
    config: Path | None,
    oci_runtime: Path | None,
    device_requests: str,
    cdi_folder: tuple[str, ...],
    containerd_images: bool,
    dry_run: bool,
) -> None:
    """Compose the runtime and register it with an engine, or renew it after an update of this host.

    \b
    Examples:
      wherry runtime install --engine docker --containerd-images
      wherry runtime install --engine podman --dry-run
    """
    found = find_engine(engine, config)
    options = installation.Options(
        prefix=prefix or installation.default_prefix(),
        name=name or found.default_name,
        lower=(oci_runtime or installation.find_lower()).absolute(),
        device_requests=device_requests,
        containerd_images=containerd_images,
        spec_folders=cdi_folder or installation.SPEC_FOLDERS,
    )
    installation.install(found, options, click.echo, dry_run=dry_run)


@runtime.command("uninstall")
@click.option("--engine", type=_ENGINES, required=True, help="Who is to forget the runtime.")
@_PREFIX
def uninstall(engine: str, prefix: Path | None) -> None:
    """Restore an engine's configuration, and remove the runtime when no engine uses it any more."""
    installation.uninstall(engine, prefix or installation.default_prefix(), find_engine, click.echo)


@runtime.command("status")
@_PREFIX
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(prefix: Path | None, as_json: bool) -> int:
    """Say what is installed, and what is stale after an update of glibc, Python, a package or a driver.

    The exit code is 1 if anything is.
    """
    place = prefix or installation.default_prefix()
    reports = installation.status(place)
    if as_json:
        click.echo(json.dumps([asdict(report) for report in reports], indent=2))
    elif not reports:
        raise NotFoundError(f"{place}: found no runtime", hint="`wherry runtime install --engine docker` makes one")
    else:
        for report in reports:
            click.echo(f"{report.engine}  {report.name}  {report.config}  {report.runtime}")
            for problem in report.problems:
                click.echo(f"  stale: {problem}")
    return 1 if any(report.problems for report in reports) else 0
