"""`wherry new` and `wherry dev`: a new app's own tests pass, it answers over HTTP, and a saved file is loaded again."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.conftest import ROOT, SAMPLE
from wherry.cli.dev_app import ReloadingApp
from wherry.cli.dev_host import EngineHost
from wherry.cli.main import cli
from wherry.errors import InputError, NotFoundError
from wherry.guest import chat, embeddings, host, nn, speech
from wherry.guest.client import Client, multipart
from wherry.guest.tensor import Tensor

WHERRY = [sys.executable, "-m", "wherry"]


def make(folder: Path) -> Path:
    subprocess.run([*WHERRY, "new", str(folder)], check=True, capture_output=True)
    return folder


def test_a_new_app_passes_its_own_tests(tmp_path: Path) -> None:
    folder = make(tmp_path / "shout")
    done = subprocess.run([sys.executable, "-m", "pytest", "-p", "no:cacheprovider"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout


def test_new_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("kept")
    result = CliRunner().invoke(cli, ["new", str(tmp_path)])
    assert isinstance(result.exception, InputError)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@contextlib.contextmanager
def development(folder: Path, *arguments: str) -> Generator[tuple[str, "subprocess.Popen[str]"]]:
    """`wherry dev` in a folder -> its address and its process."""
    command = [*WHERRY, "dev", "--device", "cpu", "--port", "0", *arguments]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split()[0].rstrip("/"), process
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


def post(url: str, path: Path) -> tuple[int, str]:
    kind, body = multipart({}, {"file": (path.name, path.read_bytes())})
    request = urllib.request.Request(url, body, {"Content-Type": kind})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_a_new_app_shouts_and_is_loaded_again(tmp_path: Path) -> None:
    folder = make(tmp_path / "shout")
    with development(folder, "--set", "ending=?!") as (url, _):
        status, text = post(f"{url}/shout", SAMPLE)
        assert status == 200
        assert "ANY PROCESSOR" in text
        assert text.endswith("?!\n")
        app = folder / "app.py"
        app.write_text(app.read_text().replace(".upper()", ".lower()"))
        assert "any processor" in post(f"{url}/shout", SAMPLE)[1]
        assert post(f"{url}/shout", app)[0] == 400
    log = (folder / "log").read_text()
    assert "app.py: loaded again" in log
    assert "POST /shout 200" in log


def test_ctrl_c_ends_it(tmp_path: Path) -> None:
    folder = make(tmp_path / "shout")
    with development(folder) as (url, process):
        assert urllib.request.urlopen(url, timeout=30).status == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    assert "Traceback" not in (folder / "log").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing.py"], "nothing.py"),
        (["notes.txt"], "notes.txt"),
        (["app.py", "--set", "novalue"], "--set"),
        (["app.py", "--model", "whisper-tiny.en", "--model", "whisper-tiny.en"], "twice"),
    ],
)
def test_what_cannot_be_run_is_named(arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.py").write_text("app = print\n")
    (tmp_path / "notes.txt").write_text("")
    result = CliRunner().invoke(cli, ["dev", "--port", "0", *arguments])
    assert isinstance(result.exception, InputError | NotFoundError)
    assert message in str(result.exception)


# -- loading again


@pytest.fixture
def app_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "modules", {**sys.modules})
    return tmp_path


def save(path: Path, text: str) -> None:
    """With a time that differs, however coarse the file system's clock is."""
    before = path.stat().st_mtime_ns if path.exists() else time.time_ns()
    path.write_text(text)
    os.utime(path, ns=(before + 10_000_000, before + 10_000_000))


ANSWER = "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [word.encode()]\n"


def test_what_the_app_imports_is_loaded_again_too(app_folder: Path) -> None:
    said: list[str] = []
    save(app_folder / "app.py", "from words.one import word\n" + ANSWER)
    (app_folder / "words").mkdir()
    save(app_folder / "words/__init__.py", "")
    save(app_folder / "words/one.py", "word = 'first'\n")
    client = Client(ReloadingApp(app_folder / "app.py", "app", said.append))
    assert client.get("/").text == "first"
    save(app_folder / "words/one.py", "word = 'second'\n")
    assert client.get("/").text == "second"
    assert client.get("/").text == "second"
    assert said == ["app.py: loaded again"]


def test_pages_are_watched_and_what_tools_keep_is_not(app_folder: Path) -> None:
    said: list[str] = []
    save(app_folder / "page.html", "one")
    save(app_folder / "app.py", f"word = open({str(app_folder / 'page.html')!r}).read()\n" + ANSWER)
    client = Client(ReloadingApp(app_folder / "app.py", "app", said.append))
    save(app_folder / "page.html", "two")
    assert client.get("/").text == "two"
    said.clear()
    for name in (".git/config.json", "__pycache__/app.py", "node_modules/x.js", "environment/lib/x.py", "log", "upload.wav"):
        path = app_folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    (app_folder / "environment/pyvenv.cfg").write_text("")
    assert client.get("/").text == "two"
    assert said == []


