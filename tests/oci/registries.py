"""Real registries on this machine, and what stands before them to do harm. Nothing here is the program's own code."""

import base64
import hashlib
import http.client
import json
import os
import re
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.oci.conftest import program

USER, PASSWORD = "ada", "correct horse"
# bcrypt of the password, by crypt(3): the registry knows no other kind.
HTPASSWD = USER + ":$2b$05$0EUvxll1zvTC8jlD7qHFz.2gEmE65MnELrsfS/2eNUZAHEGxSK40K\n"
_SECONDS = 30


class DockerRegistry:
    """Debian's docker-registry, on a port of its own that it keeps when it is started again."""

    def __init__(self, folder: Path, *, auth: str = "", tls: str = "", enter: Sequence[str] = ()) -> None:
        """`auth` and `tls` are parts of its configuration; `enter` is a command that starts it elsewhere (a network)."""
        self._program = program("docker-registry")
        self.folder = folder
        self.data = folder / "data"
        self._auth, self._tls, self._enter = auth, tls, enter
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def runs(self) -> bool:
        return self._process is not None

    def start(self) -> None:
        (self.folder / "config.yml").write_text(
            f"version: 0.1\nlog: {{level: info}}\n"
            f"storage: {{filesystem: {{rootdirectory: {self.data}}}, delete: {{enabled: true}}}}\n"
            f"{self._auth}http:\n  addr: 127.0.0.1:{self.port}\n{self._tls}"
        )
        log = self.folder / "log"
        with log.open("wb") as out:
            command = [*self._enter, self._program, "serve", str(self.folder / "config.yml")]
            self._process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + _SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            if said := re.search(rb"listening on 127\.0\.0\.1:(\d+)", log.read_bytes()):
                self.port = int(said[1])
                return
            time.sleep(0.02)
        pytest.fail(f"docker-registry did not start:\n{log.read_text()[-2000:]}")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(_SECONDS)
            self._process = None

    def blob(self, digest: str) -> Path:
        """Where it keeps a blob: to be damaged."""
        algorithm, _, digits = digest.partition(":")
        return self.data / "docker/registry/v2/blobs" / algorithm / digits[:2] / digits / "data"


@contextmanager
def running(registry: DockerRegistry) -> Iterator[DockerRegistry]:
    registry.start()
    try:
        yield registry
    finally:
        registry.stop(signal.SIGKILL)


def htpasswd(folder: Path) -> str:
    """The part of a configuration that asks for USER and PASSWORD."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "htpasswd").write_text(HTPASSWD)
    return f"auth: {{htpasswd: {{realm: tests, path: {folder / 'htpasswd'}}}}}\n"


def certificate(folder: Path, names: Sequence[str] = ()) -> tuple[Path, Path]:
    """A self-signed certificate for this machine and these names, and its key."""
    folder.mkdir(parents=True, exist_ok=True)
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = [
        program("openssl"),
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "30",
        "-subj",
        "/CN=tests",
    ]
    known = ",".join(["IP:127.0.0.1", *(f"DNS:{name}" for name in names)])
    command += ["-addext", f"subjectAltName={known}", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    return cert, key


# -- a token server (distribution's docs/content/spec/auth/token.md and jwt.md)


@dataclass
class TokenServer:
    """Grants what is asked, for USER and PASSWORD, or their identity token; to others only `pull`."""

    folder: Path
    life: float = 300  # seconds that a token is good for
    said_life: float | None = None  # seconds that the answer claims
    identity: str = "identity-of-ada"
    asked: list[dict[str, Any]] = field(default_factory=list)
    port: int = 0

    def auth(self) -> str:
        """The part of a registry's configuration."""
        return (
            f"auth:\n  token:\n    realm: http://127.0.0.1:{self.port}/token\n    service: tests\n    issuer: tests\n"
            f"    rootcertbundle: {self.folder / 'cert.pem'}\n"
        )

    @contextmanager
    def serving(self) -> Iterator["TokenServer"]:
        certificate(self.folder)
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server._answer(self, parse_qs(urlsplit(self.path).query))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                server._answer(self, parse_qs(body))

            def log_message(self, format: str, *args: object) -> None:
                pass

        with serving(Handler) as self.port:
            yield self

    def _answer(self, handler: BaseHTTPRequestHandler, question: dict[str, list[str]]) -> None:
        authorization = handler.headers.get("Authorization", "")
        self.asked.append({"method": handler.command, "authorization": authorization, **question})
        good = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        known = authorization == good or question.get("refresh_token") == [self.identity]
        if (authorization or "refresh_token" in question) and not known:
            reply(handler, 401, b'{"errors":[{"code":"UNAUTHORIZED","message":"wrong"}]}')
            return
        scopes = [scope for text in question.get("scope", []) for scope in text.split()]
        access = []
        for scope in scopes:
            kind, name, actions = re.fullmatch(r"([a-z]+):(.+):([a-z,]+)", scope).groups()  # type: ignore[union-attr]
            allowed = [action for action in actions.split(",") if known or action == "pull"]
            access.append({"type": kind, "name": name, "actions": allowed})
        life = self.said_life if self.said_life is not None else self.life
        reply(handler, 200, json.dumps({"token": self._sign(access), "expires_in": life}).encode())

    def _sign(self, access: list[dict[str, Any]]) -> str:
        """A JSON web token, RS256, the key by its certificate (x5c)."""
        der = subprocess.run(
            ["openssl", "x509", "-in", str(self.folder / "cert.pem"), "-outform", "DER"], check=True, capture_output=True
        ).stdout
        now = int(time.time())
        head = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(der).decode()]}
        claims = {"iss": "tests", "aud": "tests", "sub": USER, "iat": now, "nbf": now - 10, "exp": now + int(self.life)}
        text = ".".join(
            _base64url(json.dumps(part).encode()) for part in (head, {**claims, "jti": os.urandom(8).hex(), "access": access})
        )
        sign = ["openssl", "dgst", "-sha256", "-sign", str(self.folder / "key.pem")]
        return text + "." + _base64url(subprocess.run(sign, input=text.encode(), check=True, capture_output=True).stdout)


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


