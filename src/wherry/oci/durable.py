"""Files that are whole or not there: written aside, synced, renamed; and files that one process at a time has."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO


def write_piece(file: IO[bytes], path: Path, piece: bytes) -> None:
    """Raises OSError that names the folder: a full disk should say where, and Python's own message does not."""
    try:
        file.write(piece)
    except OSError as error:
        raise _named(error, path) from error


def settle(file: IO[bytes], path: Path, target: Path, *, mode: int) -> None:
    """Make a written file durable, then visible as `target`, then that name durable."""
    try:
        file.flush()
        os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())
        path.rename(target)
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise _named(error, path) from error


@contextmanager
def locked_file(path: Path) -> Iterator[BinaryIO]:
    """Open to read and add, alone; never a file that its owner has renamed or removed while we waited."""
    while True:
        with path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if _is_at(path, file):
                file.seek(0)
                yield file
                return


def _is_at(path: Path, file: BinaryIO) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _named(error: OSError, path: Path) -> OSError:
    return OSError(error.errno or errno.EIO, error.strerror or str(error), str(path.parent))
