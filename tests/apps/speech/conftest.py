"""An image of apps/speech under `wherry run`: one server for all tests of a process, asked over HTTP alone.

Its models are given from outside and not built in: in an image weights have eight bits, and openai-whisper's had sixteen.
tiny.en is the default; base, which knows other languages, is loaded by the first test that asks for it.
"""

import fcntl
import os
import re
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx2
import openai
import pytest

from tests.conftest import AUDIO, ROOT
from wherry.engine.catalog import default_cache, find_model

KEY = "sk-test-0123456789abcdef"
IMAGE = "wherry-tests/speech"
_SECONDS = 300.0  # for the server to be ready: it compiles the app to machine code, once on a machine
# Recordings with openai-whisper's words and their times, where they are at hand.
TIMED = ["jfk/jfk.wav"] if AUDIO.is_dir() else []
# Not in English, and translated without a second try at a higher temperature, which openai-whisper draws otherwise.
FOREIGN = ["leopard/test_it.flac"] if AUDIO.is_dir() else []


class Served(NamedTuple):
    url: str  # without a slash at its end
    key: str


@contextmanager
def _alone() -> Generator[None]:
    """One test process at a time: what the first has built or compiled, the next finds."""
    folder = ROOT / "build/apps"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".speech").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def image() -> str:
    """Built once for all test processes."""
    with _alone():
        command = [sys.executable, "-m", "wherry", "build", str(ROOT / "apps/speech"), "-t", IMAGE]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return IMAGE


@pytest.fixture(scope="session")
def served(image: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    log = tmp_path_factory.mktemp("speech") / "log"
    command = [sys.executable, "-m", "wherry", "run", "--device", "cpu", "-p", "127.0.0.1:0:8080"]
    for name in ("whisper-tiny.en", "whisper-base"):
        found = find_model(name, default_cache())
        assert found.config is not None and found.tokenizer is not None
        inside = [f"/{name}/{path.name}" for path in (found.weights, found.config, found.tokenizer)]
        command += ["--dir", f"{found.weights.parent}:/{name}:ro", "--nn-preload", f"{name}:Burn:AUTO:{':'.join(inside)}"]
    command.append(image)
    environ = {**os.environ, "WHERRY_API_KEYS": f"sk-another,{KEY}"}
    with _alone():
        with log.open("w") as file:
            process = subprocess.Popen(command, env=environ, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
        url = _ready(process, log)
    try:
        yield Served(url, KEY)
    finally:
        process.terminate()
        process.wait(60)
    assert "Traceback" not in log.read_text()


def _ready(process: "subprocess.Popen[bytes]", log: Path) -> str:
    """The address that the server says, once /readyz is well."""
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(r"http://127\.0\.0\.1:\d+", log.read_text()):
            assert httpx2.get(f"{found[0]}/readyz").status_code == 200
            return found[0]
        time.sleep(0.1)
    process.kill()
    raise AssertionError(log.read_text())


@pytest.fixture(scope="session")
def client(served: Served) -> Generator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key=served.key, max_retries=0, timeout=120) as client:
        yield client
