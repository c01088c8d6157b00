"""The runtime as a folder that needs nothing else of the system it runs in: interpreter, libraries, standard library, packages.

It is mounted read-only into containers that have no userland at all, and carried by standalone images. What it was made from
stands in `manifest.json`, so that an update of one of those files can be told (`stale`).
"""

import hashlib
import json
import os
import re
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from wherry.container import distributions, layout
from wherry.container.libraries import closure, is_elf
from wherry.errors import FormatError, NotFoundError
from wherry.isolation import child_environment, run_python

Say = Callable[[str], None]

_MANIFEST = "manifest.json"
_FORMAT = 2
_PRELOAD_FILE = re.compile(rb"/etc/[A-Za-z0-9.-]*\.preload\0")  # in a program loader
_COMPILE_SECONDS = 900
# Of the standard library: what neither Wherry nor its packages import.
_SKIPPED = {
    "__pycache__", "dist-packages", "distutils", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "site-packages", "test",
    "tests", "tkinter", "turtledemo", "venv",
}  # fmt: skip
_SKIPPED_MODULES = ("_tkinter.", "_test", "_ctypes_test.", "xxlimited", "nis.", "_curses", "readline.")

_START = '''"""Started by the container's first process (guest) and by the engine (wrapper); there is no site module here."""

import sys

sys.path.append(__file__.rsplit("/", 1)[0] + "/lib/python{version}/site-packages")
role = sys.argv.pop(1)
if role == "guest":
    from wherry.cli.contained import main
elif role == "wrapper":
    from wherry.container.wrapper import main
else:
    from wherry.container.modules import main
main()
'''


@dataclass(frozen=True)
class Source:
    """One file of the runtime: its path there, the host's file it was copied from, and that file's size and sha256."""

    path: str
    source: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a runtime was made from. `identity` is the same for the same files; `loader` is the program loader's name."""

    identity: str
    python: str
    loader: str
    packages: dict[str, str]
    files: tuple[Source, ...]


def compose(folder: Path, say: Say = lambda line: None) -> Manifest:
    """Make the runtime in `folder`, which must not exist or be empty.

    Raises NotFoundError where a library is missing, InputError on a system without glibc.
    """
    previous = os.umask(0o022)
    try:
        return _compose(folder, say)
    finally:
        os.umask(previous)


def _compose(folder: Path, say: Say) -> Manifest:
    plan = dict(_plan())
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    folder.mkdir(parents=True, exist_ok=True)
    sources: list[Source] = []
    for inner, source in sorted(plan.items()):
        sources.append(_copy(folder, inner, source))
    programs = [folder / "bin/python3", *(folder / inner for inner in plan if ".so" in inner and is_elf(folder / inner))]
    needs = closure(programs)
    if needs.loader is None:
        raise NotFoundError(f"{sys.executable}: found a static program, expected a dynamic one: its modules are libraries")
    inside = folder.resolve()
    for name, user in sorted(needs.missing.items()):
        if not any(Path(inner).name == name for inner in plan):  # a package's own, found when its first library has loaded it
            raise NotFoundError(f"{user}: found no library {name}, which it needs")
    libraries = {name: path for name, path in needs.libraries.items() if not path.resolve().is_relative_to(inside)}
    libraries[needs.loader.name] = needs.loader
    for name, path in sorted(libraries.items()):
        sources.append(_copy(folder, f"lib/{name}", path.resolve()))
    _ignore_preload_file(folder / "lib" / needs.loader.name)
    (folder / "lib" / needs.loader.name).chmod(0o755)
    start = _START.replace("{version}", python)
    (folder / "start.py").write_text(start)
    say(f"compiling the standard library and {len(distributions.needed())} packages")
    _compile(folder)
    packages = {package.metadata["Name"]: package.version for package in distributions.needed()}
    manifest = Manifest(_identity(sources, start), sys.version.split()[0], needs.loader.name, packages, tuple(sources))
    _write(folder / _MANIFEST, manifest)
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """Raises NotFoundError where `folder` holds no runtime, FormatError where its manifest is damaged."""
    path = folder / _MANIFEST
    try:
        data = json.loads(path.read_bytes())
        if data["format"] != _FORMAT:
            raise FormatError(f"{path}: format: found {data['format']}, expected {_FORMAT}", hint="`wherry runtime install` anew")
        files = tuple(Source(**entry) for entry in data["files"])
        return Manifest(data["identity"], data["python"], data["loader"], dict(data["packages"]), files)
    except OSError as error:
        raise NotFoundError(f"{path}: found no runtime ({error.strerror})", hint="`wherry runtime install` makes one") from error
    except (ValueError, KeyError, TypeError) as error:
        raise FormatError(f"{path}: found no manifest ({error!r}), expected one of Wherry's") from error


