"""HTTP in front of an app: keys, bodies to files within limits, a bounded queue, threads that answer, clients that leave.

An app is a `Handler`, called on a thread of its own for each request. What it raises becomes an answer of the host's; what
the host itself refuses is said in the shape of OpenAI's errors, which the apps that Wherry ships share. Three addresses are
the host's: /healthz, /readyz and /metrics.
"""

import asyncio
import logging
import math
import os
import re
import tempfile
import threading
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, MutableMapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import uvicorn
from starlette.middleware.cors import CORSMiddleware

from wherry.errors import WherryError
from wherry.wasm.http import refusal
from wherry.wasm.http.access import Served
from wherry.wasm.http.exchange import Exchange, Request
from wherry.wasm.http.keys import Keys
from wherry.wasm.http.listening import bound
from wherry.wasm.http.metrics import CONTENT_TYPE, Metrics
from wherry.wasm.http.protocol import Patience, protocol
from wherry.wasm.http.refusal import RefusedError
from wherry.wasm.http.upload import Upload, has_body, said_size, too_large, too_slow

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
# A proxy's ids are kept, so that its log and ours can be read together; what else a client sends could forge lines of a log.
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_OPEN = {"/healthz", "/readyz"}  # whoever asks these has no key


@dataclass(frozen=True)
class ServerOptions:
    """threads: requests answered at once; `queue` more may wait, and the bodies of `uploads` more may be on their way.

    keys: one of them must come with each request, if there are any. origins: sites whose pages may ask ("*": all).
    piece_seconds: for the next piece of a body to arrive.
    """

    host: str = "127.0.0.1"
    port: int = 8080  # 0: any that is free
    threads: int = 8
    queue: int = 64
    uploads: int = 256
    max_body_bytes: int = 64 << 20
    keys: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    piece_seconds: float = 30.0
    patience: Patience = field(default_factory=Patience)


