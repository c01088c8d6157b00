"""A host for tests of apps: it hears what it was told to hear.

with host.use(FakeHost({"default": "Good morning."})):
    assert client.post("/shout", ...).text == "GOOD MORNING."
"""

import re
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wherry.engine.transcript import Segment, TranscribeOptions, TranscriptStream, Word
from wherry.errors import FormatError, InputError, NotFoundError
from wherry.guest.tensor import Tensor

SOUND = b"RIFF\x24\0\0\0WAVE"  # enough for this host to take it for a recording
Compute = Callable[[Mapping[str, Tensor]], dict[str, Tensor]]


@dataclass
class FakeHost:
    """`texts` is what each model hears, whatever the recording; the first is the default. One sentence is a segment, and
    every word lasts a second. `asked` and `logged` are what the app asked for and said.
    """

    texts: Mapping[str, str] = field(default_factory=lambda: {"default": "Hello."})
    languages: Mapping[str, str] = field(default_factory=lambda: {"en": "english"})
    config: Mapping[str, str] = field(default_factory=dict)
    graphs: Mapping[str, Compute] = field(default_factory=dict)
    asked: list[tuple[str, TranscribeOptions]] = field(default_factory=list)
    logged: list[tuple[str, str, str]] = field(default_factory=list)

    def speech_models(self) -> Sequence[str]:
        return list(self.texts)

    def open_speech(self, name: str) -> "FakeSpeechModel":
        known = next(iter(self.texts), "") if name == "default" and name not in self.texts else name
        if known not in self.texts:
            raise NotFoundError(f'model "{name}": found no such name, expected one of {", ".join(self.texts) or "none"}')
        return FakeSpeechModel(known, self)

    def load_graph(self, name: str) -> "FakeGraph":
        if name not in self.graphs:
            raise NotFoundError(f'graph "{name}": found no such name, expected one of {", ".join(self.graphs) or "none"}')
        return FakeGraph(self.graphs[name])

    def settings(self) -> Mapping[str, str]:
        return self.config

    def log(self, level: str, context: str, message: str) -> None:
        self.logged.append((level, context, message))


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
