"""wasi-nn: the contract, graphs of bytes, configurations, and models that several guests share."""

import inspect
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import ROOT, SAMPLE
from tests.wasm.graphs import Echo, find_echo
from tests.wasm.test_limits import resident_kib
from tests.weights.files import base_vocabulary, ggml_bytes
from wherry import errors
from wherry.engine.catalog import ModelFiles
from wherry.engine.session import Whisper
from wherry.engine.transcript import TranscribeOptions
from wherry.errors import InputError, StoppedError, TooLargeError
from wherry.models.names import whisper_tensors
from wherry.wasm.host import Guest, GuestOptions, Mount
from wherry.wasm.nn import core, preload
from wherry.wasm.nn.backend import BurnSpeech, WhisperSpeech, load_bytes
from wherry.wasm.nn.graph import Ending, Graph, Graphs, SharedGraphs, Tensor
from wherry.wasm.nn.preload import GuestPaths
from wherry.weights import open_checkpoint

GREEDY = TranscribeOptions(temperature=(0.0,))
SPOKEN = "any processor."
CONTRACT = (ROOT / "src/wherry/wasm/nn/wasi_ephemeral_nn.witx").read_text()


# -- the contract


def enumeration(name: str) -> dict[str, int]:
    (body,) = re.findall(rf"\(typename \${name} \(enum \(@witx tag u\d+\)([^)]*)\)", CONTRACT)
    names = re.findall(r"\$(\w+)", body)
    return {each: number for number, each in enumerate(names)}


def test_our_functions_are_the_contracts() -> None:
    functions = re.findall(r'func \(export "(\w+)"\)(.*)\(result \$error u32\)', CONTRACT)
    assert {name: text.count("(param ") for name, text in functions} == dict(core.ARITIES)
    for name, text in functions:
        ours = list(inspect.signature(getattr(core.CoreNN, f"_{name}")).parameters)
        assert ours == ["self", "memory", *re.findall(r"\(param \$(\w+) u32\)", text)]


def test_our_numbers_are_the_contracts() -> None:
    assert enumeration("encoding") == preload.ENCODINGS
    assert enumeration("target") == preload.TARGETS
    assert enumeration("tensor_type") == core.TENSOR_TYPES
    errno = enumeration("nn_errno") | {
        name: int(number) for name, number in re.findall(r"const \$nn_errno \$(\w+) (\d+)", CONTRACT)
    }
    assert errno == {  # WasmEdge's numbers
        "success": 0, "invalid_argument": 1, "invalid_encoding": 2, "missing_memory": 3, "busy": 4, "runtime_error": 5,
        "unsupported_operation": 6, "too_large": 7, "not_found": 8, "end_of_sequence": 100, "context_full": 101,
        "prompt_too_long": 102, "model_not_found": 103,
    }  # fmt: skip
    assert (core.SUCCESS, core.MISSING_MEMORY, core.RUNTIME_ERROR) == (0, 3, 5)
    assert errors.WherryError.nn_errno == errors.GuestError.nn_errno == errno["runtime_error"]
    assert errors.InputError.nn_errno == errno["invalid_argument"]
    assert errors.FormatError.nn_errno == errno["invalid_encoding"]
    assert errors.UnsupportedError.nn_errno == errno["unsupported_operation"]
    assert errors.TooLargeError.nn_errno == errors.OutOfMemoryError.nn_errno == errno["too_large"]
    assert errors.NotFoundError.nn_errno == errno["not_found"]
    assert errors.PromptTooLongError.nn_errno == errno["prompt_too_long"]
    assert errors.ModelNotFoundError.nn_errno == errno["model_not_found"]
    assert {core._ENDINGS[Ending.SEQUENCE], core._ENDINGS[Ending.CONTEXT]} == {errno["end_of_sequence"], errno["context_full"]}


# -- handles


def test_handles_grow_and_are_never_used_again() -> None:
    graphs = Graphs(find_echo)
    first = graphs.load_by_name("default")
    assert graphs.load_by_name("default") == first  # cached by its name
    context = graphs.open_context(first)
    graphs.unload(first)
    second = graphs.load_by_name("default")
    assert first < context < second
    graphs.set_input(context, 0, Tensor((1, 1), 1, bytes(4)))
    graphs.compute(context, lambda: None)  # it lives on
    assert graphs.output(context, 0) == b"1 samples, sum 0"
    for wrong in (lambda: graphs.open_context(first), lambda: graphs.unload(first), lambda: graphs.output(second, 0)):
        with pytest.raises(InputError):
            wrong()


