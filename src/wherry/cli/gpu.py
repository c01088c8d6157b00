"""`wherry gpu`."""

import json
from dataclasses import asdict

import click

from wherry.cli.suggest import SuggestingGroup
from wherry.errors import DeviceError
from wherry.gpu.adapter import AdapterInfo, choose, list_adapters


@click.group(cls=SuggestingGroup)
def gpu() -> None:
    """Inspect the GPUs of this machine."""


@gpu.command("info")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with limits.")
def info(as_json: bool) -> None:
    """List the WebGPU adapters of this machine, best first, with their features, and which one `--device auto` takes.

    A discrete GPU comes before an integrated one, that before a virtual one. A driver that computes on the CPU comes last,
    and `auto` never takes it: numpy is faster.
    """
    adapters = list_adapters()
    device, why = _automatic(adapters)
    if as_json:
        click.echo(json.dumps({"adapters": [asdict(a) for a in adapters], "auto": {"device": device, "why": why}}, indent=2))
        return
    for adapter in adapters:
        click.echo(f"gpu:{adapter.index}  {adapter.name} ({adapter.kind}, {adapter.backend}, {adapter.driver})")
        click.echo(f"       {' '.join(adapter.features)}")
    click.echo(f"auto   {device}: {why}")


def _automatic(adapters: list[AdapterInfo]) -> tuple[str, str]:
    """What `auto` takes, and why."""
    try:
        chosen = choose(adapters, "auto")
    except DeviceError as error:
        return "cpu", f"{error.message}; numpy computes instead"
    return f"gpu:{chosen.index}", f"{chosen.name}, the first that is no CPU ({chosen.kind})"
