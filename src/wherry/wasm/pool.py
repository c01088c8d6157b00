"""Instances of a web app, and requests to them: a `Handler` of the HTTP server.

Each instance has a thread of its own, which alone runs its code. The server's thread waits beside it, for the answer, the
client who leaves, the deadline and the folder that grows too large; it can stop the instance, and where that does not help
(wasmtime cannot be interrupted while a guest sleeps) it leaves the instance behind.
"""

import contextlib
import os
import queue
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import wasmtime

from wherry.errors import DeviceError, FormatError, GuestError, StoppedError
from wherry.wasm import app
from wherry.wasm.allowed import AllowedHost
from wherry.wasm.arguments import preopen
from wherry.wasm.component import Compiled, Guest, Interface, Limits, Program
from wherry.wasm.host import Mount
from wherry.wasm.http.exchange import Exchange, Request
from wherry.wasm.http.upload import most_at
from wherry.wasm.language import Languages, NoLanguages
from wherry.wasm.nn import component as nn
from wherry.wasm.nn.graph import Graph, Graphs
from wherry.wasm.nn.preload import GuestPaths
from wherry.wasm.speech import Speech
from wherry.wasm.stop import Stop
from wherry.wasm.wasi import world
from wherry.wasm.wasi.files import Folder
from wherry.wasm.wasi.network import Network
from wherry.wasm.wasi.state import Clock, WasiState
from wherry.wasm.wasi.streams import LogOutput

_TICK_SECONDS = 0.1
_GRACE_SECONDS = 1.0  # for an instance that is stopped to end
_MOST_LEFT_BEHIND = 32
_FOLDER = "/tmp"  # as the app sees its own
_MAX_REUSED_BODY = 4 << 20  # bytes of a request
_MAX_FILES = 1000  # in the app's folder
_ASKING_SECONDS = 10.0  # for an app to say something of itself


@dataclass(frozen=True)
class AppOptions:
    """What an app is given, and how much of it.

    settings       its variables; it has no others
    allowed        hosts that it may reach; clock_step: nanoseconds that its clocks can tell apart
    mounts         folders that it sees besides its own, which each instance has for itself and for as long as it lives
    memory_bytes   of an instance
    timeout        seconds for a request
    output_bytes   of an answer; log_bytes of what it logs in a request; folder_bytes of its own files, a request's body aside
    folder         where each instance's own lies; by default the system's temporary one
    """

    settings: Mapping[str, str] = field(default_factory=dict)
    mounts: Sequence[Mount] = ()
    allowed: Sequence[AllowedHost] = ()
    clock_step: int = 1
    memory_bytes: int = 512 << 20
    timeout: float = 600.0
    output_bytes: int = 1 << 30
    log_bytes: int = 1 << 16
    folder_bytes: int = 256 << 20
    folder: Path | None = None


class Pool:
    """Instances of a program, each with a thread. Callable from any number of threads, each of which has an instance to itself
    meanwhile. `close` ends them all.

    What the program is says `begin`, which makes a guest of it, and `run`, which has one answer. fresh: whether each request has
    a guest of its own.
    """

    fresh = False

    def __init__(self, program: Program, options: AppOptions, say: Callable[[str], None]) -> None:
        self.options = options
        self.program = program
        self._say = say
        self._guard = threading.Lock()
        self._idle: list[_Instance] = []
        self._left_behind = 0
        self.started = 0  # instances so far
        self.live = 0

    def begin(self, folder: Path) -> Guest:
        """folder: the instance's own."""
        raise NotImplementedError

    def run(self, guest: Guest, exchange: Exchange, folder: Path) -> None:
        raise NotImplementedError

    def streams(self, path: str) -> int | None:
        """The most bytes of a body at a path that is read as it comes, None where it is to be whole."""
        return None

    def is_public(self, path: str) -> bool:
        """Whether a page needs no key where the server has keys."""
        return False

    def own_wasi(self, *more: Folder) -> dict[str, Any]:
        """What an instance's functions of our own WASI find: fields of WasiState. more: folders besides the options' own."""
        options, stop = self.options, Stop()
        return {
            "stop": stop,
            "stdout": LogOutput(self._say, options.log_bytes),
            "stderr": LogOutput(self._say, options.log_bytes),
            "network": Network(options.allowed, stop, self._say),
            "clock": Clock(options.clock_step),
            "arguments": [self.program.path.name],
            "environment": options.settings,
            "folders": [*(Folder(mount.host, mount.guest, mount.writable) for mount in options.mounts), *more],
        }

    def __call__(self, exchange: Exchange) -> None:
        instance = self._take()
        try:
            instance.answer(exchange)
        except Exception as error:
            if exchange.ended:  # the client has its answer, or knows that it never will
                self._say(f"{self.program.path.name}: after the answer: {error}")
            raise
        finally:
            self._give_back(instance, exchange.request.size <= _MAX_REUSED_BODY)

    def close(self) -> None:
        """No request runs any more."""
        with self._guard:
            idle, self._idle = self._idle, []
        for instance in idle:
            instance.close()
        for instance in idle:
            instance.ended.wait(_GRACE_SECONDS)

    @property
    def left_behind(self) -> int:
        """Instances that were stopped and still run."""
        return self._left_behind

    @property
    def left_work(self) -> bool:
        """Whether instances were left behind and still run."""
        return self._left_behind > 0

    def _take(self) -> "_Instance":
        with self._guard:
            if self._idle:
                return self._idle.pop()
            if self._left_behind >= _MOST_LEFT_BEHIND:
                raise DeviceError(f"{self.program.path.name}: found {self._left_behind} instances that do not end, expected none")
            self.started += 1
            self.live += 1
        return _Instance(self, self._ended)

    def _give_back(self, instance: "_Instance", reuse: bool) -> None:
        """Not for reuse after a large body: what an instance's memory has grown by is given back with the instance alone."""
        with self._guard:
            if instance.usable and reuse:
                self._idle.append(instance)
                return
            if instance.left_behind:
                self._left_behind += 1
                self._say(f"{self.program.path.name}: an instance does not end; it is left behind")
        instance.close()

    def _ended(self, instance: "_Instance") -> None:
        with self._guard:
            self.live -= 1
            if instance.left_behind:
                self._left_behind -= 1


