"""Clients that close their side of the connection after the request: they still read the answer (RFC 9112, 9.6)."""

import socket
import threading
from pathlib import Path

import pytest

from tests.wasm.http.test_server import SECONDS, echo, serving, until
from wherry.wasm.http.exchange import Exchange
from wherry.wasm.http.protocol import Patience

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc"
CHUNKED = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"


def read_all(connection: socket.socket) -> bytes:
    with connection.makefile("rb") as file:
        return file.read()


@pytest.mark.parametrize("request_bytes", [GET, POST, CHUNKED, GET.replace(b"1.1", b"1.0")])
def test_a_client_that_closes_its_side_gets_its_answer(request_bytes: bytes, tmp_path: Path) -> None:
    with serving(echo, tmp_path) as (_, address, _), socket.create_connection(address, SECONDS) as connection:
        connection.sendall(request_bytes)
        connection.shutdown(socket.SHUT_WR)
        assert read_all(connection).startswith(b"HTTP/1.1 200")


def test_a_slow_answer_comes_after_a_word_that_clients_pass_over(tmp_path: Path) -> None:
    asked = threading.Event()

    def slow(exchange: Exchange) -> None:
        assert asked.wait(SECONDS)
        exchange.start(200, [])
        exchange.write(b"slow")

    patience = Patience(half_closed=0.1)
    with serving(slow, tmp_path, patience=patience) as (_, address, _), socket.create_connection(address, SECONDS) as connection:
        connection.sendall(GET)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100).startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
        asked.set()
        answer = read_all(connection)
    assert b"HTTP/1.1 200" in answer and answer.endswith(b"4\r\nslow\r\n0\r\n\r\n")


def test_a_client_that_is_no_more_ends_the_work(tmp_path: Path) -> None:
    """Its system closes both sides: to ours that looks as if it had closed one, until it is asked."""
    gone = threading.Event()

    def waiting(exchange: Exchange) -> None:
        exchange.when_gone(gone.set)
        assert gone.wait(SECONDS)

    with serving(waiting, tmp_path, patience=Patience(half_closed=0.1)) as (server, address, log):
        with socket.create_connection(address, SECONDS) as connection:
            connection.sendall(GET)
            until(lambda: server.admitted == 1)
        assert gone.wait(SECONDS)
        until(lambda: len(log) == 1)
    assert log[0].status == 499


def test_half_a_request_is_none(tmp_path: Path) -> None:
    with serving(echo, tmp_path) as (_, address, log), socket.create_connection(address, SECONDS) as connection:
        connection.sendall(POST[:-1])
        connection.shutdown(socket.SHUT_WR)
        assert read_all(connection) == b""
        until(lambda: len(log) == 1)
    assert log[0].status == 499
