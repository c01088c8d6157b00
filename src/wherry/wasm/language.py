"""What language models the host has for components: the protocol between a guest's imports and the engine."""

from collections.abc import Sequence
from typing import Any, Protocol

from wherry.errors import NotFoundError
from wherry.wasm.stop import Check


class Answer(Protocol):
    """An answer that is being computed. `close` ends the work."""

    @property
    def seed(self) -> int: ...

    def next(self, check: Check) -> Any:
        """A record of the contract's `piece`, None at the end. Waits; what `check` raises meanwhile ends the work."""
        ...

    def usage(self) -> Any:
        """A record of the contract's `usage`."""
        ...

    def close(self) -> None: ...


class LanguageModel(Protocol):
    """Every call raises WherryError."""

    @property
    def name(self) -> str: ...

    @property
    def device(self) -> str: ...

    @property
    def context(self) -> int: ...

    @property
    def chats(self) -> bool: ...

    @property
    def supports_tools(self) -> bool: ...

    def tokens(self, text: str, check: Check) -> list[int]: ...

    def text(self, tokens: Sequence[int]) -> str: ...

    def chat(self, messages: str, tools: str, options: Sequence[Any], check: Check) -> Answer:
        """options: the values of the contract's `options`, in its order. What `check` raises before the answer begins ends the
        work."""
        ...

    def complete(self, prompt: str | Sequence[int], options: Sequence[Any], check: Check) -> Answer: ...

    def score(self, prompt: str | Sequence[int], top: int, check: Check) -> Sequence[Any]:
        """Records of the contract's `token`; what `check` raises ends the work."""
        ...


class EmbeddingModel(Protocol):
    """Every call raises WherryError; what `check` raises ends the work."""

    @property
    def name(self) -> str: ...

    @property
    def device(self) -> str: ...

    @property
    def dimensions(self) -> int: ...

    @property
    def max_tokens(self) -> int: ...

    def embed(self, texts: Sequence[str | Sequence[int]], check: Check) -> Sequence[Any]:
        """Records of the contract's `vector`."""
        ...


class Languages(Protocol):
    """Names are told the default first; what is opened is loaded unless it is. Raises NotFoundError."""

    def names(self) -> Sequence[str]: ...

    def open(self, name: str) -> LanguageModel: ...

    def embedding_names(self) -> Sequence[str]: ...

    def open_embeddings(self, name: str) -> EmbeddingModel: ...


class NoLanguages:
    """Of a host that has none."""

    def names(self) -> Sequence[str]:
        return []

    def open(self, name: str) -> LanguageModel:
        raise NotFoundError(f'model "{name}": found no such name, expected one of none')

    def embedding_names(self) -> Sequence[str]:
        return []

    def open_embeddings(self, name: str) -> EmbeddingModel:
        raise NotFoundError(f'model "{name}": found no such name, expected one of none')