def test_the_last_handle_is_the_last() -> None:
    graphs = Graphs(find_echo, _next=0xFFFF_FFFF)
    assert graphs.load_by_name("default") == 0xFFFF_FFFF
    with pytest.raises(TooLargeError):
        graphs.open_context(0xFFFF_FFFF)


def test_a_failed_compute_leaves_no_old_output() -> None:
    graphs = Graphs(find_echo)
    context = graphs.open_context(graphs.load_by_name("default"))
    graphs.set_input(context, 0, Tensor((1, 1), 1, bytes(4)))
    graphs.compute(context, lambda: None)
    graphs.set_input(context, 0, Tensor((1, 1), 3, bytes(4)))
    with pytest.raises(InputError):
        graphs.compute(context, lambda: None)
    with pytest.raises(InputError, match="found none"):
        graphs.output(context, 0)


# -- one copy of a model for all


def test_guests_share_one_copy_and_each_gets_its_own_answer(transcribe_guest: Path, tiny_en: Whisper, tmp_path: Path) -> None:
    loads: list[str] = []

    def load(name: str) -> Graph:
        loads.append(name)
        threading.Event().wait(0.2)  # the others come meanwhile
        return BurnSpeech(tiny_en, GREEDY)

    shared = SharedGraphs(load)

    def transcribe(i: int) -> str:
        folder = tmp_path / str(i)
        folder.mkdir()
        # The sample, or its second half: who got whose answer can be told.
        data = SAMPLE.read_bytes()
        (folder / "speech.wav").write_bytes(data if i % 2 else data[:44] + data[44 + 32_000 * 4 :])
        out = folder / "out"
        options = GuestOptions(
            argv=["transcribe", "/speech.wav"], mounts=[Mount(folder, "/")], stdout_file=out, inherit_stdio=False
        )
        assert Guest(transcribe_guest, options, shared.find).run() == 0
        return out.read_text()

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(transcribe, range(4)))
    assert loads == ["default"]
    assert all(SPOKEN in text for text in found)
    assert ["ferry is a light" in text for text in found] == [False, True, False, True]


def test_a_failed_load_is_tried_again_and_loads_once_then() -> None:
    loads: list[int] = []

    def load(name: str) -> Graph:
        loads.append(len(loads))
        threading.Event().wait(0.02)
        if len(loads) < 4:
            raise InputError("not yet")
        return Echo()

    shared = SharedGraphs(load)

    def find(i: int) -> Graph | None:
        try:
            return shared.find("default")
        except InputError:
            return None

    with ThreadPoolExecutor(8) as pool:
        found = [graph for graph in pool.map(find, range(16)) if graph is not None]
    assert len(loads) == 4 and len(found) == 13 and len({id(graph) for graph in found}) == 1


def test_a_graph_that_nobody_asks_for_is_let_go_and_loaded_again() -> None:
    loads: list[str] = []

    def load(name: str) -> Graph:
        loads.append(name)
        return Echo()

    shared = SharedGraphs(load, keep_alive=0.02)
    held: Graph | None = shared.find("held")
    for name in ("held", "idle"):
        shared.find(name)
    while shared.loaded() != ["held"]:
        threading.Event().wait(0.01)
    assert shared.find("held") is held  # a guest holds it: shared, not loaded again
    held = None
    while shared.loaded():
        threading.Event().wait(0.01)
    shared.find("idle")
    assert loads == ["held", "idle", "idle"]


def test_names_that_are_none_do_not_pile_up() -> None:
    shared = SharedGraphs(find_echo)
    for i in range(100):
        with pytest.raises(errors.NotFoundError):
            shared.find(f"name {i}")
    assert not shared._loading


