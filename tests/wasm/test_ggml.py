"""Language models as WasmEdge's guests ask for them: a C guest with the same imports, SmolLM2, and float32's tokens."""

import json
import re
import threading
import weakref
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import ROOT, build_guest
from tests.references.llm_prompts import PROMPTS
from wherry.engine.catalog import default_cache, find_model
from wherry.engine.conversation import CONVERSATION_OPTIONS, AnswerOptions
from wherry.engine.embedding import load_embedder
from wherry.engine.language import Language, load_language
from wherry.engine.sampling import SamplingOptions
from wherry.errors import FormatError, InputError, ModelNotFoundError, PromptTooLongError, StoppedError, UnsupportedError
from wherry.wasm.host import Guest, GuestOptions, Mount
from wherry.wasm.nn.backend import load_bytes, load_graph
from wherry.wasm.nn.ggml import GgmlText
from wherry.wasm.nn.ggml import usage as usage_record
from wherry.wasm.nn.graph import Ending, Graphs, SharedGraphs, Tensor
from wherry.wasm.nn.language import PreloadedLanguages, RecordedAnswer
from wherry.wasm.nn.preload import parse_preloads
from wherry.wasm.nn.sentences import Sentences

# Made by tests/references/llm_logits.py: float32 on the same weights.
_FIXTURE = np.load(ROOT / "tests/fixtures/llm_logits.npz")
GREEDY = '{"temp": 0, "n-predict": 12}'


@pytest.fixture(scope="module")
def language() -> Language:
    return load_language(find_model("smollm2-135m-instruct", default_cache()).weights, device="cpu")


@pytest.fixture(scope="module")
def guest() -> Path:
    return build_guest(ROOT / "tests/guests/llm.c")


Ask = Callable[..., str]


@pytest.fixture
def log() -> list[str]:
    return []


@pytest.fixture
def ask(language: Language, guest: Path, tmp_path: Path, log: list[str]) -> Ask:
    """What the guest prints."""

    def ask(*argv: str) -> str:
        (tmp_path / "guest").mkdir(exist_ok=True)
        out = tmp_path / "out"
        options = GuestOptions(argv=["llm", *argv], mounts=[Mount(tmp_path / "guest", "/")], stdout_file=out, inherit_stdio=False)
        graph = GgmlText(language, log.append)

        def find(name: str) -> GgmlText:
            if name != "default":
                raise UnsupportedError(f"{name}: expected default")
            return graph

        def load(builders: Any, encoding: int, target: int) -> Any:
            def resolve(path: str) -> Path:
                raise ModelNotFoundError(f"{path}: found no such file")

            return load_bytes(builders, encoding, target, resolve, "cpu", False, log.append)

        assert Guest(guest, options, find, load_graph=load, say=log.append).run() == 0
        return out.read_text()

    return ask


def text_of(language: Language, name: str, count: int) -> str:
    return language.vocabulary.decode(_FIXTURE[f"{name}.greedy"][:count].tolist())


def prompt_of(language: Language, name: str) -> str:
    return language.vocabulary.decode(PROMPTS[name])


def usage(printed: str) -> tuple[int, int]:
    found = json.loads(re.findall(r"\[(\{[^\]]*\})\]", printed)[-1])
    assert found.keys() == {"input_tokens", "output_tokens", "llama_build_number", "llama_commit"}
    return found["input_tokens"], found["output_tokens"]


def test_whole_answers_are_float32s(ask: Ask, language: Language) -> None:
    printed = ask("whole", prompt_of(language, "ferry"), GREEDY)
    assert printed.startswith(f"[{text_of(language, 'ferry', 12)}][")
    assert usage(printed) == (len(PROMPTS["ferry"]), 12)
    assert printed.endswith("<compute: 1>")  # of a context that is gone


def test_pieces_join_to_the_same_answer_and_end_with_100(ask: Ask, language: Language) -> None:
    printed = ask("pieces", prompt_of(language, "ferry"), GREEDY)
    said, _, rest = printed.partition("<compute_single: 100>")
    assert said.count("|") == 12
    assert said.replace("|", "") == text_of(language, "ferry", 12)
    assert usage(rest) == (len(PROMPTS["ferry"]), 12)


