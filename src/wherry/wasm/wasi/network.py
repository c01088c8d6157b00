"""Requests of a guest to hosts that it was allowed to ask, each on a thread of its own."""

import contextlib
import http.client
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from wherry.wasm.allowed import AllowedHost
from wherry.wasm.stop import Stop
from wherry.wasm.values import Case
from wherry.wasm.wasi.reach import ProhibitedError, Reach
from wherry.wasm.wasi.streams import PIECE_BYTES, ClosedError, FailedError, Pollable
from wherry.wasm.wasi.tcp import Lookup, SocketError

_AT_ONCE = 8  # requests of a guest
_MAX_BODY_BYTES = 64 << 20
_IN_MEMORY = 1 << 20
_MAX_WAITING = 1 << 18  # of an answer that the guest does not read
_PORTS = {"HTTP": 80, "HTTPS": 443}
_CONNECT_SECONDS = 30.0  # where the guest says nothing


@dataclass(frozen=True)
class Asked:
    """A request as it goes out.

    connect_seconds, read_seconds   for a connection, None for the host's limit; for each next byte, None for as long as it takes
    """

    method: str
    scheme: str
    host: str
    port: int
    target: str
    headers: Sequence[tuple[str, bytes]]
    body: "RequestBody | None"
    connect_seconds: float | None
    read_seconds: float | None


class Network:
    """One guest's. `close` ends what is under way."""

    def __init__(self, allowed: Sequence[AllowedHost], stop: Stop, say: Callable[[str], None] = lambda line: None) -> None:
        self.reach = Reach(allowed, say)
        self._looking = 0  # names that are being looked up
        self._stop = stop
        self._running: set[Fetch] = set()
        self._guard = threading.Lock()

    def ask(self, asked: Asked) -> "Fetch | Case":
        """Begin, or the code of an error."""
        if not self.reach.allows(asked.host, asked.port):
            return Case("HTTP-request-denied")
        with self._guard:
            if len(self._running) >= _AT_ONCE:
                return Case("connection-limit-reached")
            fetch = Fetch(asked, self.reach, self._stop.wake, self._ended)
            self._running.add(fetch)
        if asked.body is not None:
            asked.body.when_ended(fetch.start)
        else:
            fetch.start()
        return fetch

    def look_up(self, name: str) -> Lookup:
        """Raises SocketError."""
        with self._guard:
            if self._looking >= _AT_ONCE:
                raise SocketError("temporary-resolver-failure")
            self._looking += 1
        return Lookup(self.reach, name, self._stop.wake, self._looked_up)

    def _looked_up(self) -> None:
        with self._guard:
            self._looking -= 1

    def _ended(self, fetch: "Fetch") -> None:
        with self._guard:
            self._running.discard(fetch)

    def close(self) -> None:
        with self._guard:
            running = list(self._running)
        for fetch in running:
            fetch.close()


