"""The other side: what a host does for an app. Sandbox, `wherry dev` and tests each bring one of their own."""

import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from wherry.engine.conversation import AnswerOptions, Piece, Token, Usage, Vector
from wherry.engine.transcript import TranscribeOptions, TranscriptStream
from wherry.guest.tensor import Tensor


class SpeechModel(Protocol):
    """A loaded model of speech. Every call raises a class of `wherry.errors`."""

    @property
    def name(self) -> str: ...

    @property
    def device(self) -> str:
        """What it runs on, for people."""
        ...

    @property
    def languages(self) -> Mapping[str, str]:
        """The codes that it knows -> their English names."""
        ...

    def stream(self, file: Path, options: TranscribeOptions) -> TranscriptStream:
        """The file is read before this returns."""
        ...

    def detect_language(self, file: Path) -> dict[str, float]:
        """Codes -> probabilities, likeliest first."""
        ...


class AnswerStream(Protocol):
    """An answer that is being computed. Closing it ends the work."""

    @property
    def seed(self) -> int: ...

    def next(self) -> Piece | None:
        """Waits for what is new; None after the last piece, which has a `finish`."""
        ...

    def usage(self) -> Usage: ...

    def close(self) -> None: ...


class ChatModel(Protocol):
    """A loaded language model. Every call raises a class of `wherry.errors`."""

    @property
    def name(self) -> str: ...

    @property
    def device(self) -> str: ...

    @property
    def context(self) -> int: ...

    @property
    def chats(self) -> bool:
        """Whether it has a chat template."""
        ...

    @property
    def supports_tools(self) -> bool:
        """Whether that template knows tools."""
        ...

    def tokens(self, text: str) -> list[int]: ...

    def text(self, tokens: Sequence[int]) -> str: ...

    def chat(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]], options: AnswerOptions
    ) -> AnswerStream:
        """It is computed from now on."""
        ...

    def complete(self, prompt: str | Sequence[int], options: AnswerOptions) -> AnswerStream: ...

    def score(self, prompt: str | Sequence[int], top: int) -> Sequence[Token]:
        """Waits for it."""
        ...


class EmbeddingModel(Protocol):
    """A loaded model that reads texts. Every call raises a class of `wherry.errors`."""

    @property
    def name(self) -> str: ...

    @property
    def device(self) -> str: ...

    @property
    def dimensions(self) -> int: ...

    @property
    def max_tokens(self) -> int: ...

    def embed(self, texts: Sequence[str | Sequence[int]]) -> list[Vector]: ...


class Graph(Protocol):
    """A graph of wasi-nn."""

    def compute(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]: ...


class Host(Protocol):
    def speech_models(self) -> Sequence[str]:
        """The names that `open_speech` knows, the default first."""
        ...

    def open_speech(self, name: str) -> SpeechModel:
        """Load it, unless it is. Raises NotFoundError."""
        ...

    def chat_models(self) -> Sequence[str]:
        """The names that `open_chat` knows, the default first."""
        ...

    def open_chat(self, name: str) -> ChatModel:
        """Load it, unless it is. Raises NotFoundError."""
        ...

    def embedding_models(self) -> Sequence[str]:
        """The names that `open_embeddings` knows, the default first."""
        ...

    def open_embeddings(self, name: str) -> EmbeddingModel:
        """Load it, unless it is. Raises NotFoundError."""
        ...

    def load_graph(self, name: str) -> Graph:
        """wasi-nn's load-by-name. Raises NotFoundError."""
        ...

    def settings(self) -> Mapping[str, str]: ...

    def log(self, level: str, context: str, message: str) -> None:
        """level: trace, debug, info, warn, error or critical."""
        ...


_current: Host | None = None
_thread = threading.local()


@contextmanager
def use(host: Host) -> Generator[None]:
    """Within the block, the app speaks to `host`: all of its threads."""
    global _current
    before = _current
    _current = host
    try:
        yield
    finally:
        _current = before


@contextmanager
def absent() -> Generator[None]:
    """Within the block, this thread has no host: apps are imported so, inside the sandbox and outside."""
    _thread.absent = True
    try:
        yield
    finally:
        _thread.absent = False


def current() -> Host:
    """Raises RuntimeError where there is none: in a script of its own, or while an app is imported."""
    if _current is None or getattr(_thread, "absent", False):
        raise RuntimeError(
            "found no host, expected one: models and settings are there while a request is handled, not while the app is "
            "imported\n\nhint: run the app with `wherry dev`, or a test within `with host.use(FakeHost()):`"
        )
    return _current
