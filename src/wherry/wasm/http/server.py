"""HTTP in front of an app: bodies to files within limits, a bounded queue, threads that answer, clients that leave.

An app is a `Handler`, called on a thread of its own for each request. What it raises becomes an answer of the host's; what
the host itself refuses is said in the shape of OpenAI's errors, which the apps that Wherry ships share.
"""

import asyncio
import json
import logging
import os
import socket
import tempfile
import threading
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, MutableMapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import uvicorn

from wherry.errors import InputError, WherryError
from wherry.wasm.http.exchange import Exchange, Request

Handler = Callable[[Exchange], None]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_LOG = logging.getLogger(__name__)
_MAX_HEAD_BYTES = 1 << 16
_BODY_SECONDS = 300.0  # for a request's body to arrive
_GRACE_SECONDS = 30
# Of one connection alone (RFC 9110, 7.6.1): the server's matter, not the app's.
_HOP_BY_HOP = {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"}


@dataclass(frozen=True)
class ServerOptions:
    """threads: requests answered at once; `queue` more may wait, and the bodies of `uploads` more may be on their way."""

    host: str = "127.0.0.1"
    port: int = 8080  # 0: any that is free
    threads: int = 8
    queue: int = 64
    uploads: int = 256
    max_body_bytes: int = 64 << 20


@dataclass(frozen=True)
class Served:
    """A request that has been answered, for the log. status 499: the client left before."""

    request: Request
    status: int
    seconds: float


class Server:
    """`run` it, or have it `running` on another thread: then `url` answers. `folder` keeps bodies; its owner removes it.

    `admitted` is the number of requests that run or wait to.
    """

    def __init__(
        self, handler: Handler, options: ServerOptions, folder: Path, log: Callable[[Served], None] = lambda served: None
    ) -> None:
        self._handler = handler
        self._options = options
        self._folder = folder
        self._log = log
        self._threads = ThreadPoolExecutor(options.threads, "answers")
        self._receiving = 0  # requests whose bodies are on their way
        self.admitted = 0  # and those that wait for an answer
        self._socket = _bound(options.host, options.port)
        config = uvicorn.Config(
            self._answer,
            interface="asgi3",
            http="h11",
            ws="none",
            lifespan="off",
            loop="asyncio",
            log_config=None,
            log_level="critical",  # what goes wrong is logged here, once
            access_log=False,
            server_header=False,
            date_header=True,
            proxy_headers=False,
            h11_max_incomplete_event_size=_MAX_HEAD_BYTES,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        self._server = uvicorn.Server(config)

    @property
    def url(self) -> str:
        host, port = self._socket.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def run(self) -> None:
        """Until SIGINT or SIGTERM, then until the requests that run are answered."""
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._socket.close()
            self._threads.shutdown()

    @contextmanager
    def running(self) -> Generator[str]:
        """On another thread -> its address."""
        thread = threading.Thread(target=self.run, name="server")
        thread.start()
        try:
            while not self._server.started and thread.is_alive():
                time.sleep(0.005)
            yield self.url
        finally:
            self._server.should_exit = True
            thread.join()

    # -- one request, on the event loop

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.monotonic()
        request = _request(scope)
        status = 499
        try:
            status = await self._serve(request, receive, send)
        except _RefusedError as refusal:
            status = refusal.status
            await _refuse(send, request, refusal)
        except _BrokenError as broken:  # raised on: the server closes the connection, and the client sees half an answer
            status = 502
            _LOG.error("request %s: broken off", request.id, exc_info=broken.__cause__)
            raise
        except Exception:
            status = 500
            _LOG.exception("request %s: found an error of the server's own", request.id)
            raise
        finally:
            self._log(Served(request, status, time.monotonic() - started))

    async def _serve(self, request: Request, receive: Receive, send: Send) -> int:
        self._check_room()
        if self._receiving >= self._options.uploads:
            raise _busy()
        try:
            with _file(self._folder) as path:
                self._receiving += 1
                try:
                    size = await self._receive_body(request, receive, path)
                finally:
                    self._receiving -= 1
                self._check_room()
                self.admitted += 1
                try:
                    return await self._run(replace(request, body=path if size else None, size=size), receive, send)
                finally:
                    self.admitted -= 1
        except ClientGoneError:
            return 499

    def _check_room(self) -> None:
        if self.admitted >= self._options.threads + self._options.queue:
            raise _busy()

    async def _receive_body(self, request: Request, receive: Receive, path: Path) -> int:
        limit = self._options.max_body_bytes
        size = 0
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                with path.open("wb") as file:
                    async for data in _body(receive):
                        size += len(data)
                        if size <= limit:
                            file.write(data)
                        elif size > 2 * limit:  # whoever is no further over is heard to the end, and so hears the answer
                            break
        except TimeoutError as error:
            message = f"body: found {size} bytes after {_BODY_SECONDS:g} s, expected all of it"
            raise _RefusedError(408, message, "request_timeout") from error
        if size > limit:
            raise _RefusedError(413, f"body: found more than {limit} bytes, expected at most that", "request_too_large")
        return size

    async def _run(self, request: Request, receive: Receive, send: Send) -> int:
        exchange = Exchange(request, asyncio.get_running_loop())
        work = self._threads.submit(self._work, exchange)
        watch = asyncio.ensure_future(_watch(receive, exchange, work))
        try:
            return await _pass_on(exchange, send)
        finally:
            exchange.hang_up()
            watch.cancel()

    def _work(self, exchange: Exchange) -> None:
        try:
            self._handler(exchange)
        except BaseException as error:  # noqa: BLE001 - raised on the loop's side, which answers for it
            exchange.end(error)
        else:
            exchange.end()


class ClientGoneError(ConnectionError):
    """The client left before its request was whole."""


class _RefusedError(Exception):
    """What the host answers itself."""

    def __init__(self, status: int, message: str, code: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.retry_after = retry_after


def _busy() -> _RefusedError:
    return _RefusedError(503, "found every place in the queue taken, expected a free one", "busy", retry_after=1)


class _BrokenError(Exception):
    """An answer that began and cannot be ended."""


def _request(scope: Scope) -> Request:
    query = scope["query_string"]
    target = scope["raw_path"] + (b"?" + query if query else b"")
    return Request(
        id=uuid.uuid4().hex,
        method=scope["method"],
        target=target.decode("latin-1"),
        headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]],
        body=None,
        size=0,
        scheme=scope["scheme"],
        client=(scope["client"] or ("",))[0],
    )


async def _body(receive: Receive) -> AsyncGenerator[bytes]:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        yield message.get("body", b"")
        if not message.get("more_body"):
            return


async def _watch(receive: Receive, exchange: Exchange, work: Future[None]) -> None:
    """Tell the exchange when the client leaves; work that has not begun never does."""
    while (await receive())["type"] != "http.disconnect":
        pass
    exchange.hang_up()
    if work.cancel():
        exchange.end()


async def _pass_on(exchange: Exchange, send: Send) -> int:
    """The answer from its thread to the client -> its status."""
    if not await exchange.started() or exchange.head is None:
        if exchange.gone:
            return 499
        raise _refusal(exchange)
    status, headers = exchange.head
    identified = [(b"x-request-id", exchange.request.id.encode())]
    kept = [(name, value) for name, value in headers if name not in _HOP_BY_HOP and name != b"x-request-id"]
    await send({"type": "http.response.start", "status": status, "headers": kept + identified})
    more = True
    while more:
        data, more = await exchange.pieces()
        if not more and exchange.error is not None:
            if exchange.gone:
                return 499
            raise _BrokenError from exchange.error
        await send({"type": "http.response.body", "body": data, "more_body": more})
    return 499 if exchange.cut_off else status


def _refusal(exchange: Exchange) -> _RefusedError:
    """What to say for an app that ended without an answer."""
    error = exchange.error
    if isinstance(error, WherryError):
        return _RefusedError(error.http_status, str(error), type(error).__name__)
    _LOG.error("request %s: found no answer", exchange.request.id, exc_info=error)
    return _RefusedError(500, "the app gave no answer", "no_answer")


async def _refuse(send: Send, request: Request, refusal: _RefusedError) -> None:
    kind = "invalid_request_error" if refusal.status < 500 else "server_error"
    error = {"message": str(refusal), "type": kind, "param": None, "code": refusal.code}
    body = json.dumps({"error": error}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"x-request-id", request.id.encode()),
    ]
    if refusal.retry_after is not None:
        headers.append((b"retry-after", str(refusal.retry_after).encode()))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body if request.method != "HEAD" else b""})


@contextmanager
def _file(folder: Path) -> Generator[Path]:
    handle, name = tempfile.mkstemp(dir=folder, prefix="body-")
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _bound(host: str, port: int) -> socket.socket:
    """Raises InputError where the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise InputError(
            f"{host}:{port}: {error.strerror}", hint="another program may listen there: choose another port"
        ) from error
    return listening
