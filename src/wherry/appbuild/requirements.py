"""requirements.txt to a folder of pure Python, for the interpreter inside the sandbox."""

import ast
import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from wherry.appbuild.requirement_lines import read_requirements
from wherry.errors import DownloadError, InputError
from wherry.isolation import pip_error, run_pip

PYTHON = (3, 14)  # in the sandbox: componentize-py's
_SECONDS = 600
_NATIVE = (".so", ".pyd", ".dylib")
_VERSION = "{}.{}".format(*PYTHON)
_ABI = "cp{}{}".format(*PYTHON)
_MARK = ".complete"


def install_requirements(place: Path, cache: Path, *, anew: bool = False, say: Callable[[str], None]) -> Path:
    """What `place` (a requirements.txt) asks for, installed below `cache` -> its folder. No code of a package runs.

    The same requirements are resolved once: `anew` does it again. Raises InputError for a requirement that needs
    native code or would be built here, DownloadError where pip fails or a hash differs.
    """
    lines = read_requirements(place) if place.is_file() else []
    key = hashlib.sha256("\0".join([_ABI, *lines]).encode()).hexdigest()[:32]
    folder = cache / "requirements" / key
    if (folder / _MARK).is_file() and not anew:
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".new-") as temporary:
        made = Path(temporary) / "packages"
        made.mkdir()
        if names := [line.partition(" --hash")[0] for line in lines if not line.startswith("-")]:
            say(f"installing {', '.join(names[:5])}{'…' if len(names) > 5 else ''}")
            _run_pip(place, lines, made)
            _leave_native_code(place, made)
        (made / _MARK).write_text("\n".join(sorted(path.name for path in made.glob("*.dist-info"))))
        shutil.rmtree(folder, ignore_errors=True)
        try:
            made.rename(folder)
        except OSError:
            if not (folder / _MARK).is_file():
                raise  # and else another process was quicker
    return folder


def stamp(folder: Path) -> str:
    """What lies in a folder of `install_requirements`: names and versions."""
    return (folder / _MARK).read_text()


def _run_pip(place: Path, lines: list[str], target: Path) -> None:
    listed = target.with_name("requirements.txt")
    listed.write_text("\n".join(lines) + "\n", encoding="utf-8")
    arguments = [
        "install", "--quiet", "--no-compile", "--target", str(target.resolve()), "--only-binary", ":all:",
        "--implementation", "cp", "--python-version", _VERSION, "--abi", _ABI, "--abi", "abi3", "--abi", "none",
        "--platform", "manylinux_2_28_x86_64", "--platform", "manylinux_2_17_x86_64", "--platform",
        "manylinux2014_x86_64", "--requirement", str(listed.resolve()),
    ]  # fmt: skip
    try:
        code, output = run_pip(arguments, timeout=_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise DownloadError(f"{place}: pip found no end within {_SECONDS} s") from error
    if code:
        raise DownloadError(
            f"{place}: pip: {pip_error(output)}",
            hint=f"each requirement must have a wheel for Python {_VERSION}, in pure Python or with a fallback in it",
        )


def _leave_native_code(place: Path, folder: Path) -> None:
    """Delete compiled modules that their package does without. Raises InputError for one that it does not."""
    for record in sorted(folder.glob("*.dist-info/RECORD")):
        files = [line.partition(",")[0] for line in record.read_text(encoding="utf-8").splitlines()]
        native = [folder / name for name in files if name.endswith(_NATIVE) or ".so." in name]
        if not native:
            continue
        modules = {path.name.partition(".")[0] for path in native if not path.parent.name.endswith(".libs")}
        guarded: set[str] = set()
        for source in (folder / name for name in files if name.endswith(".py")):
            needed, wished = _imported(source)
            for module in modules & needed.keys():
                raise _native(place, record, f"{source.relative_to(folder)}:{needed[module]} imports {module}")
            guarded |= wished
        for module in sorted(modules - guarded):
            raise _native(place, record, f"nothing stands in for {module}")
        for path in native:
            path.unlink(missing_ok=True)


def _native(place: Path, record: Path, why: str) -> InputError:
    name, version = record.parent.name.removesuffix(".dist-info").rsplit("-", 1)
    return InputError(
        f"{place}: {name} {version}: found native code, which a sandbox cannot load ({why})",
        hint="take a package in pure Python instead",
    )


def _imported(source: Path) -> tuple[dict[str, int], set[str]]:
    """The last parts of the names of what a module cannot do without, with their lines; and of all that it imports."""
    try:
        tree = ast.parse(source.read_bytes())
    except (SyntaxError, ValueError):  # for other versions of Python: never imported
        return {}, set()
    everything = {name for node in ast.walk(tree) for name, _ in _names(node)}
    return dict(_unguarded(tree.body)), everything


def _unguarded(body: list[ast.stmt]) -> Iterator[tuple[str, int]]:
    for node in body:
        if isinstance(node, ast.If):
            if "TYPE_CHECKING" not in ast.unparse(node.test):
                yield from _unguarded(node.orelse)
        else:
            yield from _names(node)


def _names(node: ast.AST) -> Iterator[tuple[str, int]]:
    if isinstance(node, ast.Import):
        yield from ((alias.name.rpartition(".")[2], node.lineno) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield ((node.module or "").rpartition(".")[2], node.lineno)
        yield from ((alias.name, node.lineno) for alias in node.names)