def test_one_context_serves_again_and_again(ask: Ask, language: Language) -> None:
    """An answer left off, inputs set twice, metadata that counts from the next compute on, pieces after a whole answer."""
    count, ferry = prompt_of(language, "count"), prompt_of(language, "ferry")
    printed = ask("again", ferry, GREEDY, count)
    first, last = text_of(language, "ferry", 3), text_of(language, "count", 3)
    pattern = r"\|.*\|.*\[\{.*?\}\]<get_output_single: 1>\[(.*?)\]\[\{.*?\}\]\[(.*?)\]\[\{.*?\}\]\|(.*?)<compute_single: 100>"
    found = re.match(pattern, printed, re.DOTALL)
    assert found, printed
    assert (found[1], found[2], found[3].replace("|", "")) == (first, first, last)


def test_the_usage_of_a_prompt_is_there_before_it_is_computed(ask: Ask, language: Language) -> None:
    """As WasmEdge's plugin has it, and LlamaEdge's servers ask for it: the counts are of the newest prompt."""
    count, ferry = len(PROMPTS["count"]), len(PROMPTS["ferry"])
    printed = ask("before", prompt_of(language, "ferry"), GREEDY, prompt_of(language, "count"))
    record = r'\[\{"input_tokens": (\d+), "output_tokens": (\d+), "llama_build_number": \d+, "llama_commit": "\w+"\}\]'
    told = re.sub(record, r"\1+\2 ", printed)
    first, second, rest = (
        f"0+0 []{ferry}+0 {ferry}+0 ",
        f"{count}+0 <small: 7>(needs more)",
        f"{count}+1 {ferry}+0 <get_output: 1>",
    )
    refused = "<get_output: 1><get_output_single 2: 1><get_output_single 0: 1>"
    assert told.startswith(first + second + refused + rest), told


def test_the_usage_of_a_sentence_is_there_before_its_vector() -> None:
    graph = Sentences(load_embedder(find_model("all-minilm-l6-v2", default_cache()).weights, device="cpu"))
    assert graph.usage({}) == usage_record(0, 0)
    text = inputs("A ferry crosses the bay.", "{}")
    assert graph.usage(text) == graph.compute(text, nothing)[1] == usage_record(8, 0)  # 6 words and marks, [CLS], [SEP]


def test_a_new_prompt_ends_the_pieces_of_the_last_one(language: Language) -> None:
    graphs = Graphs(lambda name: GgmlText(language, print).configured(GREEDY.encode()))
    context = graphs.open_context(graphs.load_by_name("default"))
    for name in ("ferry", "count"):
        graphs.set_input(context, 0, inputs(prompt_of(language, name), "")[0])
        said = b""
        for _ in range(3):
            graphs.compute_single(context, nothing)
            said += graphs.piece(context)
        assert said.decode() == text_of(language, name, 3)


def test_a_full_context_is_101_and_a_prompt_that_leaves_no_room_102(ask: Ask, language: Language) -> None:
    room = len(PROMPTS["count"]) + 4
    config = f'{{"temp": 0, "ctx-size": {room}, "ignore-eos": true}}'
    printed = ask("pieces", prompt_of(language, "count"), config)
    assert "<compute_single: 101>" in printed
    assert usage(printed) == (room - 4, 4)
    short = config.replace(str(room), str(room - 1))
    assert "<compute: 102>" in ask("whole", prompt_of(language, "count"), short)
    assert "<compute_single: 102>" in ask("pieces", prompt_of(language, "count"), short)


def test_handles_and_names_that_are_none(ask: Ask, language: Language) -> None:
    printed = ask("unload", prompt_of(language, "ferry"), GREEDY)
    assert text_of(language, "ferry", 12) in printed  # the context kept the model
    assert "<unload: 1><init_execution_context: 1>" in printed
    assert "<load: 103>" in ask("load", "preload:/nobody.gguf")
    assert "<load: 2>" in ask("load", "GGUF that is none")
    assert "<load_by_name: 6>" in ask("unknown", "")


def test_a_vector_is_what_the_network_makes_of_the_last_token(language: Language) -> None:
    """The logits are the vector's products with the table: float32's logits tell which vector it must be."""
    graph = GgmlText(language, print)
    found = json.loads(graph.compute(inputs(prompt_of(language, "ferry"), '{"embedding": true}'), nothing)[0])
    vector = np.asarray(found["embedding"], np.float32)
    assert found["n_embedding"] == len(vector) == language.model.dims.n_state
    assert float(np.linalg.norm(vector)) == pytest.approx(1, abs=1e-5)
    logits = language.scheduler.rows.project(vector[None])[0, ::16]
    expected = _FIXTURE["ferry.logits"]
    scale = float(logits @ expected) / float(logits @ logits)
    assert np.abs(scale * logits - expected).max() < 2e-3 * np.abs(expected).max()


