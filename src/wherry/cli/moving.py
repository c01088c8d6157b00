"""What `wherry pull` and `wherry push` share: who logs in, and what one sees of blobs that move."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from wherry.cli.download_bars import open_bars
from wherry.cli.store import open_store, warn_of_what_does_not_run
from wherry.oci.digest import Digest
from wherry.oci.docker_config import DockerConfig
from wherry.oci.progress import Progress, Step
from wherry.oci.store import Store, StoredImage
from wherry.oci.transfer import Transferred, Transfers

_ENDS = {"there": "there already", "mounted": "mounted from another repository", "done": "done"}


@contextmanager
def transfers(*, quiet: bool) -> Iterator[Transfers]:
    """The user's store and logins. Blobs are shown on stderr: as bars on a terminal, else a line for each that is done."""
    store, config = open_store(), DockerConfig.default(os.environ)
    if quiet:
        yield Transfers(store, config)
    elif sys.stderr.isatty():
        with _bars() as progress:
            yield Transfers(store, config, progress=progress)
    else:
        yield Transfers(store, config, progress=_say_ends)


def tell(result: Transferred, store: Store, moved: str, *, quiet: bool) -> None:
    """The name and digest on stdout; what that was on stderr."""
    if not quiet:
        warn_of_what_does_not_run(store, StoredImage(result.reference, result.descriptor))
        platforms = ", ".join(map(str, result.platforms)) or "no platform: an artifact"
        click.echo(f"{moved} {result.bytes / 1e6:.1f} MB ({platforms})", err=True)
    name = result.reference if result.reference.digest is not None else f"{result.reference}@{result.descriptor.digest}"
    click.echo(name)


def _say_ends(step: Step) -> None:
    if step.state in _ENDS:
        click.echo(f"{step.blob.digest.short}: {_ENDS[step.state]}, {step.blob.size / 1e6:.1f} MB", err=True)


@contextmanager
def _bars() -> Iterator[Progress]:
    from rich.progress import TaskID, TextColumn

    tasks: dict[Digest, TaskID] = {}
    with open_bars(TextColumn("{task.fields[state]}")) as bars:

        def show(step: Step) -> None:
            if step.blob.digest not in tasks:
                tasks[step.blob.digest] = bars.add_task(step.blob.digest.short, total=step.blob.size, state="")
            state = "" if step.state == "moving" else _ENDS.get(step.state, step.state)
            bars.update(tasks[step.blob.digest], completed=step.done, state=state)

        yield show