# -- a proxy that does harm


@dataclass(frozen=True)
class Fault:
    """What happens to one request. Offsets are in bytes of the body."""

    status: int = 0  # answered with this, the registry is not asked
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    flip: int | None = None  # this byte of the answer is another one
    cut: int | None = None  # the answer ends here, properly
    reset: int | None = None  # the connection is torn here, while answering
    reset_request: int | None = None  # or here, while the request's body is read; what came is passed on
    lose_answer: bool = False  # the registry does it; nobody hears of it
    hang: bool = False  # no answer at all
    close: int | None = None  # or closed here: all that was sent arrives
    stall: int | None = None  # the answer stops here, the connection stays
    drip: float = 0  # seconds between two bytes of the answer
    no_ranges: bool = False  # a Range is ignored
    before: Callable[[], None] | None = None  # called first


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]

    @property
    def digest(self) -> str:
        found = re.search(r"sha256:[0-9a-f]{64}", self.path)
        return found[0] if found else ""


class Proxy:
    """Passes on to an upstream registry; `faults` decides about each request."""

    def __init__(self, upstream: str, faults: Callable[[Request], Fault | None] = lambda request: None) -> None:
        self.upstream = upstream
        self.faults = faults
        self.requests: list[Request] = []
        self.port = 0
        self.released = threading.Event()  # ends what hangs

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @contextmanager
    def serving(self) -> Iterator["Proxy"]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                if self.connection.recv(1, socket.MSG_PEEK) == b"\x16":  # TLS
                    self.close_connection = True
                    return
                super().handle_one_request()

            def do_GET(self) -> None:
                proxy._pass(self)

            do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

            def log_message(self, format: str, *args: object) -> None:
                pass

        with serving(Handler) as self.port:
            try:
                yield self
            finally:
                self.released.set()

    def count(self, method: str, pattern: str) -> int:
        return sum(request.method == method and bool(re.search(pattern, request.path)) for request in self.requests)

    def _pass(self, handler: BaseHTTPRequestHandler) -> None:
        request = Request(handler.command, handler.path, dict(handler.headers))
        self.requests.append(request)
        fault = self.faults(request) or Fault()
        if fault.before is not None:
            fault.before()
        if fault.hang:
            self.released.wait()
            handler.close_connection = True
            return
        length = int(handler.headers.get("Content-Length", "0"))
        if fault.status:
            handler.rfile.read(length)
            reply(handler, fault.status, fault.body, fault.headers)
            return
        headers = {name: value for name, value in request.headers.items() if not (fault.no_ranges and name.lower() == "range")}
        upstream = http.client.HTTPConnection(self.upstream, timeout=_SECONDS)
        try:
            upstream.putrequest(request.method, request.path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                upstream.putheader(name, value)
            upstream.endheaders()
            left = length if fault.reset_request is None else min(length, fault.reset_request)
            while left and (piece := handler.rfile.read(min(left, 1 << 16))):
                upstream.send(piece)
                left -= len(piece)
            if fault.reset_request is not None:
                _tear(handler)
                return
            answer = upstream.getresponse()
            if fault.lose_answer:
                answer.read()
                _tear(handler)
                return
            self._reply(handler, request, answer, fault)
        except ConnectionError:
            _tear(handler)  # the registry has died
        finally:
            upstream.close()

    def _reply(self, handler: BaseHTTPRequestHandler, request: Request, answer: http.client.HTTPResponse, fault: Fault) -> None:
        length = int(answer.headers.get("Content-Length", "0"))
        kept = length if fault.cut is None else min(fault.cut, length)
        handler.send_response_only(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in ("content-length", "transfer-encoding"):
                handler.send_header(name, value)
        if answer.status != 204:
            handler.send_header("Content-Length", str(kept))
        handler.end_headers()
        if request.method == "HEAD":
            return
        sent = 0
        end = min(kept, *(stop for stop in (fault.reset, fault.close) if stop is not None), kept)
        while sent < end:
            piece = bytearray(answer.read(1 if fault.drip else min(1 << 16, end - sent)))
            if not piece:
                break
            if fault.flip is not None and sent <= fault.flip < sent + len(piece):
                piece[fault.flip - sent] ^= 1
            try:
                handler.wfile.write(piece)
            except ConnectionError:
                handler.close_connection = True
                return
            sent += len(piece)
            if fault.drip and self.released.wait(fault.drip):
                break
            if fault.stall is not None and sent >= fault.stall:
                self.released.wait()
        if sent < kept and fault.close is not None:
            handler.close_connection = True
        elif sent < kept:
            _tear(handler)


def _tear(handler: BaseHTTPRequestHandler) -> None:
    """A reset, not a proper end."""
    handler.close_connection = True
    try:
        handler.wfile.flush()
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except OSError:
        pass  # the other side was first


def reply(handler: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
    handler.send_response_only(status)
    for name, value in (headers or {}).items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(body)


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    """A server on a port of its own -> the port."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # a client that has gone is what some tests want

    with Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def sha256(raw: bytes) -> str:
    return "sha256:" + hashlib.sha256(raw).hexdigest()