def test_a_short_recording_does_not_wait_for_the_end_of_a_long_one(tiny_en: Whisper, sample: Any) -> None:
    """Guests take turns window by window, in the order they came: three windows against one."""
    long = np.concatenate([sample, np.zeros(30 * 16_000 - len(sample), np.float32)] * 3)
    speech = BurnSpeech(tiny_en, TranscribeOptions(temperature=(0.0,), language="en"))
    ended: list[str] = []
    texts: dict[str, bytes] = {}

    def work(name: str, samples: Any) -> None:
        tensor = Tensor((1, len(samples)), 1, samples.astype("<f4").tobytes())
        texts[name] = speech.compute({0: tensor}, lambda: None)[0]
        ended.append(name)

    threads = [threading.Thread(target=work, args=given) for given in (("long", long), ("short", sample))]
    with tiny_en.turns:  # held until both wait, the long one first
        for waiting, thread in enumerate(threads, 1):
            thread.start()
            while len(tiny_en.turns._waiting) < waiting:
                threading.Event().wait(0.01)
    for thread in threads:
        thread.join()
    assert ended == ["short", "long"]
    assert SPOKEN in texts["short"].decode()
    assert texts["long"].decode().count(SPOKEN) == 3


def test_a_stop_ends_a_transcript_at_the_next_window(tiny_en: Whisper, sample: Any) -> None:
    windows: list[int] = []

    def check() -> None:
        windows.append(1)
        if len(windows) == 2:
            raise StoppedError("enough")

    long = np.concatenate([sample] * 12)  # 100 s
    with pytest.raises(StoppedError):
        tiny_en.transcribe(long, GREEDY, check)
    assert len(windows) == 2
    assert not tiny_en.turns._taken


# -- bytes and configurations


@pytest.fixture(scope="module")
def ggml(tmp_path_factory: pytest.TempPathFactory, tiny_en_files: ModelFiles) -> Path:
    """whisper.cpp's tiny.en in q8_0: 43 MB."""
    assert tiny_en_files.tokenizer
    path = tmp_path_factory.mktemp("ggml") / "ggml-tiny.en-q8_0.bin"
    dims, tensors = whisper_tensors(open_checkpoint(tiny_en_files.weights))
    arrays = {name: np.asarray(x, np.float32) for name, x in tensors.items()}
    vocabulary = [*base_vocabulary(tiny_en_files.tokenizer), b"<|endoftext|>"]
    path.write_bytes(ggml_bytes(arrays, asdict(dims), vocabulary, "q8_0"))
    return path


def passing(load_guest: Path, folder: Path, *arguments: str) -> tuple[int, str]:
    """The guest that passes a model -> its exit code and what it printed."""
    paths = GuestPaths((("/", folder),))

    def load(builders: Any, encoding: int, target: int) -> Graph:
        return load_bytes(builders, encoding, target, paths.resolve_mounted, "cpu", False, print)

    options = GuestOptions(
        argv=["load", *arguments], mounts=[Mount(folder, "/")], stdout_file=folder / "out", inherit_stdio=False
    )
    code = Guest(load_guest, options, find_echo, load_graph=load).run()
    return code, (folder / "out").read_text()


def test_a_guest_passes_a_model(load_guest: Path, ggml: Path, tmp_path: Path) -> None:
    (tmp_path / "model.bin").hardlink_to(ggml)
    (tmp_path / "a.wav").write_bytes(SAMPLE.read_bytes())
    for encoding in ("9", "5"):  # Whisper, and: see for yourself
        code, text = passing(load_guest, tmp_path, "/model.bin", "/a.wav", encoding)
        assert code == 0 and SPOKEN in text and text.startswith("[00:00:00.000 --> ")


def test_a_guest_names_a_model_among_its_own_files(load_guest: Path, ggml: Path, tmp_path: Path) -> None:
    folder = tmp_path / "guest"
    folder.mkdir()
    (folder / "model.bin").hardlink_to(ggml)
    (folder / "a.wav").write_bytes(SAMPLE.read_bytes())
    (folder / "link").symlink_to(ggml)
    (tmp_path / "outside").write_bytes(b"")
    code, text = passing(load_guest, folder, "preload:/model.bin", "/a.wav", "9", "0", '{"offset-t": 4000}')
    assert code == 0 and SPOKEN in text and "ferry is a light" not in text
    for path in ("/link", str(ggml), "/../outside", "", "/none", "//etc/passwd"):
        assert passing(load_guest, folder, f"preload:{path}", "/a.wav", "9") == (64 + 8, "load: 8\n")


