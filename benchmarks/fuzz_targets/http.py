"""The HTTP server in front of apps: what a client may write on a connection, to a small app that reads forms.

A case is all that a client sends before it closes its side. The server's fault is an answer of 500 or 502, anything that it
logs as an error, and a connection that it leaves open.
"""

import gzip
import logging
import re
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.fuzz import ROOT, Target

_SECONDS = 5.0  # for the server to close a connection
_FAULT = re.compile(rb"(?:\A|\n)HTTP/1\.1 (500|502)")
_WORDS = (
    b"\r\n", b"\r\n\r\n", b"\n", b"0\r\n\r\n", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"GET ", b"HEAD ", b"CONNECT ",
    b"OPTIONS * ", b"PRI ", b"Host: localhost\r\n", b"Host: evil.example\r\n", b"Content-Length: 0\r\n",
    b"Content-Length: 99999999999\r\n", b"Content-Length: -1\r\n", b"Content-Length: 5, 5\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip, chunked\r\n", b"Expect: 100-continue\r\n",
    b"Connection: close\r\n", b"Connection: upgrade\r\nUpgrade: websocket\r\n", b"Origin: null\r\n",
    b"Sec-Fetch-Site: cross-site\r\n", b"Authorization: Basic ", b"X-Forwarded-For: 1.1.1.1, ::1, x\r\n",
    b"Content-Encoding: gzip\r\n", b"http://localhost", b"http://[::1]:1/", b"?", b"%", b"%ff", b"#", b"//", b"\x00",
    b"\xff", b"filename*=", b"utf-16''%ff", b"--BB", b"--BB--", b'name="file"', b"ffffffff\r\n",
)  # fmt: skip


def _request(target: bytes, *lines: bytes, body: bytes = b"", method: bytes = b"POST", version: bytes = b"1.1") -> bytes:
    return b"\r\n".join([b"%s %s HTTP/%s" % (method, target, version), b"Host: localhost", *lines, b"", body])


def _sized(target: bytes, body: bytes, *lines: bytes) -> bytes:
    return _request(target, *lines, b"Content-Length: %d" % len(body), body=body)


def _seeds() -> Sequence[bytes]:
    form = (
        b'--BB\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n'
        b'--BB\r\nContent-Disposition: form-data; name="file"; '
        b"filename=\"a.wav\"; filename*=UTF-8''%C3%A4.wav\r\nContent-Type: audio/wav\r\n\r\nRIFF....WAVE\r\n--BB--\r\n"
    )
    kind = b"Content-Type: multipart/form-data; boundary=BB"
    chunks = b'4;name="value"\r\nWiki\r\nA\r\npedia in c\r\n0\r\nX-Trailer: 1\r\n\r\n'
    get = _request(b"/a%2Fb?q=1&q=%20", b"X-Own: 1", b"Accept: text/html", method=b"GET")
    return (
        get,
        get + get + get,
        _request(b"/healthz", method=b"HEAD"),
        _request(b"/metrics", b"Authorization: Basic OmtleQ==", method=b"GET"),
        _request(b"/readyz", b"Connection: keep-alive", method=b"GET", version=b"1.0"),
        _request(b"*", b"Origin: http://localhost", b"Access-Control-Request-Method: POST", method=b"OPTIONS"),
        _request(b"http://localhost:80/abs?q", b"Connection: close", method=b"GET"),
        _sized(b"/plain", b"a body", b"Origin: http://localhost"),
        _request(b"/plain", b"Transfer-Encoding: chunked", body=chunks),
        _request(b"/stream", b"Transfer-Encoding: chunked", b"Expect: 100-continue", body=chunks),
        _sized(b"/stream", b"x" * 3000),
        _sized(b"/form", form, kind),
        _sized(b"/form", gzip.compress(form, mtime=0), kind, b"Content-Encoding: gzip"),
        _request(b"/form", kind, b"Transfer-Encoding: chunked", body=b"%x\r\n%s\r\n0\r\n\r\n" % (len(form), form)),
    )


class _Faults(logging.Handler):
    """What is logged as an error, by whatever library."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(logging.Formatter().format(record))


def _start(folder: Path) -> Callable[[bytes], object]:
    from wherry.wasm.http.options import ServerOptions
    from wherry.wasm.http.server import Server

    faults = _Faults()
    logging.getLogger().addHandler(faults)
    streams = {"/stream": 1 << 16}.get
    options = ServerOptions(port=0, threads=2, max_body_bytes=1 << 20, origins=("https://a.example",), proxies=("127.0.0.1",))
    server = Server(_handler(), options, folder, streams=streams)
    threading.Thread(target=server.run, daemon=True).start()
    address = ("127.0.0.1", server.port)

    def read(data: bytes) -> None:
        faults.lines.clear()
        answer = _talk(address, data)
        if faults.lines:
            raise AssertionError("the server logged: " + "\n".join(faults.lines))
        if fault := _FAULT.search(answer):
            raise AssertionError(f"the server answered with {fault[1].decode()}: {answer[-500:]!r}")

    return read


def _talk(address: tuple[str, int], data: bytes) -> bytes:
    """All that comes back until the server closes the connection. Raises TimeoutError where it does not."""
    answer = b""
    with socket.create_connection(address, _SECONDS) as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(1 << 16):
                answer += piece
        except TimeoutError:
            raise
        except OSError:  # a reset, whatever call meets it: the server closed before it had read all
            return answer
    return answer


def _handler() -> Callable[..., None]:
    """A WSGI app that reads forms as apps/speech does, and counts the bytes of other bodies."""
    sys.path.insert(0, str(ROOT / "apps/speech"))
    from api.form import read_form  # type: ignore[import-not-found]
    from wherry.guest import openai, wsgi
    from wherry.guest.upload import coming

    def app(environ: dict[str, object], start_response: Callable[..., object]) -> list[bytes]:
        if environ["PATH_INFO"] == "/form":
            with read_form(environ) as form:
                size = form.file_bytes
        else:
            size = len(environ["wsgi.input"].read())  # type: ignore[attr-defined]
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"%d\n" % size]

    site = openai.answering(app)

    def handle(exchange) -> None:  # type: ignore[no-untyped-def]
        request = exchange.request
        upload, path = request.upload, request.body
        body = coming(upload.read) if upload is not None else path.open("rb") if path else None
        named = {"body": body} if body is not None else {}
        wsgi.handle(site, wsgi.Request(request.method, request.target, request.headers, size=request.size, **named), exchange)

    return handle


TARGETS = [Target("http", _seeds, _start, words=_WORDS, suite_cases=200)]
