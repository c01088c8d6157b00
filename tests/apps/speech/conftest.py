"""An image of apps/speech under `wherry run`: one server for all tests of a process.

Its models are given from outside and not built in: in an image weights have eight bits, and openai-whisper's had sixteen.
tiny.en is the default; base, which knows other languages, is loaded by the first test that asks for it.
"""

from collections.abc import Generator

import openai
import pytest

from tests.apps.serving import Served, build, serve
from tests.conftest import AUDIO
from wherry.engine.catalog import default_cache, find_model

# Recordings with openai-whisper's words and their times, where they are at hand.
TIMED = ["jfk/jfk.wav"] if AUDIO.is_dir() else []
# Not in English, and translated without a second try at a higher temperature, which openai-whisper draws otherwise.
FOREIGN = ["leopard/test_it.flac"] if AUDIO.is_dir() else []


@pytest.fixture(scope="session")
def image() -> str:
    return build("speech")


@pytest.fixture(scope="session")
def served(image: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    arguments: list[str] = []
    for name in ("whisper-tiny.en", "whisper-base"):
        found = find_model(name, default_cache())
        assert found.config is not None and found.tokenizer is not None
        inside = [f"/{name}/{path.name}" for path in (found.weights, found.config, found.tokenizer)]
        arguments += ["--dir", f"{found.weights.parent}:/{name}:ro", "--nn-preload", f"{name}:Burn:AUTO:{':'.join(inside)}"]
    with serve("speech", image, tmp_path_factory.mktemp("speech") / "log", arguments) as found_server:
        yield found_server


@pytest.fixture(scope="session")
def client(served: Served) -> Generator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key=served.key, max_retries=0, timeout=120) as client:
        yield client
