"""wasi:filesystem: the contract's calls on `files.py`."""

import contextlib
import errno
import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from wherry.errors import GuestError
from wherry.wasm.component import Guest, Interface
from wherry.wasm.values import Case, Own
from wherry.wasm.wasi.files import Descriptor, FileInput, FileOutput, code_of, refusal
from wherry.wasm.wasi.io import Input, Output
from wherry.wasm.wasi.resources import DESCRIPTOR, DIRECTORY_ENTRY_STREAM, INPUT_STREAM, NUMBERS, OUTPUT_STREAM
from wherry.wasm.wasi.streams import PIECE_BYTES, FailedError

_SECOND = 1_000_000_000
_MAX_ENTRIES = 100_000
_KINDS = (
    (stat.S_ISREG, "regular-file"), (stat.S_ISDIR, "directory"), (stat.S_ISLNK, "symbolic-link"), (stat.S_ISFIFO, "fifo"),
    (stat.S_ISCHR, "character-device"), (stat.S_ISBLK, "block-device"), (stat.S_ISSOCK, "socket"),
)  # fmt: skip


def interfaces() -> dict[str, Interface]:
    calls: dict[str, Callable[..., Any]] = {
        "read-via-stream": _read_stream,
        "write-via-stream": lambda guest, file, offset: _write_stream(guest, file, offset),
        "append-via-stream": lambda guest, file: _write_stream(guest, file, None),
        "advise": lambda guest, file, offset, length, advice: None,  # advice need not be taken
        "sync-data": lambda guest, file: os.fdatasync(file.number) if hasattr(os, "fdatasync") else os.fsync(file.number),
        "sync": lambda guest, file: os.fsync(file.number),
        "get-flags": _flags,
        "get-type": lambda guest, file: _kind(os.fstat(file.number).st_mode),
        "set-size": lambda guest, file, size: os.ftruncate(_writing(file).number, size),
        "set-times": _set_times,
        "read": _read,
        "write": _write,
        "read-directory": _read_directory,
        "create-directory-at": _of_folder(lambda parent, name: os.mkdir(name, dir_fd=parent)),
        "stat": lambda guest, file: _stat(os.fstat(file.number)),
        "stat-at": lambda guest, file, flags, path: _stat(_stat_at(file, flags, path)),
        "set-times-at": _set_times_at,
        "link-at": _link,
        "open-at": _open,
        "readlink-at": _readlink,
        "remove-directory-at": _of_folder(lambda parent, name: os.rmdir(name, dir_fd=parent)),
        "rename-at": _rename,
        "symlink-at": _symlink,
        "unlink-file-at": _at(lambda parent, name: os.unlink(name, dir_fd=parent)),
        "metadata-hash": lambda guest, file: _hash(os.fstat(file.number)),
        "metadata-hash-at": lambda guest, file, flags, path: _hash(_stat_at(file, flags, path)),
    }
    types: dict[str, Callable[..., Any]] = {f"[method]descriptor.{name}": _failing(call) for name, call in calls.items()}
    types["[method]descriptor.is-same-object"] = _is_same
    types["[method]directory-entry-stream.read-directory-entry"] = _read_entry
    types["filesystem-error-code"] = lambda guest, error: guest.table.of(error, FailedError).file
    preopens = {"get-directories": _folders}
    return {
        "wasi:filesystem/types": Interface(types, NUMBERS),
        "wasi:filesystem/preopens": Interface(preopens, NUMBERS),
    }


def _failing(function: Callable[..., Any]) -> Callable[..., Any]:
    """What the host's system refuses is a result."""

    def call(guest: Guest, file: int, *arguments: Any) -> Case:
        try:
            value = function(guest, guest.table.of(file, Descriptor), *arguments)
        except OSError as error:
            return Case("err", code_of(error))
        except (OverflowError, UnicodeError):
            return Case("err", "invalid")
        return Case("ok", value)

    return call