def test_a_mistake_is_shown_until_it_is_put_right(app_folder: Path) -> None:
    said: list[str] = []
    save(app_folder / "app.py", "word = 'well'\n" + ANSWER)
    client = Client(ReloadingApp(app_folder / "app.py", "app", said.append))
    save(app_folder / "app.py", "word = missing\n" + ANSWER)
    for _ in range(2):
        answer = client.get("/")
        assert answer.status == 500
        assert "NameError: name 'missing' is not defined" in answer.text
        assert "importlib" not in answer.text
    save(app_folder / "app.py", "word = (\n")
    assert "SyntaxError" in client.get("/").text
    save(app_folder / "app.py", "word = 'again'\n" + ANSWER)
    assert client.get("/").text == "again"


@pytest.mark.parametrize("text", ["", "app = 3\n"])
def test_a_file_without_an_app_says_how_to_name_it(text: str, app_folder: Path) -> None:
    save(app_folder / "app.py", text)
    assert "app.py:NAME" in Client(ReloadingApp(app_folder / "app.py", "app", lambda line: None)).get("/").text


def test_models_are_not_there_while_the_app_is_imported(app_folder: Path, engine: EngineHost) -> None:
    """As in the sandbox, where the app is imported once, when it is compiled."""
    save(app_folder / "app.py", "from wherry.guest import speech\nword = speech.names()[0]\n" + ANSWER)
    with host.use(engine):
        answer = Client(ReloadingApp(app_folder / "app.py", "app", lambda line: None)).get("/")
    assert "not while the app is imported" in answer.text


# -- the engine as a host


@pytest.fixture
def engine() -> EngineHost:
    return EngineHost({"tiny": "whisper-tiny.en"}, "cpu", False, {"a": "b"}, lambda line: None)


def test_the_engine_serves_apps(engine: EngineHost) -> None:
    with host.use(engine):
        model = speech.open()
        assert (model.name, model.languages) == ("tiny", {"en": "english"})
        assert model.device.startswith("cpu")
        found = model.transcribe(SAMPLE, speech.Options(word_timestamps=True))
        assert "any processor" in found.text
        assert [word.word for word in found.words][:2] == [" A", " ferry"]
        assert model.detect_language(SAMPLE.read_bytes()) == {"en": 1.0}
        with pytest.raises(NotFoundError, match="tiny"):
            speech.open("base")


def test_the_engine_serves_graphs(engine: EngineHost) -> None:
    with host.use(engine):
        graph = nn.load_by_name("tiny")
        found = graph.compute({"0": Tensor.from_numbers([0.0] * 16_000)})
        assert found["0"].text() == ""
        with pytest.raises(InputError, match='input "sound"'):
            graph.compute({"sound": Tensor.from_numbers([0.0])})


def test_the_engine_serves_language_models_and_those_of_sentences() -> None:
    """Each kind of call finds its own models, whatever their order."""
    said: list[tuple[str, int]] = []
    models = {"tiny": "whisper-tiny.en", "small": "smollm2-135m-instruct", "vectors": "all-minilm-l6-v2"}
    engine = EngineHost(
        models, "cpu", False, {}, lambda line: None, said=lambda name, usage, *times: said.append((name, usage.completion))
    )
    with host.use(engine):
        assert (speech.names(), chat.names(), embeddings.names()) == (["tiny"], ["small"], ["vectors", "small"])
        model = chat.open()
        assert (model.name, model.chats, model.supports_tools, model.context) == ("small", True, False, 4096)
        answer = model.answer(
            [{"role": "user", "content": "What is the capital of France?"}], chat.Options(temperature=0, max_tokens=9)
        )
        assert answer.text == "The capital of France is Paris." and answer.finish == "stop"
        assert said == [("small", answer.usage.completion)]
        first, second, other = embeddings.open().embed(["a ferry", "a boat", "income tax"])
        near, far = (sum(x * y for x, y in zip(first.numbers, each.numbers, strict=True)) for each in (second, other))
        assert near > far + 0.2
        found = json.loads(nn.load_by_name("vectors").compute({"0": Tensor.from_text("a ferry")})["0"].text())
        assert found["embedding"] == pytest.approx(first.numbers, abs=1e-5)
        assistant = Client(ReloadingApp(ROOT / "examples/voice/app.py", "app", lambda line: None))
        heard, _, reply = assistant.request("POST", "/", body=SAMPLE.read_bytes()).text.partition("\n")
        assert heard.startswith("> A ferry is a light boat") and len(reply) > 20
        assert assistant.request("POST", "/", body=b"no recording").status == 400
        with pytest.raises(NotFoundError, match='model "tiny"'):
            chat.open("tiny")
        with pytest.raises(InputError, match="tool_choice: found no tools"):
            model.answer([{"role": "user", "content": "x"}], chat.Options(tool_choice="required", regex="a"))
