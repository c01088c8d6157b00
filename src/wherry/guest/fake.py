"""A host for tests of apps: it hears what it was told to hear, and answers what it was told to answer.

with host.use(FakeHost({"default": "Good morning."})):
    assert client.post("/shout", ...).text == "GOOD MORNING."
with host.use(FakeHost(answers={"default": "Hello!"})):
    assert chat.open().answer([{"role": "user", "content": "Good morning."}]).text == "Hello!"
"""

import re
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wherry.engine.conversation import AnswerOptions
from wherry.engine.transcript import Segment, TranscribeOptions, TranscriptStream, Word
from wherry.errors import FormatError, InputError, NotFoundError
from wherry.guest.fake_chat import FakeAnswer, FakeChatModel, FakeEmbeddings, Says
from wherry.guest.tensor import Tensor

__all__ = ["SOUND", "FakeAnswer", "FakeHost", "Says"]
SOUND = b"RIFF\x24\0\0\0WAVE"  # enough for this host to take it for a recording
Compute = Callable[[Mapping[str, Tensor]], dict[str, Tensor]]


@dataclass
class FakeHost:
    """`texts` is what each model hears, whatever the recording; the first is the default. One sentence is a segment, and
    every word lasts a second. `asked` and `logged` are what the app asked for and said.

    answers    what each language model answers: a text, or a function of messages (or prompt), tools and options to a text, or
               to a list of ToolCall, or one that raises. Words are its tokens. `prompted` is what the app asked them for
    vectors    what each embedding model makes of a text
    streams    answers so far; each knows whether it was closed
    """

    texts: Mapping[str, str] = field(default_factory=lambda: {"default": "Hello."})
    languages: Mapping[str, str] = field(default_factory=lambda: {"en": "english"})
    config: Mapping[str, str] = field(default_factory=dict)
    graphs: Mapping[str, Compute] = field(default_factory=dict)
    asked: list[tuple[str, TranscribeOptions]] = field(default_factory=list)
    logged: list[tuple[str, str, str]] = field(default_factory=list)
    answers: Mapping[str, Says] = field(default_factory=lambda: {"default": "Hello."})
    vectors: Mapping[str, Callable[[str], Sequence[float]]] = field(default_factory=lambda: {"default": _vector})
    prompted: list[tuple[str, Any, Sequence[Mapping[str, Any]], AnswerOptions]] = field(default_factory=list)
    streams: list[FakeAnswer] = field(default_factory=list)

    def speech_models(self) -> Sequence[str]:
        return list(self.texts)

    def open_speech(self, name: str) -> "FakeSpeechModel":
        return FakeSpeechModel(_known(name, self.texts), self)

    def chat_models(self) -> Sequence[str]:
        return list(self.answers)

    def open_chat(self, name: str) -> FakeChatModel:
        known = _known(name, self.answers)
        return FakeChatModel(known, self.answers[known], self.prompted, self.streams)

    def embedding_models(self) -> Sequence[str]:
        return list(self.vectors)

    def open_embeddings(self, name: str) -> FakeEmbeddings:
        known = _known(name, self.vectors)
        return FakeEmbeddings(known, self.vectors[known])

    def load_graph(self, name: str) -> "FakeGraph":
        if name not in self.graphs:
            raise NotFoundError(f'graph "{name}": found no such name, expected one of {", ".join(self.graphs) or "none"}')
        return FakeGraph(self.graphs[name])

    def settings(self) -> Mapping[str, str]:
        return self.config

    def log(self, level: str, context: str, message: str) -> None:
        self.logged.append((level, context, message))


def _known(name: str, names: Mapping[str, Any]) -> str:
    known = next(iter(names), "") if name == "default" and name not in names else name
    if known not in names:
        raise NotFoundError(f'model "{name}": found no such name, expected one of {", ".join(names) or "none"}')
    return known


def _vector(text: str) -> Sequence[float]:
    """The share of each of four letters: alike texts are near each other."""
    found = [1.0 + text.lower().count(letter) for letter in "aeio"]
    length = sum(x * x for x in found) ** 0.5
    return [x / length for x in found]


@dataclass(frozen=True)
class FakeGraph:
    compute: Compute


@dataclass(frozen=True)
class FakeSpeechModel:
    name: str
    _host: FakeHost
    device: str = "fake"

    @property
    def languages(self) -> Mapping[str, str]:
        return self._host.languages

    def stream(self, file: Path, options: TranscribeOptions) -> TranscriptStream:
        _check_audio(file)
        if options.language is not None and options.language not in self.languages:
            raise InputError(f'language: found "{options.language}", expected one of {", ".join(self.languages)}')
        self._host.asked.append((self.name, options))
        text = self._host.texts[self.name]
        return TranscriptStream(
            options.language or next(iter(self.languages)), float(len(text.split())), _segments(text, options)
        )

    def detect_language(self, file: Path) -> dict[str, float]:
        _check_audio(file)
        return {next(iter(self.languages)): 1.0}


def _check_audio(file: Path) -> None:
    """As the real host: nothing is no recording, and neither is text."""
    start = file.read_bytes()[:512]
    if not start or all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in start):
        raise FormatError(f"{file.name}: found no audio, expected a recording")


def _segments(text: str, options: TranscribeOptions) -> Generator[Segment]:
    second = 0.0
    for number, sentence in enumerate(re.findall(r"[^.!?]+[.!?]*", text)):
        spoken = sentence.split()
        words = tuple(Word(second + i, second + i + 1, f" {word}", 1.0) for i, word in enumerate(spoken))
        yield Segment(
            id=number, seek=0, start=second, end=second + len(spoken), text="".join(word.word for word in words), tokens=(),
            temperature=options.temperature[0], avg_logprob=0.0, compression_ratio=1.0, no_speech_prob=0.0,
            words=words if options.word_timestamps else (),
        )  # fmt: skip
        second += len(spoken)
