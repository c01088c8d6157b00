"""What the host answers itself: keys, other sites, health, metrics, request ids, the log; and clients without manners."""

import base64
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.wasm.http.test_server import SECONDS, ask, echo, serving, until
from wherry.errors import InputError
from wherry.wasm.http.access import access_line, access_text
from wherry.wasm.http.environment import read_options
from wherry.wasm.http.exchange import Exchange
from wherry.wasm.http.metrics import Metrics
from wherry.wasm.http.options import ServerOptions
from wherry.wasm.http.protocol import Patience

KEYS = ("first-key", "second-key")


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


# -- keys


@pytest.mark.parametrize(
    "header", ["Bearer first-key", "bearer second-key", "Bearer  second-key ", basic("anybody:first-key"), basic(":second-key")]
)
def test_each_key_opens(header: str, tmp_path: Path) -> None:
    with serving(echo, tmp_path, keys=KEYS) as (_, address, _):
        response, data = ask(address, Authorization=header)
    assert response.status == 200
    assert "authorization" not in json.loads(data)[2]  # the app is not told


@pytest.mark.parametrize(
    "header",
    ["", "first-key", "Bearer", "Bearer first-ke", "Bearer first-key2", "Bearer first-key,second-key", "Bearer ", "Basic %",
     basic("first-key"), basic("first-key:"), basic("a:first-key:b"), "Digest first-key"],
)  # fmt: skip
def test_nothing_else_does(header: str, tmp_path: Path) -> None:
    with serving(echo, tmp_path, keys=KEYS) as (_, address, log):
        response, data = ask(address, "POST", body=b"x" * 100_000, **({"Authorization": header} if header else {}))
        assert response.status == 401
        assert response.headers["www-authenticate"] == "Bearer"
        assert json.loads(data)["error"]["code"] == "invalid_api_key"
        until(lambda: len(log) == 1)
    assert log[0].status == 401


def test_public_pages_are_read_without_a_key(tmp_path: Path) -> None:
    """Read alone, and to the letter of their path; whoever has a wrong key reads them too."""
    with serving(echo, tmp_path, keys=KEYS, is_public=lambda path: path in ("/", "/page.css")) as (_, address, _):
        for target in ("/", "/?a=b", "/page.css", "/page%2Ecss"):
            assert ask(address, target=target)[0].status == 200
        assert ask(address, "HEAD", "/page.css", Authorization="Bearer wrong")[0].status == 200
        for method, target in [("POST", "/"), ("GET", "/page.css/"), ("GET", "//"), ("GET", "/v1/models"), ("OPTIONS", "/"),
                               ("GET", "/page.css%3F"), ("GET", "/PAGE.css")]:  # fmt: skip
            assert ask(address, method, target)[0].status == 401


def test_two_headers_are_no_key(tmp_path: Path) -> None:
    with serving(echo, tmp_path, keys=KEYS) as (_, address, _), socket.create_connection(address, SECONDS) as connection:
        both = b"Authorization: Bearer first-key\r\nAuthorization: Bearer first-key\r\n"
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n" + both + b"\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 401")


def test_browsers_ask_people_for_the_key(tmp_path: Path) -> None:
    with serving(echo, tmp_path, keys=KEYS) as (_, address, _):
        response, _ = ask(address, Accept="text/html,application/xhtml+xml")
    assert response.status == 401
    assert response.headers["www-authenticate"].startswith("Basic ")


def test_without_keys_the_apps_own_come_through(tmp_path: Path) -> None:
    with serving(echo, tmp_path) as (_, address, _):
        assert json.loads(ask(address, Authorization="Bearer the-apps")[1])[2]["authorization"] == "Bearer the-apps"


# -- pages of other sites


def test_other_sites_are_closed_out(tmp_path: Path) -> None:
    with serving(echo, tmp_path) as (_, address, _):
        response, _ = ask(address, Origin="https://elsewhere.example")
        assert "access-control-allow-origin" not in response.headers
        preflight, _ = ask(address, "OPTIONS", Origin="https://elsewhere.example", Access_Control_Request_Method="POST")
        assert "access-control-allow-origin" not in preflight.headers
        foreign = {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
        response, data = ask(address, "POST", body=b"x", **foreign)
        assert (response.status, json.loads(data)["error"]["code"]) == (403, "origin_not_allowed")
        assert ask(address, "POST", body=b"x", Sec_Fetch_Site="same-origin")[0].status == 200


def test_a_site_may_be_let_in(tmp_path: Path) -> None:
    with serving(echo, tmp_path, origins=("https://a.example",), keys=KEYS) as (_, address, _):
        asked = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "authorization,x-stainless-os"}
        preflight, _ = ask(address, "OPTIONS", "/v1/x", Origin="https://a.example", **asked)
        assert (preflight.status, preflight.headers["access-control-allow-origin"]) == (200, "https://a.example")
        assert "x-stainless-os" in preflight.headers["access-control-allow-headers"]
        site = {"Origin": "https://a.example", "Sec-Fetch-Site": "cross-site"}
        response, _ = ask(address, "POST", body=b"x", Authorization="Bearer first-key", **site)
        assert (response.status, response.headers["access-control-allow-origin"]) == (200, "https://a.example")
        assert "access-control-allow-credentials" not in response.headers
        response, _ = ask(address, "POST", body=b"x", **site)
        assert (response.status, response.headers["access-control-allow-origin"]) == (401, "https://a.example")
        other, _ = ask(address, "OPTIONS", "/v1/x", Origin="https://b.example", **asked)
        assert "access-control-allow-origin" not in other.headers


