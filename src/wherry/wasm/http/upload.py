"""A request's body on its way to a handler that reads it as it comes.

The client is asked for a piece when the handler asks: what nobody reads stays with the client, and `100 Continue` is said to who
waits for it when the first byte is wanted. One who sends too much or too slowly ends the handler, and hears why.
"""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from typing import Any

from wherry.errors import StoppedError
from wherry.wasm.http.refusal import RefusedError

_MAX_WAITING_BYTES = 1 << 17  # that the handler has not taken
Headers = Sequence[tuple[str, str]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class Upload:
    """A body of at most `most` bytes. size: what the client says it has, None where it does not."""

    def __init__(self, most: int, size: int | None, loop: asyncio.AbstractEventLoop) -> None:
        self.most = most
        self.size = size
        self._loop = loop
        self._changed = threading.Condition()
        self._room = asyncio.Event()
        self._waiting = bytearray()
        self.left = False  # whether the client has, before it was whole
        self._wanted = False  # whether anything was ever asked for
        self._whole = False
        self._error: BaseException | None = None

    # -- the thread that answers

    def read(self, size: int, check: Callable[[], None] = lambda: None) -> bytes:
        """What is there, at least a byte and at most `size`; none at the end. `check` raises where there is no more to wait for.

        Raises RefusedError where the client sends too much or too slowly, StoppedError where it has left.
        """
        with self._changed:
            while True:
                check()
                if self._waiting:
                    data = bytes(self._waiting[:size])
                    del self._waiting[:size]
                    self._ask()
                    return data
                if self._error is not None:
                    raise self._error
                if self._whole:
                    return b""
                self._ask()
                self._changed.wait()

    def _ask(self) -> None:
        if len(self._waiting) < _MAX_WAITING_BYTES:
            with contextlib.suppress(RuntimeError):  # the loop has closed: `close` was called before
                self._loop.call_soon_threadsafe(self._room.set)

    def wake(self) -> None:
        """Have whoever waits look again, from any thread."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """No more comes: the client has gone, or has its answer."""
        self._end(StoppedError("the client has gone"))

    # -- the event loop

    @property
    def refused(self) -> bool:
        """Whether the handler never asked for any of it."""
        return not self._wanted

    async def fill(self, receive: Receive, piece_seconds: float) -> bool:
        """All of it, as it is asked for -> whether it came whole; else `read` raises why."""
        found = 0
        while True:
            await self._room.wait()
            self._room.clear()
            self._wanted = True
            try:
                async with asyncio.timeout(piece_seconds):
                    message = await receive()
            except TimeoutError:
                self._end(too_slow(found))
                return False
            if message["type"] == "http.disconnect":
                self.left = True  # whoever watches tells the exchange, which calls `close`
                return False
            data = message.get("body", b"")
            found += len(data)
            if found > self.most:
                self._end(too_large(self.most))
                return False
            with self._changed:
                self._waiting += data
                self._whole = not message.get("more_body")
                self._changed.notify_all()
                if len(self._waiting) < _MAX_WAITING_BYTES and not data:
                    self._room.set()
            if self._whole:
                return True

    def _end(self, error: BaseException) -> None:
        with self._changed:
            if not self._whole:
                self._error = self._error or error
            self._changed.notify_all()


def has_body(headers: Headers) -> bool:
    """Whether a request's head says that a body comes."""
    return said_size(headers) != 0


def said_size(headers: Headers) -> int | None:
    """Bytes of the body by the head, which the server has checked; None where it does not say."""
    if any(name == "transfer-encoding" for name, _ in headers):
        return None
    return next((int(value) for name, value in headers if name == "content-length"), 0)


def most_at(known: Iterable[tuple[str, int]], path: str) -> int | None:
    """The most bytes of a body at a path, None where it does not stream."""
    for pattern, most in known:
        if path == pattern or (pattern.endswith("*") and path.startswith(pattern[:-1])):
            return most
    return None


def too_slow(found: int) -> RefusedError:
    return RefusedError(408, f"body: found {found} bytes and then nothing in time, expected all of it", "request_timeout")


def too_large(most: int) -> RefusedError:
    return RefusedError(413, f"body: found more than {most} bytes, expected at most that", "request_too_large")