def _folders(guest: Guest) -> list[tuple[Own, str]]:
    try:
        return [(guest.table.add(DESCRIPTOR, folder.open(guest.data.files)), folder.guest) for folder in guest.data.folders]
    except OSError as error:
        raise GuestError(f"folders: found too many open files ({error.strerror})") from error


# -- a file's bytes


def _reading(file: Descriptor) -> Descriptor:
    if file.directory:
        raise refusal(errno.EISDIR)
    if not file.readable:
        raise refusal(errno.EBADF)
    return file


def _writing(file: Descriptor) -> Descriptor:
    if file.directory:
        raise refusal(errno.EISDIR)
    if not file.writable:
        raise refusal(errno.EBADF)
    return file


def _read_stream(guest: Guest, file: Descriptor, offset: int) -> Own:
    number = _reading(file).again()
    return guest.table.add(INPUT_STREAM, Input(FileInput(number, file.count, offset)))


def _write_stream(guest: Guest, file: Descriptor, offset: int | None) -> Own:
    number = _writing(file).again()
    return guest.table.add(OUTPUT_STREAM, Output(FileOutput(number, file.count, offset)))


def _read(guest: Guest, file: Descriptor, length: int, offset: int) -> tuple[bytes, bool]:
    data = os.pread(_reading(file).number, min(length, PIECE_BYTES), offset)
    return data, bool(length) and not data


def _write(guest: Guest, file: Descriptor, data: bytes, offset: int) -> int:
    return os.pwrite(_writing(file).number, data, offset)


# -- what is known of it


def _flags(guest: Guest, file: Descriptor) -> frozenset[str]:
    rights = {"read": file.readable, "write": file.writable, "mutate-directory": file.directory and file.mutable}
    return frozenset(name for name, given in rights.items() if given)


def _kind(mode: int) -> str:
    return next((name for is_it, name in _KINDS if is_it(mode)), "unknown")


def _stat(found: os.stat_result) -> tuple[Any, ...]:
    times = (divmod(max(0, ns), _SECOND) for ns in (found.st_atime_ns, found.st_mtime_ns, found.st_ctime_ns))
    return _kind(found.st_mode), found.st_nlink, found.st_size, *times


def _stat_at(file: Descriptor, flags: frozenset[str], path: str) -> os.stat_result:
    with file.walk(path, follow="symlink-follow" in flags) as (parent, name):
        return os.stat(name, dir_fd=parent, follow_symlinks=False)


def _hash(found: os.stat_result) -> tuple[int, int]:
    digest = hashlib.blake2b(f"{found.st_dev}:{found.st_ino}".encode(), digest_size=16).digest()
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")


def _is_same(guest: Guest, one: int, other: int) -> bool:
    first, second = (os.fstat(guest.table.of(number, Descriptor).number) for number in (one, other))
    return os.path.samestat(first, second)


def _set_times(guest: Guest, file: Descriptor, accessed: Case, modified: Case) -> None:
    if not file.mutable:
        raise refusal(errno.EROFS)
    os.utime(file.number, ns=_times(os.fstat(file.number), accessed, modified))


def _set_times_at(guest: Guest, file: Descriptor, flags: frozenset[str], path: str, accessed: Case, modified: Case) -> None:
    if not file.mutable:
        raise refusal(errno.EROFS)
    with file.walk(path, follow="symlink-follow" in flags) as (parent, name):
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
        os.utime(name, ns=_times(found, accessed, modified), dir_fd=parent, follow_symlinks=False)


def _times(found: os.stat_result, accessed: Case, modified: Case) -> tuple[int, int]:
    values = [found.st_atime_ns, found.st_mtime_ns]
    for index, wanted in enumerate((accessed, modified)):
        if wanted.tag == "now":
            values[index] = time.time_ns()
        elif wanted.tag == "timestamp":
            seconds, nanoseconds = wanted.value
            values[index] = seconds * _SECOND + nanoseconds
    return values[0], values[1]


# -- folders


