"""What a web app in its sandbox hears of language models and models of sentences: the engine's own words, for many at once."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.engine.test_language import smollm2
from tests.engine.test_scheduler import settled
from tests.references.llm_prompts import PROMPTS
from tests.wasm.web import Web, serving
from wherry.engine.catalog import default_cache, find_model
from wherry.engine.conversation import Usage
from wherry.engine.embedding import Embedder, load_embedder
from wherry.engine.language import Language
from wherry.wasm.nn.ggml import GgmlText
from wherry.wasm.nn.language import PreloadedLanguages
from wherry.wasm.nn.sentences import Sentences

__all__ = ["smollm2"]
# Made by tests/references/llm_logits.py: float32 on the same weights.
_FIXTURE = np.load(ROOT / "tests/fixtures/llm_logits.npz")
# Made by tests/references/llm_logprobs.py.
_LOGPROBS = json.loads((ROOT / "tests/fixtures/llm_logprobs.json").read_text(encoding="utf-8"))
FRANCE = [{"role": "user", "content": "What is the capital of France?"}]


@pytest.fixture(scope="module")
def minilm() -> Embedder:
    return load_embedder(find_model("all-minilm-l6-v2", default_cache()).weights, device="cpu")


@pytest.fixture(scope="module")
def said() -> list[tuple[str, Usage]]:
    return []


@pytest.fixture(scope="module")
def web(
    web_component: Path,
    tmp_path_factory: pytest.TempPathFactory,
    smollm2: Language,
    minilm: Embedder,
    said: list[tuple[str, Usage]],
) -> Iterator[Web]:
    graphs = {"small": GgmlText(smollm2, lambda line: None), "vectors": Sentences(minilm)}
    languages = PreloadedLanguages(
        ["small"], ["vectors"], graphs.__getitem__, lambda name, usage, first, seconds: said.append((name, usage))
    )
    with serving(web_component, tmp_path_factory.mktemp("bodies"), languages=languages, threads=20) as found:
        yield found


def ask(web: Web, target: str, question: Any) -> Any:
    response, data = web.ask("POST", target, json.dumps(question).encode())
    assert response.status == 200, data
    return json.loads(data)


def test_greedy_text_is_that_of_float32(web: Web, smollm2: Language) -> None:
    expected = _FIXTURE["ferry.greedy"][:12].tolist()
    found = ask(web, "/chat", {"prompt": PROMPTS["ferry"], "options": [{"temperature": 0, "max_tokens": 12, "top_logprobs": 0}]})
    (answer,) = found["answers"]
    assert [token[0] for token in answer["tokens"]] == expected
    assert answer["text"] == smollm2.vocabulary.decode(expected)
    assert (answer["finish"], answer["usage"]) == ("length", [len(PROMPTS["ferry"]), 12])
    assert found["names"] == ["small"] and found["text"] == "größe 词"
    assert found["model"] == ["small", smollm2.device, 4096, True, False, len(smollm2.vocabulary.encode("a ferry"))]


@pytest.mark.parametrize("name", _LOGPROBS)
def test_log_probabilities_are_those_of_float32(web: Web, name: str) -> None:
    expected = _LOGPROBS[name]
    options = [{"temperature": 0, "max_tokens": len(expected), "top_logprobs": 20}]
    (answer,) = ask(web, "/chat", {"prompt": PROMPTS[name], "options": options})["answers"]
    for (token, _, logprob, top), place in zip(answer["tokens"], expected, strict=True):
        known = dict(zip(place["tokens"], place["logprobs"], strict=True))
        assert token == place["tokens"][0] and logprob == pytest.approx(place["logprobs"][0], abs=1e-2)
        assert [each[1] for each in top] == pytest.approx(place["logprobs"], abs=1e-2)
        # Where two are as likely their order may differ, and the last may be another.
        shared = [(found, known[other]) for other, found in top if other in known]
        assert len(shared) >= 18
        assert [found for found, _ in shared] == pytest.approx([reference for _, reference in shared], abs=1e-2)


def test_the_same_seed_gives_the_same_text_alone_and_among_sixteen_others(web: Web) -> None:
    """Of which some are asked for JSON, and some for log-probabilities."""
    options = {"seed": 7, "max_tokens": 10, "temperature": 1.0}
    alone = ask(web, "/chat", {"messages": FRANCE, "options": [options]})["answers"][0]["text"]
    others: list[dict[str, Any]] = [{"seed": i, "max_tokens": 8 + i % 5} for i in range(6)]
    others[1]["top_logprobs"], others[2]["json_schema"], others[3]["repeat_penalty"] = 2, {"type": "object"}, 1.2
    found: list[str] = []

    def client(first: bool) -> None:
        streams = [options, *others] if first else [*others[:4], options]
        answers = ask(web, "/chat", {"messages": FRANCE, "options": streams})["answers"]
        found.append(answers[0 if first else -1]["text"])

    threads = [threading.Thread(target=client, args=(number % 2 == 0,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [alone] * 3


def test_an_answer_of_a_schema_fits_it(web: Web) -> None:
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 12}, "big": {"type": "boolean"}},
        "required": ["city", "big"],
        "additionalProperties": False,
    }
    options = [{"json_schema": schema, "seed": seed, "max_tokens": 60} for seed in range(4)]
    for answer in ask(web, "/chat", {"messages": FRANCE, "options": options})["answers"]:
        found = json.loads(answer["text"])
        assert set(found) == {"city", "big"} and isinstance(found["big"], bool) and len(found["city"]) <= 12
    (answer,) = ask(web, "/chat", {"messages": FRANCE, "options": [{"regex": "(Paris|Lyon)!", "max_tokens": 9}]})["answers"]
    assert answer["text"] in ("Paris!", "Lyon!") and answer["finish"] == "stop"


def test_a_required_call_is_one_and_its_arguments_fit(web: Web) -> None:
    parameters = {
        "type": "object",
        "properties": {"city": {"$ref": "#/$defs/name"}, "days": {"type": "integer", "minimum": 1, "maximum": 9}},
        "required": ["city", "days"],
        "additionalProperties": False,
        "$defs": {"name": {"type": "string", "maxLength": 12}},
    }
    tools = [
        {"type": "function", "function": {"name": "weather", "description": "Tells the weather", "parameters": parameters}},
        {"type": "function", "function": {"name": "time"}},
    ]
    drawn = {"max_tokens": 60, "temperature": 1.0, "top_p": 1.0, "top_k": 0, "min_p": 0.0}
    options = [{"tool_choice": "required", "seed": 1, **drawn}, {"tool_name": "weather", "seed": 2, **drawn}]
    found = ask(web, "/chat", {"messages": FRANCE, "options": options, "tools": tools})["answers"]
    for answer in found:
        assert answer["finish"] == "tool_calls" and answer["text"] == ""
    assert found[0]["calls"][0][0] in ("weather", "time")
    ((name, arguments),) = found[1]["calls"]
    assert name == "weather" and json.loads(arguments)["days"] in range(1, 10)


def test_stop_strings_end_an_answer(web: Web, said: list[tuple[str, Usage]]) -> None:
    options = [{"temperature": 0, "max_tokens": 16, "top_logprobs": 0, "stop": ["France"]}]
    (answer,) = ask(web, "/chat", {"messages": FRANCE, "options": options})["answers"]
    assert answer["text"] == "The capital of " and answer["finish"] == "stop"
    assert [token[1] for token in answer["tokens"]] == ["The", " capital", " of", " France"], "the last is partly in the text"
    name, usage = said[-1]
    assert (name, usage.prompt, usage.completion) == ("small", answer["usage"][0], answer["usage"][1])


def test_vectors_are_the_engines(web: Web, smollm2: Language, minilm: Embedder) -> None:
    texts = ["A ferry crosses the river.", "词 größe"]
    found = ask(web, "/embed", {"texts": texts})
    assert found["names"] == ["vectors", "small"] and found["model"] == ["vectors", minilm.device, 384, minilm.dims.n_ctx]
    tokens = minilm.tokens(texts)
    assert found["tokens"] == [len(each) for each in tokens]
    assert np.allclose(found["vectors"], minilm.embed(tokens), atol=1e-6)
    (vector,) = ask(web, "/embed", {"texts": [smollm2.text_prompt(texts[0])], "model": "small"})["vectors"]
    assert np.allclose(vector, smollm2.embed(smollm2.text_prompt(texts[0])), atol=1e-6)


def test_mistakes_are_told_with_their_fields(web: Web) -> None:
    found = ask(web, "/mistakes", {})
    expected = {
        "model": ("NotFoundError", 'model "none"'),
        "embeddings": ("NotFoundError", 'model "none"'),
        "messages": ("InputError", "messages: found []"),
        "content": ("InputError", "messages[1].content: found 3"),
        "surrogate": ("InputError", "messages[0].content: found half a character"),
        "prompt": ("InputError", "prompt: found half a character"),
        "tokens": ("InputError", "prompt: found 1099511627776, expected a whole number"),
        "unknown": ("InputError", "prompt: found unknown tokens"),
        "options": ("InputError", "max_tokens: found -1"),
        "temperature": ("InputError", "temperature: found 'hot', expected a number"),
        "top_p": ("InputError", "top_p: found 2.0"),
        "schema": ("InputError", "json_schema: "),
        "tool": ("InputError", 'tools[0].function.name: found "a b"'),
        "choice": ("InputError", 'tool_choice: found "f"'),
        "long": ("PromptTooLongError", "prompt: found 5001 tokens"),
        "empty": ("InputError", "texts[1]: found nothing"),
    }
    assert {name: kind for name, (kind, _) in found.items()} == {name: kind for name, (kind, _) in expected.items()}
    for name, (_, text) in expected.items():
        assert text in found[name][1], found[name]


def test_a_client_that_leaves_ends_the_work_on_the_device(web: Web, smollm2: Language) -> None:
    before = len(web.done)
    with socket.create_connection(web.address) as connection:
        connection.sendall(b"GET /talk HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200" in connection.recv(100)
    deadline = time.monotonic() + 60
    while len(web.done) == before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert settled(smollm2.scheduler)
