"""Processes for work that a stranger's input decides: templates, grammars, the tokens of large texts.

Such work may take any time and memory, and holds the interpreter's lock meanwhile. Here it runs in a process of its own,
with limits, and is killed where it passes them or where nobody waits for it any more (docs/decisions/0024).

`Workers` is one process, started at its first job, that has loaded the libraries and, where there is one, a vocabulary. It
runs no job itself: it forks a process for each one. What comes back from a worker is JSON and bytes, never pickles.
"""

import contextlib
import functools
import json
import os
import socket
import struct
import subprocess
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from wherry import errors
from wherry.errors import DeviceError, WherryError
from wherry.isolation import child_environment, python_command

Check = Callable[[], None]  # raises once nobody waits for the result any more
Message = tuple[dict[str, Any], bytes]

CONTROL = struct.Struct("<cxxxIQ")  # kind, argument, number of the job
FRAME = struct.Struct("<IQ")  # bytes of JSON, bytes of data
START, START_WITH_WORDS, START_WITH_TOKENIZER, KILL = b"J", b"W", b"T", b"K"
MAX_JSON, MAX_DATA = 256 << 20, 1 << 30
_POLL_SECONDS = 0.05  # between two looks at whether anybody still waits
_START_SECONDS = 120.0  # for a process to load its libraries and its vocabulary: the machine may be busy
_MAX_JOBS = 4  # at once, of those that end by themselves; others wait


def no_check() -> None:
    """Somebody waits."""


@dataclass(frozen=True)
class Limits:
    """Of one job. seconds: of the processor; deadline: by the clock. nbytes: of memory, beyond what the libraries take."""

    seconds: float
    nbytes: int
    deadline: float


class WorkerEndedError(DeviceError):
    """A worker ended without a result: it passed a limit, or was killed."""


def read_frame(receive: Callable[[int], bytes]) -> Message:
    """receive(n): exactly n bytes."""
    size, data_size = FRAME.unpack(receive(FRAME.size))
    if size > MAX_JSON or data_size > MAX_DATA:
        raise WorkerEndedError(f"worker: found a message of {size + data_size} bytes, expected at most {MAX_JSON + MAX_DATA}")
    header = json.loads(receive(size))
    return header, receive(data_size)


