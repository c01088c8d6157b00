"""One request and the way back: a thread that answers on one side, the server's event loop on the other."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from wherry.wasm.http.upload import Upload

Headers = Sequence[tuple[str, str]]
_MAX_WAITING_BYTES = 1 << 18  # of an answer: whoever writes faster than the client reads waits


@dataclass(frozen=True)
class Request:
    """target: path and query as the client sent them. body: a file of its `size` bytes, None for none. upload: a body that
    comes while it is answered, in place of one.
    """

    id: str
    method: str
    target: str
    headers: Headers
    body: Path | None
    size: int
    scheme: str
    client: str
    upload: Upload | None = None


class Exchange:
    """The answer to `request`. Its thread calls `start`, then `write`; the rest is the loop's."""

    def __init__(self, request: Request, loop: asyncio.AbstractEventLoop) -> None:
        self.request = request
        self.head: tuple[int, list[tuple[bytes, bytes]]] | None = None
        self.error: BaseException | None = None
        self.cut_off = False  # by the client, before all had been written
        self._loop = loop
        self._changed = threading.Condition()
        self._arrived = asyncio.Event()
        self._chunks: list[bytes] = []
        self._waiting_bytes = 0
        self._ended = False
        self._gone = False
        self._when_gone: list[Callable[[], None]] = []
        self._when_drained: Callable[[], None] | None = None

    # -- the thread that answers

    @property
    def gone(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return self._gone

    def when_gone(self, call: Callable[[], None]) -> None:
        """Have `call` called once the client has gone: on the loop's thread, or now where it already has."""
        with self._changed:
            if not self._gone:
                self._when_gone.append(call)
                return
        call()

    @property
    def ended(self) -> bool:
        """Whether the answer is whole, or will never be."""
        return self._ended

    @property
    def room(self) -> int:
        """Bytes that can be written without waiting; any number where nobody reads them any more."""
        return _MAX_WAITING_BYTES if self._gone else max(0, _MAX_WAITING_BYTES - self._waiting_bytes)

    def when_drained(self, call: Callable[[], None]) -> None:
        """Have `call` called whenever there is room again, on the loop's thread."""
        self._when_drained = call

    def start(self, status: int, headers: Headers) -> None:
        """Raises ValueError for a head that HTTP does not have, RuntimeError where there is one already."""
        if not 200 <= status <= 599:
            raise ValueError(f"status: found {status}, expected 200 to 599")
        encoded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        with self._changed:
            if self.head is not None:
                raise RuntimeError("start: called twice, expected once")
            self.head = (status, encoded)
        self._wake()

    def write(self, chunk: bytes) -> bool:
        """False: the client has gone. Waits while too much is on its way."""
        with self._changed:
            if self.head is None:
                raise RuntimeError("write: called before start")
            self._changed.wait_for(lambda: self._gone or self._waiting_bytes < _MAX_WAITING_BYTES)
            if self._gone:
                self.cut_off = True
                return False
            self._chunks.append(chunk)
            self._waiting_bytes += len(chunk)
        self._wake()
        return True

    def end(self, error: BaseException | None = None) -> None:
        """The last call that counts; `error` is why the answer is not whole."""
        with self._changed:
            if self._ended:
                return
            self.error = error
            self._ended = True
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has closed: nobody is left to be woken
            self._loop.call_soon_threadsafe(self._arrived.set)

    # -- the event loop

    async def started(self) -> bool:
        """Wait for the head; False: it ended without one."""
        while self.head is None and not self._ended:
            await self._arrived.wait()
            self._arrived.clear()
        return self.head is not None

    async def pieces(self) -> tuple[bytes, bool]:
        """All that has been written since the last call, waiting for some; and whether more may come."""
        while True:
            with self._changed:
                data, ended = b"".join(self._chunks), self._ended
                self._chunks.clear()
                self._waiting_bytes = 0
                self._changed.notify_all()
            if data and self._when_drained is not None:
                self._when_drained()
            if data or ended:
                return data, not ended
            await self._arrived.wait()
            self._arrived.clear()

    def hang_up(self) -> None:
        """The client has gone: tell whoever answers."""
        with self._changed:
            if self._gone:
                return
            self._gone = True
            self._changed.notify_all()
            calls, self._when_gone = self._when_gone, []
        if self.request.upload is not None:
            self.request.upload.close()
        for call in calls:
            call()
