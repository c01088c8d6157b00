"""HTTP in front of an app: keys, bodies to files within limits, a bounded queue, threads that answer, clients that leave.

An app is a `Handler`, called on a thread of its own for each request. What it raises becomes an answer of the host's; what
the host itself refuses is said in the shape of OpenAI's errors, which the apps that Wherry ships share. Three addresses are
the host's: /healthz, /readyz and /metrics.
"""

import asyncio
import logging
import math
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvicorn
from starlette.middleware.cors import CORSMiddleware

from wherry.errors import WherryError
from wherry.wasm.http import refusal
from wherry.wasm.http.access import Served
from wherry.wasm.http.answer import Answer, Receive, Scope, Send, request_of
from wherry.wasm.http.authority import Hosts, check_origin, is_loopback_address
from wherry.wasm.http.bodies import ClientGoneError, body_file, body_pieces, receive_body
from wherry.wasm.http.exchange import Exchange, Request
from wherry.wasm.http.keys import Keys
from wherry.wasm.http.limits import Clients, Shares, drop_slow_readers
from wherry.wasm.http.listening import bound
from wherry.wasm.http.metrics import CONTENT_TYPE, Metrics
from wherry.wasm.http.options import ServerOptions
from wherry.wasm.http.protocol import protocol
from wherry.wasm.http.refusal import RefusedError
from wherry.wasm.http.upload import Upload, has_body, said_size, too_large

