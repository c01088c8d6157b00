"""WasmEdge's socket calls against the host's own sockets. Layouts and numbers are WasmEdge's and preview1's."""

import ctypes
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wasm.wat import call, command, make
from wherry.wasm import stop
from wherry.wasm.allowed import AllowedHost
from wherry.wasm.host import Mount
from wherry.wasm.memory import GuestMemory
from wherry.wasm.network_policy import EVERYTHING, NetworkAccess, NetworkPolicy
from wherry.wasm.sockets import Sockets
from wherry.wasm.stop import Stop
from wherry.wasm.wasi.reach import Reach

ACCES, AFNOSUPPORT, AGAIN, BADF, CONNREFUSED, FAULT, INVAL, NOTCONN = 2, 5, 6, 8, 14, 21, 28, 53
IPV4, IPV6, DATAGRAM, STREAM, NONBLOCK = 1, 2, 1, 2, 4
OUT, OUT2, ADDRESS, ADDRESS_BYTES, IOVEC, BUFFER, SUBSCRIPTIONS, EVENTS = 0, 8, 16, 32, 192, 256, 1024, 2048


class Machine:
    """Sockets with a memory of one page, as a guest has them."""

    def __init__(self, policy: NetworkPolicy, *allowed: str) -> None:
        self.lines: list[str] = []  # of the log
        self.page = ctypes.create_string_buffer(1 << 16)
        self.stop = Stop()
        self.sockets = Sockets(
            NetworkAccess(policy, Reach([AllowedHost.parse(each) for each in allowed]), self.lines.append), self.stop
        )
        self.memory = GuestMemory(lambda: (ctypes.addressof(self.page), len(self.page)))

    def __call__(self, name: str, *arguments: int) -> int:
        return self.sockets.call(name, self.memory, arguments)

    def ok(self, name: str, *arguments: int) -> int:
        """A call that succeeds -> the u32 it left at OUT."""
        assert self(name, *arguments) == 0, name
        return self.memory.u32(OUT)

    def open(self, family: int = IPV4, kind: int = STREAM) -> int:
        return self.ok("sock_open", family, kind, OUT)

    def address(self, host: str, size: int | None = None) -> int:
        """An address record: 4 bytes, 16, or 128 that start with the family."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        raw = socket.inet_pton(family, host)
        if size == 128:
            raw = struct.pack("<H", IPV6 if ":" in host else IPV4) + raw
        self.memory.write(ADDRESS, struct.pack("<II", ADDRESS_BYTES, size or len(raw)))
        self.memory.write(ADDRESS_BYTES, raw)
        return ADDRESS

    def iovec(self, data: bytes = b"", size: int = 0) -> tuple[int, int]:
        self.memory.write(IOVEC, struct.pack("<II", BUFFER, len(data) or size))
        self.memory.write(BUFFER, data)
        return IOVEC, 1

    def read(self, size: int) -> bytes:
        return self.memory.read(BUFFER, size)

    def poll(self, *subscriptions: bytes) -> list[tuple[int, int, int, int]]:
        """(user, errno, type, flags) of each event."""
        self.memory.write(SUBSCRIPTIONS, b"".join(subscriptions))
        found = self.ok("poll_oneoff", SUBSCRIPTIONS, EVENTS, len(subscriptions), OUT)
        raw = self.memory.read(EVENTS, 32 * found)
        return [(*struct.unpack_from("<QHB", raw, 32 * i), *struct.unpack_from("<H", raw, 32 * i + 24)) for i in range(found)]


def on(user: int, tag: int, fd: int) -> bytes:
    """A subscription to read (1) or write (2)."""
    return struct.pack("<QBxxxxxxxI28x", user, tag, fd)


def after(user: int, clock: int, nanoseconds: int, flags: int = 0) -> bytes:
    return struct.pack("<QBxxxxxxxIxxxxQQHxxxxxx", user, 0, clock, nanoseconds, 0, flags)


@pytest.fixture
def machine() -> Iterator[Machine]:
    made = Machine(EVERYTHING)
    yield made
    made.sockets.close_all()
    made.stop.close()


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def connected(machine: Machine, server: socket.socket) -> tuple[int, socket.socket]:
    fd = machine.open()
    machine.ok("sock_connect", fd, machine.address("127.0.0.1"), server.getsockname()[1])
    return fd, server.accept()[0]


def test_a_client_of_the_hosts_server(machine: Machine, server: socket.socket) -> None:
    fd, peer = connected(machine, server)
    assert machine.ok("sock_send", fd, *machine.iovec(b"hello"), 0, OUT) == 5
    assert peer.recv(100) == b"hello"
    peer.sendall(b"back again")
    for flags in (1, 0):  # looked at, then taken
        assert machine.ok("sock_recv", fd, *machine.iovec(size=4), flags, OUT, OUT2) == 4
        assert machine.read(4) == b"back"
    assert machine.ok("sock_recv", fd, *machine.iovec(size=100), 0, OUT, OUT2) == 6
    assert machine.read(6) == b" again"
    machine.ok("sock_shutdown", fd, 2)
    assert peer.recv(100) == b""
    peer.close()
    assert machine.ok("sock_recv", fd, *machine.iovec(size=100), 0, OUT, OUT2) == 0  # the end


@pytest.mark.parametrize(("name", "peer"), [("sock_getpeeraddr", True), ("sock_getlocaladdr", False)])
@pytest.mark.parametrize("version", [1, 2])
def test_addresses(machine: Machine, server: socket.socket, name: str, peer: bool, version: int) -> None:
    fd, other = connected(machine, server)
    machine.memory.write(ADDRESS, struct.pack("<II", ADDRESS_BYTES, 4 if version == 1 else 128))
    machine.memory.write(ADDRESS_BYTES, bytes(128))
    port = machine.ok(name, fd, ADDRESS, *([OUT2] if version == 1 else []), OUT)
    assert port == (server.getsockname()[1] if peer else other.getpeername()[1])
    if version == 1:
        assert machine.memory.u32(OUT2) == 4
        assert machine.memory.read(ADDRESS_BYTES, 4) == bytes([127, 0, 0, 1])
    else:
        assert machine.memory.read(ADDRESS_BYTES, 6) == bytes([IPV4, 0, 127, 0, 0, 1])
    other.close()


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(("host", "family"), [("127.0.0.1", IPV4), ("::1", IPV6)])
def test_a_server_for_the_hosts_client(machine: Machine, host: str, family: int, version: int) -> None:
    if family == IPV6 and not has_ipv6():
        return  # a machine without IPv6: nothing can be served there
    fd = machine.open(family)
    machine.ok("sock_setsockopt", fd, 0, 0, machine.iovec(b"\1\0\0\0")[0] + 64, 4)
    machine.ok("sock_bind", fd, machine.address(host, 128 if version == 2 else None), 0)
    machine.ok("sock_listen", fd, 8)
    machine.memory.write(ADDRESS, struct.pack("<II", ADDRESS_BYTES, 128))
    port = machine.ok("sock_getlocaladdr_v2", fd, ADDRESS, OUT)
    with socket.create_connection((host, port)) as client:
        accepted = machine.ok("sock_accept", fd, *([NONBLOCK] if version == 2 else []), OUT)
        assert accepted != fd
        client.sendall(b"x")
        machine.ok("sock_send", accepted, *machine.iovec(b"served"), 0, OUT)
        assert client.recv(10) == b"served"
        machine.sockets.status(machine.memory, accepted, BUFFER)
        kind, flags = struct.unpack_from("<BxH", machine.read(4))
        assert (kind, flags) == (6, NONBLOCK if version == 2 else 0)


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def test_datagrams(machine: Machine) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        fd = machine.open(IPV4, DATAGRAM)
        machine.sockets.status(machine.memory, fd, BUFFER)
        assert machine.read(1) == bytes([5])
        machine.ok("sock_bind", fd, machine.address("127.0.0.1"), 0)
        machine.ok("sock_send_to", fd, *machine.iovec(b"ping"), ADDRESS, other.getsockname()[1], 0, OUT)
        data, sender = other.recvfrom(100)
        assert data == b"ping"
        for outs, flags in (((OUT, OUT2), 1), ((OUT2 + 4, OUT, OUT2), 0)):  # version 1 looks, version 2 takes
            other.sendto(b"pong", sender)
            machine.address("0.0.0.0")
            assert machine.ok("sock_recv_from", fd, *machine.iovec(size=64), ADDRESS, flags, *outs) == 4
            assert machine.read(4) == b"pong"
            assert machine.memory.read(ADDRESS_BYTES, 4) == bytes([127, 0, 0, 1])
        assert machine.memory.u32(OUT2 + 4) == other.getsockname()[1]


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        return int(gone.getsockname()[1])


def test_what_cannot_be_has_its_errno(machine: Machine, server: socket.socket) -> None:
    fd = machine.open()
    assert machine("sock_connect", fd, machine.address("127.0.0.1"), closed_port()) == CONNREFUSED
    assert machine("sock_getpeeraddr", machine.open(), ADDRESS, OUT) == NOTCONN
    other, peer = connected(machine, server)
    machine.sockets.set_flags(other, NONBLOCK)
    assert machine("sock_recv", other, *machine.iovec(size=4), 0, OUT, OUT2) == AGAIN
    peer.close()
    assert machine("sock_accept", 4242, OUT) == BADF
    assert machine("sock_open", 3, STREAM, OUT) == AFNOSUPPORT  # unix: of no use in a sandbox
    assert machine("sock_open", IPV4, 7, OUT) == INVAL
    assert machine("sock_shutdown", other, 9) == INVAL
    assert machine("sock_connect", machine.open(), machine.address("127.0.0.1"), 70000) == INVAL
    assert machine("sock_bind", machine.open(), machine.address("127.0.0.1"), -1) == INVAL
    assert machine("sock_getsockopt", other, 0, 1, OUT, 0xFFFC) == INVAL  # a size of 0
    assert machine("sock_getsockopt", other, 7, 1, OUT, OUT2) == INVAL
    assert machine("sock_setsockopt", other, 0, 99, OUT, 4) == INVAL
    machine.memory.write(ADDRESS, struct.pack("<II", ADDRESS_BYTES, 2))
    assert machine("sock_connect", machine.open(), ADDRESS, 80) == FAULT


def test_options_speak_the_guests_numbers(machine: Machine) -> None:
    def option(fd: int, name: int) -> int:
        machine.memory.set_u32(OUT2, 4)
        return machine.ok("sock_getsockopt", fd, 0, name, OUT, OUT2)

    assert option(machine.open(IPV4, DATAGRAM), 1) == DATAGRAM
    fd = machine.open()
    assert option(fd, 1) == STREAM
    machine.sockets.set_flags(fd, NONBLOCK)
    assert machine("sock_connect", fd, machine.address("127.0.0.1"), closed_port()) in (26, CONNREFUSED)  # INPROGRESS
    if (error := machine.poll(on(1, 2, fd))) and error[0][1] == 0:
        assert option(fd, 2) in (CONNREFUSED, 0)  # 0 where connect itself told it
    assert option(fd, 2) == 0  # told once


def test_an_error_waiting_on_a_socket_is_the_guests_errno(machine: Machine, server: socket.socket) -> None:
    fd, peer = connected(machine, server)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()  # a reset
    machine.poll(on(1, 1, fd))
    machine.memory.set_u32(OUT2, 4)
    assert machine.ok("sock_getsockopt", fd, 0, 2, OUT, OUT2) == 15  # CONNRESET


# -- poll_oneoff


def test_poll_tells_what_is_ready(machine: Machine, server: socket.socket) -> None:
    fd, peer = connected(machine, server)
    hour = 3600 * 10**9
    assert machine.poll(on(7, 1, fd), on(8, 2, fd), after(9, 1, hour)) == [(8, 0, 2, 0)]
    peer.sendall(b"x")
    assert machine.poll(on(7, 1, fd), after(9, 1, hour)) == [(7, 0, 1, 0)]
    assert sorted(machine.poll(on(7, 1, fd), on(8, 2, fd))) == [(7, 0, 1, 0), (8, 0, 2, 0)]
    machine.ok("sock_recv", fd, *machine.iovec(size=4), 0, OUT, OUT2)
    machine.ok("sock_shutdown", fd, 2)
    peer.close()
    (event,) = machine.poll(on(7, 1, fd), after(9, 1, hour))
    assert event == (7, 0, 1, 1)  # hung up
    assert machine.poll(on(5, 1, 4242), on(6, 1, 3), after(9, 3, 1)) == [(5, BADF, 1, 0), (6, 0, 1, 0), (9, INVAL, 0, 0)]
    assert machine.poll(after(1, 1, hour), after(2, 1, 1000)) == [(2, 0, 0, 0)]


def test_poll_wakes_when_the_guest_is_to_stop(machine: Machine) -> None:
    threading.Timer(0.1, machine.stop.give).start()
    assert machine.poll(after(1, 1, 3600 * 10**9)) == []


@pytest.mark.parametrize("clock", [0, 1], ids=["realtime", "monotonic"])
@pytest.mark.parametrize("absolute", [0, 1], ids=["relative", "absolute"])
def test_a_clock_that_a_guest_waits_for_has_passed(tmp_path: Path, clock: int, absolute: int) -> None:
    """By its own `clock_time_get`, whose monotonic clock starts with the guest; and it did not wait for hours."""
    wait = 200_000_000
    until = f"(i64.add (i64.load (i32.const 0)) (i64.const {wait}))" if absolute else f"(i64.const {wait})"
    body = f"""
    (i32.store (i32.const 116) (i32.const {clock}))
    (i32.store16 (i32.const 140) (i32.const {absolute}))
    (drop {call("clock_time_get", clock, 0, 0)})
    (i64.store (i32.const 124) {until})
    (drop {call("poll_oneoff", 100, 200, 1, 300)})
    (drop {call("clock_time_get", clock, 0, 8)})
    (call $exit (i64.ge_u (i64.sub (i64.load (i32.const 8)) (i64.load (i32.const 0))) (i64.const {wait})))"""
    # Aligned as wasmtime's clock wants it; a subscription may lie anywhere.
    assert make(tmp_path, command(body, "clock_time_get", "poll_oneoff"), timeout=60).run() == 1


@pytest.mark.parametrize("waits", [stop._poll, stop._select], ids=["poll", "select"])
def test_both_ways_to_wait_find_the_same(server: socket.socket, waits: object) -> None:
    """Windows has no poll."""
    client = socket.create_connection(server.getsockname())
    peer, _ = server.accept()
    both = {client.fileno(): stop.READ, peer.fileno(): stop.READ | stop.WRITE}
    assert waits(both, 10_000) == [(peer.fileno(), stop.WRITE)]
    peer.sendall(b"x")
    assert waits({client.fileno(): stop.READ}, None) == [(client.fileno(), stop.READ)]
    assert waits({peer.fileno(): stop.READ}, 1) == []
    client.close()
    peer.close()


# -- what the policy allows


def test_only_what_is_published_can_be_served() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    machine = Machine(NetworkPolicy({80: ("127.0.0.1", port)}, outgoing=False))
    fd = machine.open()
    assert machine("sock_bind", fd, machine.address("0.0.0.0"), 81) == ACCES
    assert machine("sock_bind", fd, machine.address("0.0.0.0"), port) == ACCES
    machine.ok("sock_bind", fd, machine.address("0.0.0.0"), 80)
    machine.ok("sock_listen", fd, 1)
    assert machine.sockets.table[fd].host.getsockname() == ("127.0.0.1", port)
    machine.memory.write(ADDRESS, struct.pack("<II", ADDRESS_BYTES, 4))
    assert machine.ok("sock_getlocaladdr", fd, ADDRESS, OUT2, OUT) == 80  # the guest's own number
    assert machine("sock_connect", machine.open(), machine.address("127.0.0.1"), port) == ACCES
    udp = machine.open(IPV4, DATAGRAM)
    assert machine("sock_send_to", udp, *machine.iovec(b"x"), machine.address("127.0.0.1"), port, 0, OUT) == ACCES
    assert lookup(machine, b"localhost", b"80")[0] == ACCES
    machine.sockets.close_all()
    machine.stop.close()


@pytest.fixture
def confined() -> Iterator[Machine]:
    """What a guest has when nobody says a word of a network."""
    made = Machine(NetworkPolicy())
    yield made
    made.sockets.close_all()
    made.stop.close()


@pytest.mark.parametrize("kind", [STREAM, DATAGRAM], ids=["tcp", "udp"])
def test_nothing_is_reached_without_a_grant(confined: Machine, server: socket.socket, kind: int) -> None:
    port = server.getsockname()[1]
    for family, host in ((IPV4, "127.0.0.1"), (IPV6, "::1"), (IPV6, "::ffff:127.0.0.1")):
        fd = confined.open(family, kind)
        assert confined("sock_connect", fd, confined.address(host), port) == ACCES
        assert confined("sock_send_to", fd, *confined.iovec(b"x"), confined.address(host), port, 0, OUT) == ACCES
    server.setblocking(False)
    with pytest.raises(BlockingIOError):
        server.accept()
    assert lookup(confined, b"localhost", b"80")[0] == ACCES
    assert lookup(confined, b"127.0.0.1", b"80") == (0, 1)  # a number is no look-up


@pytest.mark.parametrize("kind", [STREAM, DATAGRAM], ids=["tcp", "udp"])
def test_nothing_listens_without_a_grant(confined: Machine, kind: int) -> None:
    for family, host in ((IPV4, "0.0.0.0"), (IPV4, "127.0.0.1"), (IPV6, "::")):
        for port in (0, 8080):
            assert confined("sock_bind", confined.open(family, kind), confined.address(host), port) == ACCES
    fd = confined.open(IPV4, kind)
    assert confined("sock_listen", fd, 1) == ACCES  # the kernel would choose a port on all addresses
    assert confined.sockets.table[fd].host.getsockname() == ("0.0.0.0", 0)


def test_a_refusal_names_the_option_that_allows_it_once(confined: Machine) -> None:
    for _ in range(3):
        confined("sock_connect", confined.open(), confined.address("10.1.2.3"), 5432)
        confined("sock_connect", confined.open(IPV6), confined.address("2001:db8::1"), 80)
        confined("sock_bind", confined.open(), confined.address("0.0.0.0"), 8080)
        lookup(confined, b"db.example.org", b"")
    assert confined.lines == [
        "network: a connection to 10.1.2.3:5432 is not allowed; --allow-net 10.1.2.3:5432 allows it",
        "network: a connection to [2001:db8::1]:80 is not allowed; --allow-net [2001:db8::1]:80 allows it",
        "network: listening on port 8080 is not allowed; -p 8080:8080 allows it",
        "network: a look-up of 'db.example.org' is not allowed; --allow-net db.example.org allows it",
    ]
    for port in range(1, 100):
        confined("sock_connect", confined.open(), confined.address("10.1.2.3"), port)
    assert len(confined.lines) == 8  # a guest does not fill the log


def test_a_published_port_is_one_of_tcp_alone() -> None:
    machine = Machine(NetworkPolicy({80: ("127.0.0.1", 0)}))
    assert machine("sock_bind", machine.open(IPV4, DATAGRAM), machine.address("0.0.0.0"), 80) == ACCES
    assert machine("sock_listen", machine.open(), 1) == ACCES
    machine.ok("sock_bind", fd := machine.open(IPV6), machine.address("::"), 80)
    machine.ok("sock_listen", fd, 1)
    machine.sockets.close_all()
    machine.stop.close()


def test_a_host_that_was_given_is_reached_and_no_other(server: socket.socket) -> None:
    port = server.getsockname()[1]
    machine = Machine(NetworkPolicy(), f"127.0.0.1:{port}", "localhost")
    connected(machine, server)[1].close()
    mapped = machine.open(IPV6)
    assert machine("sock_connect", mapped, machine.address("::ffff:127.0.0.1"), port) in (0, 40)  # 40: no IPv6 here
    assert machine("sock_connect", machine.open(), machine.address("127.0.0.1"), closed_port()) == ACCES
    assert machine("sock_connect", machine.open(), machine.address("127.0.0.2"), port) == ACCES
    assert machine("sock_connect", machine.open(), machine.address("0.0.0.0"), port) == ACCES  # which Linux takes for 127.0.0.1
    assert lookup(machine, b"localhost", str(port).encode())[0] == 0  # its address was given at this port
    assert lookup(machine, b"localhost", b"80")[0] == ACCES
    assert lookup(machine, b"example.org", b"80")[0] == ACCES
    assert machine("sock_listen", machine.open(), 1) == ACCES
    machine.sockets.close_all()
    machine.stop.close()


def test_datagrams_go_to_and_come_from_hosts_that_were_given_alone() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as peer, socket.socket(type=socket.SOCK_DGRAM) as stranger:
        peer.bind(("127.0.0.1", 0))
        stranger.bind(("127.0.0.1", 0))
        machine = Machine(NetworkPolicy(), f"127.0.0.1:{peer.getsockname()[1]}")
        fd = machine.open(IPV4, DATAGRAM)
        machine.ok("sock_bind", fd, machine.address("0.0.0.0"), 0)  # as clients do
        address, port = machine.address("127.0.0.1"), peer.getsockname()[1]
        machine.ok("sock_send_to", fd, *machine.iovec(b"ask"), address, port, 0, OUT)
        assert machine("sock_send_to", fd, *machine.iovec(b"ask"), address, stranger.getsockname()[1], 0, OUT) == ACCES
        data, own = peer.recvfrom(10)
        assert data == b"ask"
        for sender, words in ((stranger, b"forged"), (peer, b"answer"), (stranger, b"forged"), (peer, b"more")):
            sender.sendto(words, own)
        assert machine.ok("sock_recv_from", fd, *machine.iovec(size=20), address, 1, OUT, OUT2) == 6  # looked at
        assert machine.ok("sock_recv_from", fd, *machine.iovec(size=20), address, 0, OUT, OUT2) == 6
        assert machine.read(6) == b"answer"
        assert machine.ok("sock_recv", fd, *machine.iovec(size=20), 0, OUT, OUT2) == 4
        machine.sockets.close_all()
        machine.stop.close()


NOTSOCK, SOCKET_CALLS = 57, [
    ("sock_bind", 32, 80), ("sock_listen", 1), ("sock_accept", 300), ("sock_connect", 32, 80), ("sock_recv", 32, 1, 0, 300, 304),
    ("sock_recv_from", 32, 1, 64, 0, 300, 304), ("sock_send", 32, 1, 0, 300), ("sock_send_to", 32, 1, 64, 80, 0, 300),
    ("sock_shutdown", 1), ("sock_getsockopt", 0, 1, 300, 304), ("sock_setsockopt", 0, 0, 300, 4),
    ("sock_getlocaladdr", 64, 300, 304), ("sock_getpeeraddr", 64, 300, 304),
]  # fmt: skip


@pytest.mark.parametrize("name", [each[0] for each in SOCKET_CALLS])
def test_what_is_open_but_no_socket_is_told_from_what_is_not_open(tmp_path: Path, name: str) -> None:
    """Preview1's `notsock` and `badf`: of a stream, a folder, a closed stream and a number that never was."""
    rest = next(each[1:] for each in SOCKET_CALLS if each[0] == name)
    marks = '(data (i32.const 0) "untouched by the host....")'
    checks = [f"(if (i32.ne {call(name, fd, *rest)} (i32.const {errno})) (then (call $exit (i32.const {10 + i}))))"
              for i, (fd, errno) in enumerate([(1, NOTSOCK), (3, NOTSOCK), (77, BADF), (-1, BADF), (2000, BADF)])]  # fmt: skip
    closed = (
        f"(drop {call('fd_close', 1)}) (if (i32.ne {call(name, 1, *rest)} (i32.const {BADF})) (then (call $exit (i32.const 20))))"
    )
    kept = "(if (i64.ne (i64.load (i32.const 0)) (i64.const 0x656863756f746e75)) (then (call $exit (i32.const 21))))"
    wasm = command(f"{' '.join(checks)} {closed} {kept} (call $exit (i32.const 7))", name, "fd_close", extra=marks)
    mounts = [Mount(tmp_path, "/")]
    assert make(tmp_path, wasm, mounts=mounts, stdout_file=tmp_path / "out", inherit_stdio=False).run() == 7


