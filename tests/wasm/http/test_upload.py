"""Bodies that are read as they come, over real sockets: what is not asked for stays with the client."""

import http.client
import socket
import threading
from pathlib import Path

import pytest

from tests.receive import has, receive_until
from tests.wasm.http.test_server import SECONDS, ask, serving, until
from wherry.errors import GuestError
from wherry.wasm.app import checked_addresses
from wherry.wasm.http.exchange import Exchange
from wherry.wasm.http.upload import most_at


def most(path: str) -> int | None:
    return 1 << 30 if path == "/stream" else 1000 if path == "/small" else None


def count(exchange: Exchange) -> None:
    """Read it all, and say how much it was."""
    upload = exchange.request.upload
    assert upload is not None and exchange.request.body is None
    found = 0
    while data := upload.read(1 << 16):
        found += len(data)
    exchange.start(200, [])
    exchange.write(b"%d %r" % (found, upload.size))


def refuse(exchange: Exchange) -> None:
    exchange.start(403, [("Content-Length", "2")])
    exchange.write(b"no")


def connected(address: tuple[str, int], head: str, body: bytes = b"") -> socket.socket:
    connection = socket.create_connection(address, SECONDS)
    connection.sendall(f"POST {head}\r\nHost: localhost\r\n\r\n".replace("|", "\r\n").encode() + body)
    return connection


def test_a_body_comes_while_it_is_answered(tmp_path: Path) -> None:
    """The client sends each piece after the answer to the one before."""

    def echo(exchange: Exchange) -> None:
        assert exchange.request.upload is not None
        exchange.start(200, [])
        while data := exchange.request.upload.read(1 << 16):
            exchange.write(data)

    with (
        serving(echo, tmp_path, streams=most) as (_, address, log),
        connected(address, "/stream HTTP/1.1|Content-Length: 30") as connection,
    ):
        received = b""
        for number in range(10):
            connection.sendall(b"%03d" % number)
            received = receive_until(connection, has(b"%03d" % number, after=b"\r\n\r\n"), received)
        until(lambda: len(log) == 1)
        assert (log[0].status, log[0].received) == (200, 30)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [0, 1, 1 << 20, 3_000_001])
def test_lengths_and_chunks(tmp_path: Path, size: int) -> None:
    with serving(count, tmp_path, streams=most, max_body_bytes=1000) as (_, address, _):
        if size:
            assert ask(address, "POST", "/stream", bytes(size))[1] == b"%d %d" % (size, size)
        pieces = (bytes(min(70_000, size - at)) for at in range(0, size, 70_000))
        assert ask(address, "PUT", "/stream", pieces)[1] == b"%d None" % size


def test_what_nobody_reads_stays_with_the_client(tmp_path: Path) -> None:
    go, taken = threading.Event(), []

    def later(exchange: Exchange) -> None:
        upload = exchange.request.upload
        assert upload is not None
        taken.append(len(upload.read(1)))
        go.wait(SECONDS)
        while data := upload.read(1 << 20):
            taken.append(len(data))
        exchange.start(200, [])

    size = 64 << 20
    with (
        serving(later, tmp_path, streams=most) as (_, address, _),
        connected(address, f"/stream HTTP/1.1|Content-Length: {size}") as connection,
    ):
        connection.settimeout(1.0)
        sent = 0
        while sent < size:
            try:
                sent += connection.send(bytes(1 << 16))
            except TimeoutError:
                break
        assert sent < 32 << 20, "the system's buffers alone take it"
        go.set()
        connection.settimeout(SECONDS)
        while sent < size:
            sent += connection.send(bytes(min(1 << 16, size - sent)))
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
    assert sum(taken) == size and max(taken) <= 1 << 20


