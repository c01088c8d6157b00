"""WasmEdge's socket calls and `poll_oneoff`, over the host's sockets.

Which version of a call a guest means shows only in how many arguments its import declares. A blocking call waits on the
socket and on the guest's wake-up socket together, so that a stop or a deadline ends it.
"""

import ctypes
import errno
import os
import socket
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from wherry.wasm.errno import (
    ACCES,
    AFNOSUPPORT,
    AIAGAIN,
    AIMEMORY,
    AINONAME,
    BADF,
    FAULT,
    INVAL,
    MFILE,
    NOTSOCK,
    SUCCESS,
    of_host,
    of_number,
)
from wherry.wasm.lookup import look_up, write_addresses
from wherry.wasm.memory import GuestFault, GuestMemory
from wherry.wasm.network_policy import NetworkAccess, NetworkPolicy
from wherry.wasm.stop import FAILED, HUNG_UP, READ, WRITE, Stop

__all__ = ["ARITIES", "NetworkAccess", "NetworkPolicy", "Sockets"]

_FIRST_FD, _LAST_FD = 1 << 10, (1 << 30) - 1  # above any descriptor of files, below any that looks negative
_MAX_SOCKETS = 512  # the host's own limit is often 1024 descriptors for all guests
_MAX_TRANSFER = 1 << 20  # bytes moved by one call
_MAX_SUBSCRIPTIONS = 4096
_MAX_PORT = 0xFFFF
_FAMILIES = {1: socket.AF_INET, 2: socket.AF_INET6}
_KINDS = {1: socket.SOCK_DGRAM, 2: socket.SOCK_STREAM}
_OPTIONS = {
    0: socket.SO_REUSEADDR, 1: socket.SO_TYPE, 2: socket.SO_ERROR, 4: socket.SO_BROADCAST, 5: socket.SO_SNDBUF,
    6: socket.SO_RCVBUF, 7: socket.SO_KEEPALIVE,
}  # fmt: skip
_TYPE, _ERROR = 1, 2
_NONBLOCK = 4
_PEEK = 1
_CLOCK, _FD_READ, _FD_WRITE = 0, 1, 2
_REALTIME, _MONOTONIC = 0, 1

# Name -> how many arguments each version takes.
ARITIES: Mapping[str, tuple[int, ...]] = {
    "sock_open": (3,), "sock_bind": (3,), "sock_listen": (2,), "sock_accept": (2, 3), "sock_connect": (3,),
    "sock_recv": (6,), "sock_recv_from": (7, 8), "sock_send": (5,), "sock_send_to": (7,), "sock_shutdown": (2,),
    "sock_getsockopt": (5,), "sock_setsockopt": (5,), "sock_getlocaladdr": (3, 4), "sock_getpeeraddr": (3, 4),
    "sock_getaddrinfo": (8,), "poll_oneoff": (4,), "epoll_oneoff": (4,),
}  # fmt: skip


# Of those, the ones whose first argument is no socket.
_OF_NO_SOCKET = {"sock_open", "sock_getaddrinfo", "poll_oneoff", "epoll_oneoff"}


@dataclass
class _Socket:
    host: socket.socket
    family: int
    blocking: bool = True
    port: int | None = None  # the port the guest asked for, where the host's is another
    is_published: bool = False  # bound to an address that the guest may serve at

    def close(self) -> None:
        self.host.close()