def lookup(machine: Machine, node: bytes, service: bytes) -> tuple[int, int]:
    """(errno, how many were found), with room for two."""
    memory = machine.memory
    memory.write(BUFFER, node + b"\0" + service)
    for i in (0, 1):  # addrinfo, 28 bytes: sockaddr at 12, the next one at 24; a sockaddr's data at 8
        entry, address, data = 512 + 128 * i, 560 + 128 * i, 580 + 128 * i
        memory.write(entry, bytes(28))
        memory.set_u32(entry + 12, address)
        memory.set_u32(entry + 24, entry + 128 if i == 0 else 0)
        memory.set_u32(address + 8, data)
    memory.set_u32(OUT2, 512)
    code = machine("sock_getaddrinfo", BUFFER, len(node), BUFFER + len(node) + 1, len(service), 960, OUT2, 2, OUT)
    return code, memory.u32(OUT)


def test_names_are_looked_up(machine: Machine) -> None:
    code, found = lookup(machine, b"localhost", b"8080")
    assert code == 0 and found >= 1
    assert machine.memory.read(512 + 2, 2) == bytes([IPV4, STREAM])
    assert machine.memory.u32(560 + 4) == 6
    assert machine.memory.read(580, 6) == struct.pack(">H", 8080) + bytes([127, 0, 0, 1])
    assert lookup(machine, b"name.invalid", b"80")[0] in (78, 84)  # AIAGAIN without a network, AINONAME with one
    assert lookup(machine, b"", b"")[0] == 84
    assert lookup(machine, b"x" * 300, b"")[0] == INVAL
    assert lookup(machine, b"\xff\xfe", b"80")[0] == INVAL


def test_descriptors_come_round_without_meeting(machine: Machine) -> None:
    """A server that accepts for years: past the last number the first free one follows."""
    first = machine.open()
    machine.sockets._next_fd = (1 << 30) - 1
    last = machine.open()
    again = machine.open()
    assert (first, last, again) == (1024, (1 << 30) - 1, 1025)
