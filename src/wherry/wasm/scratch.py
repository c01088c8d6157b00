"""A folder that lives as long as what it is for: gone at its end, or, where a kill prevented that, when the next one is made.

Whoever has a folder has it locked. The lock goes with the process, however it ends, and unlike a process's number it means the
same in every container that shares the memory or the disk.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

_PREFIX = "wherry-scratch-"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


@contextlib.contextmanager
def scratch_folder(parent: Path | None = None) -> Generator[Path]:
    """A new folder of this user's alone. parent: by default the system's temporary folder, as TMPDIR has it."""
    parent = parent or Path(tempfile.gettempdir())
    _sweep(parent)
    folder, lock = _make(parent)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # a guest that was left behind may still write: the next sweep has the rest
        os.close(lock)


def _make(parent: Path) -> tuple[Path, int]:
    """-> a folder and its lock. Raises OSError where there can be no folder."""
    while True:
        folder = Path(tempfile.mkdtemp(dir=parent, prefix=_PREFIX))
        try:
            lock = os.open(folder, _FOLDER)
        except FileNotFoundError:  # a sweep came in between, here or before the lock
            continue
        with contextlib.suppress(OSError):  # a file system without locks: nobody sweeps there, then
            fcntl.flock(lock, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(folder.stat(), os.fstat(lock)):
                return folder, lock
        os.close(lock)


def _sweep(parent: Path) -> None:
    """Remove the folders of this user's that nobody has."""
    with os.scandir(parent) as entries:
        found = [entry.path for entry in entries if entry.name.startswith(_PREFIX)]
    for path in found:
        with contextlib.suppress(OSError):  # somebody has it, has just removed it, or it is no folder
            lock = os.open(path, _FOLDER)
            try:
                if os.fstat(lock).st_uid == os.geteuid():
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(lock)
