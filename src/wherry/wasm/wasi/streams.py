"""What a guest reads from and writes to, and what it can wait for. `io.py` is how it is asked for them."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from wherry.errors import StoppedError
from wherry.wasm.lines import printable
from wherry.wasm.stop import READ, WRITE, Stop

PIECE_BYTES = 1 << 16  # read or written by one call: lists of bytes are slow, and a call is no large part of that
_PIPE_BYTES = 4096  # what a pipe takes whole once it is writable (PIPE_BUF)


class ClosedError(Exception):
    """A stream is at its end."""


class FailedError(Exception):
    """A stream's last operation failed. file, http: the code of the one interface or the other, where there is one."""

    def __init__(self, message: str, *, file: str | None = None, http: object = None) -> None:
        super().__init__(message)
        self.file = file
        self.http = http


@dataclass(frozen=True)
class Pollable:
    """What can be waited for. at: when the monotonic clock (ns) makes it ready; watched: a descriptor that may, and what for."""

    ready: Callable[[], bool]
    at: int | None = None
    watched: tuple[int, int] | None = None


def always() -> bool:
    return True


class InputStream(Protocol):
    """Raises ClosedError at its end, FailedError."""

    def read(self, size: int) -> bytes:
        """At most `size` bytes; none where none are there yet."""
        ...

    def pollable(self) -> Pollable: ...


class OutputStream(Protocol):
    """Raises ClosedError once nobody listens, FailedError."""

    def room(self) -> int:
        """Bytes that can be written now."""
        ...

    def write(self, data: bytes) -> None: ...

    def flushed(self) -> bool:
        """Whether all that was written has gone where it should."""
        ...

    def pollable(self) -> Pollable: ...


def wait(pollables: list[Pollable], stop: Stop, check: Callable[[], None]) -> list[int]:
    """Until one is ready -> the indices of those that are. `check` raises where the guest is to end."""
    while True:
        check()
        if found := [index for index, pollable in enumerate(pollables) if pollable.ready()]:
            return found
        times = [pollable.at for pollable in pollables if pollable.at is not None]
        left = None if not times else max(0, -(-(min(times) - time.monotonic_ns()) // 1_000_000))
        watched: dict[int, int] = {}
        for pollable in pollables:
            if pollable.watched is not None:
                number, mask = pollable.watched
                watched[number] = watched.get(number, 0) | mask
        # A guest may ask for a time after the host is gone; poll takes milliseconds as C's int.
        stop.poll(watched, None if left is None else min(left, 1 << 30))
        if stop.given:
            check()
            raise StoppedError("the guest was stopped")


class Nothing:
    """An input that is at its end."""

    def read(self, size: int) -> bytes:
        raise ClosedError

    def pollable(self) -> Pollable:
        return Pollable(always)


class HostInput:
    """A descriptor of the host's, such as its standard input; it stays the host's."""

    def __init__(self, number: int, stop: Stop) -> None:
        self._number = number
        self._stop = stop

    def _ready(self) -> bool:
        return os.name == "nt" or bool(self._stop.poll({self._number: READ}, 0))

    def read(self, size: int) -> bytes:
        if not size or not self._ready():
            return b""
        try:
            data = os.read(self._number, size)
        except OSError as error:
            raise FailedError(f"read: {error.strerror}") from error
        if not data:
            raise ClosedError
        return data

    def pollable(self) -> Pollable:
        return Pollable(self._ready, watched=(self._number, READ))


class HostOutput:
    """A descriptor of the host's, such as its standard output; it stays the host's."""

    def __init__(self, number: int, stop: Stop) -> None:
        self._number = number
        self._stop = stop

    def _ready(self) -> bool:
        return os.name == "nt" or bool(self._stop.poll({self._number: WRITE}, 0))

    def room(self) -> int:
        return _PIPE_BYTES if self._ready() else 0

    def write(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self._number, data) :]
            except BrokenPipeError as error:
                raise ClosedError from error
            except OSError as error:
                raise FailedError(f"write: {error.strerror}") from error

    def flushed(self) -> bool:
        return True

    def pollable(self) -> Pollable:
        return Pollable(self._ready, watched=(self._number, WRITE))


class LogOutput:
    """Lines for the host's log: what is written beyond `most` bytes is dropped, and that it is is said once."""

    def __init__(self, say: Callable[[str], None], most: int) -> None:
        self._say = say
        self._left = most
        self._line = b""

    def room(self) -> int:
        return PIECE_BYTES

    def write(self, data: bytes) -> None:
        if self._left < 0:
            return
        kept = data[: self._left]
        self._left -= len(data)
        *lines, self._line = (self._line + kept).split(b"\n")
        for line in lines:
            self._say(printable(line.decode(errors="replace")))
        if self._left < 0:
            self.end()
            self._say("found more output than is kept: the rest is dropped")

    def end(self) -> None:
        """What is left of a line."""
        if self._line:
            self._say(printable(self._line.decode(errors="replace")))
        self._line = b""

    def flushed(self) -> bool:
        return True

    def pollable(self) -> Pollable:
        return Pollable(always)
