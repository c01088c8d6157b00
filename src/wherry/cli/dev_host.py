"""The engine as an app's host, for apps that run as ordinary Python."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wherry.cli.dev_language import EngineChat, EngineEmbeddings
from wherry.cli.model_address import find_any_model
from wherry.engine.catalog import ModelFiles, model_kind
from wherry.engine.conversation import Usage
from wherry.engine.embedding import Embedder, load_embedder
from wherry.engine.language import Language, load_language
from wherry.engine.session import Whisper, load_whisper
from wherry.engine.transcript import TranscribeOptions, TranscriptStream
from wherry.errors import InputError, NotFoundError
from wherry.guest.tensor import Tensor
from wherry.wasm.nn.backend import MAX_SECONDS, BurnSpeech
from wherry.wasm.nn.ggml import GgmlText
from wherry.wasm.nn.graph import Graph
from wherry.wasm.nn.graph import Tensor as GraphTensor
from wherry.wasm.nn.sentences import Sentences
from wherry.wasm.nn.speech import Heard, default_name, timed

Said = Callable[[str, Usage, float, float], None]
_KINDS = {"fp16": 0, "fp32": 1, "fp64": 2, "u8": 3, "i32": 4, "i64": 5}  # wasi-nn's numbers in the core ABI


@dataclass
class EngineHost:
    """models: the app's names -> what `find_any_model` takes; the first is the default. Each is loaded when it is asked for.

    `check` is called now and then while a model computes: what it raises ends the work. `heard` is told of every transcript:
    model, seconds of sound, seconds of work, tokens; `said` of every answer.
    """

    models: Mapping[str, str]
    device: str
    require_gpu: bool
    config: Mapping[str, str]
    say: Callable[[str], None]
    check: Callable[[], None] = lambda: None
    heard: Heard = lambda name, sound, seconds, tokens: None
    said: Said = lambda name, usage, first, seconds: None
    _found: dict[str, tuple[str, ModelFiles]] = field(default_factory=dict)
    _loaded: dict[str, Whisper | Language | Embedder] = field(default_factory=dict)
    _loading: threading.Lock = field(default_factory=threading.Lock)

    def speech_models(self) -> Sequence[str]:
        return self._named("speech")

    def open_speech(self, name: str) -> "EngineModel":
        known = self._known(name, self.speech_models())
        model = self._model(known)
        assert isinstance(model, Whisper)
        return EngineModel(known, model, self.check, self.heard)

    def chat_models(self) -> Sequence[str]:
        return self._named("language")

    def open_chat(self, name: str) -> EngineChat:
        known = self._known(name, self.chat_models())
        model = self._model(known)
        assert isinstance(model, Language)
        return EngineChat(known, model, self.check, self.said)

    def embedding_models(self) -> Sequence[str]:
        return [*self._named("sentences"), *self._named("language")]

    def open_embeddings(self, name: str) -> EngineEmbeddings:
        known = self._known(name, self.embedding_models())
        model = self._model(known)
        assert isinstance(model, Language | Embedder)
        return EngineEmbeddings(known, model, self.check)

    def load_graph(self, name: str) -> "EngineGraph":
        model = self._model(self._known(name, list(self.models)))
        if isinstance(model, Whisper):
            return EngineGraph(BurnSpeech(model, TranscribeOptions()), self.check)
        return EngineGraph(GgmlText(model, self.say) if isinstance(model, Language) else Sentences(model), self.check)

    def settings(self) -> Mapping[str, str]:
        return self.config

    def log(self, level: str, context: str, message: str) -> None:
        self.say(f"{level}: {context}: {message}")

    def _known(self, name: str, names: Sequence[str]) -> str:
        known = default_name(name, names)
        if known not in names:
            raise NotFoundError(f'model "{name}": found no such name, expected one of {", ".join(names) or "none"}')
        return known

    def _named(self, kind: str) -> list[str]:
        with self._loading:
            return [name for name in self.models if self._files(name)[0] == kind]

    def _files(self, name: str) -> tuple[str, ModelFiles]:
        """What a model is, and where; it is fetched unless it is there."""
        if name not in self._found:
            files = find_any_model(self.models[name], say=self.say)
            self._found[name] = model_kind(files), files
        return self._found[name]

    def _model(self, name: str) -> Whisper | Language | Embedder:
        with self._loading:
            if name not in self._loaded:
                self._loaded[name] = self._load(*self._files(name))
            return self._loaded[name]

    def _load(self, kind: str, files: ModelFiles) -> Whisper | Language | Embedder:
        place: dict[str, Any] = {"device": self.device, "require_gpu": self.require_gpu, "say": self.say}
        if kind == "language":
            return load_language(files.weights, **place)
        if kind == "sentences":
            return load_embedder(files.weights, tokenizer=files.tokenizer, **place)
        return load_whisper(files.weights, config=files.config, tokenizer=files.tokenizer, **place)


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
        return self.whisper.detect_language(file, max_seconds=MAX_SECONDS)


@dataclass(frozen=True)
class EngineGraph:
    """A graph of the core ABI under the names that wasi-nn's component ABI gives its inputs: their numbers."""

    graph: Graph
    check: Callable[[], None]

    def compute(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        given: dict[int, GraphTensor] = {}
        for name, tensor in inputs.items():
            if not name.isdecimal() or tensor.type not in _KINDS:
                raise InputError(f'input "{name}" of {tensor.type}: expected a number, and one of {" ".join(_KINDS)}')
            given[int(name)] = GraphTensor(tensor.dimensions, _KINDS[tensor.type], tensor.data)
        found = self.graph.compute(given, self.check)
        return {str(index): Tensor((len(data),), "u8", data) for index, data in found.items()}