def test_keys_that_are_not_honoured_are_named_once(ask: Ask, log: list[str], language: Language) -> None:
    config = '{"temp": 0, "n-predict": 1, "dry-base": 2, "use_mmap": true, "rope-scaling": "yarn"}'
    ask("again", prompt_of(language, "count"), config)
    assert sorted(line for line in log if "not honoured" in line) == [
        "wasi-nn ggml: not honoured: dry-base",
        "wasi-nn ggml: not honoured: rope-scaling",
    ]


def test_keys_say_how_tokens_are_drawn(language: Language) -> None:
    """Under WasmEdge's names; a penalty under zero is none, as there."""
    config = {
        "temp": 0.9, "top_k": 30, "typ-p": 0.8, "presence-penalty": 0.5, "frequency-penalty": -1, "last-n-penalty": 20,
        "mirostat": 1, "mirostat-eta": 0.2, "mirostat-ent": 3.0, "seed": 8,
    }  # fmt: skip
    sampling = GgmlText(language, print)._wanted(json.dumps(config).encode()).sampling
    assert sampling == SamplingOptions(
        temperature=0.9, top_k=30, top_p=0.95, min_p=0.05, typical_p=0.8, presence_penalty=0.5, penalty_last=20, mirostat=1,
        mirostat_eta=0.2, mirostat_tau=3.0, seed=8,
    )  # fmt: skip
    with pytest.raises(InputError, match="mirostat: found 3"):
        GgmlText(language, print).configured(b'{"mirostat": 3}')


def test_mirostat_1_draws_a_text_and_the_same_seed_the_same(language: Language) -> None:
    def text(**more: float) -> str:
        config = {"temp": 1.0, "n-predict": 16, "mirostat": 1, "seed": 5} | more
        return GgmlText(language, print).compute(inputs(prompt_of(language, "count"), json.dumps(config)), nothing)[0].decode()

    assert text() == text() != text(seed=6)
    assert text(**{"mirostat-ent": 0.0}) == text_of(language, "count", 16)  # no surprise at all


def test_the_answer_ends_before_a_reverse_prompt(language: Language) -> None:
    whole = text_of(language, "count", 12)
    stop = whole[7:11]
    config = json.dumps({"temp": 0, "n-predict": 12, "reverse-prompt": stop})
    pieces = GgmlText(language, print).stream(inputs(prompt_of(language, "count"), config))
    while pieces.step(nothing) is None:
        pass
    assert pieces.outputs()[0].decode() == whole[: whole.index(stop)]


@pytest.mark.parametrize(
    ("config", "fits"),
    [
        ({"grammar": 'root ::= "yes" | "no, " [a-z] [a-z]? "!"'}, r"yes|no, [a-z]{1,2}!"),
        ({"json-schema": '{"enum": ["rook", "bishop", 3]}'}, r'\s*("rook"|"bishop"|3)\s*'),
    ],
)
def test_answers_fit_the_grammar(language: Language, config: dict[str, str], fits: str) -> None:
    graph = GgmlText(language, print)
    for seed in range(5):
        asked = json.dumps(config | {"temp": 1.0, "n-predict": 64, "seed": seed, "top-k": 0, "top-p": 1.0, "min-p": 0.0})
        text = graph.compute(inputs("Which piece moves?", asked), nothing)[0].decode()
        assert re.fullmatch(fits, text), text


def test_the_same_seed_gives_the_same_answer(language: Language) -> None:
    graph = GgmlText(language, print)
    config = '{"temp": 1.0, "n-predict": 8, "seed": %d}'
    one, again, other = (graph.compute(inputs("Once upon a time", config % seed), nothing)[0] for seed in (5, 5, 6))
    assert one == again != other


