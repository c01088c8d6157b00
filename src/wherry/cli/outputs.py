"""The files of transcripts: their names, which recording and options they were made of, and writing them whole.

`.wherry.jsonl` in the folder has a line for each recording that was transcribed into it: the output files, the recording,
the model and the options. The last line that names a file counts. Lines are only ever added, each in one write, so that
runs beside each other do not disturb one another, and half a line after a crash is no line.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wherry.cli.recordings import Recording
from wherry.errors import InputError

RECORD = ".wherry.jsonl"


@dataclass(frozen=True)
class Source:
    """A recording as it was when it was transcribed. `sha256` of its bytes tells it under another name."""

    path: str
    size: int
    mtime_ns: int
    sha256: str

    def is_in(self, file: Path) -> bool:
        """Whether the file is this recording, by its name and times or else by its bytes."""
        found = file.stat()
        if found.st_size != self.size:
            return False
        same = str(file.absolute()) == self.path and found.st_mtime_ns == self.mtime_ns
        return same or _digest(file) == self.sha256


def read_source(file: Path) -> Source:
    found = file.stat()
    return Source(str(file.absolute()), found.st_size, found.st_mtime_ns, _digest(file))


class OutputFolder:
    """Where transcripts go. `made_by` is the model and all options that change a transcript."""

    def __init__(self, folder: Path, formats: Sequence[str], made_by: Mapping[str, Any], *, overwrite: bool) -> None:
        self.folder = folder
        self.formats = formats
        self._made_by = json.loads(json.dumps(made_by))  # as it is when it was read: tuples are lists
        self._overwrite = overwrite
        self._records = _read_records(folder / RECORD)

    def prepare(self) -> None:
        """Make the folder. Raises OSError where it cannot be written into."""
        self.folder.mkdir(parents=True, exist_ok=True)
        probe = self.folder / _part("")
        with _naming(self.folder):
            probe.write_bytes(b"")
            probe.unlink()

    def is_done(self, recording: Recording) -> bool:
        """Whether all outputs are there and were made of this recording with these options.

        Raises InputError where an output is of another recording, or nobody knows of which, unless it may be overwritten.
        """
        paths = [self._path(recording, name) for name in self.formats]
        for path in paths:
            if path.is_dir():
                raise InputError(f"{path}: found a folder, expected none or a file of a transcript")
        if self._overwrite:
            return False
        existing = [path for path in paths if path.exists()]
        for path in existing:
            self._check_owner(path, recording)
        return len(existing) == len(paths) and all(self._records[path.name]["made_by"] == self._made_by for path in paths)

    def write(self, recording: Recording, source: Source, texts: Mapping[str, str]) -> None:
        """All or nothing: an interrupted run leaves no half file, and no whole one that a later run takes for another's."""
        paths = {self._path(recording, name): text for name, text in texts.items()}
        parts = {path: path.with_name(_part(path.name)) for path in paths}
        try:
            for path, text in paths.items():
                with _naming(path):
                    parts[path].write_text(text, encoding="utf-8")
            for path in paths:
                path.unlink(missing_ok=True)
            self._record([path.name for path in paths], source)
            for path, part in parts.items():
                with _naming(path):
                    part.replace(path)
        finally:
            for part in parts.values():
                part.unlink(missing_ok=True)

    def _path(self, recording: Recording, name: str) -> Path:
        return self.folder / f"{recording.stem}.{name}"

    def _check_owner(self, path: Path, recording: Recording) -> None:
        record = self._records.get(path.name)
        hint = "--overwrite writes over it; another --output-dir keeps both"
        if record is None:
            raise InputError(
                f"{path}: found a file of unknown origin, expected none or the transcript of {recording.name}", hint=hint
            )
        if not record["source"].is_in(recording.path):
            other = record["source"].path
            raise InputError(f"{path}: found the transcript of another recording ({other}), not of {recording.name}", hint=hint)

    def _record(self, names: list[str], source: Source) -> None:
        row = {"outputs": names, "source": asdict(source), "made_by": self._made_by}
        line = json.dumps(row, separators=(",", ":")).encode() + b"\n"
        with (self.folder / RECORD).open("ab", buffering=0) as file:
            file.write(line)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """An error over a temporary file names the file that was to be written."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _part(name: str) -> str:
    """A name of its own length: the output's may already have the 255 bytes that are allowed."""
    return f".wherry-{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}.part"


def _read_records(path: Path) -> dict[str, dict[str, Any]]:
    """The last record of each output file."""
    records: dict[str, dict[str, Any]] = {}
    try:
        lines = path.read_bytes().splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return records
    for line in lines:
        try:
            row = json.loads(line)
            record = {"source": Source(**row["source"]), "made_by": row["made_by"]}
            records.update((str(name), record) for name in row["outputs"])
        except (ValueError, TypeError, KeyError):  # half a line of a run that was killed, or of somebody else
            continue
    return records


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
