"""The server in front of apps, over real sockets: bodies, limits, the queue, streams, clients that leave."""

import asyncio
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from wherry.errors import GuestError, InputError, NotFoundError
from wherry.wasm.http.access import Served
from wherry.wasm.http.exchange import Exchange
from wherry.wasm.http.listening import bound
from wherry.wasm.http.options import ServerOptions
from wherry.wasm.http.protocol import Patience
from wherry.wasm.http.server import Server

SECONDS = 20.0  # to wait for what will come


class Running(NamedTuple):
    server: Server
    address: tuple[str, int]
    log: list[Served]


@contextmanager
def serving(handler: Callable[[Exchange], None], folder: Path, **options: Any) -> Generator[Running]:
    log: list[Served] = []
    besides = {name: options.pop(name) for name in ("metrics", "not_ready", "streams", "is_public") if name in options}
    server = Server(handler, ServerOptions(port=0, **options), folder, log.append, **besides)
    with server.running() as url:
        host, port = url.removeprefix("http://").split(":")
        yield Running(server, (host, int(port)), log)


def ask(address: tuple[str, int], method: str = "GET", target: str = "/", body: Any = None, **headers: str) -> tuple[Any, bytes]:
    connection = http.client.HTTPConnection(*address, timeout=SECONDS)
    connection.request(method, target, body, {name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    return response, response.read()


def echo(exchange: Exchange) -> None:
    """What the request was, as JSON, and its body."""
    asked = exchange.request
    data = asked.body.read_bytes() if asked.body else b""
    exchange.start(200, [("Content-Type", "application/json"), ("Connection", "keep-alive")])
    exchange.write(json.dumps([asked.method, asked.target, dict(asked.headers), asked.size, data.decode("latin-1")]).encode())


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_request_arrives_as_it_was_sent(tmp_path: Path) -> None:
    with serving(echo, tmp_path) as (_, address, log):
        response, data = ask(address, "PUT", "/a%2Fb/%C3%A9?q=1&q=%20", "body", X_Own="1")
        method, target, headers, size, body = json.loads(data)
        assert (method, target, size, body) == ("PUT", "/a%2Fb/%C3%A9?q=1&q=%20", 4, "body")
        assert headers["x-own"] == "1"
        until(lambda: len(log) == 1)
        assert response.headers["x-request-id"] == log[0].request.id
        assert response.headers["connection"] is None
        assert json.loads(ask(address)[1])[3:] == [0, ""]
        until(lambda: len(log) == 2)
    assert [(done.status, done.request.method) for done in log] == [(200, "PUT"), (200, "GET")]
    assert list(tmp_path.iterdir()) == []


def test_bodies_in_chunks(tmp_path: Path) -> None:
    with serving(echo, tmp_path) as (_, address, _):
        pieces = (piece for piece in [b"one ", b"two ", b"three"])
        assert json.loads(ask(address, "POST", body=pieces)[1])[3:] == [13, "one two three"]


def test_clients_that_wait_for_a_word_get_it(tmp_path: Path) -> None:
    with serving(echo, tmp_path) as (_, address, _), socket.create_connection(address, SECONDS) as connection:
        connection.sendall(
            b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nConnection: close\r\nExpect: 100-continue\r\n\r\n"
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 100")
        connection.sendall(b"hi")
        with connection.makefile("rb") as file:
            assert json.loads(file.read().split(b"\r\n")[-4])[3:] == [2, "hi"]


def test_several_requests_on_a_connection(tmp_path: Path) -> None:
    with serving(echo, tmp_path) as (_, address, log):
        connection = http.client.HTTPConnection(*address, timeout=SECONDS)
        for number in range(3):
            connection.request("POST", f"/{number}", "x" * number)
            assert json.loads(connection.getresponse().read())[1] == f"/{number}"
        connection.close()
    assert len(log) == 3


@pytest.mark.parametrize("said", [True, False])
def test_a_body_over_the_limit_is_refused(said: bool, tmp_path: Path) -> None:
    body: Any = b"x" * 1500 if said else (b"x" * 100 for _ in range(15))
    with serving(echo, tmp_path, max_body_bytes=1000) as (_, address, _):
        response, data = ask(address, "POST", body=body)
        assert response.status == 413
        assert json.loads(data)["error"]["code"] == "request_too_large"
        assert ask(address, "POST", body=b"x" * 1000)[0].status == 200


def test_a_full_queue_sends_clients_away(tmp_path: Path) -> None:
    go = threading.Event()

    def slow(exchange: Exchange) -> None:
        assert go.wait(SECONDS)
        echo(exchange)

    found: list[int] = []
    with serving(slow, tmp_path, threads=2, queue=1) as (server, address, _):
        clients = [threading.Thread(target=lambda: found.append(ask(address)[0].status)) for _ in range(3)]
        for client in clients:
            client.start()
        until(lambda: server.admitted == 3)
        response, data = ask(address)
        assert (response.status, response.headers["retry-after"]) == (503, "1")
        assert json.loads(data)["error"]["type"] == "server_error"
        go.set()
        for client in clients:
            client.join()
    assert found == [200, 200, 200]


def test_answers_stream(tmp_path: Path) -> None:
    heard = threading.Semaphore(0)

    def stream(exchange: Exchange) -> None:
        exchange.start(200, [("Content-Type", "text/event-stream")])
        for number in range(3):
            assert exchange.write(b"data: %d\n\n" % number)
            assert heard.acquire(timeout=SECONDS)  # the next piece comes only when this one has been read

    with serving(stream, tmp_path) as (_, address, _):
        connection = http.client.HTTPConnection(*address, timeout=SECONDS)
        connection.request("GET", "/")
        response = connection.getresponse()
        for number in range(3):
            assert response.read(9) == b"data: %d\n\n" % number
            heard.release()
        assert response.read() == b""


def test_a_client_that_leaves_stops_the_answer(tmp_path: Path) -> None:
    told, ended = threading.Event(), threading.Event()

    def endless(exchange: Exchange) -> None:
        exchange.when_gone(told.set)
        exchange.start(200, [])
        while exchange.write(b"x" * 1000):
            pass
        assert exchange.gone
        ended.set()

    with serving(endless, tmp_path) as (_, address, log):
        with socket.create_connection(address, SECONDS) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert connection.recv(100)
        assert told.wait(SECONDS) and ended.wait(SECONDS)
        until(lambda: len(log) == 1)
    assert log[0].status == 499


def test_a_client_that_leaves_the_queue_is_never_answered(tmp_path: Path) -> None:
    go, seen = threading.Event(), []

    def slow(exchange: Exchange) -> None:
        seen.append(exchange.request.target)
        assert go.wait(SECONDS)
        exchange.start(204, [])

    with serving(slow, tmp_path, threads=1, patience=Patience(half_closed=0.1)) as (server, address, log):
        first = threading.Thread(target=lambda: ask(address, target="/first"))
        first.start()
        until(lambda: seen == ["/first"])
        with socket.create_connection(address, SECONDS) as connection:
            connection.sendall(b"GET /second HTTP/1.1\r\nHost: localhost\r\n\r\n")
            until(lambda: server.admitted == 2)
        until(lambda: [done.status for done in log] == [499])
        go.set()
        first.join()
    assert seen == ["/first"]


def test_a_client_that_leaves_amid_its_body(tmp_path: Path) -> None:
    with serving(echo, tmp_path) as (_, address, log):
        with socket.create_connection(address, SECONDS) as connection:
            connection.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc")
        until(lambda: len(log) == 1)
        assert ask(address)[0].status == 200
    assert log[0].status == 499
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "status"), [(NotFoundError("m: none"), 404), (GuestError("trapped"), 502), (KeyError("k"), 500)]
)
def test_what_an_app_raises_is_answered_for(error: Exception, status: int, tmp_path: Path) -> None:
    def failing(exchange: Exchange) -> None:
        raise error

    with serving(failing, tmp_path) as (_, address, _):
        response, data = ask(address)
    assert response.status == status
    assert ("m: none" if status == 404 else "") in json.loads(data)["error"]["message"]


def test_an_answer_that_breaks_off_is_not_whole_for_the_client(tmp_path: Path) -> None:
    def half(exchange: Exchange) -> None:
        exchange.start(200, [])
        exchange.write(b"half")
        raise ValueError("the other half is missing")

    with serving(half, tmp_path) as (_, address, log):
        with pytest.raises(http.client.IncompleteRead):
            ask(address)
        until(lambda: len(log) == 1)
        assert ask(address, "HEAD")[0].status == 200
    assert log[0].status == 502


@pytest.mark.parametrize("head", [(99, []), (200, [("X-A", "词")])])
def test_heads_that_cannot_be_are_the_apps_error(head: tuple[int, list[tuple[str, str]]], tmp_path: Path) -> None:
    with serving(lambda exchange: exchange.start(*head), tmp_path) as (_, address, _):
        assert ask(address)[0].status == 500


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with serving(echo, tmp_path) as (_, address, _), pytest.raises(InputError, match=str(address[1])):
        Server(echo, ServerOptions(*address), tmp_path)


def test_no_piece_of_an_answer_waits_for_the_clients_word() -> None:
    """As asyncio makes connections of the server's socket."""

    async def look() -> int:
        found: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        class Look(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                found.set_result(transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

        listening = bound("127.0.0.1", 0)
        server = await asyncio.get_running_loop().create_server(Look, sock=listening)
        async with server:
            _, writer = await asyncio.open_connection(*listening.getsockname())
            value = await found
            writer.close()
        return value

    assert asyncio.run(look())