def test_a_stop_ends_an_answer_at_the_next_token(language: Language) -> None:
    calls: list[int] = []

    def check() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise StoppedError("enough")

    with pytest.raises(StoppedError):
        GgmlText(language, print).compute(inputs("Once upon a time", GREEDY), check)
    assert len(calls) == 3


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("[1]", "JSON list"),
        ("{", "no JSON"),
        ('{"temp": "hot"}', "temp: found"),
        ('{"n-predict": 1.5}', "n-predict: found"),
        ('{"n-predict": true}', "n-predict: found"),
        ('{"top-p": 7}', "top_p: found"),
        ('{"temp": 1e999}', "temp: found"),
        ('{"grammar": "root := what"}', "configuration: grammar"),
        ('{"json-schema": "{"}', "json-schema: found no JSON"),
        ('{"json-schema": "[]"}', "json-schema: found a JSON list"),
        ('{"json-schema": "{}", "grammar": "a"}', "found both"),
    ],
)
def test_configurations_that_cannot_be_are_refused(language: Language, config: str, message: str) -> None:
    graph = GgmlText(language, print)
    with pytest.raises(InputError, match=message):
        graph.configured(config.encode())
    with pytest.raises(InputError, match=message):
        graph.compute(inputs("a", config), nothing)


def test_prompts_that_cannot_be_are_refused(language: Language) -> None:
    graph = GgmlText(language, print)
    with pytest.raises(InputError, match="input 0: found none"):
        graph.compute({}, nothing)
    with pytest.raises(InputError, match="not UTF-8"):
        graph.compute({0: Tensor((1,), 3, b"\xff")}, nothing)
    with pytest.raises(PromptTooLongError, match="expected at most"):
        graph.compute(inputs("word " * 5000, GREEDY), nothing)
    with pytest.raises(FormatError):
        load_bytes([b"GGUF", b"{}"], 5, 0, Path, "cpu", False, print)


def test_a_preload_names_a_gguf_file() -> None:
    """Colons belong to the path."""
    file = find_model("smollm2-135m-instruct", default_cache()).weights
    asked: list[str] = []

    def resolve(path: str) -> Path:
        asked.append(path)
        return file

    graph = load_graph(parse_preloads(["default:GGML:CPU:/models/a:b.gguf"]), "default", resolve, "auto", False, print)
    assert isinstance(graph, GgmlText)
    assert asked == ["/models/a:b.gguf"]


def test_nothing_is_said_where_nothing_is_asked_for(language: Language) -> None:
    pieces = GgmlText(language, print).stream(inputs("a", '{"n-predict": 0}'))
    assert pieces.step(nothing) is Ending.SEQUENCE
    assert pieces.outputs()[0] == b""


def inputs(prompt: str, config: str) -> dict[int, Tensor]:
    return {index: Tensor((len(text),), 3, text.encode()) for index, text in enumerate((prompt, config))}


def nothing() -> None:
    pass


# -- kept alive


def test_a_model_goes_when_nobody_has_asked_so_long_and_comes_back_when_somebody_does() -> None:
    """An answer in the making keeps it, and is what others share; after it the weights are gone, and are loaded again."""
    loads: list[weakref.ref[Language]] = []

    def load(name: str) -> GgmlText:
        loaded = load_language(find_model("smollm2-135m-instruct", default_cache()).weights, device="cpu")
        loads.append(weakref.ref(loaded))
        return GgmlText(loaded, print)

    shared = SharedGraphs(load, keep_alive=0.02)
    languages = PreloadedLanguages(["small"], [], shared.find)
    wanted = AnswerOptions(temperature=0.0, max_tokens=12)
    names = [each.name for each in fields(wanted) if each.name not in CONVERSATION_OPTIONS]
    values = [getattr(wanted, name) for name in names]
    values[names.index("logit_bias")] = []

    def told(answer: RecordedAnswer) -> str:
        text = ""
        while (piece := answer.next(nothing)) is not None:
            text += piece[0]
        return text

    answer = languages.open("small").complete(PROMPTS["ferry"], values, nothing)
    while shared._kept:
        threading.Event().wait(0.01)
    assert shared.loaded() == ["small"] and len(loads) == 1
    other = languages.open("small").complete(PROMPTS["ferry"], values, nothing)
    first = told(answer)
    assert told(other) == first and len(loads) == 1
    del answer, other
    while shared.loaded() or loads[0]() is not None:
        threading.Event().wait(0.01)
    assert told(languages.open("small").complete(PROMPTS["ferry"], values, nothing)) == first
    assert len(loads) == 2
