"""apps/speech behind a real server with real models: one for all tests of a process, asked over HTTP alone."""

import os
import subprocess
import sys
from collections.abc import Generator
from typing import NamedTuple

import openai
import pytest

from tests.conftest import AUDIO, ROOT

KEY = "sk-test-0123456789abcdef"
# Recordings with openai-whisper's words and their times, where they are at hand.
TIMED = ["jfk/jfk.wav"] if AUDIO.is_dir() else []
# Not in English, and translated without a second try at a higher temperature, which openai-whisper draws otherwise.
FOREIGN = ["leopard/test_it.flac"] if AUDIO.is_dir() else []


class Served(NamedTuple):
    url: str  # without a slash at its end
    key: str


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    """tiny.en is the default; base, which knows other languages, is loaded by the first test that asks for it."""
    log = tmp_path_factory.mktemp("speech") / "log"
    command = [sys.executable, "-m", "wherry", "dev", "--device", "cpu", "--port", "0"]
    command += ["--model", "whisper-tiny.en", "--model", "whisper-base"]
    with log.open("w") as file:
        process = subprocess.Popen(
            command,
            cwd=ROOT / "apps/speech",
            env={**os.environ, "WHERRY_API_KEYS": f"sk-another,{KEY}"},
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
        )
    assert process.stdout is not None
    try:
        said = process.stdout.readline().split()
        assert said, log.read_text()
        yield Served(said[0], KEY)
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()
    assert "Traceback" not in log.read_text()


@pytest.fixture(scope="session")
def client(served: Served) -> Generator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key=served.key, max_retries=0, timeout=120) as client:
        yield client
