"""componentize-py on a folder that holds just what the app may see, and its results kept by what went in."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path

from wherry.appbuild.requirements import install_requirements, stamp
from wherry.appbuild.sources import check_app, check_sources
from wherry.appbuild.still import CHECK, held, hold_still, release
from wherry.appbuild.strip import strip_names
from wherry.errors import InputError, NotFoundError
from wherry.isolation import interpreter_flags

_WORLD = "web-app"
_ENTRY = "wherry_entry"
_SECONDS = 900
_MOST_KEPT = 16  # compiled apps
_FORM = 2  # raised when the same inputs are to be compiled again
# Of Wherry's own: what runs inside, besides the modules of `guest` that are no tests' tools, and its page.
_OWN = (
    "__init__.py", "errors.py", "engine/__init__.py", "engine/conversation.py", "engine/cues.py", "engine/transcript.py",
    "engine/writers.py", "wasm/wit/app.wit",
)  # fmt: skip
_NOT_INSIDE = ("fake.py", "fake_chat.py", "client.py")
# What the standard library imports only while it runs, where web apps come by.
_LATER = (
    "_strptime", "base64", "email.utils", "encodings.ascii",
    "encodings.cp1252", "encodings.idna", "encodings.latin_1", "encodings.utf_8_sig", "html", "linecache",
    "string", "textwrap", "tokenize", "traceback", "urllib.parse",
)  # fmt: skip


class AppSource:
    """A web app: `name` of `module` in `folder`, which has a requirements.txt or none.

    modules   what it imports by names that are not in its sources
    """

    def __init__(self, folder: Path, module: str = "app", name: str = "app", modules: Sequence[str] = ()) -> None:
        self.folder = folder
        self.module = module
        self.name = name
        self.modules = tuple(modules)
        for word in (*module.split("."), name):
            if not word.isidentifier():
                raise InputError(f'{folder}: app: found "{module}:{name}", expected MODULE:NAME')


def build_component(
    source: AppSource, data: Iterable[tuple[Path, str]], cache: Path, *, anew: bool = False, say: Callable[[str], None]
) -> Path:
    """Compile an app -> its component, in the cache. The same inputs are compiled once, unless `anew`, and give the same bytes
    on every Linux; where they may not, `say` tells.

    data   the app's files and their paths below its folder, its modules among them

    Raises InputError and NotFoundError for what is wrong with the app, before anything is compiled, and for what it raises
    while it is imported.
    """
    requirements = source.folder / "requirements.txt"
    listed = sorted(data, key=lambda item: item[1])
    if not any(name == source.module.replace(".", "/") + ".py" for _, name in listed):
        check_sources(source.module, source.folder, cache)  # says what is missing
    packages = install_requirements(requirements, cache, anew=anew, say=say)
    later = check_sources(source.module, source.folder, packages)
    check_app(source.module, source.name, source.folder)
    compiler = _version()
    shelf = cache / "apps"
    shelf.mkdir(parents=True, exist_ok=True)
    entry = _entry(source, later)
    key = _key(listed, packages, entry, compiler)
    target = shelf / f"{key}.wasm"
    if target.is_file() and not anew:
        os.utime(target)
        say("compiled before, from the same files")
        return target
    say(f"compiling {source.module}.py to a component; this takes a while")
    with tempfile.TemporaryDirectory(dir=shelf, prefix=".new-") as temporary:
        stage = Path(temporary)
        _stage(stage, listed, packages, entry)
        _compile(source, stage, stage / "compiled.wasm", key)
        if not held(stage):
            say("this system's compiler could not be held still: the component's digest is this build's own")
        (stage / "app.wasm").write_bytes(strip_names((stage / "compiled.wasm").read_bytes()))
        (stage / "app.wasm").replace(target)
    for old in sorted(shelf.glob("*.wasm"), key=lambda path: path.stat().st_mtime, reverse=True)[_MOST_KEPT:]:
        old.unlink(missing_ok=True)
    return target


def _version() -> str:
    try:
        return version("componentize-py")
    except PackageNotFoundError as error:
        raise NotFoundError(
            "componentize-py: found none, expected the compiler of Python apps", hint="python -m pip install 'wherry[build]'"
        ) from error


def _entry(source: AppSource, later: Sequence[str]) -> str:
    """The component's own module: everything is imported now, for nothing can be imported when the app runs."""
    names = [*_LATER, *later, *source.modules]
    return f"""import importlib
{_WITHOUT_DOCSTRINGS}
{source.name}_module = importlib.import_module({source.module!r})
for name in {names!r}:
    try:
        importlib.import_module(name)
    except Exception:
        if name in {list(source.modules)!r}:
            raise
if not callable(getattr({source.name}_module, {source.name!r}, None)):
    raise TypeError("found no WSGI app called {source.name} in {source.module}")

from wherry.guest.sandbox import App


class WitWorld(App):
    def __init__(self) -> None:
        super().__init__({source.name}_module.{source.name})
{_WIPE}"""