def stale(manifest: Manifest) -> list[str]:
    """One line for each file of the host that is no longer what the runtime was made from; none where it is current."""
    lines = []
    for file in manifest.files:
        path = Path(file.source)
        try:
            with path.open("rb") as stream:
                same = os.fstat(stream.fileno()).st_size == file.size and _digest(path) == file.sha256
        except OSError:
            lines.append(f"{file.source} is gone")
            continue
        if not same:
            lines.append(f"{file.source} has changed")
    known = {file.path for file in manifest.files}
    packages = {package.metadata["Name"]: package.version for package in distributions.needed()}
    for name, version in packages.items():
        if manifest.packages.get(name) != version:
            lines.append(f"{name} is {version} now, and was {manifest.packages.get(name, 'not there')}")
    lines += [f"{source} is new" for inner, source in _plan() if inner not in known]
    return lines


def _plan() -> Iterator[tuple[str, Path]]:
    """(path in the runtime, the host's file) of the interpreter, the standard library and the packages."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    yield "bin/python3", Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    for key in ("stdlib", "platstdlib"):
        base = Path(sysconfig.get_path(key, vars={"base": sys.base_prefix, "platbase": sys.base_exec_prefix}))
        for path in sorted(base.rglob("*")):
            inner = path.relative_to(base)
            skipped = _SKIPPED & set(inner.parts) or inner.parts[0].startswith("config-")
            if skipped or path.name.startswith(_SKIPPED_MODULES) or path.suffix in (".a", ".pyc", ".exe") or not path.is_file():
                continue
            yield f"lib/{version}/{inner.as_posix()}", path.resolve()
    for package in distributions.needed():
        for path, inside in distributions.files(package):
            yield f"lib/{version}/site-packages/{PurePosixPath(inside)}", path


def _copy(folder: Path, inner: str, source: Path) -> Source:
    """A copy that everyone may read, whatever the umask is: containers run as any user."""
    target = folder / inner
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o755 if os.access(source, os.X_OK) else 0o644)
    return Source(inner, str(source), target.stat().st_size, _digest(target))


def _ignore_preload_file(loader: Path) -> None:
    """The loader reads names of libraries from /etc/ld.so.preload, which in a container is the image's: have this copy look in
    the runtime instead, where there is no such file. Raises FormatError for a loader that is not glibc's.
    """
    data = loader.read_bytes()
    files = set(_PRELOAD_FILE.findall(data))
    nowhere = f"{layout.RUNTIME}/-".encode()
    if len(files) != 1 or len(file := files.pop()) <= len(nowhere):
        raise FormatError(f"{loader}: found {len(files)} names of a preload file, expected one, as glibc's loader has it")
    loader.write_bytes(data.replace(file, nowhere.ljust(len(file), b"\0")))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _compile(folder: Path) -> None:
    """Bytecode that is never compared with its source: nobody writes there. An isolated process does it: the workers of
    `compileall` look for modules in the current folder where theirs is not isolated."""
    options = ["-q", "-q", "-r", "32", "-j", "0", "--invalidation-mode", "unchecked-hash"]  # some files are for other Pythons
    root = folder.resolve()
    arguments = [*options, "-s", str(root), "-p", layout.RUNTIME, str(root / "lib")]
    run_python("compileall", arguments, environment=child_environment(), timeout=_COMPILE_SECONDS)


def _identity(sources: list[Source], start: str) -> str:
    lines = [f"{file.path} {file.sha256}" for file in sources]
    return hashlib.sha256("\n".join([str(_FORMAT), start, *lines]).encode()).hexdigest()[:16]


def _write(path: Path, manifest: Manifest) -> None:
    data = {
        "format": _FORMAT,
        "identity": manifest.identity,
        "python": manifest.python,
        "loader": manifest.loader,
        "packages": manifest.packages,
        "files": [vars(file) for file in manifest.files],
    }
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "w") as file:
        json.dump(data, file, indent=1)
    Path(temporary).chmod(0o644)
    Path(temporary).replace(path)
