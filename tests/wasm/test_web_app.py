"""A web app in its sandbox, over real HTTP: what it hears and says, what the engine tells it, what it must not do."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SAMPLE
from tests.wasm.web import SECONDS, Silence, Web, serving
from wherry.engine.session import Whisper
from wherry.engine.transcript import TranscribeOptions
from wherry.guest.client import multipart
from wherry.wasm.nn.backend import BurnSpeech
from wherry.wasm.nn.speech import PreloadedSpeech


@pytest.fixture(scope="module")
def web(web_component: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with serving(web_component, tmp_path_factory.mktemp("bodies"), settings={"greeting": "hello"}) as found:
        yield found


@pytest.fixture(scope="module")
def hearing(web_component: Path, tmp_path_factory: pytest.TempPathFactory, tiny_en: Whisper) -> Iterator[Web]:
    graph = BurnSpeech(tiny_en, TranscribeOptions())
    with serving(
        web_component, tmp_path_factory.mktemp("bodies"), PreloadedSpeech(["tiny"], lambda name: graph), lambda name: graph
    ) as found:
        yield found


def read(web: Web, method: str, target: str, body: bytes | None = None) -> Any:
    response, data = web.ask(method, target, body)
    assert response.status == 200, data
    return json.loads(data)


def until(condition: Any) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_every_byte_arrives_and_comes_back(web: Web) -> None:
    body = bytes(range(256)) * 4096
    response, data = web.ask("POST", "/echo?a=%20b&c", body)
    assert (response.status, response.headers["X-Query"], data == body) == (200, "a=%20b&c", True)


def test_flask_reads_a_form(web: Web) -> None:
    kind, body = multipart({"word": "größe"}, {"file": ("a.bin", b"12345")})
    response, data = web.ask("POST", "/flask/J%C3%BCrgen", body, Content_Type=kind)
    assert (response.status, json.loads(data)) == (200, {"name": "Jürgen", "word": "größe", "size": 5})


def test_an_app_has_its_settings_and_no_other_variable(web: Web) -> None:
    found = read(web, "GET", "/count")
    assert found["setting"] == "hello"
    assert set(found["environ"]) <= {"greeting", "PYTHONUNBUFFERED", "COMPONENTIZE_PY_APP_NAME", "PYTHONHOME", "PYTHONPATH"}


def test_each_instance_has_its_own_random_numbers(web_component: Path, tmp_path: Path) -> None:
    """They begin as copies of one memory."""
    found = []
    for _ in range(2):
        with serving(web_component, tmp_path) as fresh:
            found.append(read(fresh, "GET", "/count"))
    assert found[0]["count"] == found[1]["count"] == 1
    for name, value in found[0]["drawn"].items():
        assert value != found[1]["drawn"][name], name


def test_what_the_engine_hears_is_what_the_app_is_told(hearing: Web, tiny_en: Whisper) -> None:
    """The reference is the engine, called without a sandbox."""
    found = read(hearing, "POST", "/speech", SAMPLE.read_bytes())
    direct = tiny_en.transcribe(SAMPLE, TranscribeOptions(word_timestamps=True))
    assert found["names"] == ["tiny"] and found["languages"] == {"en": "english"} and found["detected"] == {"en": 1.0}
    assert (found["text"], found["language"], found["duration"]) == (direct.text, direct.language, direct.duration)
    assert [row[:5] for row in found["segments"]] == [[s.id, s.start, s.end, s.text, list(s.tokens)] for s in direct.segments]
    assert [row[:3] for row in found["words"]] == [[w.start, w.end, w.word] for w in direct.words]
    # Sums of the same numbers in another order, where threads share them otherwise.
    assert [row[5] for row in found["segments"]] == pytest.approx([s.avg_logprob for s in direct.segments], abs=1e-4)
    assert [row[3] for row in found["words"]] == pytest.approx([w.probability for w in direct.words], abs=1e-3)


def test_a_graph_by_name_computes(hearing: Web, tiny_en: Whisper) -> None:
    assert read(hearing, "POST", "/nn", SAMPLE.read_bytes())["text"] == [tiny_en.transcribe(SAMPLE).text] * 2


def test_errors_of_the_host_are_the_same_classes_inside(hearing: Web) -> None:
    found = read(hearing, "POST", "/errors", SAMPLE.read_bytes())
    kinds = {name: kind for name, (kind, _) in found.items()}
    assert kinds == {
        "model": "NotFoundError",
        "audio": "FormatError",
        "missing": "NotFoundError",
        "language": "InputError",
        "input": "InputError",
    }
    assert found["audio"][1].startswith("/tmp/text: "), "an app sees no path of the host"


def test_options_arrive_as_they_were_given(web_component: Path, tmp_path: Path) -> None:
    speech = Silence()
    with serving(web_component, tmp_path, speech) as web:
        read(web, "POST", "/speech", b"one\ntwo\n")
    wanted = TranscribeOptions(word_timestamps=True)
    assert [list(v) if isinstance(v, tuple) else v for v in vars(wanted).values()] == list(speech.asked[0])


def test_what_is_printed_and_logged_reaches_the_hosts_log(web: Web) -> None:
    read(web, "GET", "/log")
    found = set(web.log[-3:])
    assert found == {"warn: own: warned �[31m of red", "info: stdout: printed", "info: stderr: half a line"}


def test_an_answer_streams(web: Web) -> None:
    response, data = web.ask("GET", "/events?500")
    assert response.headers["Content-Type"] == "text/event-stream"
    assert data == b"".join(b"data: %d\n\n" % number for number in range(500))


def test_an_apps_mistake_is_answered_and_the_instance_goes_on(web: Web) -> None:
    started = web.app.started
    response, data = web.ask("GET", "/raise")
    assert (response.status, data) == (500, b"Internal Server Error\n")
    assert any("the app's own mistake" in line for line in web.log)
    read(web, "GET", "/count")
    assert web.app.started == started


def test_clients_at_once_have_an_instance_each(web: Web) -> None:
    failures: list[BaseException] = []

    def client(number: int) -> None:
        try:
            body = bytes([number]) * 100_000
            for _ in range(5):
                assert web.ask("POST", "/echo", body)[1] == body
        except BaseException as error:  # noqa: BLE001 - told below
            failures.append(error)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert web.app.live <= 8


def test_a_client_that_leaves_ends_the_work(web: Web) -> None:
    """An app that writes hears of it by itself, and its instance is used again."""
    started, before = web.app.started, len(web.done)
    with socket.create_connection(web.address) as connection:
        connection.sendall(b"GET /forever HTTP/1.1\r\nHost: localhost\r\n\r\n")
        connection.recv(100)
    until(lambda: len(web.done) > before)
    read(web, "GET", "/count")
    assert web.app.started <= started + 1


def test_a_client_that_leaves_ends_an_app_that_hears_nothing(web: Web) -> None:
    live = web.app.live
    with socket.create_connection(web.address) as connection:
        connection.sendall(b"GET /spin HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(0.2)
    until(lambda: ("/spin", 499) in [(done.request.target, done.status) for done in web.done])
    until(lambda: web.app.live <= live)
    read(web, "GET", "/count")


# -- hostile apps: each ends its own instance at most, and the next request finds the host as it was


@pytest.fixture(scope="module")
def prison(web_component: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    bodies = tmp_path_factory.mktemp("bodies")
    with serving(
        web_component, bodies, timeout=6.0, memory_bytes=96 << 20, output_bytes=1 << 20, log_bytes=1000, folder_bytes=8 << 20
    ) as found:
        yield found


FATAL = {
    "spin": "found no answer after 6 s",
    "disk": "bytes in the app's folder",
    "files": "files in the app's folder",
    "forge?99999": "",
    "forge?4294967295": "",
    "twice": "",
    "hoard": "resources: found 4096 in use",
    "exit": "",
}


@pytest.mark.parametrize("deed", FATAL)
def test_a_hostile_app_ends_its_instance_alone(prison: Web, deed: str) -> None:
    live = prison.app.live
    response, data = prison.ask("GET", "/" + deed)
    assert response.status == 502 and FATAL[deed] in data.decode(), data
    until(lambda: prison.app.live <= max(live - 1, 0))
    assert read(prison, "GET", "/count")["count"] >= 1
    assert not prison.app.left_work


def test_memory_ends_at_its_limit(prison: Web) -> None:
    response, data = prison.ask("GET", "/allocate")
    assert response.status in (200, 500, 502), data
    if response.status == 200:
        assert json.loads(data)["megabytes"] < 96
    read(prison, "GET", "/count")


def test_endless_recursion_ends(prison: Web) -> None:
    response, _ = prison.ask("GET", "/recurse")
    assert response.status in (500, 502)
    read(prison, "GET", "/count")


def test_an_endless_answer_is_broken_off(prison: Web) -> None:
    for deed in ("forever", "answer_twice"):
        with pytest.raises(http.client.IncompleteRead):
            prison.ask("GET", "/" + deed)
        read(prison, "GET", "/count")


def test_a_flood_of_log_is_cut(prison: Web) -> None:
    before = len(prison.log)
    read(prison, "GET", "/flood")
    assert sum(map(len, prison.log[before:])) < 3000
    assert "the rest is dropped" in prison.log[-1]


def test_a_head_that_smuggles_is_no_answer(prison: Web) -> None:
    response, data = prison.ask("GET", "/bad_head")
    assert response.status == 502 and "Set-Cookie" not in response.headers
    assert b"which HTTP does not have" in data
    read(prison, "GET", "/count")


def test_a_sleeper_is_left_behind_and_counted(web_component: Path, tmp_path: Path) -> None:
    """wasmtime cannot wake it: the client has its answer, and the thread goes when it wakes."""
    with serving(web_component, tmp_path, timeout=0.3) as web:
        response, data = web.ask("GET", "/sleep?4")
        assert response.status == 502 and b"found no answer" in data
        read(web, "GET", "/count")
        until(lambda: not web.app.left_work and web.app.live == 1)


def test_nothing_of_the_host_is_in_reach(prison: Web) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        found = read(prison, "GET", f"/escape?{listening.getsockname()[1]}")
    passwd = Path("/etc/passwd").read_text().splitlines()[0]
    assert passwd not in json.dumps(found)
    told = {"root", "list above"}  # wasi-libc answers for what lies above its folders
    assert {name for name, what in found.items() if not what.endswith(("Error", "gaierror"))} <= told, found


def test_a_link_does_not_lead_the_hosts_reader_out(prison: Web, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the host's own\n")
    for target in (str(secret), "../" * 10 + str(secret)):
        found = prison.ask("GET", f"/link?{target}")[1]
        assert b"the host's own" not in found
