"""Files of the host in the folders that a guest is given, and no others.

A path is walked from a folder's descriptor, one name at a time: links are followed by us, each as a path within the folder, and
no name is ever opened through one. What moves meanwhile makes a call fail, and never leads outside.
"""

import contextlib
import errno
import os
import stat
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from wherry.errors import NotFoundError, UnsupportedError
from wherry.wasm.wasi.streams import PIECE_BYTES, ClosedError, FailedError, Pollable, always

_MAX_OPEN = 256  # files of a guest: the host has few for all
_MAX_LINKS = 32
_MAX_DEPTH = 64  # descriptors that one walk holds open
_MAX_PATH = 4096
_SYNCHRONOUS = {"file-integrity-sync", "data-integrity-sync", "requested-write-sync"}  # which wasmtime refuses too
_CODES = {
    errno.EACCES: "access", errno.EAGAIN: "would-block", errno.EALREADY: "already", errno.EBADF: "bad-descriptor",
    errno.EBUSY: "busy", errno.EDEADLK: "deadlock", errno.EDQUOT: "quota", errno.EEXIST: "exist", errno.EFBIG: "file-too-large",
    errno.EILSEQ: "illegal-byte-sequence", errno.EINPROGRESS: "in-progress", errno.EINTR: "interrupted", errno.EINVAL: "invalid",
    errno.EISDIR: "is-directory", errno.ELOOP: "loop", errno.EMLINK: "too-many-links", errno.ENAMETOOLONG: "name-too-long",
    errno.ENODEV: "no-device", errno.ENOENT: "no-entry", errno.ENOLCK: "no-lock", errno.ENOMEM: "insufficient-memory",
    errno.EMFILE: "insufficient-memory", errno.ENFILE: "insufficient-memory", errno.ENOSPC: "insufficient-space",
    errno.ENOTDIR: "not-directory", errno.ENOTEMPTY: "not-empty", errno.ENOTSUP: "unsupported", errno.ENOTTY: "no-tty",
    errno.ENXIO: "no-such-device", errno.EOVERFLOW: "overflow", errno.EPERM: "not-permitted", errno.EPIPE: "pipe",
    errno.EROFS: "read-only", errno.ESPIPE: "invalid-seek", errno.ETXTBSY: "text-file-busy", errno.EXDEV: "cross-device",
}  # fmt: skip


def code_of(error: OSError) -> str:
    """What failed on the host, in the contract's words."""
    return _CODES.get(error.errno or 0, "io")


