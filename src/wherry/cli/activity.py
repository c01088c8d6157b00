"""What a long step shows on stderr: on a terminal a line that moves, elsewhere a word now and then. Nobody waits in silence."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from wherry.oci.digest import Readable

_EVERY_SECONDS = 20.0  # between two lines where no terminal shows that it goes on

OnBytes = Callable[[int, int], None]  # bytes done, bytes altogether


@contextmanager
def activity(label: str, say: Callable[[str], None], *, shown: bool = True) -> Iterator[None]:
    """A step of unknown length: how long it has taken so far."""
    if not shown:
        yield
        return
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as shown_progress:
            shown_progress.add_task(label, total=None)
            yield
        return
    done = threading.Event()
    begin = time.monotonic()

    def tell() -> None:
        while not done.wait(_EVERY_SECONDS):
            say(f"{label}: {time.monotonic() - begin:.0f} s so far")

    thread = threading.Thread(target=tell, name="activity", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@contextmanager
def bytes_shown(label: str, *, shown: bool = True) -> Iterator[OnBytes]:
    """A step of known length, on a terminal: bytes, rate and an estimate. Elsewhere nothing."""
    if not shown or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total or None)


class CountedReader:
    """A file that says how much of it was read. `total`: its size in bytes, 0 where that is not known."""

    def __init__(self, file: BinaryIO, total: int, on_bytes: OnBytes) -> None:
        self._file: Readable = file
        self._total = total
        self._on_bytes = on_bytes
        self._done = 0

    def read(self, size: int, /) -> bytes:
        piece = self._file.read(size)
        self._done += len(piece)
        self._on_bytes(self._done, self._total)
        return piece
