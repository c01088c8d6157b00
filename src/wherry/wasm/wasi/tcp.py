"""A guest's connections: TCP, to where it may reach."""

import contextlib
import errno
import ipaddress
import os
import socket
import threading
from collections.abc import Callable
from typing import Any

from wherry.errors import StoppedError
from wherry.wasm.stop import FAILED, HUNG_UP, READ, WRITE, Stop
from wherry.wasm.values import Case
from wherry.wasm.wasi.reach import Address, ProhibitedError, Reach
from wherry.wasm.wasi.streams import ClosedError, FailedError, Pollable, always

_ROOM_BYTES = 1 << 14  # what a socket that can be written to mostly takes at once
_MAX_BUFFER = 1 << 20
_CODES = {
    errno.ECONNREFUSED: "connection-refused", errno.ECONNRESET: "connection-reset", errno.EPIPE: "connection-aborted",
    errno.ECONNABORTED: "connection-aborted", errno.ETIMEDOUT: "timeout", errno.EHOSTUNREACH: "remote-unreachable",
    errno.ENETUNREACH: "remote-unreachable", errno.EADDRNOTAVAIL: "remote-unreachable", errno.EACCES: "access-denied",
    errno.EPERM: "access-denied",
}  # fmt: skip


class SocketError(Exception):
    """code: of the contract's enum."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def code_of(error: OSError) -> str:
    return _CODES.get(error.errno or 0, "unknown")


class TcpSocket:
    """A client's: it connects, and that once."""

    def __init__(self, family: str, reach: Reach, stop: Stop) -> None:
        """family: ipv4 or ipv6. Raises SocketError."""
        self.family = family
        self._reach = reach
        self._stop = stop
        try:
            self.socket = socket.socket(socket.AF_INET if family == "ipv4" else socket.AF_INET6, socket.SOCK_STREAM)
        except OSError as error:
            raise SocketError("new-socket-limit" if error.errno in (errno.EMFILE, errno.ENFILE) else "not-supported") from error
        self.socket.setblocking(False)
        self._remote: tuple[Address, int] = ipaddress.IPv4Address(0), 0
        self._ends: list[tuple[Address, int]] = [
            self._remote,
            self._remote,
        ]  # ours and the other; kept, since the system forgets them when either closes
        self.state = "new"  # connecting, connected, failed, closed

    def start_connect(self, address: Address, port: int) -> None:
        if self.state != "new":
            raise SocketError("invalid-state")
        if not port or address.is_unspecified or address.is_multicast or (address.version == 4) != (self.family == "ipv4"):
            raise SocketError("invalid-argument")
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            raise SocketError("invalid-argument")
        if not self._reach.admits(address, port):
            raise SocketError("access-denied")
        found = self.socket.connect_ex((str(address), port))
        if found not in (0, errno.EINPROGRESS, errno.EWOULDBLOCK):
            self.state = "failed"
            raise SocketError(_CODES.get(found, "unknown"))
        self._remote = address, port
        self.state = "connecting"

    def finish_connect(self) -> "tuple[TcpInput, TcpOutput]":
        if self.state != "connecting":
            raise SocketError("not-in-progress")
        if not self._stop.poll({self.socket.fileno(): WRITE}, 0):
            raise SocketError("would-block")
        if found := self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.state = "failed"
            raise SocketError(_CODES.get(found, "unknown"))
        found = self.socket.getsockname()
        self._ends = [(ipaddress.ip_address(found[0].partition("%")[0]), found[1]), self._remote]
        self.state = "connected"
        return TcpInput(self, self._stop), TcpOutput(self, self._stop)

    def pollable(self) -> Pollable:
        """Whether an operation that has begun can be finished."""
        if self.state != "connecting":
            return Pollable(always)
        number = self.socket.fileno()
        return Pollable(lambda: self.state != "connecting" or bool(self._stop.poll({number: WRITE}, 0)), watched=(number, WRITE))

    def shutdown(self, how: str) -> None:
        if self.state != "connected":
            raise SocketError("invalid-state")
        ways = {"receive": socket.SHUT_RD, "send": socket.SHUT_WR, "both": socket.SHUT_RDWR}
        with contextlib.suppress(OSError):  # the other end has closed it
            self.socket.shutdown(ways[how])

    def address(self, *, remote: bool) -> tuple[Address, int]:
        if self.state != "connected":
            raise SocketError("invalid-state")
        return self._ends[remote]

    def option(self, name: str, value: int | None = None) -> int:
        """Set it, where there is a value -> what it is."""
        level, number = _OPTIONS[name] if name != "hop-limit" or self.family == "ipv4" else _HOPS_IPV6
        try:
            if value is not None:
                self.socket.setsockopt(level, number, value)
            return self.socket.getsockopt(level, number)
        except OSError as error:
            raise SocketError("not-supported" if error.errno == errno.ENOPROTOOPT else "invalid-argument") from error

    def close(self) -> None:
        self.state = "closed"
        self.socket.close()


