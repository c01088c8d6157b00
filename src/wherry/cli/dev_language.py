"""Language models and models of sentences for apps that run as ordinary Python."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wherry.engine import answers
from wherry.engine.conversation import AnswerOptions, Piece, Token, Usage, Vector
from wherry.engine.embedding import Embedder
from wherry.engine.language import Language
from wherry.engine.sentences import embed_texts


@dataclass(frozen=True)
class EngineChat:
    name: str
    language: Language
    check: Callable[[], None]
    said: Callable[[str, Usage, float, float], None]

    @property
    def device(self) -> str:
        return self.language.device

    @property
    def context(self) -> int:
        return self.language.context

    @property
    def chats(self) -> bool:
        return self.language.template is not None

    @property
    def supports_tools(self) -> bool:
        return self.language.supports_tools

    def tokens(self, text: str) -> list[int]:
        return self.language.vocabulary.encode(text, check=self.check)

    def text(self, tokens: Sequence[int]) -> str:
        return self.language.text(tokens)

    def chat(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]], options: AnswerOptions
    ) -> "EngineAnswer":
        return EngineAnswer(answers.chat(self.language, list(messages), list(tools), options, self._told, self.check), self.check)

    def complete(self, prompt: str | Sequence[int], options: AnswerOptions) -> "EngineAnswer":
        return EngineAnswer(answers.complete(self.language, prompt, options, self._told, self.check), self.check)

    def score(self, prompt: str | Sequence[int], top: int) -> tuple[Token, ...]:
        return answers.score(self.language, prompt, top, self.check)

    def _told(self, usage: Usage, first: float, seconds: float) -> None:
        self.said(self.name, usage, first, seconds)


@dataclass(frozen=True)
class EngineAnswer:
    stream: answers.AnswerStream
    check: Callable[[], None]

    @property
    def seed(self) -> int:
        return self.stream.seed

    def next(self) -> Piece | None:
        return self.stream.next(self.check)

    def usage(self) -> Usage:
        return self.stream.usage()

    def close(self) -> None:
        self.stream.close()


@dataclass(frozen=True)
class EngineEmbeddings:
    name: str
    model: Embedder | Language
    check: Callable[[], None]

    @property
    def device(self) -> str:
        return self.model.device

    @property
    def dimensions(self) -> int:
        return self.model.dimensions

    @property
    def max_tokens(self) -> int:
        return self.model.max_tokens

    def embed(self, texts: Sequence[str | Sequence[int]]) -> list[Vector]:
        return embed_texts(self.model, texts, self.check)
