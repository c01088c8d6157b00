"""requirements.txt as lines that pip can only download: nothing in them makes pip execute code of a package.

pip builds source distributions, folders and repositories by running their code on this machine, whatever
`--only-binary` says of names. An app's requirements may come from strangers, so each line is one of a few known forms.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement, Requirement

from wherry.errors import InputError, NotFoundError

_MAX_BYTES = 1 << 20
_MAX_DEPTH = 8  # of files that include files
_FLAGS = {"--no-index", "--pre", "--prefer-binary", "--require-hashes"}
_INDEXES = {"-i": "--index-url", "--index-url": "--index-url", "--extra-index-url": "--extra-index-url"}
_LINKS = ("-f", "--find-links")
_COMMENT = re.compile(r"(?:^|\s+)#.*$")
_OPTIONS = re.compile(r"\s--?[a-z]")  # after a requirement
_PATH = re.compile(r"[/\\]|\.(?:whl|zip|tar|tgz|tar\.\w+)$")
_HASH = re.compile(r"--hash[= ](?:sha256|sha384|sha512):[0-9a-fA-F]{64,128}")


def read_requirements(path: Path) -> list[str]:
    """The requirements and options of a file and the files that it includes, one per line, paths absolute.

    Raises InputError, with the file and line, for one that would make pip execute code, and NotFoundError.
    """
    return list(_read(path, 0))


def _read(path: Path, depth: int) -> Iterator[str]:
    if depth > _MAX_DEPTH:
        raise InputError(f"{path}: found files that include each other more than {_MAX_DEPTH} deep")
    for number, line in _logical_lines(path):
        try:
            yield from _checked(line, path, depth)
        except ValueError as error:
            raise InputError(
                f"{path}:{number}: found {line[:200]!r}, expected {error}",
                hint="pip would run the package's code on this machine to build it; name a version that has a wheel",
            ) from error


def _logical_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines without comments, joined where they end with a backslash, with the number of the first."""
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise NotFoundError(f"{path}: {error.strerror}, expected a file of requirements") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start}: found {raw[error.start]:#04x}, expected UTF-8") from error
    if len(raw) > _MAX_BYTES:
        raise InputError(f"{path}: found {len(raw)} bytes, expected at most {_MAX_BYTES}")
    start, joined = 1, ""
    for number, line in enumerate(text.splitlines(), 1):
        start = number if not joined else start
        joined += _COMMENT.sub("", line)
        if joined.endswith("\\"):
            joined = joined[:-1] + " "
            continue
        if joined.strip():
            yield start, joined.strip()
        joined = ""
    if joined.strip():
        yield start, joined.strip()


def _checked(line: str, path: Path, depth: int) -> Iterator[str]:
    """Raises ValueError with what was expected."""
    if "${" in line:
        raise ValueError("no environment variable: set PIP_INDEX_URL or pip's own configuration instead")
    if line.startswith("-"):
        yield from _option(line, path, depth)
    else:
        yield _requirement(line, path)


def _option(line: str, path: Path, depth: int) -> Iterator[str]:
    name, _, value = line.partition("=") if line.startswith("--") and "=" in line.split()[0] else line.partition(" ")
    value = " ".join(shlex.split(value))
    if name in _FLAGS and not value:
        yield name
    elif name in _INDEXES and urlsplit(value).scheme in ("https", "http", "file"):
        yield f"{_INDEXES[name]} {shlex.quote(value)}"
    elif name == "--trusted-host" and value:
        yield f"{name} {shlex.quote(value)}"
    elif name == "--only-binary" and value:
        return  # all are downloaded as wheels
    elif name in _LINKS and value:
        link = value if urlsplit(value).scheme in ("https", "http", "file") else str((path.parent / value).resolve())
        yield f"--find-links {shlex.quote(link)}"
    elif name in ("-r", "--requirement") and value and "://" not in value:
        yield from _read(path.parent / value, depth + 1)
    else:
        raise ValueError(
            "a requirement, a file after -r, or one of --index-url --extra-index-url --find-links --trusted-host "
            + " ".join(sorted(_FLAGS))
        )


def _requirement(line: str, path: Path) -> str:
    match = _OPTIONS.search(line)
    text, options = (line[: match.start()], line[match.start() :]) if match else (line, "")
    hashes = _HASH.findall(options)
    if _HASH.sub("", options).strip():
        raise ValueError("no option but --hash=sha256:… after a requirement")
    return " ".join([_wheel_or_name(text.strip(), path), *(each.replace(" ", "=") for each in hashes)])


def _wheel_or_name(text: str, path: Path) -> str:
    place, separator, marker = text.partition(";")
    if "@" not in place and _PATH.search(place.strip().partition("[")[0]):
        return _wheel(place.strip(), path) + separator + marker
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise ValueError(f"NAME==VERSION or a wheel ({str(error).splitlines()[0]})") from error
    if requirement.url is not None:
        _wheel(requirement.url, path)
    return text


def _wheel(place: str, path: Path) -> str:
    parts = urlsplit(place)
    if not parts.path.endswith(".whl"):
        raise ValueError("a wheel (.whl) or NAME==VERSION")
    if parts.scheme in ("https", "http", "file"):
        return place
    if parts.scheme:
        raise ValueError("a wheel by https://, http://, file:// or a path")
    return str((path.parent / place).resolve())
