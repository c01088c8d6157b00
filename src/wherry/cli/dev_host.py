"""The engine as an app's host, for apps that run as ordinary Python."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wherry.audio.decode import decode_audio
from wherry.engine.catalog import default_cache, find_model
from wherry.engine.session import Whisper, load_whisper
from wherry.engine.transcript import TranscribeOptions, TranscriptStream
from wherry.errors import InputError, NotFoundError
from wherry.guest.tensor import Tensor
from wherry.wasm.nn.backend import MAX_SECONDS, BurnSpeech
from wherry.wasm.nn.graph import Tensor as GraphTensor
from wherry.wasm.nn.speech import Heard, default_name, timed

_KINDS = {"fp16": 0, "fp32": 1, "fp64": 2, "u8": 3, "i32": 4, "i64": 5}  # wasi-nn's numbers in the core ABI


@dataclass
class EngineHost:
    """models: the app's names -> what `find_model` takes; the first is the default. Each is loaded when it is first asked for.

    `check` is called now and then while a model computes: what it raises ends the work. `heard` is told of every transcript:
    model, seconds of sound, seconds of work, tokens.
    """

    models: Mapping[str, str]
    device: str
    require_gpu: bool
    config: Mapping[str, str]
    say: Callable[[str], None]
    check: Callable[[], None] = lambda: None
    heard: Heard = lambda name, sound, seconds, tokens: None
    _loaded: dict[str, Whisper] = field(default_factory=dict)
    _loading: threading.Lock = field(default_factory=threading.Lock)

    def speech_models(self) -> Sequence[str]:
        return list(self.models)

    def open_speech(self, name: str) -> "EngineModel":
        known = default_name(name, list(self.models))
        if known not in self.models:
            raise NotFoundError(f'model "{name}": found no such name, expected one of {", ".join(self.models)}')
        return EngineModel(known, self._whisper(known), self.check, self.heard)

    def load_graph(self, name: str) -> "EngineGraph":
        model = self.open_speech(name)
        return EngineGraph(BurnSpeech(model.whisper, TranscribeOptions()), self.check)

    def settings(self) -> Mapping[str, str]:
        return self.config

    def log(self, level: str, context: str, message: str) -> None:
        self.say(f"{level}: {context}: {message}")

    def _whisper(self, name: str) -> Whisper:
        with self._loading:
            if name not in self._loaded:
                files = find_model(self.models[name], default_cache(), say=self.say)
                self._loaded[name] = load_whisper(
                    files.weights,
                    config=files.config,
                    tokenizer=files.tokenizer,
                    device=self.device,
                    require_gpu=self.require_gpu,
                    say=self.say,
                )
            return self._loaded[name]


@dataclass(frozen=True)
class EngineModel:
    name: str
    whisper: Whisper
    check: Callable[[], None]
    heard: Heard

    @property
    def device(self) -> str:
        return self.whisper.device

    @property
    def languages(self) -> Mapping[str, str]:
        return self.whisper.languages

    def stream(self, file: Path, options: TranscribeOptions) -> TranscriptStream:
        return timed(self.whisper, self.name, file, options, self.check, self.heard)

    def detect_language(self, file: Path) -> dict[str, float]:
        return self.whisper.detect_language(decode_audio(file, max_seconds=MAX_SECONDS))


@dataclass(frozen=True)
class EngineGraph:
    """A graph of the core ABI under the names that wasi-nn's component ABI gives its inputs: their numbers."""

    graph: BurnSpeech
    check: Callable[[], None]

    def compute(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        given: dict[int, GraphTensor] = {}
        for name, tensor in inputs.items():
            if not name.isdecimal() or tensor.type not in _KINDS:
                raise InputError(f'input "{name}" of {tensor.type}: expected a number, and one of {" ".join(_KINDS)}')
            given[int(name)] = GraphTensor(tensor.dimensions, _KINDS[tensor.type], tensor.data)
        found = self.graph.compute(given, self.check)
        return {str(index): Tensor((len(data),), "u8", data) for index, data in found.items()}
