"""What a person sees while recordings are transcribed: the segments as they come, a bar in seconds of sound, an estimate."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.progress import Progress


@dataclass
class View:
    """bar: on stderr, where that is a terminal. prints: whether text is printed as it comes."""

    progress: "Progress | None"
    prints: bool
    count: int = 1  # recordings
    _task: Any = None
    _number: int = 0
    _seconds: float = 0.0

    def begin(self, name: str) -> None:
        """The next recording is read."""
        self._number += 1
        if self.progress is not None:
            from rich.markup import escape

            if self._task is not None:
                self.progress.remove_task(self._task)
            number = f"({self._number}/{self.count}) " if self.count > 1 else ""
            self._task = self.progress.add_task(f"{number}{escape(printable(name))}", total=None, seconds="reading")

    def found(self, seconds: float) -> None:
        """It has been read, and lasts so many seconds."""
        if self.progress is not None:
            self._seconds = seconds
            self.progress.update(self._task, total=max(seconds, 0.01), seconds=f"0/{seconds:.0f} s")

    def advance(self, end: float, text: str) -> None:
        """A segment that ends at `end` seconds."""
        if self.progress is not None:
            self.progress.update(self._task, completed=end, seconds=f"{end:.0f}/{self._seconds:.0f} s")
        if not self.prints:
            return
        if self.progress is not None and _is_one_terminal():
            self.progress.console.print(text, markup=False, highlight=False, emoji=False, soft_wrap=True)
        else:
            click.echo(text)


@contextmanager
def open_view(count: int, *, prints: bool) -> Iterator[View]:
    """prints: the text goes to stdout as it comes."""
    if not sys.stderr.isatty():
        yield View(None, prints, count)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[seconds]}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield View(progress, prints, count)


def printable(name: str) -> str:
    """A file's name for a terminal: no control characters, and bytes that are no UTF-8 as they are written in Python."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _is_one_terminal() -> bool:
    """Whether text on stdout would be drawn over the bar on stderr."""
    try:
        return os.ttyname(1) == os.ttyname(2)
    except OSError:
        return False
