"""HTTP/1.1 on one connection, with the patience that uvicorn's own does not limit: for heads, and for clients who do not read."""

import asyncio
from dataclasses import dataclass
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain\r\ncontent-length: 21\r\nretry-after: 1\r\n"
    b"connection: close\r\n\r\nToo many connections\n"
)


@dataclass(frozen=True)
class Patience:
    """connections: at once. In seconds: for a request's `head`, for the `rest` of a body that has been answered already, and
    for a client to take something of an answer (`stall`).
    """

    connections: int = 512
    head: float = 15.0
    rest: float = 60.0
    stall: float = 60.0


def protocol(patience: Patience) -> type[H11Protocol]:
    """uvicorn makes one of these for each connection."""

    class LimitedProtocol(H11Protocol):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            self._timers: dict[str, asyncio.TimerHandle] = {}

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if len(self.connections) > patience.connections:
                transport.write(_FULL)
                transport.close()
            self._wait()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._wait()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._wait()

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            for timer in self._timers.values():
                timer.cancel()

        def pause_writing(self) -> None:
            super().pause_writing()
            self._time("stall", patience.stall, True)

        def resume_writing(self) -> None:
            super().resume_writing()
            self._time("stall", patience.stall, False)

        def _wait(self) -> None:
            """While a request is served its own limits hold; what comes before and after it has these."""
            served = self.cycle is not None and not self.cycle.response_complete
            answered_early = not served and self.conn.their_state is h11.SEND_BODY
            self._time("head", patience.head, not served and not answered_early)
            self._time("rest", patience.rest, answered_early)

        def _time(self, name: str, seconds: float, runs: bool) -> None:
            """Have the connection end in `seconds` while `runs`; it goes on from where it was."""
            if not runs and (timer := self._timers.pop(name, None)) is not None:
                timer.cancel()
            elif runs and name not in self._timers and not self.transport.is_closing():
                self._timers[name] = self.loop.call_later(seconds, self.transport.abort)

    return LimitedProtocol