class Server:
    """`run` it, or have it `running` on another thread: then `url` answers. `folder` keeps bodies; its owner removes it.

    `admitted` is the number of requests that run or wait to. ready: whether the app can answer, for /readyz. streams: a path ->
    the most bytes of a body that its handler reads as it comes, None where it wants it whole.
    """

    def __init__(
        self,
        handler: Handler,
        options: ServerOptions,
        folder: Path,
        log: Callable[[Served], None] = lambda served: None,
        *,
        metrics: Metrics | None = None,
        ready: Callable[[], bool] = lambda: True,
        streams: Callable[[str], int | None] = lambda path: None,
    ) -> None:
        self._handler = handler
        self._options = options
        self._folder = folder
        self._log = log
        self._ready = ready
        self._streams = streams
        self._streaming = 0  # of those admitted, requests whose bodies come while they are answered
        self._keys = Keys(options.keys)
        self._metrics = metrics or Metrics()
        self._threads = ThreadPoolExecutor(options.threads, "answers")
        self._receiving = 0  # requests whose bodies are on their way
        self.admitted = 0  # and those that wait for an answer
        self._running = 0
        self._counting = threading.Lock()
        self._metrics.watch_queue(lambda: self._running, lambda: max(0, self.admitted - self._running))
        self._inner: Any = self._serve
        if options.origins:
            self._inner = CORSMiddleware(
                self._serve,
                allow_origins=options.origins,
                allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
                allow_headers=["*"],
                expose_headers=["x-request-id", "retry-after"],
            )
        self._socket = bound(options.host, options.port)
        config = uvicorn.Config(
            self._answer,
            interface="asgi3",
            http=protocol(options.patience),
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

    @property
    def threads(self) -> int:
        """Requests that are answered at once."""
        return self._options.threads

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
        answer = _Answer(_request(scope), receive, send)
        scope["wherry.answer"] = answer
        try:
            await self._inner(scope, answer.receive, answer.send)
        except ClientGoneError:
            answer.left = True
        except _BrokenError as broken:  # raised on: the server closes the connection, and the client sees half an answer
            answer.status = 502
            _LOG.error("request %s: broken off", answer.request.id, exc_info=broken.__cause__)
            raise
        except Exception:
            answer.status = 500
            _LOG.exception("request %s: found an error of the server's own", answer.request.id)
            raise
        finally:
            status = 499 if answer.left or not answer.status else answer.status
            seconds = time.monotonic() - started
            self._metrics.answered(answer.request.method, status, seconds, answer.received, answer.sent)
            self._log(Served(answer.request, status, seconds, answer.received, answer.sent))

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer: _Answer = scope["wherry.answer"]
        try:
            self._check_rights(scope["path"], answer.request)
            if (own := self._own(scope["path"], answer.request)) is not None:
                await _say(send, answer.request, *own)
            elif (most := self._streams(scope["path"])) is not None and has_body(answer.request.headers):
                await self._stream_to_app(answer, most, receive, send)
            else:
                await self._pass_to_app(answer, receive, send)
        except RefusedError as refused:
            headers = [(b"content-type", b"application/json"), *refused.headers]
            if refused.status == 408 or not await self._hear_out(answer, receive):
                headers.append((b"connection", b"close"))
            await _say(send, answer.request, refused.status, headers, refused.body())

    async def _hear_out(self, answer: "_Answer", receive: Receive) -> bool:
        """Whoever still sends a body when the connection closes may never read why: let it end, if it is not too long."""
        if answer.whole or any(name == "expect" for name, _ in answer.request.headers):
            return answer.whole
        try:
            async with asyncio.timeout(self._options.patience.rest):
                async for _ in _body(receive, self._options.piece_seconds, math.inf):
                    if answer.received > 2 * self._options.max_body_bytes:
                        return False
        except TimeoutError:
            return False
        return True

    def _check_rights(self, path: str, request: Request) -> None:
        """Raises RefusedError for who has no key, and for the page of another site: browsers add its visitor's rights."""
        asked = request.headers
        if self._keys and path not in _OPEN and not self._keys.admits([v for n, v in asked if n == "authorization"]):
            browser = request.method in ("GET", "HEAD") and any(n == "accept" and "text/html" in v for n, v in asked)
            raise refusal.without_key(browser)
        given = dict(asked)
        foreign = given.get("sec-fetch-site") in ("cross-site", "same-site")
        allowed = not {"*", given.get("origin")}.isdisjoint(self._options.origins)
        if foreign and not allowed and request.method not in ("GET", "HEAD", "OPTIONS"):
            raise refusal.from_elsewhere()

    def _own(self, path: str, request: Request) -> tuple[int, refusal.Headers, bytes] | None:
        """Answers of the host's: status, headers, body; None: the app's."""
        if path not in ("/healthz", "/readyz", "/metrics"):
            return None
        if request.method not in ("GET", "HEAD"):
            raise refusal.wrong_method(request.method)
        if path == "/metrics":
            return 200, [(b"content-type", CONTENT_TYPE.encode())], self._metrics.text()
        well = path == "/healthz" or (self._ready() and not self._server.should_exit)
        return 200 if well else 503, [(b"content-type", b"text/plain; charset=utf-8")], b"ok\n" if well else b"not ready\n"

    async def _pass_to_app(self, answer: "_Answer", receive: Receive, send: Send) -> None:
        self._check_room()
        if self._receiving >= self._options.uploads:
            raise refusal.busy()
        with _file(self._folder) as path:
            self._receiving += 1
            try:
                size = await self._receive_body(receive, path)
            finally:
                self._receiving -= 1
            self._check_room()
            self.admitted += 1
            try:
                await self._run(answer, self._for_app(answer.request, path, size), receive, send)
            finally:
                self.admitted -= 1

    async def _stream_to_app(self, answer: "_Answer", most: int, receive: Receive, send: Send) -> None:
        """Slow clients hold instances meanwhile: never more than half."""
        self._check_room()
        if self._streaming >= max(1, self._options.threads // 2):
            raise refusal.busy()
        size = said_size(answer.request.headers)
        if size is not None and size > most:
            raise too_large(most)
        upload = Upload(most, size, asyncio.get_running_loop())
        self._streaming += 1
        self.admitted += 1
        try:
            await self._run(answer, replace(self._for_app(answer.request, None, size or 0), upload=upload), receive, send)
        finally:
            self.admitted -= 1
            self._streaming -= 1

    def _for_app(self, request: Request, path: Path | None, size: int) -> Request:
        """The host's keys are none of the app's business."""
        headers = [(n, v) for n, v in request.headers if n != "authorization"] if self._keys else request.headers
        return replace(request, headers=headers, body=path if size else None, size=size)

    def _check_room(self) -> None:
        if self.admitted >= self._options.threads + self._options.queue:
            raise refusal.busy()

    async def _receive_body(self, receive: Receive, path: Path) -> int:
        limit = self._options.max_body_bytes
        size = 0
        ended = time.monotonic() + _BODY_SECONDS
        try:
            with path.open("wb") as file:
                async for data in _body(receive, self._options.piece_seconds, ended):
                    size += len(data)
                    if size > limit:
                        break
                    file.write(data)
        except TimeoutError as error:
            raise too_slow(size) from error
        if size > limit:
            raise too_large(limit)
        return size

    async def _run(self, answer: "_Answer", request: Request, receive: Receive, send: Send) -> None:
        exchange = Exchange(request, asyncio.get_running_loop())
        work = self._threads.submit(self._work, exchange)
        watch = asyncio.ensure_future(_watch(receive, exchange, work, self._options.piece_seconds))
        try:
            answer.left = not await _pass_on(exchange, send)
        finally:
            exchange.hang_up()
            watch.cancel()

    def _work(self, exchange: Exchange) -> None:
        with self._counting:
            self._running += 1
        try:
            self._handler(exchange)
        except BaseException as error:  # noqa: BLE001 - raised on the loop's side, which answers for it
            exchange.end(error)
        else:
            exchange.end()
        finally:
            with self._counting:
                self._running -= 1


class ClientGoneError(ConnectionError):
    """The client left before its request was whole."""


class _BrokenError(Exception):
    """An answer that began and cannot be ended."""


class _Answer:
    """A request's way in and out, counted. status: 0 until there is one. whole: its body is. Every answer has its id."""

    def __init__(self, request: Request, receive: Receive, send: Send) -> None:
        self.request = request
        self.status = 0
        self.received = 0
        self.sent = 0
        self.left = False
        self.whole = False
        self._receive = receive
        self._send = send

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
        await self._send(message)


def _request(scope: Scope) -> Request:
    query = scope["query_string"]
    target = scope["raw_path"] + (b"?" + query if query else b"")
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    ids = [value for name, value in headers if name == "x-request-id" and _REQUEST_ID.fullmatch(value)]
    return Request(
        id=ids[0] if len(ids) == 1 else uuid.uuid4().hex,
        method=scope["method"],
        target=target.decode("latin-1"),
        headers=headers,
        body=None,
        size=0,
        scheme=scope["scheme"],
        client=(scope["client"] or ("",))[0],
    )


async def _body(receive: Receive, piece_seconds: float, ended: float) -> AsyncGenerator[bytes]:
    """Raises TimeoutError where the next piece is late, or all are not there when the clock says `ended`."""
    while True:
        async with asyncio.timeout(min(piece_seconds, ended - time.monotonic())):
            message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        yield message.get("body", b"")
        if not message.get("more_body"):
            return


async def _watch(receive: Receive, exchange: Exchange, work: Future[None], piece_seconds: float) -> None:
    """Tell the exchange when the client leaves; work that has not begun never does. First comes a body that is read meanwhile."""
    upload = exchange.request.upload
    if upload is not None and not await upload.fill(receive, piece_seconds) and not upload.left:
        return  # who answers hears why
    while (await receive())["type"] != "http.disconnect":
        pass
    exchange.hang_up()
    if work.cancel():
        exchange.end()


async def _pass_on(exchange: Exchange, send: Send) -> bool:
    """The answer from its thread to the client. False: the client left before it had all."""
    if not await exchange.started() or exchange.head is None:
        if exchange.gone:
            return False
        raise _refusal(exchange)
    status, headers = exchange.head
    kept = [(name, value) for name, value in headers if name not in _HOP_BY_HOP and name != b"x-request-id"]
    upload = exchange.request.upload
    if upload is not None and upload.refused and any(name == "expect" for name, _ in exchange.request.headers):
        kept.append((b"connection", b"close"))  # it may send its body or not: nobody would know what comes next
    await send({"type": "http.response.start", "status": status, "headers": kept})
    more = True
    while more:
        data, more = await exchange.pieces()
        if not more and exchange.error is not None:
            if exchange.gone:
                return False
            raise _BrokenError from exchange.error
        await send({"type": "http.response.body", "body": data, "more_body": more})
    return not exchange.cut_off


def _refusal(exchange: Exchange) -> RefusedError:
    """What to say for an app that ended without an answer."""
    error = exchange.error
    if isinstance(error, RefusedError):
        return error
    if isinstance(error, WherryError):
        return RefusedError(error.http_status, str(error), type(error).__name__)
    _LOG.error("request %s: found no answer", exchange.request.id, exc_info=error)
    return RefusedError(500, "the app gave no answer", "no_answer")


async def _say(send: Send, request: Request, status: int, headers: refusal.Headers, body: bytes) -> None:
    sized = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": sized})
    await send({"type": "http.response.body", "body": body if request.method != "HEAD" else b""})


@contextmanager
def _file(folder: Path) -> Generator[Path]:
    handle, name = tempfile.mkstemp(dir=folder, prefix="body-")
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)