# -- the host's own addresses


def test_health_wants_no_key(tmp_path: Path) -> None:
    with serving(echo, tmp_path, keys=KEYS) as (_, address, _):
        assert ask(address, target="/healthz")[1] == ask(address, target="/readyz")[1] == b"ok\n"
        assert ask(address, "HEAD", "/healthz")[1] == b""
        response, _ = ask(address, "POST", "/healthz", b"x")
        assert (response.status, response.headers["allow"]) == (405, "GET, HEAD")


def test_metrics_have_a_switch_of_their_own(tmp_path: Path) -> None:
    def status(address: tuple[str, int], key: str = "") -> int:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return int(ask(address, target="/metrics", **headers)[0].status)

    with serving(echo, tmp_path, keys=KEYS) as (_, address, _):
        assert status(address) == 200, "only this machine reaches it"
    with serving(echo, tmp_path, keys=KEYS, host="0.0.0.0") as (_, address, _):
        assert [status(address), status(address, "wrong"), status(address, KEYS[1])] == [401, 401, 200]
    for host in ("127.0.0.1", "0.0.0.0"):
        with serving(echo, tmp_path, keys=KEYS, metrics_key="for-metrics", host=host) as (_, address, _):
            assert [status(address), status(address, KEYS[0]), status(address, "for-metrics")] == [401, 401, 200]
            assert ask(address, Authorization="Bearer for-metrics")[0].status == 401, "it opens nothing else"


def test_readiness_is_the_apps(tmp_path: Path) -> None:
    ready: list[bool] = []
    with serving(echo, tmp_path, not_ready=lambda: "" if ready else "not ready: a model") as (_, address, _):
        response, data = ask(address, target="/readyz")
        assert (response.status, data) == (503, b"not ready: a model\n")
        assert ask(address, target="/healthz")[0].status == 200
        ready.append(True)
        assert ask(address, target="/readyz")[0].status == 200


