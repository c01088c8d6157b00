"""`wherry convert`."""

from pathlib import Path

import click


@click.command()
@click.argument("source", metavar="IN", type=click.Path(path_type=Path))
@click.argument("target", metavar="OUT", type=click.Path(path_type=Path))
@click.option(
    "--to",
    "form",
    type=click.Choice(["safetensors", "q8_0", "burn"]),
    help="Default: burn for OUT.mpk, else safetensors (float16).",
)
def convert(source: Path, target: Path, form: str | None) -> None:
    """Convert the Whisper weights IN (any format that Wherry reads) to OUT.

    \b
    safetensors  float16, OpenAI's names
    q8_0         safetensors with matrices in blocks of 32 int8 weights
    burn         Burn 0.13, full precision

    The sizes (OUT's name with .cfg) and tokenizer.json are written beside it: what a preload names.
    """
    from wherry.engine.convert import convert_whisper

    target.parent.mkdir(parents=True, exist_ok=True)
    convert_whisper(source, target, form or ("burn" if target.suffix == ".mpk" else "safetensors"))
    click.echo(f"{target}: {target.stat().st_size / 1e6:.1f} MB", err=True)
