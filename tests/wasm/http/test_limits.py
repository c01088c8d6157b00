"""What one client may hold of a server: whatever it does, there is room for others. Clients are addresses of 127.0.0.0/8."""

import http.client
import json
import socket
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.wasm.http.test_server import SECONDS, ask, echo, serving, until
from wherry.errors import InputError
from wherry.wasm.http.exchange import Exchange
from wherry.wasm.http.limits import Clients, Connections, Shares, drop_slow_readers
from wherry.wasm.http.protocol import Patience
from wherry.wasm.http.refusal import RefusedError

UPLOAD = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nabc"


def ask_from(source: str, address: tuple[str, int], method: str = "GET", body: bytes | None = None, **headers: str) -> int:
    """A request from an address of this machine -> its status."""
    connection = http.client.HTTPConnection(*address, timeout=SECONDS, source_address=(source, 0))
    try:
        connection.request(method, "/", body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


# -- connections


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"])
def test_idle_connections_leave_room(sent: bytes, tmp_path: Path) -> None:
    """Whether nothing came, half a head, or a request that has its answer: for others, and for the same client."""
    patience = Patience(connections=20, connections_per_client=10)
    with serving(echo, tmp_path, patience=patience) as (_, address, _), ExitStack() as stack:
        for _ in range(30):
            stack.enter_context(socket.create_connection(address, SECONDS)).sendall(sent)
        assert ask_from("127.0.0.2", address) == 200
        assert ask_from("127.0.0.1", address) == 200


def test_idle_connections_of_many_clients_leave_room(tmp_path: Path) -> None:
    patience = Patience(connections=20, connections_per_client=10)
    with serving(echo, tmp_path, patience=patience) as (_, address, _), ExitStack() as stack:
        for number in range(40):
            source = (f"127.0.1.{1 + number % 4}", 0)
            stack.enter_context(socket.create_connection(address, SECONDS, source_address=source))
        assert ask_from("127.0.0.2", address) == 200


def test_connections_that_are_served_are_never_dropped(tmp_path: Path) -> None:
    go = threading.Event()

    def slow(exchange: Exchange) -> None:
        assert go.wait(SECONDS)
        echo(exchange)

    statuses: list[int] = []
    with serving(slow, tmp_path, patience=Patience(connections_per_client=2)) as (server, address, _):
        clients = [threading.Thread(target=lambda: statuses.append(ask(address)[0].status)) for _ in range(2)]
        for client in clients:
            client.start()
        until(lambda: server.admitted == 2)
        with socket.create_connection(address, SECONDS) as one_more:
            assert one_more.recv(100).startswith(b"HTTP/1.1 503")
        go.set()
        for client in clients:
            client.join()
    assert statuses == [200, 200]


@dataclass(eq=False)
class FakeConnection:
    idle_since: float | None
    dropped: bool = False

    def drop(self) -> None:
        self.dropped = True


def test_the_longest_idle_connection_of_the_client_with_the_most_makes_room() -> None:
    connections = Connections(most=5, each=4)
    mine = [FakeConnection(since) for since in (3.0, None, 2.0)]
    others = [FakeConnection(since) for since in (1.0, None)]
    for connection in mine:
        assert connections.admit(connection, "mine")
    for connection in others:
        assert connections.admit(connection, "other")
    assert connections.admit(FakeConnection(None), "third")
    assert [c.dropped for c in [*mine, *others]] == [False, False, True, False, False]
    for _ in range(2):
        assert connections.admit(FakeConnection(None), "fourth")
    assert not connections.admit(FakeConnection(0.0), "fifth"), "no idle one is left"


# -- uploads


def test_slow_uploads_of_one_client_leave_room(tmp_path: Path) -> None:
    with serving(echo, tmp_path, uploads=4, uploads_per_client=2) as (_, address, _), ExitStack() as stack:
        slow = [stack.enter_context(socket.create_connection(address, SECONDS)) for _ in range(8)]
        for connection in slow:
            connection.sendall(UPLOAD)
        until(lambda: len(list(tmp_path.iterdir())) == 2)
        response, data = ask(address, "POST", body=b"x")
        assert (response.status, response.headers["retry-after"]) == (429, "1")
        assert json.loads(data)["error"]["code"] == "too_many_requests"
        assert ask(address)[0].status == 200, "requests without a body are served"
        assert ask_from("127.0.0.2", address, "POST", b"x") == 200
    until(lambda: not list(tmp_path.iterdir()))


def test_slow_uploads_of_everybody_leave_room_for_requests_without_a_body(tmp_path: Path) -> None:
    with serving(echo, tmp_path, uploads=2) as (_, address, _), ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(socket.create_connection(address, SECONDS)).sendall(UPLOAD)
        until(lambda: len(list(tmp_path.iterdir())) == 2)
        assert ask(address, "POST", body=b"x")[0].status == 503
        assert ask(address)[0].status == 200


def test_uploads_count_for_a_key_too(tmp_path: Path) -> None:
    keys = ("first-key", "second-key")
    upload = UPLOAD.replace(b"\r\n\r\n", b"\r\nAuthorization: Bearer first-key\r\n\r\n")
    with serving(echo, tmp_path, uploads_per_client=1, keys=keys) as (_, address, _), ExitStack() as stack:
        stack.enter_context(socket.create_connection(address, SECONDS)).sendall(upload)
        until(lambda: len(list(tmp_path.iterdir())) == 1)
        assert ask_from("127.0.0.2", address, "POST", b"x", Authorization="Bearer first-key") == 429
        assert ask_from("127.0.0.2", address, "POST", b"x", Authorization="Bearer second-key") == 200


def test_clients_behind_a_proxy_are_told_apart(tmp_path: Path) -> None:
    upload = UPLOAD.replace(b"\r\n\r\n", b"\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n")
    with serving(echo, tmp_path, uploads_per_client=1, proxies=("127.0.0.1",)) as (_, address, log), ExitStack() as stack:
        stack.enter_context(socket.create_connection(address, SECONDS)).sendall(upload)
        until(lambda: len(list(tmp_path.iterdir())) == 1)
        assert ask(address, "POST", body=b"x", X_Forwarded_For="10.0.0.1")[0].status == 429
        assert ask(address, "POST", body=b"x", X_Forwarded_For="10.0.0.2")[0].status == 200
        assert ask_from("127.0.0.2", address, "POST", b"x", X_Forwarded_For="10.0.0.1") == 200, "no proxy: not believed"
        until(lambda: len(log) == 3)
    assert [done.request.client for done in log[:3]] == ["10.0.0.1", "10.0.0.2", "127.0.0.2"]


# -- requests and answers


def test_one_client_leaves_places_in_the_queue(tmp_path: Path) -> None:
    go = threading.Event()

    def slow(exchange: Exchange) -> None:
        assert go.wait(SECONDS)
        exchange.start(204, [])

    with serving(slow, tmp_path, threads=1, queue=8) as (server, address, _), ExitStack() as stack:
        for _ in range(9):
            connection = stack.enter_context(socket.create_connection(address, SECONDS))
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        until(lambda: server.admitted == 8)
        assert ask(address)[0].status == 429
        other = threading.Thread(target=ask_from, args=("127.0.0.2", address))
        other.start()
        until(lambda: server.admitted == 9)
        go.set()
        other.join()


@dataclass
class FakeReader:
    waited: float
    holders: Sequence[str]
    dropped: list[float] = field(default_factory=list)

    def drop(self) -> None:
        self.dropped.append(self.waited)


def test_the_slowest_readers_of_a_client_end_when_others_wait() -> None:
    readers = [FakeReader(seconds, ["a"]) for seconds in (6.0, 30.0, 0.0, 9.0)] + [FakeReader(50.0, ["b"]), FakeReader(60.0, [])]
    drop_slow_readers(readers, each=2)
    assert [bool(reader.dropped) for reader in readers] == [False, True, False, False, False, False]


def test_slow_readers_leave_room(tmp_path: Path) -> None:
    """All threads answer clients who read a little now and then; one more request is served nonetheless."""

    def much(exchange: Exchange) -> None:
        exchange.start(200, [])
        while exchange.request.target == "/much" and exchange.write(b"x" * 100_000):
            pass

    with serving(much, tmp_path, threads=2) as (server, address, _), ExitStack() as stack:
        readers = [stack.enter_context(socket.create_connection(address, SECONDS)) for _ in range(2)]
        for reader in readers:
            reader.sendall(b"GET /much HTTP/1.1\r\nHost: localhost\r\n\r\n")
        until(lambda: server.admitted == 2)
        assert ask(address)[0].status == 200


# -- who a client is


def test_a_client_is_an_address_or_a_network_of_ipv6() -> None:
    clients = Clients(("10.0.0.0/8", "fd00::1"))
    assert clients.holder("192.0.2.1") == clients.holder("::ffff:192.0.2.1") == "192.0.2.1"
    assert clients.holder("2001:db8::1") == clients.holder("2001:db8::ffff") != clients.holder("2001:db8:0:1::1")
    assert clients.holder("10.9.9.9") is clients.holder("fd00::1") is clients.holder("") is None


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [("10.0.0.1", ["192.0.2.1"], "192.0.2.1"), ("10.0.0.1", ["6.6.6.6, 192.0.2.1, 10.0.0.2"], "192.0.2.1"),
     ("10.0.0.1", ["6.6.6.6", "192.0.2.1"], "192.0.2.1"), ("10.0.0.1", [], "10.0.0.1"), ("10.0.0.1", ["unknown"], "10.0.0.1"),
     ("192.0.2.9", ["6.6.6.6"], "192.0.2.9"), ("10.0.0.1", ["10.0.0.2"], "10.0.0.2")],
)  # fmt: skip
def test_only_what_a_proxy_of_ours_says_of_a_client_is_believed(peer: str, forwarded: list[str], expected: str) -> None:
    headers = [("x-forwarded-for", value) for value in forwarded]
    assert Clients(("10.0.0.0/8",)).address_of(peer, headers) == expected


def test_a_proxy_that_is_no_address_is_refused() -> None:
    with pytest.raises(InputError, match="proxies: found"):
        Clients(("proxy.example",))


def test_shares_are_given_back() -> None:
    shares = Shares(1, "uploads")
    for _ in range(2):
        with shares.hold(["a", "key 0"]), pytest.raises(RefusedError), shares.hold(["b", "key 0"]):
            pass
    with shares.hold([]), shares.hold([]):
        pass
