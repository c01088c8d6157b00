"""An app as ordinary Python: imported from its file, and again when a file beside it has changed."""

import importlib.util
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from wherry.errors import InputError, NotFoundError
from wherry.guest import host, wsgi
from wherry.guest.page import public_paths
from wherry.guest.upload import addresses
from wherry.wasm.http.upload import most_at

_NOT_THE_APPS = {"__pycache__", "build", "dist", "node_modules"}
_WATCHED = {".css", ".csv", ".html", ".j2", ".js", ".json", ".mjs", ".py", ".sql", ".svg", ".toml", ".tpl", ".txt", ".yaml"}


class ReloadingApp:
    """The WSGI app `name` of `file`. Its folder comes first among the places that it imports from.

    An app that cannot be imported answers every request with what went wrong, until it is put right.
    """

    def __init__(self, file: Path, name: str, say: Callable[[str], None]) -> None:
        if not file.is_file():
            raise NotFoundError(f"{file}: found no such file, expected a Python web app")
        if file.suffix != ".py" or not file.stem.isidentifier():
            raise InputError(f"{file}: expected the name of a Python module, such as app.py")
        self._file = file.resolve()
        self._name = name
        self._say = say
        self._lock = threading.Lock()
        self._seen: dict[Path, int] = {}
        self._app: wsgi.Application | None = None
        self._error = ""
        sys.path.insert(0, str(self._file.parent))
        self._refresh()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        with self._lock:
            self._refresh()
            app, error = self._app, self._error
        if app is None:
            start_response("500 Internal Server Error", [("Content-Type", "text/plain; charset=utf-8")])
            return [error.encode()]
        return app(environ, start_response)

    def streams(self, path: str) -> int | None:
        """The most bytes of a body that streams to the app, None where it comes whole."""
        return most_at(addresses(self._app), path)

    def is_public(self, path: str) -> bool:
        """Whether a page needs no key where the server has keys."""
        return path in public_paths(self._app)

    def _refresh(self) -> None:
        found = {path: path.stat().st_mtime_ns for path in _watched(self._file.parent)}
        if found == self._seen:
            return
        again = bool(self._seen)
        self._seen = found
        try:
            self._app, self._error = self._import(), ""
            if again:
                self._say(f"{self._file.name}: loaded again")
        except Exception as error:  # noqa: BLE001 - the app's own code: whatever it raises is shown to its author
            self._app, self._error = None, _trace(error, self._file.parent) + self._hint(error)
            self._say(self._error.rstrip())

    def _hint(self, error: Exception) -> str:
        """The command that installs what the app asks for and this Python lacks."""
        requirements = self._file.with_name("requirements.txt")
        if not isinstance(error, ModuleNotFoundError) or not requirements.is_file():
            return ""
        return f"\nhint: {sys.executable} -m pip install -r {requirements}\n"

    def _import(self) -> wsgi.Application:
        for name, module in list(sys.modules.items()):
            path = Path(getattr(module, "__file__", None) or "/")
            if path in self._seen and name != "__main__":
                del sys.modules[name]
        specification = importlib.util.spec_from_file_location(self._file.stem, self._file)
        assert specification is not None and specification.loader is not None
        module = importlib.util.module_from_spec(specification)
        sys.modules[self._file.stem] = module
        with host.absent():
            specification.loader.exec_module(module)
        app: wsgi.Application | None = getattr(module, self._name, None)
        if app is None or not callable(app):
            found = "none" if app is None else type(app).__name__
            raise InputError(
                f"{self._file}: {self._name}: found {found}, expected a WSGI app",
                hint=f"call it `{self._name}`, or name it: `wherry dev {self._file.name}:NAME`",
            )
        return app


def _watched(folder: Path) -> Iterator[Path]:
    """The app's sources and what it may read of text: neither what tools keep beside them nor what it writes."""
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            if not _of_tools(path):
                yield from _watched(path)
        elif path.suffix in _WATCHED:
            yield path


def _of_tools(folder: Path) -> bool:
    return folder.name.startswith(".") or folder.name in _NOT_THE_APPS or (folder / "pyvenv.cfg").exists()


def _trace(error: Exception, folder: Path) -> str:
    """The traceback from the app's first line on: how it came to be imported is no news to its author."""
    frames = error.__traceback__
    while frames is not None and not Path(frames.tb_frame.f_code.co_filename).is_relative_to(folder):
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames))