def samples(address: tuple[str, int]) -> dict[tuple[str, ...], float]:
    """As Prometheus reads them: name and labels' values -> value."""
    response, data = ask(address, target="/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    families = text_string_to_metric_families(data.decode())
    return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


def test_metrics_count(tmp_path: Path) -> None:
    metrics, held = Metrics(), {"tiny": 1 << 20}
    metrics.watch_memory(lambda: held)
    metrics.watch_instances(lambda: 5, lambda: 3, lambda: 1)
    go = threading.Event()

    def slow(exchange: Exchange) -> None:
        assert go.wait(SECONDS)
        echo(exchange)

    with serving(slow, tmp_path, threads=1, metrics=metrics) as (server, address, log):
        clients = [threading.Thread(target=ask, args=(address, "POST", "/", b"x" * 10)) for _ in range(3)]
        for client in clients:
            client.start()
        until(lambda: server.admitted == 3)
        found = samples(address)
        assert (found["wherry_http_running",], found["wherry_http_waiting",]) == (1, 2)
        go.set()
        for client in clients:
            client.join()
        ask(address, "BREW", "/coffee")
        until(lambda: len(log) == 5)
        metrics.heard("tiny", 10.0, 2.5, 42)
        assert samples(address)["wherry_gpu_memory_bytes", "tiny"] == 1 << 20
        held.clear()  # the graph was let go
        found = samples(address)
    assert found["wherry_http_requests_total", "POST", "200"] == 3
    assert found["wherry_http_requests_total", "other", "200"] == 1
    assert found["wherry_http_request_seconds_count", "POST"] == 3
    assert found["wherry_http_received_bytes_total",] == 30
    assert (found["wherry_http_running",], found["wherry_http_waiting",]) == (0, 0)
    assert found["wherry_graph_audio_seconds_total", "tiny"] == 10
    assert found["wherry_graph_compute_seconds_total", "tiny"] == 2.5
    assert found["wherry_graph_tokens_total", "tiny"] == 42
    assert found["wherry_graph_real_time_factor_sum", "tiny"] == 0.25
    assert ("wherry_gpu_memory_bytes", "tiny") not in found
    assert [found[f"wherry_instances_{name}",] for name in ("started", "live", "left_behind")] == [5, 3, 1]


# -- ids and the log


def test_a_proxys_id_is_kept(tmp_path: Path) -> None:
    with serving(echo, tmp_path) as (_, address, log):
        assert ask(address, X_Request_Id="edge-7.f_A")[0].headers["x-request-id"] == "edge-7.f_A"
        for odd in ("a b", "x" * 65, "", 'a"b'):
            assert ask(address, X_Request_Id=odd)[0].headers["x-request-id"] not in ("", odd)
        until(lambda: len(log) == 5)
    assert len({done.request.id for done in log}) == 5


def test_the_log_is_a_line_of_json(tmp_path: Path) -> None:
    with serving(echo, tmp_path) as (_, address, log):
        _, data = ask(address, "POST", "/v1/x?key=secret", b"12345", Authorization="Bearer secret", User_Agent='a "b" c')
        until(lambda: len(log) == 1)
    line = access_line(log[0])
    assert "\n" not in line and "secret" not in line
    said = json.loads(line)
    assert (said["method"], said["path"], said["status"], said["agent"]) == ("POST", "/v1/x", 200, 'a "b" c')
    assert (said["received"], said["sent"], said["client"]) == (5, len(data), "127.0.0.1")
    assert said["request"] == log[0].request.id
    assert json.loads(access_line(replace(log[0], request=replace(log[0].request, headers=[]))))["agent"] is None


def test_a_text_log_line_cannot_be_forged(tmp_path: Path) -> None:
    with serving(echo, tmp_path) as (_, address, log):
        ask(address, "POST", "/v1/x?key=secret", b"12345", Authorization="Bearer secret", User_Agent='a" status=200 "b')
        until(lambda: len(log) == 1)
    line = access_text(log[0])
    assert "\n" not in line and "secret" not in line
    assert re.fullmatch(
        r'\S+ 127\.0\.0\.1 POST /v1/x 200 \d+\.\d{3}s received=5 sent=\d+ agent="a\\" status=200 \\"b" request=\w+', line
    )
    odd = replace(log[0], request=replace(log[0].request, target="/a b\n200\x1b[31m", headers=[]))
    assert " POST /a%20b\\n200\\u001b[31m 200 " in access_text(odd) and 'agent="-"' in access_text(odd)


# -- clients without manners


def closed(connection: socket.socket) -> bytes:
    """What the server said until it hung up."""
    said = b""
    try:
        while piece := connection.recv(1 << 16):
            said += piece
    except ConnectionResetError:
        pass
    return said


HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize("sent", [b"", HEAD + b"X-A: ", HEAD + b"\r\nGET /"])
def test_a_head_that_does_not_end(sent: bytes, tmp_path: Path) -> None:
    """Also one that goes on a letter at a time."""
    with serving(echo, tmp_path, patience=Patience(head=0.3)) as (_, address, _):
        with socket.create_connection(address, SECONDS) as connection:
            connection.sendall(sent)
            drip = threading.Event()

            def dripping() -> None:
                while sent and not drip.wait(0.05):
                    try:
                        connection.sendall(b"a")
                    except OSError:
                        return

            thread = threading.Thread(target=dripping)
            thread.start()
            assert closed(connection).count(b"HTTP/1.1 200") == (1 if b"\r\n\r\n" in sent else 0)
            drip.set()
            thread.join()
        assert ask(address)[0].status == 200


def test_a_body_that_does_not_come(tmp_path: Path) -> None:
    with serving(echo, tmp_path, piece_seconds=0.2) as (_, address, log):
        with socket.create_connection(address, SECONDS) as connection:
            connection.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc")
            assert closed(connection).startswith(b"HTTP/1.1 408")
        until(lambda: len(log) == 1)
    assert log[0].status == 408
    assert list(tmp_path.iterdir()) == []


def test_the_rest_of_a_body_that_was_refused(tmp_path: Path) -> None:
    with (
        serving(echo, tmp_path, keys=KEYS, patience=Patience(rest=0.2)) as (_, address, _),
        socket.create_connection(address, SECONDS) as connection,
    ):
        connection.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\nabc")
        assert closed(connection).startswith(b"HTTP/1.1 401")


@pytest.mark.parametrize("how", ["Content-Length: 3000000\r\n", "Content-Length: 3000000\r\nConnection: close\r\n"])
def test_who_is_refused_hears_why(how: str, tmp_path: Path) -> None:
    """Also one that reads nothing until its whole body is sent, on a connection that closes then."""
    with serving(echo, tmp_path, keys=KEYS) as (_, address, _), socket.create_connection(address, SECONDS) as connection:
        connection.sendall(f"POST / HTTP/1.1\r\nHost: localhost\r\n{how}\r\n".encode())
        for _ in range(3):
            connection.sendall(b"x" * 1_000_000)
        assert connection.recv(100).startswith(b"HTTP/1.1 401")


def test_a_client_that_does_not_read(tmp_path: Path) -> None:
    ended = threading.Event()

    def endless(exchange: Exchange) -> None:
        exchange.start(200, [])
        while exchange.write(b"x" * 100_000):
            pass
        ended.set()

    with serving(endless, tmp_path, patience=Patience(stall=0.3)) as (_, address, log):
        with socket.create_connection(address, SECONDS) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert ended.wait(SECONDS)
        until(lambda: len(log) == 1)
    assert log[0].status == 499


@pytest.mark.parametrize("sent", [b"\0\1\2\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000])
def test_what_is_no_http(sent: bytes, tmp_path: Path) -> None:
    with serving(echo, tmp_path) as (_, address, _):
        with socket.create_connection(address, SECONDS) as connection:
            connection.sendall(sent)
            assert closed(connection).startswith(b"HTTP/1.1 400")
        assert ask(address)[0].status == 200


@pytest.mark.parametrize("before", [b"", b"3\r\nabc\r\n"])
def test_what_is_no_http_amid_a_body(before: bytes, tmp_path: Path) -> None:
    """One answer, and no fault of the server's: the request that the body is of waits for it meanwhile."""
    with serving(echo, tmp_path, hosts=("other.example",)) as (_, address, log):
        for host in (b"localhost", b"evil.example"):
            with socket.create_connection(address, SECONDS) as connection:
                head = b"POST / HTTP/1.1\r\nHost: " + host + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
                connection.sendall(head + before + b"no chunk\r\n")
                answers = closed(connection)
            assert b"HTTP/1.1 500" not in answers and b"HTTP/1.1 400" in answers
        until(lambda: len(log) >= 2)
    assert 500 not in {done.status for done in log}


# -- stopping


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_a_stop_waits_for_what_runs(number: signal.Signals, tmp_path: Path) -> None:
    """As containers are stopped: the request is answered to its end, the process leaves no folder and says what ended it."""
    (tmp_path / "temporary").mkdir()
    (tmp_path / "app.py").write_text(
        "import pathlib, time\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    yield b'begun '\n"
        "    while not pathlib.Path('go').exists():\n"
        "        time.sleep(0.01)\n"
        "    yield b'ended'\n"
    )
    command = [sys.executable, "-m", "wherry", "dev", "--device", "cpu", "--port", "0"]
    environ = {**os.environ, "TMPDIR": str(tmp_path / "temporary")}
    process = subprocess.Popen(command, cwd=tmp_path, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    host, port = process.stdout.readline().split()[0].removeprefix("http://").rstrip("/").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=SECONDS)
    connection.request("GET", "/")
    response = connection.getresponse()
    assert response.read(6) == b"begun "
    process.send_signal(number)
    until(lambda: refused((host, int(port))))
    (tmp_path / "go").touch()
    assert response.read() == b"ended"
    assert process.wait(SECONDS) == 128 + number
    assert list((tmp_path / "temporary").iterdir()) == []
    process.stdout.close()


def refused(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, SECONDS).close()
    except ConnectionRefusedError:
        return True
    return False


# -- the environment


def test_the_environment_sets_it_up() -> None:
    given = {"WHERRY_API_KEYS": "a, b\nc", "WHERRY_ALLOW_ORIGINS": "https://a.example http://localhost:3000"}
    found = read_options(given, ServerOptions(port=1))
    assert (found.port, found.keys, found.origins) == (1, ("a", "b", "c"), ("https://a.example", "http://localhost:3000"))
    assert read_options({}, ServerOptions()) == ServerOptions()


@pytest.mark.parametrize(
    ("name", "value"),
    [("WHERRY_API_KEYS", ""), ("WHERRY_API_KEYS", " , "), ("WHERRY_API_KEYS", "词"), ("WHERRY_ALLOW_ORIGINS", "a.example"),
     ("WHERRY_ALLOW_ORIGINS", "https://a.example/"), ("WHERRY_ALLOW_ORIGINS", "")],
)  # fmt: skip
def test_what_would_open_by_mistake_is_refused(name: str, value: str) -> None:
    with pytest.raises(InputError, match=name):
        read_options({name: value}, ServerOptions())
