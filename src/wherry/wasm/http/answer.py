"""A request's way in and out on the event loop, counted."""

import re
import time
import uuid
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any
from urllib.parse import unquote

from wherry.wasm.http.authority import split_target
from wherry.wasm.http.exchange import Request
from wherry.wasm.http.refusal import Headers, RefusedError, two_lengths

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
# A proxy's ids are kept, so that its log and ours can be read together; what else a client sends could forge lines of a log.
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Answer:
    """status: 0 until there is one. whole: the request's body is. holders: whose places it takes. Every answer has its id."""

    def __init__(self, request: Request, receive: Receive, send: Send, connection: Any) -> None:
        self.request = request
        self.status = 0
        self.received = 0
        self.sent = 0
        self.left = False
        self.whole = False
        self.holders: Sequence[str] = ()
        self._receive = receive
        self._send = send
        self._connection = connection
        self._waited = 0.0
        self._waits_since: float | None = None

    @property
    def waited(self) -> float:
        """Seconds in which it waited for its client to read."""
        now = time.monotonic()
        return self._waited + (now - self._waits_since if self._waits_since is not None else 0.0)

    def drop(self) -> None:
        """End the connection where it stands."""
        self._connection.drop()

    def mark_refused(self) -> None:
        self._connection.mark_refused()

    async def receive(self) -> MutableMapping[str, Any]:
        message = await self._receive()
        self.received += len(message.get("body", b""))
        self.whole = self.whole or not message.get("more_body")
        return message

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message["headers"], (b"x-request-id", self.request.id.encode())]
        else:
            self.sent += len(message.get("body", b""))
        self._waits_since = time.monotonic()
        try:
            await self._send(message)
        finally:
            self._waited, self._waits_since = self.waited, None

    async def say(self, status: int, headers: Headers, body: bytes, send: Send | None = None) -> None:
        """The whole of an answer that the host gives itself."""
        send = send or self.send
        sized = [*headers, (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": sized})
        await send({"type": "http.response.body", "body": body if self.request.method != "HEAD" else b""})


def request_of(scope: Scope) -> tuple[Request, RefusedError | None]:
    """The request as the app sees it, `scope` made to agree: of a URL as target the path, and its authority as `Host` (RFC
    9112, 3.2.2). Beside it why it is no request, where it is none.
    """
    query = scope["query_string"]
    target = (scope["raw_path"] + (b"?" + query if query else b"")).decode("latin-1")
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    refused: RefusedError | None = None
    try:
        target, authority = split_target(scope["method"], target)
        if authority is not None:
            path, _, rest = target.partition("?")
            scope.update(path=unquote(path), raw_path=path.encode("latin-1"), query_string=rest.encode("latin-1"))
            headers = [("host", authority), *((name, value) for name, value in headers if name != "host")]
            scope["headers"] = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        if {"content-length", "transfer-encoding"} <= {name for name, _ in headers}:
            raise two_lengths()
    except RefusedError as error:
        refused = error
    ids = [value for name, value in headers if name == "x-request-id" and _REQUEST_ID.fullmatch(value)]
    request = Request(
        id=ids[0] if len(ids) == 1 else uuid.uuid4().hex,
        method=scope["method"],
        target=target,
        headers=headers,
        body=None,
        size=0,
        scheme=scope["scheme"],
        client=(scope["client"] or ("",))[0],
    )
    return request, refused