class WebApp(Pool):
    """A component of the world `web-app`, ready to answer.

    Raises FormatError and InputError for a file that is no such component.
    """

    def __init__(
        self,
        component: Path | Compiled,
        options: AppOptions,
        speech: Speech,
        find_graph: Callable[[str], Graph],
        *,
        languages: Languages | None = None,
        cache: Path | None = None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        compiled = component if isinstance(component, Compiled) else Compiled(component, cache, say)
        # wasmtime's own WASI is the faster; ours has what can be granted and coarsened.
        self._own_wasi = bool(options.allowed) or options.clock_step > 1
        given = {**world.interfaces(), **interfaces()} if self._own_wasi else interfaces()
        super().__init__(Program(compiled, given, wasi=not self._own_wasi), options, say)
        if compiled.exported(None, app.HANDLE) is None:
            raise FormatError(
                f"{compiled.path}: found no export {app.HANDLE}, expected a web app of wherry:app@{app.VERSION}",
                hint="`wherry build FOLDER` makes one of a web app in Python",
            )
        self._speech = speech
        self._languages = languages or NoLanguages()
        self._find_graph = find_graph
        exports = [name for name in (app.STREAMS, app.PUBLIC_PATHS) if compiled.exported(None, name) is not None]
        lists = self._ask(exports) if exports else {}
        self._addresses = app.checked_addresses(lists.get(app.STREAMS, []))
        self._public_paths = app.checked_paths(lists.get(app.PUBLIC_PATHS, []))

    def streams(self, path: str) -> int | None:
        return most_at(self._addresses, path)

    def is_public(self, path: str) -> bool:
        return path in self._public_paths

    def _ask(self, exports: Sequence[str]) -> dict[str, Any]:
        """What an app says of itself, by export."""
        with tempfile.TemporaryDirectory(dir=self.options.folder, prefix="wherry-app-") as folder:
            guest = self.begin(Path(folder))
            timer = threading.Timer(
                _ASKING_SECONDS, guest.stop, [f"{', '.join(exports)}: found no answer in {_ASKING_SECONDS:g} s, expected one"]
            )
            timer.start()
            try:
                return {export: guest.call(None, export) for export in exports}
            finally:
                timer.cancel()
                guest.close()

    def begin(self, folder: Path) -> Guest:
        options = self.options
        if self._own_wasi:
            open_data = self._open_data(folder)
            return Guest(self.program, Limits(options.memory_bytes), None, open_data, open_data.check, open_data.wake)
        wasi = wasmtime.WasiConfig()
        wasi.argv = [self.program.path.name]
        wasi.env = list(options.settings.items())
        for mount in options.mounts:
            preopen(wasi, mount.host, mount.guest, mount.writable)
        preopen(wasi, folder, _FOLDER, True)
        data = self._data(folder)
        return Guest(self.program, Limits(options.memory_bytes), wasi, data, data.check, data.wake)

    def run(self, guest: Guest, exchange: Exchange, folder: Path) -> None:
        data: app.AppData = guest.data
        data.begin(exchange)
        try:
            with _body(exchange.request, folder) as name:
                guest.call(None, app.HANDLE, _request(exchange.request, name))
        finally:
            data.exchange = None

    def _open_data(self, folder: Path) -> "OpenAppData":
        return OpenAppData(**vars(self._data(folder)), **self.own_wasi(Folder(folder, _FOLDER, True)))

    def _data(self, folder: Path) -> app.AppData:
        paths = GuestPaths(((_FOLDER, folder), *((mount.guest, mount.host) for mount in self.options.mounts)))
        return app.AppData(
            speech=self._speech,
            languages=self._languages,
            graphs=Graphs(self._find_graph, None, self.options.memory_bytes),
            settings=self.options.settings,
            resolve=paths.resolve_mounted,
            say=self._say,
            output_bytes=self.options.output_bytes,
            log_bytes=self.options.log_bytes,
        )


def interfaces() -> dict[str, Interface]:
    """All that a web app can import besides WASI."""
    return {**app.interfaces(), **nn.interfaces()}


@dataclass(kw_only=True)
class OpenAppData(app.AppData, WasiState):
    """Of an app that was given hosts or coarse clocks: what the functions of our own WASI find too."""

    def check(self) -> None:
        app.AppData.check(self)

    def wake(self) -> None:
        app.AppData.wake(self)
        self.stop.give()


@dataclass
class _Job:
    exchange: Exchange
    error: BaseException | None = None
    done: bool = False
    changed: threading.Event = field(default_factory=threading.Event)


class _Instance:
    """One guest, its thread and its folder."""

    def __init__(self, pool: Pool, when_ended: Callable[["_Instance"], None]) -> None:
        self.left_behind = False
        self.ended = threading.Event()
        self._pool = pool
        self._options = pool.options
        self._when_ended = when_ended
        self._guest: Guest | None = None
        self._folder: Path | None = None
        self._broken = False
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        threading.Thread(target=self._serve, name="app", daemon=True).start()

    @property
    def usable(self) -> bool:
        return not self._broken and not self.ended.is_set()

    def answer(self, exchange: Exchange) -> None:
        """Raises GuestError where the guest trapped or passed a limit, StoppedError where the client left."""
        job = _Job(exchange)
        self._jobs.put(job)
        exchange.when_gone(job.changed.set)
        deadline = time.monotonic() + self._options.timeout
        while True:
            job.changed.wait(_TICK_SECONDS)
            job.changed.clear()
            if job.done:
                break
            if exchange.gone and not exchange.ended:
                deadline = min(deadline, time.monotonic() + _GRACE_SECONDS)  # it may end by itself: its writes tell it
            if (reason := self._why_stop(exchange, deadline)) and self._stop(job, reason):
                break
        if isinstance(job.error, StoppedError) and not exchange.gone:
            raise GuestError(job.error.message) from job.error
        if job.error is not None:
            raise job.error

    def close(self) -> None:
        self._broken = True
        self._jobs.put(None)

    def _why_stop(self, exchange: Exchange, deadline: float) -> str:
        if time.monotonic() > deadline:
            if exchange.gone and not exchange.ended:
                return "the client has gone"
            return f"found no answer after {self._options.timeout:g} s, expected it by then"
        if self._folder is None:
            return ""
        return _excess(self._folder, self._options.folder_bytes, exchange.request.size)

    def _stop(self, job: _Job, reason: str) -> bool:
        """-> whether there is no more to wait for."""
        guest = self._guest
        if guest is None:
            return False  # it is being made: milliseconds
        self._broken = True
        guest.stop(reason)
        end = time.monotonic() + _GRACE_SECONDS
        while not job.done and time.monotonic() < end:
            job.changed.wait(_TICK_SECONDS)
            job.changed.clear()
        if not job.done:  # in a write to a slow client too, which ends when the server has closed the exchange
            self.left_behind = True
            job.error = StoppedError(reason)
        return True

    # -- its thread

    def _serve(self) -> None:
        self._folder = folder = Path(tempfile.mkdtemp(dir=self._options.folder, prefix="wherry-app-"))
        try:
            while (job := self._jobs.get()) is not None:
                try:
                    self._run(job.exchange, folder)
                except BaseException as error:  # noqa: BLE001 - raised on the server's thread
                    self._broken = True
                    job.error = error
                job.done = True
                job.changed.set()
                del job  # its answer must not live until the next one
        finally:
            if self._guest is not None:
                self._guest.close()
            shutil.rmtree(folder, ignore_errors=True)
            self.ended.set()
            self._when_ended(self)

    def _run(self, exchange: Exchange, folder: Path) -> None:
        if self._guest is None:
            self._guest = self._pool.begin(folder)
        try:
            self._pool.run(self._guest, exchange, folder)
        finally:
            if self._pool.fresh:
                self._guest.close()
                self._guest = None


def _request(request: Request, body: str | None) -> tuple[object, ...]:
    """The contract's record."""
    return request.method, request.target, list(request.headers), body, request.size, request.scheme, request.client


@contextlib.contextmanager
def _body(request: Request, folder: Path) -> Generator[str | None]:
    """The request's body in the app's folder -> its name there."""
    if request.body is None:
        yield None if request.upload is None else ""
        return
    place = folder / f"body-{request.id}"
    try:
        os.link(request.body, place)
    except OSError:  # another file system
        shutil.copyfile(request.body, place)
    try:
        yield f"{_FOLDER}/{place.name}"
    finally:
        place.unlink(missing_ok=True)


def _excess(folder: Path, most: int, body: int) -> str:
    """What is too much in a folder, or nothing: the body that lies there is not the app's doing."""
    files, size = 0, 0
    folders = [str(folder)]
    while folders:
        with contextlib.suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                files += 1
                if files > _MAX_FILES:
                    return f"found more than {_MAX_FILES} files in the app's folder, expected at most that"
                with contextlib.suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    else:
                        size += entry.stat(follow_symlinks=False).st_blocks * 512
    if size > most + body:
        return f"found {size} bytes in the app's folder, expected at most {most}"
    return ""
