"""The language models of `fake`: words are tokens, and what they say is given."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wherry.engine.conversation import AnswerOptions, Likely, Piece, Token, ToolCall, Usage, Vector
from wherry.engine.messages import check_messages, check_tools
from wherry.errors import InputError, PromptTooLongError, TooLargeError

Says = str | Callable[[Any, Sequence[Mapping[str, Any]], AnswerOptions], str | Sequence[ToolCall]]
_CONTEXT = 1000  # words
_LOGPROB = -0.5


def _words(text: str) -> list[str]:
    return re.findall(r"\s*\S+|\s+$", text)


@dataclass
class FakeAnswer:
    """One piece a word. `closed`: whether the app let it go before its end or after."""

    seed: int
    prompt: int  # tokens
    pieces: Iterator[Piece]
    made: int = 0
    closed: bool = False

    def next(self) -> Piece | None:
        piece = None if self.closed else next(self.pieces, None)
        self.made += piece is not None and bool(piece.text)
        return piece

    def usage(self) -> Usage:
        return Usage(self.prompt, self.made)

    def close(self) -> None:
        self.closed = True


@dataclass(frozen=True)
class FakeChatModel:
    name: str
    _says: Says
    _prompted: list[tuple[str, Any, Sequence[Mapping[str, Any]], AnswerOptions]]
    _streams: list[FakeAnswer]
    device: str = "fake"
    context: int = _CONTEXT
    chats: bool = True
    supports_tools: bool = True
    _vocabulary: list[str] = field(default_factory=list)

    def tokens(self, text: str) -> list[int]:
        found = _words(text)
        self._vocabulary.extend(word for word in found if word not in self._vocabulary)
        return [self._vocabulary.index(word) for word in found]

    def text(self, tokens: Sequence[int]) -> str:
        if not all(0 <= token < len(self._vocabulary) for token in tokens):
            raise InputError("tokens: found unknown ones")
        return "".join(self._vocabulary[token] for token in tokens)

    def chat(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]], options: AnswerOptions
    ) -> FakeAnswer:
        checked = check_messages(list(messages))
        check_tools(list(tools))
        return self._answer(messages, tools, options, sum(len(_words(message["content"])) for message in checked))

    def complete(self, prompt: str | Sequence[int], options: AnswerOptions) -> FakeAnswer:
        return self._answer(prompt, (), options, len(_words(prompt) if isinstance(prompt, str) else prompt))

    def score(self, prompt: str | Sequence[int], top: int) -> tuple[Token, ...]:
        words = _words(prompt if isinstance(prompt, str) else self.text(prompt))
        if not words:
            raise InputError("prompt: found no tokens, expected at least one")
        told = [self._told(word, AnswerOptions(top_logprobs=top))[0] for word in words]
        return (Token(told[0].id, told[0].data, 0.0), *told[1:])

    def _answer(self, asked: Any, tools: Sequence[Mapping[str, Any]], options: AnswerOptions, count: int) -> FakeAnswer:
        options = options.checked()
        self._prompted.append((self.name, asked, tools, options))
        if count >= self.context:
            raise PromptTooLongError(f"messages: found {count} tokens, expected fewer than the context of {self.context}")
        said = self._says(asked, tools, options) if callable(self._says) else self._says
        answer = FakeAnswer(0 if options.seed is None else options.seed, count, self._pieces(said, options))
        self._streams.append(answer)
        return answer

    def _pieces(self, said: str | Sequence[ToolCall], options: AnswerOptions) -> Iterator[Piece]:
        if not isinstance(said, str):
            yield Piece("", tool_calls=tuple(said), finish="tool_calls")
            return
        cuts = [at for string in options.stop if (at := said.find(string)) >= 0]
        words = _words(said[: min(cuts)] if cuts else said)
        most = len(words) if options.max_tokens is None else options.max_tokens
        for number, word in enumerate(words[:most]):
            last = number + 1 == most < len(words)
            yield Piece(word, self._told(word, options), finish="length" if last else "")
        if most >= len(words):
            yield Piece("", finish="stop")

    def _told(self, word: str, options: AnswerOptions) -> tuple[Token, ...]:
        if options.top_logprobs is None:
            return ()
        token, data = self.tokens(word)[0], word.encode()
        top = tuple(Likely(token + rank, data, _LOGPROB - rank) for rank in range(options.top_logprobs))
        return (Token(token, data, _LOGPROB, top),)


@dataclass(frozen=True)
class FakeEmbeddings:
    name: str
    _vector: Callable[[str], Sequence[float]]
    device: str = "fake"
    max_tokens: int = 256

    @property
    def dimensions(self) -> int:
        return len(self._vector("a"))

    def embed(self, texts: Sequence[str | Sequence[int]]) -> list[Vector]:
        found = []
        for index, text in enumerate(texts):
            count = len(_words(text) if isinstance(text, str) else text)
            if not count:
                raise InputError(f"texts[{index}]: found nothing, expected a text")
            if count > self.max_tokens:
                raise TooLargeError(f"texts[{index}]: found {count} tokens, expected at most {self.max_tokens}")
            found.append(Vector(tuple(self._vector(text if isinstance(text, str) else " ".join(map(str, text)))), count))
        return found
