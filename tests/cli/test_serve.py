"""What `wherry run` serves: an app, and models of every kind beside it, each found by those who ask for its kind."""

import http.client
import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SAMPLE
from tests.wasm.web import CACHE, SECONDS
from wherry.cli.guest import RunOptions, run_guest
from wherry.cli.serve import serving_app
from wherry.engine.catalog import default_cache, find_model
from wherry.errors import InputError, NotFoundError
from wherry.wasm.component import Compiled
from wherry.wasm.host import GuestOptions
from wherry.wasm.network_policy import NetworkPolicy
from wherry.wasm.nn.backend import load_graph
from wherry.wasm.nn.graph import Graph, SharedGraphs
from wherry.wasm.nn.preload import kind_of, parse_preloads

ANY_PORT = NetworkPolicy({8080: ("127.0.0.1", 0)})


def ask(url: str, method: str, target: str, body: bytes | None = None) -> Any:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=SECONDS)
    connection.request(method, target, body)
    response = connection.getresponse()
    data = response.read()
    assert response.status == 200, data
    return data.decode()


def test_an_app_whose_folder_is_missing_does_not_start(web_component: Path) -> None:
    with pytest.raises(NotFoundError, match=r"^/no/such: found no such folder, expected one to mount at /data$"):
        run_guest(str(web_component), [], RunOptions(publish=["127.0.0.1:0:8080"], volume=["/no/such:/data"]))


def test_an_app_has_models_of_every_kind(web_component: Path) -> None:
    def weights(name: str) -> Path:
        return find_model(name, default_cache()).weights

    tiny = weights("whisper-tiny.en")
    preloads = parse_preloads(
        [
            f"small:GGML:CPU:{weights('smollm2-135m-instruct')}",
            f"vectors:Autodetect:CPU:{weights('all-minilm-l6-v2')}",
            f"tiny:Whisper:CPU:{tiny}:{tiny.with_name('tokenizer.json')}",
        ]
    )
    loaded: list[str] = []

    def load(name: str) -> Graph:
        loaded.append(name)
        return load_graph(preloads, name, Path, "cpu", False, lambda line: None)

    kinds = {name: kind_of(preload) for name, preload in preloads.items()}
    assert list(kinds.values()) == ["language", "sentences", "speech"]
    component = Compiled(web_component, CACHE, lambda line: None)
    graphs = SharedGraphs(load)
    serving = serving_app(component, GuestOptions(network=ANY_PORT), kinds, graphs, lambda line: None)
    with serving as (server, _), server.running() as url:
        question = {"prompt": "Once upon a time", "options": [{"temperature": 0, "max_tokens": 4}]}
        found = json.loads(ask(url, "POST", "/chat", json.dumps(question).encode()))
        assert found["names"] == ["small"] and found["answers"][0]["usage"] == [4, 4]
        assert loaded == ["small"], "a model is loaded when it is asked for"
        found = json.loads(ask(url, "POST", "/embed", json.dumps({"texts": ["a ferry"]}).encode()))
        assert found["names"] == ["vectors", "small"] and len(found["vectors"][0]) == 384
        assert json.loads(ask(url, "POST", "/speech", SAMPLE.read_bytes()))["names"] == ["tiny"]
        said = ask(url, "GET", "/metrics")
    assert loaded == ["small", "vectors", "tiny"]
    for line in (
        'wherry_graph_answers_total{graph="small"} 1.0',
        'wherry_graph_prompt_tokens_total{graph="small"} 4.0',
        'wherry_graph_tokens_total{graph="small"} 4.0',
        'wherry_graph_transcripts_total{graph="tiny"} 1.0',
    ):
        assert line in said


@pytest.mark.parametrize(
    ("env", "kind", "threads"), [({}, "speech", 8), ({}, "language", 32), ({"WHERRY_REQUESTS": "5"}, "language", 5)]
)
def test_so_many_requests_are_answered_at_once(env: dict[str, str], kind: str, threads: int, web_component: Path) -> None:
    component = Compiled(web_component, CACHE, lambda line: None)
    graphs = SharedGraphs(lambda name: pytest.fail(name))
    options = GuestOptions(env=env, network=ANY_PORT)
    with serving_app(component, options, {"x": kind}, graphs, lambda line: None) as (server, _), server.running() as url:
        assert server.threads == threads
        assert "WHERRY_REQUESTS" not in json.loads(ask(url, "GET", "/count"))["environ"]


@pytest.mark.parametrize("number", ["0", "257", "many", "-1", "٣", ""])
def test_a_number_of_requests_that_cannot_be_is_refused(number: str, web_component: Path) -> None:
    component = Compiled(web_component, CACHE, lambda line: None)
    options = GuestOptions(env={"WHERRY_REQUESTS": number}, network=ANY_PORT)
    graphs = SharedGraphs(lambda name: pytest.fail(name))
    serving = serving_app(component, options, {}, graphs, lambda line: None)
    with pytest.raises(InputError, match=r"WHERRY_REQUESTS: found .*, expected 1 to 256"), serving:
        pass