_HOPS_IPV6 = (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS)
_OPTIONS = {
    "keep-alive-enabled": (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
    "keep-alive-idle-time": (socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPIDLE", getattr(socket, "TCP_KEEPALIVE", 0))),
    "keep-alive-interval": (socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPINTVL", 0)),
    "keep-alive-count": (socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPCNT", 0)),
    "hop-limit": (socket.IPPROTO_IP, socket.IP_TTL),
    "receive-buffer-size": (socket.SOL_SOCKET, socket.SO_RCVBUF),
    "send-buffer-size": (socket.SOL_SOCKET, socket.SO_SNDBUF),
}
MOST = {"keep-alive-count": 127, "hop-limit": 255, "receive-buffer-size": _MAX_BUFFER, "send-buffer-size": _MAX_BUFFER}


class _Stream:
    def __init__(self, owner: TcpSocket, stop: Stop, mask: int) -> None:
        self._owner = owner
        self._stop = stop
        self._mask = mask

    def _ready(self) -> bool:
        return self._owner.state == "closed" or bool(self._stop.poll({self._owner.socket.fileno(): self._mask}, 0))

    def pollable(self) -> Pollable:
        if self._owner.state == "closed":
            return Pollable(always)
        return Pollable(self._ready, watched=(self._owner.socket.fileno(), self._mask))

    def _check(self) -> None:
        if self._owner.state == "closed":
            raise ClosedError


class TcpInput(_Stream):
    def __init__(self, owner: TcpSocket, stop: Stop) -> None:
        super().__init__(owner, stop, READ)

    def read(self, size: int) -> bytes:
        self._check()
        if not size:
            return b""
        try:
            data = self._owner.socket.recv(size)
        except (BlockingIOError, InterruptedError):
            return b""
        except OSError as error:
            raise FailedError(f"read: {os.strerror(error.errno or 0)}") from error
        if not data:
            raise ClosedError
        return data


class TcpOutput(_Stream):
    def __init__(self, owner: TcpSocket, stop: Stop) -> None:
        super().__init__(owner, stop, WRITE)

    def room(self) -> int:
        self._check()
        found = self._stop.poll({self._owner.socket.fileno(): WRITE}, 0)
        if any(mask & (FAILED | HUNG_UP) for _, mask in found):
            raise ClosedError
        return _ROOM_BYTES if found else 0

    def write(self, data: bytes) -> None:
        """What was permitted goes, though the other end may take less at once than it seemed."""
        self._check()
        left = memoryview(data)
        while left:
            try:
                left = left[self._owner.socket.send(left) :]
            except BlockingIOError:
                try:
                    self._stop.wait(self._owner.socket.fileno(), WRITE)
                except InterruptedError as error:
                    raise StoppedError("the guest was stopped") from error
            except (BrokenPipeError, ConnectionResetError) as error:
                raise ClosedError from error
            except OSError as error:
                raise FailedError(f"write: {os.strerror(error.errno or 0)}") from error

    def flushed(self) -> bool:
        return True


class Lookup:
    """The addresses of a name, looked up on a thread of its own, which nobody waits for when the guest ends."""

    def __init__(self, reach: Reach, name: str, wake: Callable[[], None], ended: Callable[[], None]) -> None:
        self._reach = reach
        self._name = name
        self._wake = wake
        self._when_ended = ended
        self._done = False
        self._addresses: list[Address] = []
        self._code = ""
        threading.Thread(target=self._run, name="lookup", daemon=True).start()

    def _run(self) -> None:
        try:
            self._addresses = self._reach.look_up(self._name)
        except ProhibitedError:
            self._code = "access-denied"
        except socket.gaierror as error:
            self._code = "temporary-resolver-failure" if error.errno == socket.EAI_AGAIN else "name-unresolvable"
        except (OSError, UnicodeError):
            self._code = "name-unresolvable"
        self._done = True
        self._when_ended()
        self._wake()

    def next(self) -> Address | None:
        """None after the last. Raises SocketError."""
        if not self._done:
            raise SocketError("would-block")
        if self._code:
            raise SocketError(self._code)
        return self._addresses.pop(0) if self._addresses else None

    def pollable(self) -> Pollable:
        return Pollable(lambda: self._done)


def lowered(address: Address, port: int) -> Case:
    """As the contract's ip-socket-address."""
    if isinstance(address, ipaddress.IPv4Address):
        return Case("ipv4", (port, parts(address)))
    return Case("ipv6", (port, 0, parts(address), 0))


def parts(address: Address) -> tuple[int, ...]:
    raw, size = address.packed, 1 if address.version == 4 else 2
    return tuple(int.from_bytes(raw[i : i + size]) for i in range(0, len(raw), size))


def lifted(value: Any) -> tuple[Address, int]:
    """-> address and port of an ip-socket-address. Raises SocketError where it names an interface of the host's."""
    if value.tag == "ipv4":
        port, numbers = value.value
        return ipaddress.IPv4Address(bytes(numbers)), port
    port, _, numbers, scope = value.value
    if scope:
        raise SocketError("invalid-argument")
    return ipaddress.IPv6Address(b"".join(number.to_bytes(2) for number in numbers)), port