@dataclass
class Sockets:
    """The sockets of one guest. `streams` maps its descriptors of the host's own streams to the host's.

    is_open        whether a descriptor that is no socket is open: a file, a folder or a stream
    clock_offset   nanoseconds from the host's monotonic clock to the guest's, which starts with the guest
    """

    access: NetworkAccess
    stop: Stop
    streams: Mapping[int, int] = field(default_factory=dict)
    is_open: Callable[[int], bool] = lambda fd: False
    table: dict[int, _Socket] = field(default_factory=dict)
    clock_offset: int = 0
    _next_fd: int = _FIRST_FD

    def call(self, name: str, memory: GuestMemory, arguments: tuple[int, ...]) -> int:
        """One call by its import's name -> errno."""
        method = name.removesuffix("_v2")
        if method.startswith("sock_") and method not in _OF_NO_SOCKET and arguments[0] not in self.table:
            return NOTSOCK if self.is_open(arguments[0]) else BADF
        try:
            return int(getattr(self, "_" + method)(memory, *arguments))
        except GuestFault:
            return FAULT
        except (OverflowError, UnicodeError):
            return INVAL
        except OSError as error:
            return of_host(error)

    def close_all(self) -> None:
        for each in self.table.values():
            each.close()
        self.table.clear()

    # -- what preview1's own calls do on a socket

    def close(self, fd: int) -> int:
        self.table.pop(fd).close()
        return SUCCESS

    def status(self, memory: GuestMemory, fd: int, out: int) -> int:
        """fdstat: stream (6) or datagram (5) socket, the true flags (a guest keeps them when it sets NONBLOCK), all rights."""
        sock = self.table[fd]
        kind = 6 if sock.host.type == socket.SOCK_STREAM else 5
        flags = 0 if sock.blocking else _NONBLOCK
        memory.write(out, struct.pack("<BxHxxxxQQ", kind, flags, (1 << 64) - 1, (1 << 64) - 1))
        return SUCCESS

    def set_flags(self, fd: int, flags: int) -> int:
        self.table[fd].blocking = not flags & _NONBLOCK
        return SUCCESS

    def _read(self, memory: GuestMemory, fd: int, iovs: int, count: int, out: int) -> int:
        return self._sock_recv(memory, fd, iovs, count, 0, out, None)

    def _write(self, memory: GuestMemory, fd: int, iovs: int, count: int, out: int) -> int:
        return self._sock_send(memory, fd, iovs, count, 0, out)

    # -- WasmEdge's calls

    def _sock_open(self, memory: GuestMemory, family: int, kind: int, out: int) -> int:
        if family not in _FAMILIES or kind not in _KINDS:
            return AFNOSUPPORT if family not in _FAMILIES else INVAL
        memory.set_u32(out, 0)
        made = socket.socket(_FAMILIES[family], _KINDS[kind])
        return self._add(memory, made, out)

    def _sock_bind(self, memory: GuestMemory, fd: int, address: int, port: int) -> int:
        sock = self.table[fd]
        host = self._address(memory, sock, address)
        if not 0 <= port <= _MAX_PORT:
            return INVAL
        if not port and not self.access.policy.listening:
            # A client's: the kernel chooses the port when it connects or sends, and only answers are let through.
            return SUCCESS if self.access.may_use_any_local_port() else ACCES
        wanted = (host, port)
        if sock.host.type != socket.SOCK_STREAM:
            if not self.access.may_listen_anywhere(f"UDP port {port}"):
                return ACCES
        elif (published := self.access.published(port)) is not None:
            wanted, sock.port = published, port
            if ":" not in wanted[0] and sock.family == socket.AF_INET6:
                wanted = ("::" if wanted[0] == "0.0.0.0" else f"::ffff:{wanted[0]}", wanted[1])
        sock.host.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.host.bind(wanted)
        sock.is_published = True
        return SUCCESS

    def _sock_listen(self, memory: GuestMemory, fd: int, backlog: int) -> int:
        sock = self.table[fd]
        if not sock.is_published and not self.access.may_listen_anywhere("listening on a port of the host's choice"):
            return ACCES  # the kernel would give it a port on all addresses
        sock.host.listen(max(1, min(backlog, 4096)))
        return SUCCESS

    def _sock_accept(self, memory: GuestMemory, fd: int, *rest: int) -> int:
        sock = self.table[fd]
        flags, out = rest if len(rest) == 2 else (0, rest[0])
        memory.set_u32(out, 0)
        self._wait(sock, READ)
        made, _ = sock.host.accept()
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        result = self._add(memory, made, out)
        if result == SUCCESS and flags & _NONBLOCK:
            self.table[memory.u32(out)].blocking = False
        return result

    def _sock_connect(self, memory: GuestMemory, fd: int, address: int, port: int) -> int:
        sock = self.table[fd]
        host = self._address(memory, sock, address)
        if not 0 <= port <= _MAX_PORT:
            return INVAL
        if not self.access.may_connect(host, port):
            return ACCES
        code = sock.host.connect_ex((host, port))
        if code == errno.EINPROGRESS and sock.blocking:
            self._wait(sock, WRITE)
            code = sock.host.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return of_number(code)

    def _sock_recv(self, memory: GuestMemory, fd: int, iovs: int, count: int, flags: int, out: int, flags_out: int | None) -> int:
        sock = self.table[fd]
        pieces = [piece for piece in memory.iovecs(iovs, count) if piece[1]]
        memory.set_u32(out, 0)
        if not pieces:
            return SUCCESS
        start, length = pieces[0]  # a short read is a read
        got, _ = self._receive(sock, memory.writable(start, min(length, _MAX_TRANSFER)), flags)
        memory.set_u32(out, got)
        if flags_out is not None:
            memory.set_u16(flags_out, 0)
        return SUCCESS

    def _sock_recv_from(self, memory: GuestMemory, fd: int, iovs: int, count: int, address: int, flags: int, *outs: int) -> int:
        sock = self.table[fd]
        port_out, out = (outs[0], outs[1]) if len(outs) == 3 else (None, outs[0])
        start, length = next(iter(memory.iovecs(iovs, count)), (0, 0))
        if len(outs) == 3:
            memory.set_u16(outs[2], 0)
        memory.set_u32(out, 0)
        got, peer = self._receive(sock, memory.writable(start, min(length, _MAX_TRANSFER)), flags)
        if peer:
            self._give_address(memory, sock, address, peer[0])
            if port_out is not None:
                memory.set_u32(port_out, peer[1])
        memory.set_u32(out, got)
        return SUCCESS

    def _sock_send(self, memory: GuestMemory, fd: int, iovs: int, count: int, flags: int, out: int) -> int:
        sock = self.table[fd]
        data = memory.gather(iovs, count, _MAX_TRANSFER)
        memory.set_u32(out, 0)
        self._wait(sock, WRITE)
        memory.set_u32(out, sock.host.send(data))
        return SUCCESS

    def _sock_send_to(
        self, memory: GuestMemory, fd: int, iovs: int, count: int, address: int, port: int, flags: int, out: int
    ) -> int:
        sock = self.table[fd]
        host = self._address(memory, sock, address)
        data = memory.gather(iovs, count, _MAX_TRANSFER)
        memory.set_u32(out, 0)
        if not 0 <= port <= _MAX_PORT:
            return INVAL
        if not self.access.may_connect(host, port):
            return ACCES
        self._wait(sock, WRITE)
        memory.set_u32(out, sock.host.sendto(data, (host, port)))
        return SUCCESS

    def _sock_shutdown(self, memory: GuestMemory, fd: int, how: int) -> int:
        sock = self.table[fd]
        ways = {1: socket.SHUT_RD, 2: socket.SHUT_WR, 3: socket.SHUT_RDWR}
        if how not in ways:
            return INVAL
        sock.host.shutdown(ways[how])
        return SUCCESS

    def _sock_getsockopt(self, memory: GuestMemory, fd: int, level: int, name: int, value: int, size: int) -> int:
        sock = self.table[fd]
        if level != 0 or name not in _OPTIONS or memory.u32(size) < 4:
            return INVAL
        found = sock.host.getsockopt(socket.SOL_SOCKET, _OPTIONS[name])
        if name == _TYPE:
            found = 2 if found == socket.SOCK_STREAM else 1
        elif name == _ERROR:
            found = of_number(found)
        memory.set_u32(value, found & 0xFFFF_FFFF)
        memory.set_u32(size, 4)
        return SUCCESS

    def _sock_setsockopt(self, memory: GuestMemory, fd: int, level: int, name: int, value: int, size: int) -> int:
        sock = self.table[fd]
        if level != 0:
            return INVAL
        if name in (9, 11, 12):  # linger and time-outs: the host's own deadlines stand
            return SUCCESS
        if name not in _OPTIONS or size < 4:
            return INVAL
        sock.host.setsockopt(socket.SOL_SOCKET, _OPTIONS[name], min(memory.u32(value), 1 << 24))
        return SUCCESS

    def _sock_getlocaladdr(self, memory: GuestMemory, fd: int, address: int, *outs: int) -> int:
        return self._name(memory, fd, address, outs, peer=False)

    def _sock_getpeeraddr(self, memory: GuestMemory, fd: int, address: int, *outs: int) -> int:
        return self._name(memory, fd, address, outs, peer=True)

    def _name(self, memory: GuestMemory, fd: int, address: int, outs: tuple[int, ...], *, peer: bool) -> int:
        sock = self.table[fd]
        host, port = (sock.host.getpeername() if peer else sock.host.getsockname())[:2]
        self._give_address(memory, sock, address, host)
        if len(outs) == 2:
            memory.set_u32(outs[0], 4 if sock.family == socket.AF_INET else 6)
        memory.set_u32(outs[-1], port if peer or sock.port is None else sock.port)
        return SUCCESS

    def _sock_getaddrinfo(
        self, memory: GuestMemory, node: int, node_length: int, service: int, service_length: int, hints: int,
        result: int, limit: int, count_out: int,
    ) -> int:  # fmt: skip
        """Resolve into the list that the guest allocated: IPv4 stream addresses, at most `limit`."""
        memory.set_u32(count_out, 0)
        if not 0 <= node_length <= 255 or not 0 <= service_length <= 32:
            return INVAL
        name = memory.read(node, node_length).rstrip(b"\0").decode() or None
        port = memory.read(service, service_length).rstrip(b"\0").decode() or None
        if limit < 1:
            return AIMEMORY
        try:
            found = look_up(name, port, self.access, self.stop)
        except socket.gaierror as error:
            return AIAGAIN if error.errno == socket.EAI_AGAIN else AINONAME
        memory.set_u32(count_out, write_addresses(memory, memory.u32(result), found[: min(limit, 16)]))
        return SUCCESS

    def _epoll_oneoff(self, memory: GuestMemory, subscriptions: int, events: int, count: int, out: int) -> int:
        return self._poll_oneoff(memory, subscriptions, events, count, out)

    def _poll_oneoff(self, memory: GuestMemory, subscriptions: int, events: int, count: int, out: int) -> int:
        """Wait for clocks, sockets and files (which are always ready) -> one event each."""
        if not 0 < count <= _MAX_SUBSCRIPTIONS:
            return INVAL
        raw = memory.read(subscriptions, 48 * count)
        memory.writable(events, 32 * count)
        now = time.monotonic_ns()
        watched: dict[int, list[tuple[int, int]]] = {}
        clocks: list[tuple[int, int]] = []
        ready: list[bytes] = []
        for at in range(0, len(raw), 48):
            user, tag = struct.unpack_from("<QB", raw, at)
            if tag == _CLOCK:
                wait = self._clock_wait(raw, at, now)
                if wait is None:
                    ready.append(_event(user, INVAL, tag, 0))
                else:
                    clocks.append((wait, user))
            elif tag in (_FD_READ, _FD_WRITE):
                fd = struct.unpack_from("<I", raw, at + 16)[0]
                if fd in self.table:
                    watched.setdefault(self.table[fd].host.fileno(), []).append((user, tag))
                elif fd in self.streams and os.name != "nt":
                    watched.setdefault(self.streams[fd], []).append((user, tag))
                else:
                    ready.append(_event(user, BADF if fd >= _FIRST_FD else SUCCESS, tag, 1))
            else:
                ready.append(_event(user, INVAL, tag, 0))
        masks = {number: sum({READ if tag == _FD_READ else WRITE for _, tag in wanted}) for number, wanted in watched.items()}
        timeout = 0 if ready else min((wait for wait, _ in clocks), default=None)
        # Rounded up: a clock must not fire early, or the guest spins.
        found = self.stop.poll(masks, None if timeout is None else min(-(-timeout // 1_000_000), 1 << 30))
        for number, mask in found:
            for user, tag in watched[number]:
                if mask & ((READ if tag == _FD_READ else WRITE) | HUNG_UP | FAILED):
                    ready.append(_event(user, SUCCESS, tag, 1, 1 if mask & HUNG_UP else 0))
        elapsed = time.monotonic_ns() - now
        ready += [_event(user, SUCCESS, _CLOCK, 0) for wait, user in clocks if elapsed >= wait]
        memory.write(events, b"".join(ready))
        memory.set_u32(out, len(ready))
        return SUCCESS

    def _clock_wait(self, raw: bytes, at: int, now: int) -> int | None:
        """The clock subscription at `at` -> nanoseconds to wait; None for a clock that cannot be waited for."""
        (clock,) = struct.unpack_from("<I", raw, at + 16)
        (wait,) = struct.unpack_from("<Q", raw, at + 24)
        (flags,) = struct.unpack_from("<H", raw, at + 40)
        if clock not in (_REALTIME, _MONOTONIC):
            return None
        if not flags & 1:
            return int(wait)
        return max(0, int(wait) - (time.time_ns() if clock == _REALTIME else now + self.clock_offset))

    # -- helpers

    def _receive(self, sock: _Socket, buffer: "ctypes.Array[ctypes.c_char]", flags: int) -> tuple[int, Any]:
        """-> bytes, and who sent them where the socket has no peer. A datagram of whoever the guest may not reach is dropped."""
        self._wait(sock, READ)
        peek = socket.MSG_PEEK if flags & _PEEK else 0
        while True:
            size, peer = sock.host.recvfrom_into(buffer, 0, peek)
            if sock.is_published or sock.host.type == socket.SOCK_STREAM or not peer or self.access.admits(*peer[:2]):
                return size, peer
            if peek:
                sock.host.recv(1)
            ctypes.memset(buffer, 0, size)
            self._wait(sock, READ)

    def _add(self, memory: GuestMemory, made: socket.socket, out: int) -> int:
        if len(self.table) >= _MAX_SOCKETS:
            made.close()
            return MFILE
        made.setblocking(False)  # waiting is `_wait`'s: it also hears a stop
        while self._next_fd in self.table:  # only after it has wrapped around
            self._next_fd = self._after(self._next_fd)
        memory.set_u32(out, self._next_fd)
        self.table[self._next_fd] = _Socket(made, made.family)
        self._next_fd = self._after(self._next_fd)
        return SUCCESS

    def _after(self, fd: int) -> int:
        return fd + 1 if fd < _LAST_FD else _FIRST_FD

    def _wait(self, sock: _Socket, mask: int) -> None:
        """Until a blocking socket is ready. Raises InterruptedError when the guest is to stop."""
        if sock.blocking:
            self.stop.wait(sock.host.fileno(), mask)

    def _address(self, memory: GuestMemory, sock: _Socket, record: int) -> str:
        """{buffer, length}: 4 bytes (IPv4), 16 (IPv6), or 128 that start with the family."""
        buffer, length = memory.u32s(record, 2)
        raw = memory.read(buffer, min(length, 128))
        if length == 128:
            family = int.from_bytes(raw[:2], "little")
            raw = raw[2:6] if family == 1 else raw[2:18]
        size = 4 if sock.family == socket.AF_INET else 16
        if len(raw) < size:
            raise GuestFault(f"found an address of {len(raw)} bytes, expected {size}")
        return socket.inet_ntop(sock.family, raw[:size])

    def _give_address(self, memory: GuestMemory, sock: _Socket, record: int, host: str) -> None:
        buffer, length = memory.u32s(record, 2)
        raw = socket.inet_pton(sock.family, host)
        if length >= 128:
            raw = (1 if sock.family == socket.AF_INET else 2).to_bytes(2, "little") + raw
        if length < len(raw):
            raise GuestFault(f"found a buffer of {length} bytes, expected {len(raw)}")
        memory.write(buffer, raw)


def _event(user: int, code: int, tag: int, size: int, flags: int = 0) -> bytes:
    return struct.pack("<QHBxxxxxQHxxxxxx", user, code, tag, size, flags)
