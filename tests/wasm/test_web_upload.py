"""Bodies that stream to a web app in its sandbox, over real HTTP."""

import http.client
import os
import socket
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.receive import has, receive_until
from tests.wasm.web import SECONDS, Web, serving


@pytest.fixture(scope="module")
def web(web_component: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with serving(web_component, tmp_path_factory.mktemp("bodies"), memory_bytes=64 << 20) as found:
        yield found


def until(condition: Any) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_more_than_an_instance_could_hold(web: Web) -> None:
    """48 MiB, of which each byte value is some, through an instance of 64 MiB that holds Python too."""
    data = os.urandom(1 << 16) * 768
    response, answer = web.ask("POST", "/stream?sum", data)
    assert (response.status, response.headers["X-Length"]) == (200, str(len(data)))
    assert answer.split()[1] == b"%d" % zlib.crc32(data)


def test_pieces_are_there_as_they_come(web: Web) -> None:
    """Each is sent when the app has answered to the one before."""
    with socket.create_connection(web.address, SECONDS) as connection:
        connection.sendall(b"POST /stream HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        received, total = b"", 0
        for number in range(5):
            piece = bytes([number + 250]) * 100
            total = zlib.crc32(piece, total)
            connection.sendall(b"64\r\n" + piece + b"\r\n")
            received = receive_until(connection, has(b"100 %d\n" % total), received)
        connection.sendall(b"0\r\n\r\n")
        receive_until(connection, lambda data: data.endswith(b"0\r\n\r\n"), received)


def test_an_app_refuses_before_the_body_is_sent(web: Web) -> None:
    with socket.create_connection(web.address, SECONDS) as connection:
        connection.sendall(
            b"POST /stream?refuse HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 9000000\r\n\r\n"
        )
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert (answer.status, answer.read()) == (403, b"not here\n")


def test_the_apps_own_limit(web: Web) -> None:
    response, data = web.ask("POST", "/stream_small", bytes((1 << 20) + 1))
    assert response.status == 413 and b"more than 1048576 bytes" in data
    assert web.ask("POST", "/stream_small?sum", bytes(1 << 20))[0].status == 200


def test_who_leaves_in_the_middle_ends_the_request(web: Web) -> None:
    with socket.create_connection(web.address, SECONDS) as connection:
        connection.sendall(b"POST /stream?sum HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n" + bytes(1000))
        time.sleep(0.1)  # so that the app may wait for more; it is right too where it does not yet
    until(lambda: 499 in [done.status for done in web.done])
    until(lambda: web.app.left_behind == 0)
    assert web.ask("POST", "/stream?sum", b"a")[1] == b"1 %d\n" % zlib.crc32(b"a")


def test_a_deadline_ends_an_app_that_waits_for_a_body(web_component: Path, tmp_path: Path) -> None:
    with serving(web_component, tmp_path, timeout=1.0) as web, socket.create_connection(web.address, SECONDS) as connection:
        connection.sendall(b"POST /stream?sum HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n" + bytes(1000))
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.status == 502 and b"found no answer after 1 s" in answer.read()
        assert web.app.left_behind == 0
