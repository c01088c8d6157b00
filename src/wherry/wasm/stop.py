"""The word that a guest is to end, and every wait that hears it: on sockets and pipes, on a model that computes."""

import contextlib
import queue
import select
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from wherry.errors import StoppedError

# What to wait for, and what was found: poll's own numbers, which Windows does not name.
READ: int = getattr(select, "POLLIN", 1)
WRITE: int = getattr(select, "POLLOUT", 4)
FAILED: int = getattr(select, "POLLERR", 8)
HUNG_UP: int = getattr(select, "POLLHUP", 16)

_MAX_WAKES = 4096  # heard as one

Check = Callable[[], None]  # raises StoppedError once nobody waits for the result any more
T = TypeVar("T")


@dataclass
class _Job:
    work: Callable[[Check], Any]
    result: Any = None
    error: BaseException | None = None
    done: bool = False


class Stop:
    """One guest's. `give` may come from any thread and from a signal's handler; the rest is the guest's own thread."""

    def __init__(self) -> None:
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)
        self._changed = threading.Condition()  # of a reentrant lock: the handler may interrupt whoever holds it
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._worker: threading.Thread | None = None
        self._abandoned: _Job | None = None
        self.given = False

    def give(self) -> None:
        """End every wait, those that are still to come too."""
        with self._changed:
            self.given = True
            self._changed.notify_all()
        with contextlib.suppress(OSError):  # full: it has been woken before; closed: nobody waits any more
            self._wake.send(b"!")

    def wake(self) -> None:
        """End the wait that is under way, or else the next one: what is waited for may have come. From any thread."""
        with contextlib.suppress(OSError):
            self._wake.send(b"?")

    def close(self) -> None:
        """The guest has ended. A job that nobody waits for goes on until its next check."""
        self._jobs.put(None)
        self._wake.close()
        self._woken.close()

    @property
    def left_work(self) -> bool:
        """Whether a job was left behind and still runs."""
        return self._abandoned is not None and not self._abandoned.done

    def check(self) -> None:
        """Raises StoppedError once the word was given."""
        if self.given:
            raise StoppedError("the guest was stopped")

    def poll(self, watched: Mapping[int, int], milliseconds: int | None) -> list[tuple[int, int]]:
        """Descriptor -> what to wait for; the first that are ready, as pairs. None of them after the word to stop."""
        woken = self._woken.fileno()
        found = _poll({**watched, woken: READ}, milliseconds)
        if not self.given and any(number == woken for number, _ in found):
            self._woken.recv(_MAX_WAKES)
        return [(number, mask) for number, mask in found if number != woken]

    def wait(self, number: int, mask: int) -> None:
        """Until one descriptor is ready. Raises InterruptedError when the guest is to stop."""
        self.poll({number: mask}, None)
        if self.given:
            raise InterruptedError

    def run(self, work: Callable[[Check], T]) -> T:
        """What cannot hear the word itself, on another thread -> its result. Raises what it raises, and InterruptedError
        when the guest is to stop: the work is then left behind, until its next check.
        """
        if self._worker is None:
            self._worker = threading.Thread(target=self._serve, name="guest's work", daemon=True)
            self._worker.start()
        job = _Job(work)
        self._jobs.put(job)
        with self._changed:
            self._changed.wait_for(lambda: job.done or self.given)
        if not job.done:
            self._abandoned = job
            raise InterruptedError
        if job.error is not None:
            raise job.error
        result: T = job.result
        return result

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job.result = job.work(self.check)
            except BaseException as error:  # noqa: BLE001 - raised in the guest's thread
                job.error = error
            with self._changed:
                job.done = True
                self._changed.notify_all()
            job = None  # its result must not live until the next one


def _poll(watched: Mapping[int, int], milliseconds: int | None) -> list[tuple[int, int]]:
    if not hasattr(select, "poll"):
        return _select(watched, milliseconds)
    poll = select.poll()
    for number, mask in watched.items():
        poll.register(number, mask)
    return poll.poll(milliseconds)


def _select(watched: Mapping[int, int], milliseconds: int | None) -> list[tuple[int, int]]:
    """Where there is no `poll`: Windows."""
    readers = [number for number, mask in watched.items() if mask & READ]
    writers = [number for number, mask in watched.items() if mask & WRITE]
    timeout = None if milliseconds is None else milliseconds / 1000
    readable, writable, failed = select.select(readers, writers, list(watched), timeout)
    found: dict[int, int] = {}
    for numbers, mask in ((readable, READ), (writable, WRITE), (failed, FAILED)):
        for number in numbers:
            found[number] = found.get(number, 0) | mask
    return list(found.items())
