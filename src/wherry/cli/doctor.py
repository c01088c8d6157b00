"""`wherry doctor`."""

import shutil
import sys

import click

from wherry.engine.catalog import default_cache, installed_models
from wherry.errors import DeviceError


@click.command()
def doctor() -> int:
    """Tell what is missing on this machine, and the command that mends it. Exit code 1 when something is."""
    problems = 0

    def line(good: bool, what: str, mend: str = "") -> None:
        nonlocal problems
        problems += not good
        click.echo(f"{'ok ' if good else 'no '} {what}" + (f"\n     {mend}" if mend and not good else ""))

    line(sys.version_info >= (3, 11), f"Python {sys.version.split()[0]}", "install Python 3.11 or newer")
    try:
        from wherry.gpu.adapter import list_adapters

        adapters = list_adapters()
        real = [a for a in adapters if a.kind != "cpu"]
        line(
            bool(real),
            f"WebGPU: {real[0].name if real else 'no GPU; models run on the CPU (numpy)'}",
            "install the GPU's Vulkan driver",
        )
    except DeviceError as error:
        line(False, error.message, error.hint)
    cache = default_cache()
    models = installed_models(cache)
    line(
        bool(models),
        f"models in {cache}: {', '.join(name for name, _ in models) or 'none'}",
        "wherry models pull whisper-tiny.en",
    )
    cache.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(cache).free
    line(free > 1 << 30, f"{free >> 30} GiB free in {cache}", "free some disk space")
    return 1 if problems else 0
