"""The process of `workers.py`: `python -m wherry.text.worker DESCRIPTOR`. It loads, waits for jobs, and forks for each one.

Its standard input is what `Workers.load` gave: nothing, or a vocabulary. It ends when the other end of its control socket does.
"""

import contextlib
import ctypes
import os
import pickle
import resource
import select
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

from wherry.errors import WherryError
from wherry.text.workers import CONTROL, KILL, START_WITH_TOKENIZER, START_WITH_WORDS, Message, frame, read_frame

_KILL_WITH_PARENT = 1  # PR_SET_PDEATHSIG
_REAP_SECONDS = 1.0
_IDLE_SECONDS = 120.0  # of a process with a vocabulary, until it ends


@dataclass(eq=False)
class Loaded:
    """What jobs find: made once, before the fork, by the first job that needs it."""

    payload: bytes

    @cached_property
    def vocabulary(self) -> Any:
        from wherry.text.language import Vocabulary

        return Vocabulary(**pickle.loads(self.payload))  # our own parent wrote it

    @cached_property
    def _words(self) -> dict[int, Any]:
        return {}

    def words(self, n_vocab: int) -> Any:
        from wherry.text.constraint import library_words

        if n_vocab not in self._words:
            self._words[n_vocab] = library_words(self.vocabulary, n_vocab)
        return self._words[n_vocab]


class Connection:
    """The job's end of its session."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._connection.setblocking(True)

    def send(self, header: dict[str, Any], data: bytes = b"") -> None:
        self._connection.sendall(frame(header, data))

    def close(self) -> None:
        self._connection.close()

    def receive(self) -> Message:
        return read_frame(self._exactly)

    def _exactly(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            part = self._connection.recv(min(size - len(parts), 1 << 20))
            if not part:
                os._exit(0)  # nobody waits any more
            parts += part
        return bytes(parts)


def limit_work(seconds: float) -> None:
    """The kernel ends this process after so many more seconds of work, whoever holds the interpreter's lock."""
    signal.setitimer(signal.ITIMER_PROF, seconds)


def _render(connection: Connection, loaded: Loaded, argument: int) -> None:
    from wherry.text.templates import render_here

    header, _ = connection.receive()
    connection.send({"text": render_here(**header)})


def _grammar(connection: Connection, loaded: Loaded, argument: int) -> None:
    from wherry.text.constraint import compile_here

    header, _ = connection.receive()
    connection.send(vars(compile_here(**header)))


def _encode(connection: Connection, loaded: Loaded, argument: int) -> None:
    import numpy as np

    header, data = connection.receive()
    tokens = loaded.vocabulary.encode_here(data.decode("utf-8", "surrogatepass"), special=header["special"])
    connection.send({}, np.asarray(tokens, np.int32).tobytes())


def _match(connection: Connection, loaded: Loaded, argument: int) -> None:
    from wherry.text.constraint import serve_matcher

    serve_matcher(connection.receive, connection.send, limit_work, loaded.words(argument), argument)


_JOBS: dict[str, Callable[[Connection, Loaded, int], None]] = {
    "render": _render,
    "grammar": _grammar,
    "encode": _encode,
    "match": _match,
}


def _work(connection: Connection, loaded: Loaded, argument: int) -> NoReturn:
    """A forked process: one job, and the end."""
    try:
        connection.send({})
        job, _ = connection.receive()
        pages = 0
        with contextlib.suppress(OSError), Path("/proc/self/statm").open("rb") as file:
            pages = int(file.read().split()[0])
        if pages:
            space = pages * resource.getpagesize() + int(job["nbytes"])
            resource.setrlimit(resource.RLIMIT_AS, (space, space))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        limit_work(job["seconds"])
        with contextlib.suppress(OSError):
            os.nice(5)  # what answers others goes first
        _JOBS[job["job"]](connection, loaded, argument)
    except WherryError as error:
        connection.send({"error": type(error).__name__, "message": error.message, "hint": error.hint})
    except MemoryError:
        os._exit(1)
    except BaseException as error:  # noqa: BLE001 (a panic of a library too)
        with contextlib.suppress(BaseException):
            connection.send({"error": "", "message": f"{type(error).__name__}: {str(error)[:500]}"})
    finally:
        os._exit(0)


def serve(control: socket.socket, loaded: Loaded) -> None:
    jobs: dict[int, int] = {}  # number -> process
    while True:
        idle = _IDLE_SECONDS if loaded.payload else None  # a vocabulary is large
        if not select.select([control], [], [], _REAP_SECONDS if jobs else idle)[0]:
            if not jobs:
                break  # the next job starts it anew
            _reap(jobs)
            continue
        message, descriptors, _, _ = socket.recv_fds(control, CONTROL.size, 1)
        while message and len(message) < CONTROL.size:
            message += control.recv(CONTROL.size - len(message))
        if not message:
            break
        kind, argument, number = CONTROL.unpack(message)
        if kind == KILL:
            _reap(jobs)
            if number in jobs:
                os.kill(jobs[number], signal.SIGKILL)
                os.waitpid(jobs.pop(number), 0)
            continue
        connection = Connection(socket.socket(fileno=descriptors[0]))
        try:
            if kind == START_WITH_WORDS:
                loaded.words(argument)
            elif kind == START_WITH_TOKENIZER:
                loaded.vocabulary  # noqa: B018 (it is loaded here, not in each job)
        except Exception as error:  # noqa: BLE001 (it goes to whoever asked)
            text = error.message if isinstance(error, WherryError) else f"{type(error).__name__}: {error}"
            connection.send({"error": type(error).__name__, "message": text})
            connection.close()
            continue
        jobs[number] = _fork(control, connection, loaded, argument)
        connection.close()
    for process in jobs.values():
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def _fork(control: socket.socket, connection: Connection, loaded: Loaded, argument: int) -> int:
    parent = os.getpid()
    process = os.fork()
    if process:
        return process
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_KILL_WITH_PARENT, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
    control.close()
    _work(connection, loaded, argument)


def _reap(jobs: dict[int, int]) -> None:
    """Those that have ended leave the table: their numbers may be another process's."""
    for number, process in list(jobs.items()):
        with contextlib.suppress(ChildProcessError):
            if os.waitpid(process, os.WNOHANG)[0] == 0:
                continue
        del jobs[number]


def main() -> None:
    from wherry.text import constraint, templates  # noqa: F401 (loaded once, before the forks)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve(socket.socket(fileno=int(sys.argv[1])), Loaded(sys.stdin.buffer.read()))


if __name__ == "__main__":
    main()
