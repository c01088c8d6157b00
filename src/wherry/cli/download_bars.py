"""Progress bars of downloads: bytes, rate and remaining time, on a terminal's stderr."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from wherry.engine.packages import OnProgress, no_progress

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn, TaskID


@contextmanager
def download_progress() -> Iterator[OnProgress]:
    """A callback that draws one bar per download; it draws none where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield no_progress
        return
    bars: list[Progress] = []  # opened by the first download: most models are in the cache
    tasks: dict[str, TaskID] = {}

    def on_progress(label: str, done: int, total: int) -> None:
        if not bars:
            bars.append(open_bars())
            bars[0].start()
        if label not in tasks:
            tasks[label] = bars[0].add_task(label, total=total)
        bars[0].update(tasks[label], completed=done, total=total)

    try:
        yield on_progress
    finally:
        for each in bars:
            each.stop()


def open_bars(*columns: "ProgressColumn") -> "Progress":
    """Bars with a label, bytes, rate and estimate, and further columns after them."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    standard = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    return Progress(*standard, *columns, console=Console(stderr=True))
