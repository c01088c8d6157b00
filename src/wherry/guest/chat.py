"""Language models: conversations, tools, texts that go on.

    model = chat.open()
    print(model.answer([{"role": "user", "content": "Good morning."}]).text)
    with model.stream(messages, Options(temperature=0.7, max_tokens=200)) as stream:
        for piece in stream:
            print(piece.text, end="")

Messages are as in OpenAI's API: {"role": system, developer, user, assistant or tool, "content": text or parts of type text},
an assistant's with "tool_calls" ({"id", "type": "function", "function": {"name", "arguments"}}), a tool's with "tool_call_id".
Tools are {"type": "function", "function": {"name", "description", "parameters": a JSON schema}}. The host checks both, and
an InputError names the field: `messages[3].content: found …, expected …`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from wherry.engine.conversation import JSON_OBJECT, Answer, Likely, Piece, Token, ToolCall, Usage
from wherry.engine.conversation import AnswerOptions as Options
from wherry.guest import host

__all__ = [
    "JSON_OBJECT",
    "Answer",
    "AnswerStream",
    "Likely",
    "Message",
    "Model",
    "Options",
    "Piece",
    "Prompt",
    "Token",
    "Tool",
    "ToolCall",
    "Usage",
    "names",
    "open",
]

Message = Mapping[str, Any]
Tool = Mapping[str, Any]
Prompt = str | Sequence[int]  # a text, in which names of special tokens are these tokens, or tokens as they are


class AnswerStream:
    """An answer in the making: it is computed from the moment it is asked for, beside all others, and iterating waits for its
    pieces. The last one has a `finish`. Who closes it (a `with` block does) ends the work on the device.
    """

    def __init__(self, answer: host.AnswerStream) -> None:
        self._answer = answer
        self._ended = False

    @property
    def seed(self) -> int:
        """What it is drawn with: the one that was given, or that was drawn."""
        return self._answer.seed

    @property
    def usage(self) -> Usage:
        """Tokens so far: whole once the last piece was taken."""
        return self._answer.usage()

    def __iter__(self) -> Iterator[Piece]:
        return self

    def __next__(self) -> Piece:
        piece = None if self._ended else self._answer.next()
        if piece is None:
            self._ended = True
            raise StopIteration
        return piece

    def answer(self) -> Answer:
        """The rest, whole."""
        pieces = list(self)
        return Answer(
            text="".join(piece.text for piece in pieces),
            tokens=tuple(token for piece in pieces for token in piece.tokens),
            tool_calls=tuple(call for piece in pieces for call in piece.tool_calls),
            finish=pieces[-1].finish if pieces else "",
            usage=self.usage,
            seed=self.seed,
        )

    def close(self) -> None:
        self._ended = True
        self._answer.close()

    def __enter__(self) -> "AnswerStream":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


@dataclass(frozen=True)
class Model:
    """A loaded model; `open` makes one. Every call raises a class of `wherry.errors`: InputError for messages, tools and options
    that cannot be, PromptTooLongError for a prompt that leaves no room in the context.
    """

    _model: host.ChatModel

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def device(self) -> str:
        """What it runs on, for people."""
        return self._model.device

    @property
    def context(self) -> int:
        """The most tokens that a prompt and its answer have together."""
        return self._model.context

    @property
    def chats(self) -> bool:
        """Whether it was made for conversations; one that was not goes on with texts only."""
        return self._model.chats

    @property
    def supports_tools(self) -> bool:
        """Whether it was made to call tools. One that was not is told of them in a system message."""
        return self._model.supports_tools

    def tokens(self, text: str) -> list[int]:
        """Those of a text in which nothing is special."""
        return self._model.tokens(text)

    def count(self, text: str) -> int:
        return len(self.tokens(text))

    def text(self, tokens: Sequence[int]) -> str:
        """What tokens say. Raises InputError for one that is none."""
        return self._model.text(tokens)

    def stream(self, messages: Sequence[Message], options: Options | None = None, tools: Sequence[Tool] = ()) -> AnswerStream:
        """The answer to a conversation, piece by piece. Several streams that are open at once are computed together."""
        return AnswerStream(self._model.chat(messages, tools, options or Options()))

    def answer(self, messages: Sequence[Message], options: Options | None = None, tools: Sequence[Tool] = ()) -> Answer:
        """The same, whole."""
        with self.stream(messages, options, tools) as stream:
            return stream.answer()

    def stream_text(self, prompt: Prompt, options: Options | None = None) -> AnswerStream:
        """What comes after a text, piece by piece. With `parse_special=False` in the options a text names no special tokens:
        for one that somebody else wrote."""
        return AnswerStream(self._model.complete(prompt, options or Options()))

    def complete(self, prompt: Prompt, options: Options | None = None) -> Answer:
        """The same, whole."""
        with self.stream_text(prompt, options) as stream:
            return stream.answer()

    def score(self, prompt: Prompt, top: int = 0) -> Sequence[Token]:
        """How likely each token of a text is after those before it, with the `top` (at most 20) likeliest in its place.
        The first follows nothing, its logarithm is 0: the sum of all is the whole text's.
        """
        return self._model.score(prompt, top)


def names() -> Sequence[str]:
    """The models that `open` knows, the default first."""
    return host.current().chat_models()


def open(name: str = "default") -> Model:
    """The model of this name, loaded unless it is already. Raises NotFoundError."""
    return Model(host.current().open_chat(name))
