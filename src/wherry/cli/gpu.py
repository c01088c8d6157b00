"""`wherry gpu`."""

import json
from dataclasses import asdict

import click

from wherry.gpu.adapter import list_adapters


@click.group()
def gpu() -> None:
    """Inspect the GPUs of this machine."""


@gpu.command("info")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with limits.")
def info(as_json: bool) -> None:
    """List the WebGPU adapters of this machine, best first, with their features."""
    adapters = list_adapters()
    if as_json:
        click.echo(json.dumps([asdict(adapter) for adapter in adapters], indent=2))
        return
    if not adapters:
        click.echo("no WebGPU adapter: models run on the CPU (numpy)")
    for adapter in adapters:
        click.echo(f"gpu:{adapter.index}  {adapter.name} ({adapter.kind}, {adapter.backend}, {adapter.driver})")
        click.echo(f"       {' '.join(adapter.features)}")
