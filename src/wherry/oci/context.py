"""The folder that a build copies from: what `.dockerignore` leaves of it, wildcards, and where things land in the image.

`.dockerignore` and wildcards follow docker's documentation: Go's filepath.Match, with `**` and `!` in `.dockerignore`.
"""

import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from posixpath import normpath

from wherry.errors import InputError, NotFoundError
from wherry.oci.layer import Entry

_MAX_FILES = 100_000  # of one COPY, as many as an image may have in a layer
_ROOT = PurePosixPath("/")


@dataclass(frozen=True)
class _Pattern:
    regex: re.Pattern[str]
    excepted: bool  # it began with !


class Ignore:
    """The lines of a `.dockerignore`; the last that matches a path, or a folder above it, decides."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._patterns = [pattern for line in lines if (pattern := _parse_pattern(line)) is not None]
        self.has_exceptions = any(pattern.excepted for pattern in self._patterns)

    def matches(self, path: PurePosixPath) -> bool:
        """`path` relative to the context."""
        ignored = False
        names = [str(path), *(str(parent) for parent in path.parents if parent != PurePosixPath())]
        for pattern in self._patterns:
            if pattern.excepted == ignored and any(pattern.regex.fullmatch(name) for name in names):
                ignored = not pattern.excepted
        return ignored


class Context:
    """A folder to copy from. Nothing outside it is read: not by `..`, not by a symbolic link."""

    def __init__(self, folder: Path, ignore: Ignore) -> None:
        if not folder.is_dir():
            raise NotFoundError(f"{folder}: found no such folder, expected one to build from")
        self._folder = folder.resolve()
        self._ignore = ignore

    def files(self, sources: Sequence[str]) -> list[Path]:
        """The files, not the folders, that sources name. Raises InputError, NotFoundError."""
        return [path for source in sources for _, path in self._matches(source) if path.is_file()]

    def copy(
        self, sources: Sequence[str], target: str, folders: frozenset[PurePosixPath], *, exclude: "Ignore | None" = None
    ) -> list[Entry]:
        """What `COPY sources… target` adds: `target` absolute, `folders` those that the image has already. `exclude` is of names
        within a source that is a folder, and of the names of sources that are files.

        Raises InputError, NotFoundError; the line is for the caller to name.
        """
        found = [(name, path) for source in sources for name, path in self._matches(source)]
        into = target.endswith("/") or PurePosixPath(normpath(target)) in {*folders, _ROOT}
        if len(found) > 1 and not target.endswith("/"):
            raise InputError(f'found {len(found)} sources and the target "{target}", expected a target that ends with /')
        place = PurePosixPath(normpath(target))
        entries: dict[PurePosixPath, Entry] = {}
        for name, path in found:
            if path.is_dir():
                if place != _ROOT:
                    entries[place] = Entry(place)
                for entry in self._walk(path, self._inside(path), place):
                    if exclude is None or not exclude.matches(entry.path.relative_to(place)):
                        entries[entry.path] = entry
            elif exclude is None or not exclude.matches(PurePosixPath(name.name)):
                there = place / name.name if into else place
                entries[there] = self._entry(path, there)
            if len(entries) > _MAX_FILES:
                raise InputError(f"found more than {_MAX_FILES} files, expected fewer", hint="leave some out in .dockerignore")
        return [*_leading_folders(entries, folders), *entries.values()]

    def _matches(self, source: str) -> list[tuple[PurePosixPath, Path]]:
        """The files and folders that a source means: their names in the context, and where they lie."""
        parts = [part for part in source.split("/") if part not in ("", ".")]
        if ".." in parts:
            raise InputError(f'found the source "{source}", expected one without ..', hint="build from the folder above")
        if not parts:
            return [(PurePosixPath(), self._folder)]
        found = [PurePosixPath()]
        for part in parts:
            found = [name / other for name in found for other in self._names(name, part)]
        paths = [(name, path) for name in found if (path := self._resolve(name)) is not None]
        if not paths:
            hint = "a line of .dockerignore leaves it out" if any((self._folder / name).exists() for name in found) else ""
            raise NotFoundError(f'found no file "{source}" in {self._folder}', hint=hint)
        return paths

    def _names(self, folder: PurePosixPath, part: str) -> list[str]:
        """The names in a folder that a component of a source means."""
        if not re.search(r"[*?\[\\]", part):
            return [part]
        regex = _wildcard(part, source=part)
        path = self._folder / folder
        return sorted(child.name for child in path.iterdir() if regex.fullmatch(child.name)) if path.is_dir() else []

    def _resolve(self, name: PurePosixPath) -> Path | None:
        """Where a name lies; a link named as a source is followed, within the context. None where it is not, or is ignored."""
        path = self._folder / name
        if not path.exists():
            return None
        real = path.resolve()
        if not real.is_relative_to(self._folder):
            raise InputError(f'found "{name}", a link out of {self._folder}, expected a file in it')
        if self._ignore.matches(name) and not (real.is_dir() and self._ignore.has_exceptions):
            return None
        return real

    def _walk(self, folder: Path, name: PurePosixPath, place: PurePosixPath) -> Iterator[Entry]:
        """What is in a folder, the folders that lead to something or are not ignored themselves included."""
        for child in sorted(folder.iterdir()):
            inside, there = name / child.name, place / child.name
            ignored = self._ignore.matches(inside)
            if child.is_dir() and not child.is_symlink():
                if ignored and not self._ignore.has_exceptions:
                    continue
                below = list(self._walk(child, inside, there))
                if below or not ignored:
                    yield Entry(there)
                    yield from below
            elif not ignored:
                yield self._entry(child, there)

    def _entry(self, path: Path, there: PurePosixPath) -> Entry:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            return Entry(there, target=str(path.readlink()))
        if not stat.S_ISREG(mode):
            raise InputError(f"{path}: found a device, pipe or socket, expected files, folders and links")
        return Entry(there, source=path)

    def _inside(self, path: Path) -> PurePosixPath:
        return PurePosixPath(path.relative_to(self._folder).as_posix())


def read_ignore(path: Path) -> list[str]:
    """The lines of a `.dockerignore`, in whatever encoding: names are bytes, as those of files are."""
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    return [line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n")]


def missing_folders(path: PurePosixPath, folders: frozenset[PurePosixPath]) -> tuple[Entry, ...]:
    """The entries that make a folder, and those above it, where `folders` has them not yet."""
    return tuple(Entry(folder) for folder in (*reversed(path.parents), path) if folder != _ROOT and folder not in folders)


def _leading_folders(entries: Iterable[PurePosixPath], folders: frozenset[PurePosixPath]) -> list[Entry]:
    """The folders above the entries that neither the image nor the entries have."""
    paths = set(entries)
    above = {parent for path in paths for parent in path.parents}
    return [Entry(path) for path in sorted(above - paths - folders - {_ROOT})]


def _parse_pattern(line: str) -> _Pattern | None:
    if line.startswith("#") or not (text := line.removeprefix("\ufeff").strip()):
        return None
    excepted = text.startswith("!")
    text = text[1:].strip() if excepted else text
    if not text:
        raise InputError('.dockerignore: found a "!" alone, expected a pattern after it')
    text = normpath(text)
    return _Pattern(_wildcard(text.lstrip("/") or ".", source=line, across=True), excepted)


def _wildcard(text: str, *, source: str, across: bool = False) -> re.Pattern[str]:
    """Go's filepath.Match as a regular expression; `across`: `**` passes over any number of folders."""
    out, i = "", 0
    while i < len(text):
        char = text[i]
        i += 1
        if char == "*" and across and text.startswith("*", i):
            while text.startswith("*", i):
                i += 1
            if text.startswith("/", i):
                i += 1
                out += "(?:.*/)?"
            else:
                out += ".*"
        elif char == "*":
            out += "[^/]*"
        elif char == "?":
            out += "[^/]"
        elif char == "[":
            end = text.find("]", i + 1)
            if end < 0:
                raise InputError(f'found the pattern "{source.strip()}", expected a ] after [')
            inside = text[i:end].removeprefix("^")
            out += "[" + ("^" if text[i] == "^" else "") + re.sub(r"([\\\[\]^&~|])", r"\\\1", inside) + "]"
            i = end + 1
        elif char == "\\" and i < len(text):
            out += re.escape(text[i])
            i += 1
        else:
            out += re.escape(char)
    try:
        return re.compile(out, re.DOTALL)
    except re.error as error:
        raise InputError(f'found the pattern "{source.strip()}": {error}') from error