# The standard library's docstrings alone are a tenth of what is left of the image.
_WITHOUT_DOCSTRINGS = """from importlib.machinery import SourceFileLoader


def source_to_code(self, data, path, *, _optimize=-1):
    return compile(data, path, "exec", dont_inherit=True, optimize=2 if str(path).startswith(("/python/", "/2/")) else -1)


SourceFileLoader.source_to_code = source_to_code
"""

# The component begins with this interpreter's memory, garbage of the compiler's too: what is free is overwritten, in the
# allocator's largest pools and then in what lies between them. A third of the image's weight goes.
_WIPE = """

def wipe():
    import gc
    import sys

    sys.path_importer_cache.clear()
    gc.collect()
    kept = [bytes(479) for _ in range(3000)]
    kept += [bytes(1 << power) for power in range(20, 9, -1) for _ in range(8)]
    del kept
    gc.collect()


wipe()
"""


def _key(listed: Sequence[tuple[Path, str]], packages: Path, entry: str, compiler: str) -> str:
    found = hashlib.sha256(f"{_FORM}\0{compiler}\0{packages.name}\0{stamp(packages)}\0{entry}".encode())
    parts = [(name, path.read_bytes()) for path, name in listed]
    for name, raw in [*parts, *_own().items()]:
        found.update(f"{name}\0{len(raw)}\0".encode() + raw)
    return found.hexdigest()[:40]


def _own() -> dict[str, bytes]:
    """What runs inside of Wherry, by its place below `wherry`."""
    home = Path(str(files("wherry")))
    guest = sorted(f"guest/{path.name}" for path in (home / "guest").glob("*.py") if path.name not in _NOT_INSIDE)
    guest += sorted(f"guest/page/{path.name}" for path in (home / "guest/page").iterdir())
    return {name: (home / name).read_bytes() for name in (*_OWN, *guest)}


def _stage(stage: Path, listed: Sequence[tuple[Path, str]], packages: Path, entry: str) -> None:
    """Copies: what runs while it is compiled may write there."""
    (stage / "app").mkdir()
    shutil.copytree(packages, stage / "packages")
    for path, name in listed:
        place = stage / "app" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    for name, raw in _own().items():
        place = stage / "own/wherry" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(raw)
    (stage / "own" / f"{_ENTRY}.py").write_text(entry, encoding="utf-8")
    (stage / "nothing/lib/site-packages").mkdir(parents=True)


def _compile(source: AppSource, stage: Path, target: Path, key: str) -> None:
    command = [
        sys.executable, *interpreter_flags(), "-c", f"{CHECK}\nimport sys, componentize_py\nsys.exit(componentize_py.script())",
        "-d", str(files("wherry").joinpath("wasm/wit")), "-w", _WORLD, "componentize", _ENTRY,
        "-p", str(stage / "app"), "-p", str(stage / "packages"), "-p", str(stage / "own"), "-o", str(target),
    ]  # fmt: skip
    # It would bundle the site-packages that it finds by this variable or by the python3 in PATH.
    environment = {"VIRTUAL_ENV": str(stage / "nothing"), "PATH": str(stage / "nothing"), "HOME": str(stage / "nothing")}
    # What is random there follows from what is compiled: nobody who does not know all of it knows the hash secret.
    done = _run(source, command, stage, environment | hold_still(stage, key))
    if done.returncode < 0:  # killed: perhaps this system does not let itself be held still
        release(stage)
        done = _run(source, command, stage, environment)
    if done.returncode or not target.is_file():
        raise InputError(f"{source.folder}: the app could not be compiled:\n{_reason(done.stderr or done.stdout)}")


def _run(source: AppSource, command: list[str], stage: Path, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(
            command, cwd=stage, env=environment, capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(f"{source.folder}: found no component after {_SECONDS} s: the app does not end its import") from error


def _reason(said: str) -> str:
    """Python's own words for it: the last traceback without the compiler's frames, its mounts named as the author knows them."""
    lines = said.strip().splitlines()
    with suppress(StopIteration):
        start = next(i for i in range(len(lines) - 1, -1, -1) if lines[i].startswith("Traceback"))
        lines = lines[start:]
        with suppress(StopIteration):
            lines = lines[: next(i for i, line in enumerate(lines) if line.startswith("Caused by"))]
    return "\n".join(line.replace('"/0/', '"') for line in lines if line.strip())[-3000:]