Handler = Callable[[Exchange], None]
_LOG = logging.getLogger(__name__)
_MAX_HEAD_BYTES = 1 << 16
_GRACE_SECONDS = 30
_RELIEF_SECONDS = 1.0  # between looks at slow readers, while requests wait for a thread
# Of one connection alone (RFC 9110, 7.6.1): the server's matter, not the app's.
_HOP_BY_HOP = {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
_OPEN = {"/healthz", "/readyz"}  # whoever asks these has no key


class Server:
    """`run` it, or have it `running` on another thread: then `url` answers. `folder` keeps bodies; its owner removes it.

    `admitted` is the number of requests that run or wait to. not_ready: why the app cannot answer yet, for /readyz.
    streams: a path -> the most bytes of a body that its handler reads as it comes, None where it wants it whole.
    is_public: whether a path is a page that needs no key.
    """

    def __init__(
        self,
        handler: Handler,
        options: ServerOptions,
        folder: Path,
        log: Callable[[Served], None] = lambda served: None,
        *,
        metrics: Metrics | None = None,
        not_ready: Callable[[], str] = lambda: "",
        streams: Callable[[str], int | None] = lambda path: None,
        is_public: Callable[[str], bool] = lambda path: False,
    ) -> None:
        self._handler = handler
        self._options = options
        self._folder = folder
        self._log = log
        self._not_ready = not_ready
        self._streams = streams
        self._streaming = 0  # of those admitted, requests whose bodies come while they are answered
        self._is_public = is_public
        self._keys = Keys(options.keys)
        self._metrics_key = Keys([options.metrics_key] if options.metrics_key else [])
        self._clients = Clients(options.proxies)
        self._places = Shares(options.places_per_client, "requests")
        self._uploads = Shares(options.uploads_per_client, "uploads")
        self._streaming_uploads = Shares(options.streams_per_client, "uploads")
        self._answers: list[Answer] = []  # of the requests that are admitted
        self._relief: asyncio.Task[None] | None = None
        self._metrics = metrics or Metrics()
        self._threads = ThreadPoolExecutor(options.threads, "answers")
        self._receiving = 0  # requests whose bodies are on their way
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
        self._is_loopback = is_loopback_address(self._socket.getsockname()[0])
        self._hosts = Hosts(options.hosts, loopback=self._is_loopback)
        config = uvicorn.Config(
            self._answer,
            interface="asgi3",
            http=protocol(options.patience, self._clients.holder),
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
        """Where a client on this machine reaches it: one that listens on all interfaces is there too."""
        host, port = self._socket.getsockname()[:2]
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    @property
    def asks_for_keys(self) -> bool:
        return bool(self._keys)

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it."""
        return self._is_loopback

    @property
    def admitted(self) -> int:
        """Requests that run or wait to."""
        return len(self._answers)

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
        request, refused = request_of(scope)
        request = replace(request, client=self._clients.address_of(request.client, request.headers))
        answer = Answer(request, receive, send, scope["state"]["connection"])
        scope["wherry.answer"] = answer
        try:
            if refused is None:
                refused = self._misdirected(scope, request)
            if refused is not None:
                await self._refuse(answer, refused, answer.receive, answer.send)
            else:
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

    def _misdirected(self, scope: Scope, request: Request) -> RefusedError | None:
        """Before all else, a preflight too: a name that is not ours reaches nothing."""
        local = scope.get("server")
        try:
            self._hosts.check(_header(request, "host"), local[0] if local else None)
        except RefusedError as refused:
            return refused
        return None

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer: Answer = scope["wherry.answer"]
        try:
            key = self._check_rights(scope["path"], answer.request)
            holder = self._clients.holder(answer.request.client)
            answer.holders = [*([holder] if holder else []), *([f"key {key}"] if key is not None and len(self._keys) > 1 else [])]
            if (own := self._own(scope["path"], answer.request)) is not None:
                await answer.say(*own, send)
            elif (most := self._streams(scope["path"])) is not None and has_body(answer.request.headers):
                await self._stream_to_app(answer, most, receive, send)
            else:
                await self._pass_to_app(answer, receive, send)
        except RefusedError as refused:
            await self._refuse(answer, refused, receive, send)

    async def _refuse(self, answer: Answer, refused: RefusedError, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), *refused.headers]
        answer.mark_refused()
        if refused.status == 408 or not await self._hear_out(answer, receive) or refused.closes:
            headers.append((b"connection", b"close"))
        await answer.say(refused.status, headers, refused.body(), send)

    async def _hear_out(self, answer: Answer, receive: Receive) -> bool:
        """Whoever still sends a body when the connection closes may never read why: let it end, if it is not too long."""
        if answer.whole or any(name == "expect" for name, _ in answer.request.headers):
            return answer.whole
        try:
            async with asyncio.timeout(self._options.patience.rest):
                async for _ in body_pieces(receive, self._options.piece_seconds, math.inf):
                    if answer.received > 2 * self._options.max_body_bytes:
                        return False
        except TimeoutError:
            return False
        return True

    def _check_rights(self, path: str, request: Request) -> int | None:
        """-> the number of the key. Raises RefusedError for who has none, and for the page of another site."""
        key = self._check_key(path, request)
        check_origin(request.method, request.headers, _header(request, "host"), self._hosts, self._options.origins)
        return key

    def _check_key(self, path: str, request: Request) -> int | None:
        authorization = [value for name, value in request.headers if name == "authorization"]
        reads = request.method in ("GET", "HEAD")
        if path == "/metrics" and self._metrics_key:
            if self._metrics_key.find(authorization) is None:
                raise refusal.without_key(False)
            return None
        key = self._keys.find(authorization)
        is_open = path in _OPEN or (path == "/metrics" and self._is_loopback) or (reads and self._is_public(path))
        if self._keys and key is None and not is_open:
            raise refusal.without_key(reads and any(n == "accept" and "text/html" in v for n, v in request.headers))
        return key

    def _own(self, path: str, request: Request) -> tuple[int, refusal.Headers, bytes] | None:
        """Answers of the host's: status, headers, body; None: the app's."""
        if path not in ("/healthz", "/readyz", "/metrics"):
            return None
        if request.method not in ("GET", "HEAD"):
            raise refusal.wrong_method(request.method)
        if path == "/metrics":
            return 200, [(b"content-type", CONTENT_TYPE.encode())], self._metrics.text()
        why = "" if path == "/healthz" else "not ready: stopping" if self._server.should_exit else self._not_ready()
        return 503 if why else 200, [(b"content-type", b"text/plain; charset=utf-8")], f"{why or 'ok'}\n".encode()

    async def _pass_to_app(self, answer: Answer, receive: Receive, send: Send) -> None:
        self._check_room()
        if not has_body(answer.request.headers):
            answer.whole = True  # nothing of it is to come, whatever is sent on the connection
            await self._admit(answer, self._for_app(answer.request, None, 0), receive, send)
            return
        if self._receiving >= self._options.uploads:
            raise refusal.busy()
        with body_file(self._folder) as path:
            with self._uploads.hold(answer.holders):
                self._receiving += 1
                try:
                    size = await receive_body(receive, path, self._options.max_body_bytes, self._options.piece_seconds)
                finally:
                    self._receiving -= 1
            self._check_room()
            await self._admit(answer, self._for_app(answer.request, path, size), receive, send)

    async def _stream_to_app(self, answer: Answer, most: int, receive: Receive, send: Send) -> None:
        self._check_room()
        if self._streaming >= self._options.streams:
            raise refusal.busy()
        size = said_size(answer.request.headers)
        if size is not None and size > most:
            raise too_large(most)
        with self._streaming_uploads.hold(answer.holders):
            upload = Upload(most, size, asyncio.get_running_loop())
            self._streaming += 1
            try:
                await self._admit(answer, replace(self._for_app(answer.request, None, size or 0), upload=upload), receive, send)
            finally:
                self._streaming -= 1

    def _for_app(self, request: Request, path: Path | None, size: int) -> Request:
        """The host's keys are none of the app's business."""
        headers = [(n, v) for n, v in request.headers if n != "authorization"] if self._keys else request.headers
        return replace(request, headers=headers, body=path if size else None, size=size)

    def _check_room(self) -> None:
        if self.admitted >= self._options.threads + self._options.queue:
            raise refusal.busy()

    async def _admit(self, answer: Answer, request: Request, receive: Receive, send: Send) -> None:
        with self._places.hold(answer.holders):
            self._answers.append(answer)
            if self.admitted > self._options.threads and (self._relief is None or self._relief.done()):
                self._relief = asyncio.ensure_future(self._relieve())
            try:
                await self._run(answer, request, receive, send)
            finally:
                self._answers.remove(answer)

    async def _relieve(self) -> None:
        """While requests wait for a thread, nobody holds more than a share of them by reading slowly."""
        while self.admitted > self._options.threads:
            await asyncio.sleep(_RELIEF_SECONDS)
            drop_slow_readers(self._answers, self._options.slow_readers_per_client)

    async def _run(self, answer: Answer, request: Request, receive: Receive, send: Send) -> None:
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


class _BrokenError(Exception):
    """An answer that began and cannot be ended."""


def _header(request: Request, name: str) -> str | None:
    return next((value for key, value in request.headers if key == name), None)


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
