"""One request that a guest answers through wasi:http: where its answer goes."""

from wherry.errors import GuestError, StoppedError
from wherry.wasm.http.exchange import Exchange
from wherry.wasm.stop import Stop
from wherry.wasm.wasi.streams import PIECE_BYTES, ClosedError, FailedError, Pollable


class Handling:
    """The request of `exchange`. output_bytes: the most that an answer may have."""

    def __init__(self, exchange: Exchange, stop: Stop, output_bytes: int) -> None:
        self.exchange = exchange
        self.output_bytes = output_bytes
        exchange.when_drained(stop.wake)
        exchange.when_gone(stop.wake)

    def check(self) -> None:
        """Raises StoppedError where the client has left before its answer was whole."""
        if self.exchange.gone and not self.exchange.ended:
            raise StoppedError("the client has gone")


class ResponseBody:
    """The bytes of an answer. They wait here until its head is sent.

    length    what the head says of it, None where it says nothing
    """

    def __init__(self, output_bytes: int, length: int | None) -> None:
        self._most = output_bytes
        self._length = length
        self._written = 0
        self._waiting = bytearray()
        self._exchange: Exchange | None = None
        self._ended: str | None = None  # why it is not whole, nothing where it is

    def send(self, exchange: Exchange) -> None:
        """The head is on its way: what is written from now on follows it."""
        self._exchange = exchange
        if self._waiting:
            exchange.write(bytes(self._waiting))
            self._waiting.clear()
        self._end()

    def room(self) -> int:
        return self._exchange.room if self._exchange is not None else max(0, PIECE_BYTES - len(self._waiting))

    def write(self, data: bytes) -> None:
        if not data:
            return
        self._written += len(data)
        if self._written > self._most:
            raise GuestError(f"the answer: found more than {self._most} bytes, expected at most that")
        if self._length is not None and self._written > self._length:
            raise FailedError(f"found more than the {self._length} bytes that content-length says")
        if self._exchange is None:
            self._waiting += data
        elif not self._exchange.write(data):
            raise ClosedError

    def flushed(self) -> bool:
        return True

    def pollable(self) -> Pollable:
        return Pollable(lambda: self.room() > 0)

    def finish(self) -> int | None:
        """The answer is whole -> None, or the number of bytes where it is not what the head says, and never will be."""
        short = self._length is not None and self._written != self._length
        self._ended = f"found {self._written} bytes, expected the {self._length} of content-length" if short else ""
        self._end()
        return self._written if short else None

    def close(self) -> None:
        """The guest has let it go."""
        if self._ended is None:
            self._ended = "found a body that was never finished"
            self._end()

    def _end(self) -> None:
        if self._exchange is not None and self._ended is not None:
            self._exchange.end(GuestError(f"the answer: {self._ended}") if self._ended else None)
