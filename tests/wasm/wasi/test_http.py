"""A component by componentize-js behind the server: nothing in it knows of Wherry."""

import array
import http.client
import json
import socket
import threading
import time
import wave
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.conftest import SAMPLE
from tests.wasm.wasi.conftest import CACHE
from tests.wasm.web import SECONDS, Web
from wherry.engine.session import Whisper
from wherry.engine.transcript import TranscribeOptions
from wherry.errors import NotFoundError
from wherry.wasm.allowed import AllowedHost
from wherry.wasm.component import Compiled
from wherry.wasm.http.access import Served
from wherry.wasm.http.options import ServerOptions
from wherry.wasm.http.server import Server
from wherry.wasm.nn.backend import BurnSpeech
from wherry.wasm.nn.graph import Graph
from wherry.wasm.pool import AppOptions
from wherry.wasm.wasi.proxy import HttpApp

pytestmark = pytest.mark.slow


class _Elsewhere(BaseHTTPRequestHandler):
    """Another server: says what it was asked."""

    def do_GET(self) -> None:
        if self.path == "/slow":
            time.sleep(SECONDS)
        body = f"{self.command} {self.path} {self.headers['host']}".encode() * (20_000 if self.path == "/long" else 1)
        self.send_response(203)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    """HOST:PORT."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Elsewhere) as server:
        server.daemon_threads = True
        server.block_on_close = False
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def web(js_component: Path, tmp_path_factory: pytest.TempPathFactory, tiny_en: Whisper, elsewhere: str) -> Iterator[Web]:
    graph = BurnSpeech(tiny_en, TranscribeOptions())

    def find(name: str) -> Graph:
        if name != "default":
            raise NotFoundError(f'graph "{name}": found no such name')
        return graph

    log: list[str] = []
    done: list[Served] = []
    app = HttpApp(
        Compiled(js_component, CACHE),
        AppOptions(timeout=SECONDS, log_bytes=10_000, allowed=[AllowedHost.parse(elsewhere)]),
        find,
        say=log.append,
    )
    server = Server(app, ServerOptions(port=0), tmp_path_factory.mktemp("bodies"), done.append)
    with server.running() as url:
        host, port = url.removeprefix("http://").split(":")
        yield Web(app, (host, int(port)), log, done)
    app.close()


def test_every_byte_arrives_and_comes_back(web: Web) -> None:
    body = bytes(range(256)) * 1024
    response, data = web.ask("POST", "/echo?a=%20b&c", body)
    assert (response.status, response.headers["x-query"], response.headers["x-method"]) == (200, "?a=%20b&c", "POST")
    assert data == body


def test_a_url_as_request_target_is_path_and_authority(web: Web) -> None:
    """RFC 9112, 3.2.2. The component's URL is made of both: it would be none of its paths otherwise."""
    with socket.create_connection(web.address, timeout=SECONDS) as connection:
        connection.sendall(b"GET http://localhost:81/echo?q HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        with connection.makefile("rb") as file:
            answer = file.read()
    assert answer.startswith(b"HTTP/1.1 200") and b"x-query: ?q\r\n" in answer


def test_a_graph_computes_for_it(web: Web, tiny_en: Whisper) -> None:
    """The reference is the engine, called without a sandbox."""
    with wave.open(str(SAMPLE)) as file:
        samples = array.array("f", [sample / 32768 for sample in array.array("h", file.readframes(file.getnframes()))])
    response, data = web.ask("POST", "/hear", samples.tobytes())
    assert response.status == 200
    assert data.decode().strip() == tiny_en.transcribe(SAMPLE).text.strip()


def test_an_error_of_the_host_is_one_of_the_contract(web: Web) -> None:
    assert web.ask("GET", "/missing")[1] == b'not-found: graph "nothing": found no such name'


def test_each_request_has_an_instance_of_its_own(web: Web) -> None:
    found = [json.loads(web.ask("GET", "/count")[1]) for _ in range(3)]
    assert [one["asked"] for one in found] == [1, 1, 1]
    assert len({one["random"] for one in found}) == 3
    assert abs(found[0]["now"] / 1000 - time.time()) < SECONDS


def test_an_answer_streams(web: Web) -> None:
    response, data = web.ask("GET", "/events?count=300")
    assert response.headers["content-type"] == "text/event-stream"
    assert data == b"".join(b"data: %d\n\n" % number for number in range(300))


def test_a_client_who_leaves_ends_the_guest(web: Web) -> None:
    for target in ("/events?count=100000000", "/spin"):
        with socket.create_connection(web.address, timeout=SECONDS) as leaving:
            leaving.sendall(f"GET {target} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
            if "events" in target:
                assert leaving.recv(100).startswith(b"HTTP/1.1 200")
        deadline = time.monotonic() + SECONDS
        while not any(served.request.target == target for served in web.done):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert web.ask("GET", "/echo")[0].status == 200
    assert web.app.left_behind == 0


def test_a_host_that_was_allowed_can_be_asked(web: Web, elsewhere: str) -> None:
    response, data = web.ask("GET", f"/fetch?url=http://{elsewhere}/a%3Fb=1")
    assert (response.status, data.decode()) == (203, f"GET /a?b=1 {elsewhere}")
    assert web.ask("GET", f"/fetch?url=http://{elsewhere}/long")[1].decode() == f"GET /long {elsewhere}" * 20_000


@pytest.mark.parametrize("url", ["http://{own}/healthz", "http://localhost:{port}/", "https://example.org/", "http://[::1]/"])
def test_nobody_else_can(web: Web, elsewhere: str, url: str) -> None:
    own = ":".join(map(str, web.address))
    response, data = web.ask("GET", "/fetch?url=" + url.format(own=own, port=elsewhere.split(":")[1]))
    assert response.status == 502 and b"Error" in data


def test_a_client_who_leaves_ends_what_was_asked(web: Web, elsewhere: str) -> None:
    target = f"/fetch?url=http://{elsewhere}/slow"
    with socket.create_connection(web.address, timeout=SECONDS) as leaving:
        leaving.sendall(f"GET {target} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
    deadline = time.monotonic() + SECONDS / 2
    while any(thread.name == "fetch" for thread in threading.enumerate()) or target not in [
        done.request.target for done in web.done
    ]:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_guest_that_fails_is_answered_for_and_logged(web: Web) -> None:
    with pytest.raises(http.client.IncompleteRead):  # it began to answer
        web.ask("GET", "/throw")
    assert any("the app's own mistake" in line for line in web.log)
    assert web.ask("GET", "/echo")[0].status == 200
