"""An app's own modules, looked at without running them: what they import, now or later, and whether it will be there."""

import ast
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from wherry.errors import InputError, NotFoundError

# Of the standard library, but not in the sandbox: there is no C library for them, or no operating system.
_ABSENT = {"bz2", "lzma", "ssl", "ctypes", "mmap", "curses", "readline", "tkinter", "turtle", "idlelib", "multiprocessing",
           "fcntl", "termios", "tty", "pty", "resource", "grp", "pwd", "syslog", "ensurepip", "venv"}  # fmt: skip
# What packages import for their own servers, commands and tests, which no app in a sandbox has: each weighs more than an app.
_OF_SERVERS = {"argparse", "asyncio", "code", "doctest", "getpass", "http.server", "optparse", "pdb", "pydoc", "signal",
               "socketserver", "subprocess", "unittest", "webbrowser", "wsgiref", "xmlrpc"}  # fmt: skip
_OF_WHERRY = "wherry"
_OFFERED = ("wherry.guest", "wherry.errors", "wherry.engine.transcript")
_NOT_INSIDE = ("wherry.guest.fake", "wherry.guest.client")
_MAX_MODULES = 2000


@dataclass(frozen=True)
class _Import:
    """`guarded`: within a try; `later`: within a function."""

    name: str
    line: int
    guarded: bool
    later: bool


def check_sources(module: str, folder: Path, packages: Path) -> list[str]:
    """What the app and its packages import only while they run: to be imported while the app is compiled, for nothing can be
    imported after that.

    module   the app's, in `folder`; `packages` are its requirements
    Raises NotFoundError where there is no such module, InputError for a mistake in Python and for an import that leads nowhere.
    """
    places = [folder, packages]
    waiting = [module]
    seen: set[str] = set()
    later: dict[str, None] = {}
    while waiting and len(seen) < _MAX_MODULES:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        file = _find(name, places)
        if file is None:
            if name == module:
                raise NotFoundError(f"{folder / (name.replace('.', '/') + '.py')}: found no such file, expected the app's module")
            continue
        own = file.is_relative_to(folder)
        for found in _imports(file, name, own):
            there = _is_there(found.name, places)
            if own and not there and not found.guarded:
                raise _missing(file, found)
            if there:
                waiting += _with_parents(found.name)
                if found.later and (own or not _OF_SERVERS & {found.name, found.name.partition(".")[0]}):
                    later.setdefault(found.name)
    return sorted(later)


def check_app(module: str, name: str, folder: Path) -> None:
    """Raises InputError where nothing in the app's module can bind `name`: compiling it would take a minute to say so."""
    file = _find(module, [folder])
    if file is None:
        return  # `check_sources` names it
    source = file.read_bytes()
    tree = ast.parse(source, str(file))
    if any(marker in source for marker in (b"globals", b"setattr", b"exec(")) or {name, "*"} & set(_bound(tree)):
        return
    raise InputError(
        f"{file}: found no `{name}`, expected a WSGI app of that name",
        hint=f"define it, for example `{name} = bottle.Bottle()` or `def {name}(environ, start_response):`",
    )


def _bound(node: ast.AST) -> Iterator[str]:
    """The names that a module's statements bind in the module; "*" for an import of all names."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield child.name
            for inner in ast.walk(child):
                yield from inner.names if isinstance(inner, ast.Global) else ()
            continue
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name).partition(".")[0] for alias in child.names)
        elif isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
            yield child.id
        yield from _bound(child)


def _find(name: str, places: Sequence[Path]) -> Path | None:
    for place in places:
        path = place.joinpath(*name.split("."))
        for file in (path / "__init__.py", path.with_suffix(".py") if path.name else path):
            if file.is_file():
                return file
    return None


def _is_there(name: str, places: Sequence[Path]) -> bool:
    top = name.partition(".")[0]
    if top == _OF_WHERRY:
        return name == top or (name.startswith(_OFFERED) and name not in _NOT_INSIDE) or name == "wherry.engine"
    if top in sys.stdlib_module_names and not any((place / top).exists() or (place / f"{top}.py").exists() for place in places):
        return top not in _ABSENT
    return _find(name, places) is not None or any(place.joinpath(*name.split(".")).is_dir() for place in places)


def _imports(file: Path, name: str, own: bool) -> Iterator[_Import]:
    try:
        tree = ast.parse(file.read_bytes(), str(file))
    except SyntaxError as error:
        if own:
            raise InputError(f"{file}:{error.lineno or 1}: found a mistake in Python: {error.msg}") from error
        return
    except ValueError as error:
        raise InputError(f"{file}: found no Python ({error})") from error
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    yield from _walk(tree, package, False, False)


def _walk(node: ast.AST, package: str, guarded: bool, later: bool) -> Iterator[_Import]:
    guarded = guarded or isinstance(node, ast.Try)
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (_Import(alias.name, child.lineno, guarded, later) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            base = child.module or ""
            if child.level:
                parent = package.split(".")[: len(package.split(".")) - child.level + 1]
                base = ".".join([*parent, base]) if base else ".".join(parent)
            if base:
                yield _Import(base, child.lineno, guarded, later)
                # A name of a package may be a module of its: where it is none, this import leads nowhere and is passed over.
                yield from (_Import(f"{base}.{alias.name}", child.lineno, True, later) for alias in child.names)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        else:
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _walk(child, package, guarded, later or inside)


def _with_parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[: i + 1]) for i in range(len(parts))]


def _missing(file: Path, found: _Import) -> InputError:
    top = found.name.partition(".")[0]
    if top in _ABSENT:
        return InputError(f'{file}:{found.line}: imports "{found.name}", which is not there inside the sandbox')
    if top == _OF_WHERRY:
        return InputError(
            f'{file}:{found.line}: imports "{found.name}", expected one of {", ".join(_OFFERED)}',
            hint="tests may import the others; an app's module may not",
        )
    return InputError(
        f'{file}:{found.line}: imports "{found.name}": found no such module beside it or among its requirements',
        hint="name the package in requirements.txt",
    )
