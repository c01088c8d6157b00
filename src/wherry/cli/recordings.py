"""The recordings that a command is given: files, pipes and its own stdin, looked at before any work."""

import shutil
import stat
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from wherry.errors import InputError, NotFoundError

STDIN = "-"


@dataclass(frozen=True)
class Recording:
    """name: as it was given, for people. path: a regular file. stem: of its outputs."""

    name: str
    path: Path
    stem: str


def find_recording(name: str, folder: Path) -> Recording:
    """A command's argument -> the recording. What can be read once only is copied into `folder`.

    Raises NotFoundError, InputError.
    """
    if name == STDIN:
        if sys.stdin is None or sys.stdin.isatty():
            raise InputError(
                "-: found no recording on stdin, but a terminal or nothing", hint="for example `wherry transcribe - < talk.mp3`"
            )
        return Recording("stdin", _copied(sys.stdin.buffer, folder / "stdin"), "stdin")
    path = Path(name)
    if "://" in name and not path.exists():
        raise InputError(
            f"{name}: found an address, expected an audio file", hint="fetch it first: curl -L ADDRESS | wherry transcribe -"
        )
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise NotFoundError(f"{name}: found a folder, expected an audio file")
        if stat.S_ISREG(mode):
            with path.open("rb"):
                return Recording(name, path, path.stem)
        with path.open("rb") as file:
            return Recording(name, _copied(file, folder / str(len(list(folder.iterdir())))), path.stem)
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        reason = getattr(error, "strerror", None) or error
        raise NotFoundError(f"{name}: found no readable file ({reason}), expected an audio file") from error


def check_stems(names: Sequence[str]) -> None:
    """Outputs are named by stem: two recordings of one stem would overwrite each other. Raises InputError."""
    seen: dict[str, Path] = {}
    for file in map(Path, names):
        other = seen.setdefault(file.stem, file)
        if other != file:
            raise InputError(
                f'FILE: found {other} and {file}, which both write "{file.stem}", expected names that differ',
                hint="give them --output-dir folders of their own, one run each",
            )


def _copied(source: BinaryIO, path: Path) -> Path:
    with path.open("wb") as copy:
        shutil.copyfileobj(source, copy, 1 << 20)
    return path