class RequestBody:
    """The bytes of a request, kept until they are whole."""

    def __init__(self, length: int | None) -> None:
        self._length = length
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed with this
        self._size = 0
        self._ended: bool | None = None  # whether it is whole
        self._then: Callable[[], None] | None = None

    def when_ended(self, then: Callable[[], None]) -> None:
        self._then = then
        if self._ended is not None:
            then()

    @property
    def whole(self) -> bool:
        return bool(self._ended)

    def open(self) -> tuple[Any, int]:
        """-> the file and its size."""
        self._file.seek(0)
        return self._file, self._size

    def room(self) -> int:
        return PIECE_BYTES

    def write(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > _MAX_BODY_BYTES:
            raise FailedError("found too large a body", http=Case("HTTP-request-body-size", self._size))
        self._file.write(data)

    def flushed(self) -> bool:
        return True

    def pollable(self) -> Pollable:
        return Pollable(lambda: True)

    def finish(self) -> int | None:
        """-> None, or its size where that is not what the head says."""
        short = self._length is not None and self._size != self._length
        self._end(not short)
        return self._size if short else None

    def close(self) -> None:
        """The guest has let it go."""
        self._end(False)

    def _end(self, whole: bool) -> None:
        if self._ended is None:
            self._ended = whole
            if self._then is not None:
                self._then()


class Fetch:
    """One request and its answer: the thread's side, and the guest's (`outcome`, then `read`)."""

    def __init__(self, asked: Asked, reach: Reach, wake: Callable[[], None], ended: Callable[["Fetch"], None]) -> None:
        self.outcome: Case | None = None  # ok: status and headers; err: a code
        self._asked = asked
        self._reach = reach
        self._wake = wake
        self._when_ended = ended
        self._changed = threading.Condition()
        self._waiting = bytearray()
        self._failure: Case | None = None
        self._whole = False
        self._closed = False
        self._connection = http.client.HTTPConnection(asked.host, asked.port)
        self._connection.default_port = _PORTS[asked.scheme]  # which the Host header does not name

    def start(self) -> None:
        threading.Thread(target=self._run, name="fetch", daemon=True).start()

    # -- the guest's side

    def pollable(self) -> Pollable:
        return Pollable(lambda: bool(self._waiting) or self._whole or self._failure is not None)

    def read(self, size: int) -> bytes:
        with self._changed:
            data = bytes(self._waiting[:size])
            del self._waiting[:size]
            self._changed.notify_all()
            if data or not size:
                return data
            if self._failure is not None:
                raise FailedError("the answer broke off", http=self._failure)
            if self._whole:
                raise ClosedError
            return b""

    def close(self) -> None:
        """Nobody reads it any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if (sock := self._connection.sock) is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    # -- its thread

    def _run(self) -> None:
        try:
            response = self._ask()
            headers = [(name, value.encode("latin-1")) for name, value in response.getheaders()]
            self._tell(Case("ok", (response.status, headers)))
            while data := response.read1(PIECE_BYTES):
                with self._changed:
                    self._changed.wait_for(lambda: self._closed or len(self._waiting) < _MAX_WAITING)
                    if self._closed:
                        return
                    self._waiting += data
                self._wake()
            self._whole = True
        except (OSError, http.client.HTTPException, ValueError) as error:
            if not self._closed:
                self._reach.failed(f"{self._asked.scheme.lower()}://{self._asked.host}:{self._asked.port}", error)
            if self.outcome is None:
                self._tell(Case("err", _code(error)))
            else:
                self._failure = _code(error)
        finally:
            self._connection.close()
            self._when_ended(self)
            self._wake()

    def _ask(self) -> http.client.HTTPResponse:
        """Raises OSError and HTTPException."""
        asked, connection = self._asked, self._connection
        if asked.body is not None and not asked.body.whole:
            raise http.client.HTTPException("found a body that was never finished")
        sock = self._reach.connect(asked.host, asked.port, asked.connect_seconds or _CONNECT_SECONDS)
        connection.sock = sock  # before the handshake: `close` ends that too
        if self._closed:
            raise ConnectionAbortedError
        if asked.scheme == "HTTPS":  # against the system's authorities, or those of SSL_CERT_FILE
            secure = ssl.create_default_context().wrap_socket(sock, server_hostname=asked.host, do_handshake_on_connect=False)
            connection.sock = secure
            secure.do_handshake()
        connection.sock.settimeout(asked.read_seconds)
        connection.putrequest(asked.method, asked.target, skip_accept_encoding=True)
        names = {name.lower() for name, _ in asked.headers}
        for name, value in asked.headers:
            connection.putheader(name, value)
        if asked.body is not None:
            file, size = asked.body.open()
            if "content-length" not in names:
                connection.putheader("content-length", str(size))
            connection.endheaders(file)
        else:
            connection.endheaders()
        return connection.getresponse()

    def _tell(self, outcome: Case) -> None:
        self.outcome = outcome
        self._wake()


def _code(error: Exception) -> Case:
    match error:
        case ProhibitedError():
            return Case("destination-IP-prohibited")
        case socket.gaierror():
            return Case("DNS-error", (None, None))
        case ConnectionRefusedError():
            return Case("connection-refused")
        case TimeoutError():
            return Case("connection-timeout")
        case ssl.SSLCertVerificationError():
            return Case("TLS-certificate-error")
        case ssl.SSLError():
            return Case("TLS-protocol-error")
        case http.client.HTTPException() | ValueError():
            return Case("HTTP-protocol-error")
        case _:
            return Case("connection-terminated")


def port_of(scheme: str, port: int | None) -> int:
    return _PORTS[scheme] if port is None else port
