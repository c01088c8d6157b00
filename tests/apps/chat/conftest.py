"""An image of apps/chat with its models in it, under `wherry run`: one server for all tests of a process."""

from collections.abc import Generator

import openai
import pytest

from tests.apps.serving import Served, build, serve

MODEL = "smollm2-135m-instruct"
VECTORS = "all-minilm-l6-v2"


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    image = build("chat", "--model", MODEL, "--model", VECTORS, "--compression", "none")  # weights become no smaller
    with serve("chat", image, tmp_path_factory.mktemp("chat") / "log") as found:
        yield found


@pytest.fixture(scope="session")
def client(served: Served) -> Generator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key=served.key, max_retries=0, timeout=120) as client:
        yield client