def frame(header: Mapping[str, Any], data: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return FRAME.pack(len(text), len(data)) + text + data


class Session:
    """A job that runs: messages to it and from it. Whoever ends early closes it, which kills the process."""

    def __init__(self, connection: socket.socket, limits: Limits, kill: Callable[[], None]) -> None:
        self._connection, self.limits = connection, limits
        self._connection.settimeout(_POLL_SECONDS)
        self._finish = weakref.finalize(self, _end, connection, kill)

    def send(self, header: Mapping[str, Any], data: bytes = b"", check: Check = no_check) -> None:
        rest = memoryview(frame(header, data))
        deadline = time.monotonic() + self.limits.deadline
        while rest:
            check()
            try:
                rest = rest[self._connection.send(rest) :]
            except TimeoutError:
                self._check_deadline(deadline)
            except OSError as error:
                raise WorkerEndedError("worker: found it ended, expected a result") from error

    def receive(self, check: Check = no_check, seconds: float | None = None) -> Message:
        """The next message; what `check` raises meanwhile ends the wait. Raises what the job raised, WorkerEndedError."""
        deadline = time.monotonic() + (self.limits.deadline if seconds is None else seconds)
        header, data = read_frame(lambda size: self._exactly(size, deadline, check))
        if "error" in header:
            raise _error(header)
        return header, data

    def close(self) -> None:
        self._finish()

    def _exactly(self, size: int, deadline: float, check: Check) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            try:
                part = self._connection.recv(min(size - len(parts), 1 << 20))
            except TimeoutError:
                self._check_deadline(deadline)
                check()
                continue
            except OSError:
                part = b""
            if not part:
                raise WorkerEndedError("worker: found it ended, expected a result")
            parts += part
        return bytes(parts)

    @staticmethod
    def _check_deadline(deadline: float) -> None:
        if time.monotonic() > deadline:
            raise WorkerEndedError("worker: found no result in time, expected one")


def _end(connection: socket.socket, kill: Callable[[], None]) -> None:
    connection.close()
    kill()


def _error(header: Mapping[str, Any]) -> WherryError:
    kind = getattr(errors, str(header["error"]), None)
    message, hint = str(header.get("message", "")), str(header.get("hint", ""))
    if isinstance(kind, type) and issubclass(kind, WherryError):
        return kind(message, hint=hint)
    return WorkerEndedError(f"worker: {message}")


@dataclass
class _Process:
    process: subprocess.Popen[bytes]
    control: socket.socket
    log: Any  # a file: why it could not start

    def end(self) -> None:
        self.control.close()
        self.process.kill()  # the kernel ends its jobs with it
        self.process.wait()
        self.log.close()


@dataclass(eq=False)
class Workers:
    """load: gives what the process loads before its first job, as `worker.py` reads it. Safe for several threads."""

    load: Callable[[], bytes] = bytes
    _guard: Any = field(default_factory=threading.RLock)  # a session that is collected takes it wherever it is
    _slots: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(_MAX_JOBS))
    _process: _Process | None = None
    _owner: int = 0  # the process that this object belongs to: a fork has none of its own
    _jobs: int = 0

    def run(
        self,
        name: str,
        header: Mapping[str, Any],
        data: bytes = b"",
        *,
        limits: Limits,
        kind: bytes = START,
        check: Check = no_check,
    ) -> Message:
        """One job -> its result. Raises what the job raised, WorkerEndedError, and what `check` raises meanwhile."""
        while not self._slots.acquire(timeout=_POLL_SECONDS):
            check()
        try:
            with self.open(name, limits=limits, kind=kind, check=check) as session:
                session.send(header, data, check)
                return session.receive(check)
        finally:
            self._slots.release()

    @contextlib.contextmanager
    def open(
        self, name: str, *, limits: Limits, kind: bytes = START, argument: int = 0, check: Check = no_check
    ) -> Iterator[Session]:
        session = self.start(name, limits=limits, kind=kind, argument=argument, check=check)
        try:
            yield session
        finally:
            session.close()

    def start(self, name: str, *, limits: Limits, kind: bytes = START, argument: int = 0, check: Check = no_check) -> Session:
        """A job of `worker.py` that has begun; the caller closes it."""
        for attempt in (1, 2):
            ours, theirs = socket.socketpair()
            with theirs:
                number = self._send(kind, argument, theirs)
            session = Session(ours, limits, functools.partial(self._kill, number))
            try:
                session.receive(check, _START_SECONDS)  # its process runs
                session.send({"job": name, "seconds": limits.seconds, "nbytes": limits.nbytes})
            except WorkerEndedError as error:
                session.close()
                reason = self._why_ended()
                if attempt == 2:
                    raise DeviceError(f"worker: found a process that does not start ({reason})") from error
                continue
            except BaseException:
                session.close()
                raise
            return session
        raise AssertionError("the second attempt returns or raises")

    def close(self) -> None:
        with self._guard:
            self._forget()

    def _send(self, kind: bytes, argument: int, connection: socket.socket) -> int:
        with self._guard:
            if self._process is None or self._owner != os.getpid() or self._process.process.poll() is not None:
                self._forget()
                self._process, self._owner = _launch(self.load()), os.getpid()
                weakref.finalize(self, self._process.end)
            self._jobs += 1
            with contextlib.suppress(OSError):  # it has ended: whoever waits for the job sees that
                socket.send_fds(self._process.control, [CONTROL.pack(kind, argument, self._jobs)], [connection.fileno()])
            return self._jobs

    def _kill(self, number: int) -> None:
        with self._guard, contextlib.suppress(OSError):
            if self._process is not None and self._owner == os.getpid():
                self._process.control.sendall(CONTROL.pack(KILL, 0, number))

    def _why_ended(self) -> str:
        with self._guard:
            if self._process is None:
                return "no process"
            code = self._process.process.poll()
            with contextlib.suppress(OSError, ValueError):
                self._process.log.seek(0)
                lines = self._process.log.read()[-2000:].decode(errors="replace").strip().splitlines()
                return f"exit code {code}: {lines[-1] if lines else 'no message'}"
            return f"exit code {code}"

    def _forget(self) -> None:
        process, self._process = self._process, None
        if process is not None and self._owner == os.getpid():
            process.end()


def _launch(payload: bytes) -> _Process:
    ours, theirs = socket.socketpair()
    log = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as the process)
    with theirs, tempfile.TemporaryFile() as given:
        given.write(payload)
        given.seek(0)
        process = subprocess.Popen(
            python_command("wherry.text.worker", str(theirs.fileno())), pass_fds=[theirs.fileno()], stdin=given,
            stdout=subprocess.DEVNULL, stderr=log, cwd="/", env=child_environment(), start_new_session=True,
        )  # fmt: skip
    return _Process(process, ours, log)


@functools.cache
def shared_workers() -> Workers:
    """For jobs without a vocabulary: one process for all callers, started at the first job."""
    return Workers()
