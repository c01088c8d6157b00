"""Compiled modules in the user's cache: compiling the demo's server takes seconds, loading it milliseconds.

Compiled code runs outside the sandbox, so it is taken only from a folder and a file that nobody but this user can have
written, and only when its digest is right: wasmtime looks at a header, not at the code.
"""

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

_DIGEST_BYTES = 32  # sha256 of the rest, at the file's start
_MAX_ENTRIES = 64


@dataclass(frozen=True)
class CompiledCache:
    """Safe for several processes: a file appears whole, and is replaced whole. `say` hears why the cache is not used.

    user   whose the files must be; None where the system knows no users by number
    """

    folder: Path
    say: Callable[[str], None]
    user: int | None = field(default_factory=lambda: os.geteuid() if hasattr(os, "geteuid") else None)

    def get(self, key: str) -> bytes | None:
        """The compiled module, or None: not there, damaged, or not to be trusted."""
        path = self._file(key)
        try:
            self._check(self.folder, os.lstat(self.folder), stat.S_ISDIR)
        except OSError:
            return None  # `put` will say why
        try:
            with path.open("rb") as file:
                self._check(path, os.fstat(file.fileno()), stat.S_ISREG)
                digest, data = file.read(_DIGEST_BYTES), file.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            self.say(f"{path}: {error.strerror}: compiled again")
            return None
        if hashlib.sha256(data).digest() != digest:
            self.say(f"{path}: damaged: compiled again")
            return None
        with contextlib.suppress(OSError):  # of a folder mounted to be read: then nothing is cleared away there either
            os.utime(path)
        return data

    def put(self, key: str, data: bytes) -> None:
        """Keep a compiled module; where that cannot be, the next start compiles again."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._check(self.folder, os.lstat(self.folder), stat.S_ISDIR)
            import tempfile  # most runs find what they want, or may not write

            handle, temporary = tempfile.mkstemp(dir=self.folder, prefix="new-")  # to be read and written by this user alone
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(hashlib.sha256(data).digest())
                    file.write(data)
                Path(temporary).replace(self._file(key))
            except OSError:
                Path(temporary).unlink(missing_ok=True)
                raise
            self._clear_away()
        except OSError as error:
            if error.errno != errno.EROFS:  # whoever mounts a folder to be read has filled it (containers)
                self.say(f"{error.filename or self.folder}: {error.strerror}: compiled modules are not kept")

    def _file(self, key: str) -> Path:
        return self.folder / f"{key}.cwasm"

    def _check(self, path: Path, found: os.stat_result, kind: Callable[[int], bool]) -> None:
        """Raises PermissionError unless it is of the kind, this user's or root's, and nobody else's to write."""
        if not kind(found.st_mode):
            raise PermissionError(0, "neither a folder nor a file", str(path))
        if self.user is not None and (found.st_uid not in (self.user, 0) or found.st_mode & 0o022):
            raise PermissionError(0, "others may write to it", str(path))

    def _clear_away(self) -> None:
        """The files used longest ago, and what a killed process left of one."""
        used: list[tuple[float, Path]] = []
        for file in self.folder.iterdir():
            with contextlib.suppress(FileNotFoundError):  # another process's, which has its name by now
                used.append((file.lstat().st_mtime, file))
        for _, file in sorted(used, reverse=True)[_MAX_ENTRIES:]:
            file.unlink(missing_ok=True)
