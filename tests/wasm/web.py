"""Web apps under test: compiled once for all test processes, served in front of a speech that needs no model."""

import fcntl
import http.client
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from wherry.appbuild.componentize import AppSource, build_component
from wherry.errors import InputError, NotFoundError
from wherry.wasm.http.access import Served
from wherry.wasm.http.options import ServerOptions
from wherry.wasm.http.server import Server
from wherry.wasm.module import compile_into
from wherry.wasm.pool import AppOptions, WebApp

SECONDS = 60.0
CACHE = ROOT / "build/apps"


def build_app(folder: Path) -> Path:
    """The component of a web app, compiled unless its files are those of last time."""
    CACHE.mkdir(parents=True, exist_ok=True)
    listed = [
        (path, str(path.relative_to(folder))) for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    ]
    with (CACHE / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        component = build_component(AppSource(folder), listed, CACHE, say=lambda line: None)
        compile_into(component, CACHE)  # to machine code too: several processes at once would each do it
    return component


@dataclass
class Silence:
    """Speech whose recordings are their own transcripts: what the file holds is what is heard, a line a segment."""

    asked: list[Sequence[Any]] = field(default_factory=list)
    name: str = "silence"
    device: str = "none"
    languages: Mapping[str, str] = field(default_factory=lambda: {"en": "english"})

    def names(self) -> Sequence[str]:
        return ["silence"]

    def open(self, name: str) -> "Silence":
        if name not in ("silence", "default"):
            raise NotFoundError(f'model "{name}": found no such name')
        return self

    def stream(self, file: Path, options: Sequence[Any], check: Callable[[], None]) -> "Heard":
        self.asked.append(options)
        lines = file.read_text(errors="replace").splitlines()
        if not lines:
            raise InputError(f"{file}: found nothing")
        return Heard("en", float(len(lines)), _segments(lines, check))

    def detect_language(self, file: Path, check: Callable[[], None]) -> Mapping[str, float]:
        return {"en": 1.0}


@dataclass
class Heard:
    language: str
    duration: float
    segments: Generator[tuple[Any, ...]]


def _segments(lines: Sequence[str], check: Callable[[], None]) -> Generator[tuple[Any, ...]]:
    for number, line in enumerate(lines):
        check()
        words = [(number + 0.5, number + 0.75, line, 0.5)]
        yield (number, 0, float(number), number + 1.0, line, [1, 2, 3], 0.0, -0.5, 1.5, 0.25, words)


@dataclass
class Web:
    app: WebApp
    address: tuple[str, int]
    log: list[str]
    done: list[Served]

    def ask(self, method: str, target: str, body: bytes | None = None, **headers: str) -> tuple[Any, bytes]:
        connection = http.client.HTTPConnection(*self.address, timeout=SECONDS)
        connection.request(method, target, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response, response.read()


@contextmanager
def serving(
    component: Path,
    folder: Path,
    speech: Any = None,
    find_graph: Callable[[str], Any] | None = None,
    languages: Any = None,
    threads: int = ServerOptions.threads,
    **options: Any,
) -> Iterator[Web]:
    log: list[str] = []
    done: list[Served] = []

    def no_graph(name: str) -> Any:
        raise NotFoundError(f'graph "{name}": found no such name')

    given = AppOptions(**options)
    app = WebApp(component, given, speech or Silence(), find_graph or no_graph, languages=languages, cache=CACHE, say=log.append)
    server = Server(app, ServerOptions(port=0, threads=threads), folder, done.append, streams=app.streams)
    with server.running() as url:
        host, port = url.removeprefix("http://").split(":")
        yield Web(app, (host, int(port)), log, done)
    app.close()
