"""A conversation that is longer than the model reads, without its oldest messages."""

from collections.abc import Callable, Sequence
from typing import Any

from wherry.errors import PromptTooLongError
from wherry.guest.chat import AnswerStream

Messages = Sequence[dict[str, Any]]


def fitting(messages: Messages, ask: Callable[[Messages], AnswerStream], truncates: bool) -> AnswerStream:
    """The answer to as many of the latest messages as fit. Instructions at the beginning stay, and so does the last message.

    Raises PromptTooLongError where that is too much, and at once where nothing may be left out.
    """
    first = 0
    while first < len(messages) and messages[first]["role"] in ("system", "developer"):
        first += 1
    kept, dropped = list(messages), 1
    while True:
        try:
            return ask(kept)
        except PromptTooLongError:
            if not truncates or len(kept) <= first + 1:
                raise
        cut = min(first + dropped, len(kept) - 1)
        while cut < len(kept) - 1 and kept[cut]["role"] == "tool":
            cut += 1  # a result without its call
        if kept[cut]["role"] == "tool":
            raise PromptTooLongError("messages: found the last call and its result too long, expected shorter ones")
        kept = [*kept[:first], *kept[cut:]]
        dropped *= 2