def refusal(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@dataclass(frozen=True)
class Folder:
    """A folder of the host that a guest sees as `guest`."""

    host: Path
    guest: str
    writable: bool

    def open(self, count: "OpenFiles") -> "Descriptor":
        """Raises NotFoundError, and UnsupportedError where the host cannot confine a guest to a folder."""
        if os.open not in os.supports_dir_fd:
            raise UnsupportedError(f"{self.host}: found a system on which a component cannot be given folders")
        try:
            number = os.open(self.host, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise NotFoundError(f"{self.host}: found no folder that can be opened ({error.strerror})") from error
        return Descriptor(number, count, directory=True, readable=True, writable=False, mutable=self.writable)


@dataclass
class OpenFiles:
    """How many a guest has open."""

    number: int = 0

    def add(self) -> None:
        """Raises OSError where it has too many."""
        if self.number >= _MAX_OPEN:
            raise refusal(errno.EMFILE)
        self.number += 1


@dataclass
class Descriptor:
    """An open file or folder. mutable: whether what lies in its folder may be changed."""

    number: int
    count: OpenFiles
    directory: bool
    readable: bool
    writable: bool
    mutable: bool
    _closed: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        try:
            self.count.add()
        except OSError:
            os.close(self.number)
            raise

    def again(self) -> int:
        """A number of its own for the same file."""
        return os.dup(self.number)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self.count.number -= 1
            os.close(self.number)

    def open(self, path: str, *, follow: bool, flags: frozenset[str], rights: frozenset[str]) -> "Descriptor":
        """A file or folder in this folder. flags, rights: the contract's open-flags and descriptor-flags."""
        writing = "write" in rights
        changing = writing or not {"create", "truncate"}.isdisjoint(flags)
        if (changing or "mutate-directory" in rights) and not self.mutable:
            raise refusal(errno.EROFS)
        if not rights.isdisjoint(_SYNCHRONOUS):
            raise refusal(errno.ENOTSUP)
        if path.endswith("/") and "create" in flags:
            raise refusal(errno.EISDIR)
        mode = (os.O_RDWR if "read" in rights else os.O_WRONLY) if writing else os.O_RDONLY
        for name, bit in (
            ("create", os.O_CREAT),
            ("exclusive", os.O_EXCL),
            ("truncate", os.O_TRUNC),
            ("directory", os.O_DIRECTORY),
        ):
            mode |= bit if name in flags else 0
        with self.walk(path, follow=follow) as (parent, name):
            _check_kind(parent, name)
            # A pipe that someone put there meanwhile must not hold the host up.
            number = os.open(name, mode | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY, 0o666, dir_fd=parent)
        kind = os.fstat(number).st_mode
        if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
            os.close(number)
            raise refusal(errno.EACCES)
        readable = "read" in rights or not writing
        return Descriptor(number, self.count, stat.S_ISDIR(kind), readable, writing, self.mutable)

    @contextmanager
    def walk(self, path: str, *, follow: bool) -> Iterator[tuple[int, str]]:
        """A path from here -> the folder in which its last name lies, and the name; that is no link, where `follow`."""
        if not self.directory:
            raise refusal(errno.ENOTDIR)
        with contextlib.ExitStack() as stack:
            yield _walk(self.number, path, follow, stack)


def _check_kind(parent: int, name: str) -> None:
    """Files and folders alone are opened: a device may do something when it is."""
    try:
        kind = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return
    if stat.S_ISLNK(kind):
        raise refusal(errno.ELOOP)
    if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
        raise refusal(errno.EACCES)


def _walk(base: int, path: str, follow: bool, stack: contextlib.ExitStack) -> tuple[int, str]:
    """`stack` closes what is opened on the way."""
    rest = deque(_names(path))
    folders = [base]
    links = 0
    while rest:
        name = rest.popleft()
        if name == ".":
            continue
        if name == "..":
            if len(folders) == 1:
                raise refusal(errno.EPERM)
            folders.pop()
            continue
        last = not rest
        if last and not follow:
            return folders[-1], name
        target = _target(folders[-1], name)
        if target is not None:
            links += 1
            if links > _MAX_LINKS:
                raise refusal(errno.ELOOP)
            rest.extendleft(reversed(_names(target)))
        elif last:
            return folders[-1], name
        else:
            if len(folders) >= _MAX_DEPTH:
                raise refusal(errno.ENAMETOOLONG)
            number = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folders[-1])
            stack.callback(os.close, number)
            folders.append(number)
    return folders[-1], "."


def _names(path: str) -> list[str]:
    """Raises OSError for a path that is none, or begins elsewhere. A slash at the end asks for a folder."""
    if not path:
        raise refusal(errno.ENOENT)
    if "\0" in path:
        raise refusal(errno.EINVAL)
    if len(path) > _MAX_PATH:
        raise refusal(errno.ENAMETOOLONG)
    if path.startswith("/"):
        raise refusal(errno.EPERM)
    names = [name for name in path.split("/") if name]
    return [*names, "."] if path.endswith("/") else names


def _target(folder: int, name: str) -> str | None:
    """Of a link; None for what is none, or is not there."""
    try:
        return os.readlink(name, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOENT):
            return None
        raise


class FileInput:
    """A file from an offset on; `number` is the stream's own."""

    def __init__(self, number: int, count: OpenFiles, offset: int) -> None:
        self._file = Descriptor(number, count, directory=False, readable=True, writable=False, mutable=False)
        self._offset = offset

    def read(self, size: int) -> bytes:
        try:
            data = os.pread(self._file.number, size, self._offset)
        except (OSError, OverflowError) as error:
            raise _failed(error) from error
        if size and not data:
            raise ClosedError
        self._offset += len(data)
        return data

    def pollable(self) -> Pollable:
        return Pollable(always)

    def close(self) -> None:
        self._file.close()


class FileOutput:
    """A file from an offset on, None to append to it; `number` is the stream's own."""

    def __init__(self, number: int, count: OpenFiles, offset: int | None) -> None:
        self._file = Descriptor(number, count, directory=False, readable=False, writable=True, mutable=True)
        self._offset = offset

    def room(self) -> int:
        return PIECE_BYTES

    def write(self, data: bytes) -> None:
        number = self._file.number
        try:
            while data:
                offset = os.fstat(number).st_size if self._offset is None else self._offset
                done = os.pwrite(number, data, offset)
                data = data[done:]
                if self._offset is not None:
                    self._offset += done
        except (OSError, OverflowError) as error:
            raise _failed(error) from error

    def flushed(self) -> bool:
        return True

    def pollable(self) -> Pollable:
        return Pollable(always)

    def close(self) -> None:
        self._file.close()


def _failed(error: OSError | OverflowError) -> FailedError:
    if isinstance(error, OSError):
        return FailedError(error.strerror or "failed", file=code_of(error))
    return FailedError("found an offset that no file has", file="invalid")
