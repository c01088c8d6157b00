"""The engine's speech for components, over the preloaded graphs."""

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from wherry.engine.session import Whisper
from wherry.engine.transcript import Segment, TranscribeOptions, TranscriptStream
from wherry.errors import InputError, NotFoundError
from wherry.wasm.nn.backend import MAX_SECONDS, BurnSpeech, WhisperSpeech
from wherry.wasm.nn.graph import Graph
from wherry.wasm.stop import Check

Heard = Callable[[str, float, float, int], None]  # model, seconds of sound, seconds of work, tokens
_FIELDS = tuple(field.name for field in fields(TranscribeOptions))
_FIRST_FIELDS = 18  # of the contract's first version: up to `seed`; later ones are appended


@dataclass(frozen=True)
class PreloadedSpeech:
    """`find` gives a graph by name, loading it once; `preloaded` are their names, the default first.

    `heard` is told of every transcript: model, seconds of sound, seconds of work, tokens.
    """

    preloaded: Sequence[str]
    find: Callable[[str], Graph]
    heard: Heard = lambda name, sound, seconds, tokens: None

    def names(self) -> Sequence[str]:
        return self.preloaded

    def open(self, name: str) -> "PreloadedModel":
        known = default_name(name, self.preloaded)
        if known not in self.preloaded:
            raise NotFoundError(f'model "{name}": found no such name, expected one of {", ".join(self.preloaded) or "none"}')
        graph = self.find(known)
        if not isinstance(graph, BurnSpeech | WhisperSpeech):
            raise InputError(f'model "{known}": found no model of speech')
        return PreloadedModel(known, graph, self.heard)


def default_name(name: str, known: Sequence[str]) -> str:
    """`default` is the first, unless one is called so."""
    return known[0] if name == "default" and name not in known and known else name


@dataclass(frozen=True)
class PreloadedModel:
    name: str
    graph: BurnSpeech | WhisperSpeech  # held, or it could be let go meanwhile
    heard: Heard

    @property
    def whisper(self) -> Whisper:
        return self.graph.whisper

    @property
    def device(self) -> str:
        return self.whisper.device

    @property
    def languages(self) -> Mapping[str, str]:
        return self.whisper.languages

    def stream(self, file: Path, options: Sequence[Any], check: Check) -> "RecordedStream":
        found = timed(self.whisper, self.name, file, transcribe_options(options), check, self.heard)
        return RecordedStream(found.language, found.duration, _records(found.segments))

    def detect_language(self, file: Path, check: Check) -> Mapping[str, float]:
        check()
        return self.whisper.detect_language(file, check=check, max_seconds=MAX_SECONDS)


def transcribe_options(values: Sequence[Any]) -> TranscribeOptions:
    """The record `options` of app.wit. A component that was compiled for an earlier contract has the first fields of today's;
    the others have their defaults.

    Raises ValueError for a record of no version.
    """
    if len(values) not in (_FIRST_FIELDS, len(_FIELDS)):
        raise ValueError(f"found {len(values)} fields, expected {len(_FIELDS)}")
    fields_by_name: dict[str, Any] = dict(zip(_FIELDS, values, strict=False))
    lists = {name: tuple(value) for name, value in fields_by_name.items() if isinstance(value, list)}
    return TranscribeOptions(**fields_by_name | lists)


def timed(whisper: Whisper, name: str, file: Path, options: TranscribeOptions, check: Check, heard: Heard) -> TranscriptStream:
    """A file's transcript; `heard` gets what it took, without what the app did between its segments."""
    began = time.perf_counter()
    stream = whisper.stream(file, options, check, max_seconds=MAX_SECONDS)
    return replace(stream, segments=_told(stream, name, time.perf_counter() - began, heard))


def _told(stream: TranscriptStream, name: str, seconds: float, heard: Heard) -> Generator[Segment]:
    tokens = 0
    try:
        while True:
            began = time.perf_counter()
            segment = next(stream.segments, None)
            seconds += time.perf_counter() - began
            if segment is None:
                break
            tokens += len(segment.tokens)
            yield segment
        heard(name, stream.duration, seconds, tokens)
    finally:
        stream.segments.close()


def _records(segments: Generator[Segment]) -> Generator[tuple[Any, ...]]:
    """The dataclasses have the contract's fields in its order."""
    try:
        for segment in segments:
            words = [(word.start, word.end, word.word, word.probability) for word in segment.words]
            head = tuple(getattr(segment, field.name) for field in fields(segment)[:-1])
            yield (*head, words)
    finally:
        segments.close()


@dataclass(frozen=True)
class RecordedStream:
    language: str
    duration: float
    segments: Generator[tuple[Any, ...]]
