"""Files of models that are opened once, where they are looked for: what the path names afterwards no longer matters.

A guest, or whoever else writes to its folders, could put a link to another file of the host in the place of one that was
checked. So a folder's file is opened name by name without following a link, and readers get a path that leads to the
descriptor.
"""

import os
import stat
from pathlib import Path
from typing import Self

from wherry.errors import NotFoundError

_DESCRIPTORS = Path("/proc/self/fd")  # Linux: opening a name there opens the very file anew
_FILE = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)  # a pipe in its place holds nobody up


class OpenedFile(type(Path())):  # type: ignore[misc]
    """The path of a file as it is written; whoever opens it opens the descriptor. Paths made from it are plain ones."""

    _handle: int | None = None

    @classmethod
    def of(cls, path: Path, handle: int) -> Self:
        """Takes the descriptor over. Raises NotFoundError where it is of no regular file."""
        opened = cls(path)
        opened._handle = handle
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise NotFoundError(f"{path}: found no regular file, expected a model's")
        return opened

    def __fspath__(self) -> str:
        return str(self) if self._handle is None else f"/proc/{os.getpid()}/fd/{self._handle}"

    def __del__(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def open_file(path: Path) -> Path:
    """A file of the host's by its path. Raises NotFoundError."""
    if not _DESCRIPTORS.is_dir():
        return path
    try:
        return OpenedFile.of(path, os.open(path, _FILE))
    except OSError as error:
        raise NotFoundError(f"{path}: found no file that can be opened ({error.strerror})") from error


def open_beneath(root: Path, inside: Path) -> Path:
    """`inside`, a path without links, of a folder. Raises OSError, also for a link that came into it, and NotFoundError."""
    if not _DESCRIPTORS.is_dir():
        return root / inside
    *folders, name = inside.parts
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for each in folders:
            inner = os.open(each, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            os.close(folder)
            folder = inner
        handle = os.open(name, _FILE | os.O_NOFOLLOW, dir_fd=folder)
    finally:
        os.close(folder)
    return OpenedFile.of(root / inside, handle)
