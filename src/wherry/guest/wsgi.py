"""One request through a WSGI app (PEP 3333). Sandbox and `wherry dev` call their apps by this same way."""

import io
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, BinaryIO, Protocol, TextIO
from urllib.parse import unquote_to_bytes

Headers = Sequence[tuple[str, str]]
ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
_BLOCK_BYTES = 1 << 16
_HOST = re.compile(r"(\[[0-9a-fA-F:.]*\]|[^:\[\]]*)(?::([0-9]+))?")


class Wrapped:
    """An app of which something is said; in all else it is the app."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        return self.app(environ, start_response)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.app, name)


@dataclass(frozen=True)
class Request:
    """target: path and query as the client sent them. headers: as sent, in any case. body: its `size` bytes."""

    method: str
    target: str
    headers: Headers = ()
    body: BinaryIO = field(default_factory=io.BytesIO)
    size: int = 0
    scheme: str = "http"
    client: str = ""


class Response(Protocol):
    """Where the answer goes."""

    def start(self, status: int, headers: Headers) -> None:
        """Once, before the first `write`."""
        ...

    def write(self, chunk: bytes) -> bool:
        """False: nobody listens any more."""
        ...


def handle(
    app: Application, request: Request, response: Response, errors: TextIO | None = None, *, threads: bool = False
) -> None:
    """Have `app` answer. An app that raises before it has begun is answered for with 500; after that, the error is raised,
    for the client must not take half an answer for a whole one. An app whose client has gone is closed.

    errors: where the app's tracebacks go, by default sys.stderr. threads: whether others call the app at the same time.
    """
    errors = errors or sys.stderr
    answer = _Answer(response, body=request.method != "HEAD")
    chunks: Iterable[bytes] = ()
    try:
        chunks = app(_environ(request, errors, threads), answer.start_response)
        for chunk in chunks:
            answer.write(chunk)
        answer.finish()
    except ClientGoneError:
        pass
    except Exception:
        if answer.begun:
            raise
        traceback.print_exc(file=errors)
        response.start(500, [("Content-Type", "text/plain; charset=utf-8")])
        if request.method != "HEAD":
            response.write(b"Internal Server Error\n")
    finally:
        if (close := getattr(chunks, "close", None)) is not None:
            try:
                close()
            except Exception:  # noqa: BLE001 - the answer is complete or the client gone: neither is to be taken back
                traceback.print_exc(file=errors)


class ClientGoneError(ConnectionError):
    """Raised in an app that writes for a client who has gone."""


class _Answer:
    """start_response and what follows it: the head goes out with the first piece of the body, or at the end."""

    def __init__(self, response: Response, *, body: bool) -> None:
        self._response = response
        self._body = body
        self._head: tuple[int, Headers] | None = None
        self.begun = False

    def start_response(self, status: str, headers: Headers, exc_info: ExcInfo | None = None) -> Callable[[bytes], None]:
        if exc_info is not None:
            try:
                if self.begun and exc_info[1] is not None:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # it holds this very frame
        elif self._head is not None:
            raise AssertionError("start_response: called twice, expected once (or with exc_info)")
        code = status.split(" ", 1)[0]
        if not (len(code) == 3 and code.isdigit() and code >= "200"):
            raise AssertionError(f'start_response: found status "{status}", expected one such as "200 OK"')
        for name, value in headers:
            if not (type(name) is str and type(value) is str) or any(ord(c) < 32 and c != "\t" for c in name + value):
                raise AssertionError(
                    f"start_response: found header {name!r}: {value!r}, expected text without control characters"
                )
        self._head = (int(code), list(headers))
        return self.write

    def write(self, chunk: bytes) -> None:
        if not chunk:
            return
        self._begin()
        if self._body and not self._response.write(chunk):
            raise ClientGoneError("the client has gone")

    def finish(self) -> None:
        self._begin()

    def _begin(self) -> None:
        if self._head is None:
            raise AssertionError("found a body without a head, expected start_response before it")
        if not self.begun:
            self.begun = True
            self._response.start(*self._head)


class FileWrapper:
    """PEP 3333's wsgi.file_wrapper: a file in blocks."""

    def __init__(self, file: BinaryIO, block_bytes: int = _BLOCK_BYTES) -> None:
        self._file = file
        self._block_bytes = block_bytes

    def __iter__(self) -> "FileWrapper":
        return self

    def __next__(self) -> bytes:
        if block := self._file.read(self._block_bytes):
            return block
        raise StopIteration

    def close(self) -> None:
        self._file.close()


def _environ(request: Request, errors: TextIO, threads: bool) -> dict[str, Any]:
    path, _, query = request.target.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": request.client,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": request.scheme,
        "wsgi.input": request.body,
        "wsgi.input_terminated": True,
        "wsgi.errors": errors,
        "wsgi.multithread": threads,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
    }
    for name, value in request.headers:
        if "_" in name:
            continue  # it would pass for another's: X_Real_IP for X-Real-IP
        key = "HTTP_" + name.upper().replace("-", "_")
        if key not in ("HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING"):
            environ[key] = value if key not in environ else f"{environ[key]}{';' if key == 'HTTP_COOKIE' else ','} {value}"
        elif key == "HTTP_CONTENT_TYPE":
            environ["CONTENT_TYPE"] = value
    if request.size or request.method in ("POST", "PUT", "PATCH"):
        environ["CONTENT_LENGTH"] = str(request.size)
    host = _HOST.fullmatch(environ.get("HTTP_HOST", ""))
    environ["SERVER_NAME"] = (host and host[1]) or "localhost"
    environ["SERVER_PORT"] = (host and host[2]) or {"https": "443"}.get(request.scheme, "80")
    return environ
