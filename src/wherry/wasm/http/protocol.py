"""HTTP/1.1 on one connection, with the patience that uvicorn's own does not limit: for heads, and for clients who do not read."""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from wherry.wasm.http.limits import Connections

_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain\r\ncontent-length: 21\r\nretry-after: 1\r\n"
    b"connection: close\r\n\r\nToo many connections\n"
)
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_HALF_CLOSE_SECONDS = 1.0  # from a request's last byte: a client that closes its side later has left
_RESET_SECONDS = 0.5  # for a client that is no more to say so


@dataclass(frozen=True)
class Patience:
    """connections: at once, and of one client. In seconds: for a request's `head`, for the `rest` of a body that has been
    answered already, for a client to take something of an answer (`stall`), and for an answer to a client that closed its side of
    the connection after the request, until it is asked whether it is still there (`half_closed`).
    """

    connections: int = 512
    connections_per_client: int = 256
    head: float = 15.0
    rest: float = 60.0
    stall: float = 60.0
    half_closed: float = 5.0


def protocol(patience: Patience, holder: Callable[[str], str | None]) -> type[H11Protocol]:
    """uvicorn makes one of these for each connection. holder: an address -> the client that its connections count for."""
    connections = Connections(patience.connections, patience.connections_per_client)

    class LimitedProtocol(H11Protocol):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            self.app_state = {**self.app_state, "connection": self}  # requests find it in their scope
            self.idle_since: float | None = None
            self._timers: dict[str, asyncio.TimerHandle] = {}
            self._last_byte = 0.0
            self._refused: object | None = None  # the request whose answer is a refusal

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            address = self.client[0] if self.client else ""
            if not connections.admit(self, holder(address)):
                transport.write(_FULL)
                transport.close()
            self._wait()

        def data_received(self, data: bytes) -> None:
            self._last_byte = self.loop.time()
            super().data_received(data)
            self._wait()

        def eof_received(self) -> bool | None:  # type: ignore[override]
            """A client may close its side once its request is whole, and still read the answer. Most who close have left."""
            whole = self.conn.their_state in (h11.DONE, h11.MUST_CLOSE)
            if not (whole and self._served() and self.loop.time() - self._last_byte < _HALF_CLOSE_SECONDS):
                return None
            self.cycle.keep_alive = False
            self._time("half closed", patience.half_closed, True, self._ask_whether_there)
            return True

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._wait()

        def send_400_response(self, msg: str) -> None:
            """What is no HTTP may come amid a body: the request that it belongs to has had its answer then."""
            if self._served():
                self.cycle.disconnected = True
                self.cycle.message_event.set()
            if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                super().send_400_response(msg)
            else:
                self.transport.close()

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            connections.forget(self)
            for timer in self._timers.values():
                timer.cancel()

        def pause_writing(self) -> None:
            super().pause_writing()
            self._time("stall", patience.stall, True)

        def resume_writing(self) -> None:
            super().resume_writing()
            self._time("stall", patience.stall, False)

        def drop(self) -> None:
            self.transport.abort()

        def mark_refused(self) -> None:
            """What still comes is read for the client's sake alone: the place may go to another connection."""
            self._refused = self.cycle
            self.idle_since = self.loop.time()

        def _served(self) -> bool:
            return self.cycle is not None and not self.cycle.response_complete

        def _wait(self) -> None:
            """While a request is served its own limits hold; what comes before and after it has these."""
            served = self._served()
            if served and self._refused is not self.cycle:
                self.idle_since = None
            elif self.idle_since is None:
                self.idle_since = self.loop.time()
            answered_early = not served and self.conn.their_state is h11.SEND_BODY
            self._time("head", patience.head, not served and not answered_early)
            self._time("rest", patience.rest, answered_early)

        def _ask_whether_there(self) -> None:
            """A word that every client of HTTP/1.1 passes over: of one that is no more, the system answers it with a reset."""
            self._timers.pop("half closed", None)
            if self.cycle.response_started or self.cycle.scope["http_version"] != "1.1":
                return  # the next piece of the answer tells
            self.transport.write(_CONTINUE)
            self._time("half closed", _RESET_SECONDS, True, self._hear_reset)

        def _hear_reset(self) -> None:
            """asyncio reads nothing after the end, so nothing else tells of it before the next write."""
            self._timers.pop("half closed", None)
            if self.transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self.transport.abort()
            else:
                self._time("half closed", patience.half_closed, True, self._ask_whether_there)

        def _time(self, name: str, seconds: float, runs: bool, ends: Callable[[], None] | None = None) -> None:
            """Have the connection end in `seconds` while `runs`, or call `ends`; it goes on from where it was."""
            if not runs and (timer := self._timers.pop(name, None)) is not None:
                timer.cancel()
            elif runs and name not in self._timers and not self.transport.is_closing():
                self._timers[name] = self.loop.call_later(seconds, ends or self.transport.abort)

    return LimitedProtocol