@pytest.mark.slow
def test_models_that_were_let_go_leave_no_memory_behind(load_guest: Path, ggml: Path, tmp_path: Path) -> None:
    (tmp_path / "model.bin").hardlink_to(ggml)
    (tmp_path / "a.wav").write_bytes(SAMPLE.read_bytes())
    grown = []
    for times in ("1", "8"):
        before = resident_kib()
        assert passing(load_guest, tmp_path, "/model.bin", "/a.wav", "9", times)[0] == 0
        grown.append(resident_kib() - before)
    assert grown[1] < 200 << 10  # eight of them are 350 MB on the disk, twice that in memory


@pytest.mark.parametrize(
    ("encoding", "model", "errno"),
    [("8", b"x", 6), ("6", b"GGUF", 2), ("0", b"x", 2), ("77", b"x", 2), ("9", b"no model", 2), ("9", b"", 2)],
    ids=["burn", "ggml", "openvino", "no encoding", "no model", "nothing"],
)
def test_what_cannot_be_loaded_has_its_errno(load_guest: Path, tmp_path: Path, encoding: str, model: bytes, errno: int) -> None:
    (tmp_path / "model.bin").write_bytes(model)
    (tmp_path / "a.wav").write_bytes(b"")
    assert passing(load_guest, tmp_path, "/model.bin", "/a.wav", encoding) == (64 + errno, f"load: {errno}\n")


def test_a_configuration_comes_with_the_name(tiny_en: Whisper) -> None:
    said: list[str] = []
    graphs = Graphs(lambda name: WhisperSpeech(tiny_en, said.append))
    plain = graphs.open_context(graphs.load_by_name("default"))
    second = graphs.open_context(graphs.load_by_name_with_config("default", b'{"offset-t": 4000, "threads": 4}'))
    assert said == ["wasi-nn whisper: not honoured: threads"]
    texts = {}
    for context in (plain, second):
        graphs.set_input(context, 0, Tensor((1, 1), 3, SAMPLE.read_bytes()))
        graphs.compute(context, lambda: None)
        texts[context] = graphs.output(context, 0).decode()
    assert "ferry is a light" in texts[plain] and "ferry is a light" not in texts[second]
    graphs.set_input(second, 1, Tensor((1, 2), 3, b'{"offset_t": 0}'))  # goes before what came with the name
    graphs.compute(second, lambda: None)
    assert graphs.output(second, 0).decode() == texts[plain]
    for wrong in (b"no json", b"[]", b'{"temperature": "hot"}'):
        with pytest.raises(InputError, match="configuration"):
            graphs.load_by_name_with_config("default", wrong)


def test_burn_takes_no_configuration(tiny_en: Whisper) -> None:
    graphs = Graphs(lambda name: BurnSpeech(tiny_en, GREEDY))
    graphs.load_by_name_with_config("default", b"{}")
    with pytest.raises(InputError, match="configuration"):
        graphs.load_by_name_with_config("default", b'{"language": "en"}')


@pytest.mark.parametrize(
    ("tensor", "error"),
    [
        (Tensor((1, 2), 1, bytes(4)), InputError),
        (Tensor((2, 1), 1, bytes(8)), InputError),
        (Tensor((), 1, b""), InputError),
        (Tensor((1, 4), 3, bytes(4)), InputError),
        (Tensor((1, 0xFFFF_FFFF, 0xFFFF_FFFF), 1, bytes(4)), InputError),
        (Tensor((1, 1), 1, np.float32("nan").tobytes()), InputError),
        (Tensor((1, 4 * 3600 * 16_000), 1, bytes(16 * 3600 * 16_000)), TooLargeError),
    ],
    ids=["too short", "two rows", "no dims", "wrong type", "huge dims", "not a number", "four hours"],
)
def test_audio_that_is_none_is_refused(tiny_en: Whisper, tensor: Tensor, error: type[InputError]) -> None:
    with pytest.raises(error):
        BurnSpeech(tiny_en, GREEDY).compute({0: tensor}, lambda: None)