def test_continue_is_said_when_the_body_is_asked_for(tmp_path: Path) -> None:
    go = threading.Event()

    def later(exchange: Exchange) -> None:
        go.wait(SECONDS)
        count(exchange)

    with (
        serving(later, tmp_path, streams=most) as (_, address, _),
        connected(address, "/stream HTTP/1.1|Expect: 100-continue|Content-Length: 5") as connection,
    ):
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(100)
        go.set()
        connection.settimeout(SECONDS)
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"hello")
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.read() == b"5 5"


def test_an_early_refusal_takes_no_body(tmp_path: Path) -> None:
    with serving(refuse, tmp_path, streams=most) as (_, address, log):
        with connected(address, "/stream HTTP/1.1|Expect: 100-continue|Content-Length: 5000000") as connection:
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            assert (answer.status, answer.headers["connection"], answer.read()) == (403, "close", b"no")
            assert connection.recv(1) == b""
        with connected(address, "/stream HTTP/1.1|Content-Length: 500000", bytes(500_000)) as connection:
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            assert (answer.status, answer.read()) == (403, b"no")
            connection.sendall(
                b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
            )  # the rest was let pass, the connection goes on
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
        until(lambda: len(log) == 3)


def test_too_much_is_refused(tmp_path: Path) -> None:
    begun: list[Exchange] = []

    def watched(exchange: Exchange) -> None:
        begun.append(exchange)
        count(exchange)

    with serving(watched, tmp_path, streams=most) as (_, address, _):
        response, data = ask(address, "POST", "/small", bytes(1001))
        assert response.status == 413 and b"more than 1000 bytes" in data and not begun
        response, data = ask(address, "POST", "/small", iter([bytes(600), bytes(600)]))
        assert response.status == 413 and b"more than 1000 bytes" in data and len(begun) == 1
        assert ask(address, "POST", "/small", bytes(1000))[1] == b"1000 1000"


def test_a_client_that_stops_in_the_middle(tmp_path: Path) -> None:
    ended: list[BaseException] = []

    def watched(exchange: Exchange) -> None:
        try:
            count(exchange)
        except BaseException as error:
            ended.append(error)
            raise

    with serving(watched, tmp_path, streams=most, piece_seconds=0.3) as (server, address, log):
        with connected(address, "/stream HTTP/1.1|Content-Length: 5000", bytes(100)) as connection:
            assert connection.recv(100).startswith(b"HTTP/1.1 408")
        connected(address, "/stream HTTP/1.1|Content-Length: 5000", bytes(100)).close()
        until(lambda: len(log) == 2 and server.admitted == 0)
        assert sorted(done.status for done in log) == [408, 499]
        assert sorted(type(error).__name__ for error in ended) == ["RefusedError", "StoppedError"]


def test_slow_bodies_leave_half_the_places(tmp_path: Path) -> None:
    with serving(count, tmp_path, streams=most, threads=2, queue=8) as (server, address, _):
        with connected(address, "/stream HTTP/1.1|Content-Length: 5000", bytes(100)):
            until(lambda: server.admitted == 1)
            response, _ = ask(address, "POST", "/stream", b"12345")
            assert (response.status, response.headers["retry-after"]) == (503, "1")
        until(lambda: server.admitted == 0)
        assert ask(address, "POST", "/stream", b"12345")[1] == b"5 5"


@pytest.mark.parametrize(
    ("path", "expected"), [("/a", 1), ("/a/", None), ("/b", None), ("/b/", 2), ("/b/c/d", 2), ("/", None), ("/ab", None)]
)
def test_addresses(path: str, expected: int | None) -> None:
    assert most_at([("/a", 1), ("/b/*", 2), ("/b/c", 3)], path) == expected


@pytest.mark.parametrize(
    "said",
    [[("files", 1)], [("/a*b", 1)], [("/a", 0)], [("/a", 1 << 60)], [("/" + "a" * 2000, 1)], [("/a b", 1)], [("/a", 1)] * 101],
)
def test_a_component_says_no_nonsense_of_its_addresses(said: list[tuple[str, int]]) -> None:
    with pytest.raises(GuestError, match="streams: found"):
        checked_addresses(said)
