"""Shared libraries of this host: what a program needs (ldd), and where a name lies (ldconfig)."""

import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from wherry.errors import InputError, NotFoundError

_FOUND = re.compile(r"^\s+(\S+) => (/\S.*) \(0x[0-9a-f]+\)$")
_LOADER = re.compile(r"^\s+(/\S+) \(0x[0-9a-f]+\)$")
_MISSING = re.compile(r"^\s+(\S+) => not found$")
_FILES_A_CALL = 200


@dataclass
class Closure:
    """Libraries by the name that they are asked for, their files, and the program loader (None: nothing is dynamic)."""

    libraries: dict[str, Path] = field(default_factory=dict)
    missing: dict[str, Path] = field(default_factory=dict)  # name -> who needs it
    loader: Path | None = None


def closure(files: Iterable[Path]) -> Closure:
    """Everything that the given programs and libraries need, from ldd(1), which asks the system's own loader."""
    pending = sorted(set(files))
    found = Closure()
    for start in range(0, len(pending), _FILES_A_CALL):
        _ask(pending[start : start + _FILES_A_CALL], found)
    return found


def _ask(files: list[Path], found: Closure) -> None:
    command = ["ldd", *(str(file) for file in files)]
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, check=False, env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"}
        )
    except FileNotFoundError as error:
        raise NotFoundError("ldd: found no such program, expected glibc's", hint="on Debian: apt-get install libc-bin") from error
    current = files[0]
    for line in result.stdout.splitlines():
        if line.startswith("/") and line.endswith(":"):
            current = Path(line[:-1])
        elif match := _FOUND.match(line):
            found.libraries.setdefault(match[1].rsplit("/")[-1], Path(match[2]))
            if "ld-linux" in match[1]:
                found.loader = found.loader or Path(match[2])
        elif match := _MISSING.match(line):
            found.missing.setdefault(match[1], current)
        elif match := _LOADER.match(line):
            if "musl" in match[1]:
                raise InputError(f"{current}: found the loader {match[1]}, expected glibc's: Wherry's runtime is made of glibc")
            found.loader = found.loader or Path(match[1])


def find_library(name: str) -> Path | None:
    """The file of a library that the loader would take for `name` ("libvulkan.so.1"), in this machine's word size."""
    path = "/usr/sbin:/sbin:/usr/bin:/bin"
    try:
        result = subprocess.run(
            ["ldconfig", "-p"], capture_output=True, text=True, check=False, env={"LC_ALL": "C", "PATH": path}
        )
    except FileNotFoundError as error:
        raise NotFoundError("ldconfig: found no such program, expected glibc's") from error
    for line in result.stdout.splitlines():
        match = re.match(r"^\s+(\S+) \(([^)]*)\) => (/\S+)$", line)
        if match and match[1] == name and ("x86-64" in match[2] or "AArch64" in match[2] or "64bit" in match[2]):
            return Path(match[3])
    return None


def is_elf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"