def _read_directory(guest: Guest, file: Descriptor) -> Own:
    if not file.directory:
        raise refusal(errno.ENOTDIR)
    names = os.listdir(file.number)  # noqa: PTH208 - of a descriptor
    if len(names) > _MAX_ENTRIES:
        raise refusal(errno.EOVERFLOW)
    own = Descriptor(file.again(), file.count, directory=True, readable=True, writable=False, mutable=False)
    return guest.table.add(DIRECTORY_ENTRY_STREAM, _Entries(own, iter(names)))


@dataclass
class _Entries:
    """What a folder held when it was asked; `folder` is its own descriptor."""

    folder: Descriptor
    names: Iterator[str]

    def next(self) -> tuple[str, str] | None:
        """Kind and name; a name that is no text has no place in the contract."""
        for name in self.names:
            with contextlib.suppress(OSError, UnicodeError):
                name.encode()
                return _kind(os.stat(name, dir_fd=self.folder.number, follow_symlinks=False).st_mode), name
        return None

    def close(self) -> None:
        self.folder.close()


def _read_entry(guest: Guest, entries: int) -> Case:
    return Case("ok", guest.table.of(entries, _Entries).next())


def _open(guest: Guest, file: Descriptor, at: frozenset[str], path: str, flags: frozenset[str], rights: frozenset[str]) -> Own:
    return guest.table.add(DESCRIPTOR, file.open(path, follow="symlink-follow" in at, flags=flags, rights=rights))


def _at(change: Callable[[int, str], None]) -> Callable[..., None]:
    """A change of what a folder holds, at a path. With a slash at its end the path names what lies in a folder: `f/` is `f/.`."""

    def call(guest: Guest, file: Descriptor, path: str) -> None:
        if not file.mutable:
            raise refusal(errno.EROFS)
        with file.walk(path, follow=False) as (parent, name):
            change(parent, name)

    return call


def _of_folder(change: Callable[[int, str], None]) -> Callable[..., None]:
    """A change that makes or removes a folder, whose path may end with a slash."""
    changed = _at(change)
    return lambda guest, file, path: changed(guest, file, path.rstrip("/") or path)


def _readlink(guest: Guest, file: Descriptor, path: str) -> str:
    with file.walk(path, follow=False) as (parent, name):
        target = os.readlink(name, dir_fd=parent)
    if target.startswith("/"):
        raise refusal(errno.EPERM)  # where things lie on the host is no business of a guest's
    try:
        target.encode()
    except UnicodeEncodeError as error:
        raise refusal(errno.EILSEQ) from error  # a string of the contract's is Unicode
    return target


def _symlink(guest: Guest, file: Descriptor, target: str, path: str) -> None:
    if target.startswith("/"):
        raise refusal(errno.EPERM)
    _at(lambda parent, name: os.symlink(target, name, dir_fd=parent))(guest, file, path)


def _link(guest: Guest, file: Descriptor, flags: frozenset[str], path: str, other: int, new: str) -> None:
    if "symlink-follow" in flags:
        raise refusal(errno.EINVAL)
    target = guest.table.of(other, Descriptor)
    if not (file.mutable and target.mutable):
        raise refusal(errno.EROFS)
    with file.walk(path, follow=False) as (source, name), target.walk(new, follow=False) as (place, new_name):
        os.link(name, new_name, src_dir_fd=source, dst_dir_fd=place, follow_symlinks=False)


def _rename(guest: Guest, file: Descriptor, path: str, other: int, new: str) -> None:
    target = guest.table.of(other, Descriptor)
    if not (file.mutable and target.mutable):
        raise refusal(errno.EROFS)
    with (
        file.walk(path.rstrip("/"), follow=False) as (source, name),
        target.walk(new.rstrip("/"), follow=False) as (place, new_name),
    ):
        if path.endswith("/") or new.endswith("/"):
            _check_folder(source, name)
        os.rename(name, new_name, src_dir_fd=source, dst_dir_fd=place)


def _check_folder(parent: int, name: str) -> None:
    """Raises OSError for what is none: a link to one is none either."""
    if not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
        raise refusal(errno.ENOTDIR)
