"""Several answers at once: they are computed together, and let go together."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain

from api.errors import of_host
from wherry.errors import WherryError
from wherry.guest.chat import AnswerStream, Piece
from wherry.guest.openai import event

_LOG = logging.getLogger("chat")


class Streams:
    """Open answers. Whoever leaves the `with` block, or closes them, ends the work."""

    def __init__(self, calls: Sequence[Callable[[], AnswerStream]]) -> None:
        self.all: list[AnswerStream] = []
        try:
            for call in calls:
                self.all.append(call())
        except BaseException:
            self.close()
            raise

    def pieces(self) -> Iterator[tuple[int, Piece]]:
        """As they come, with the number of the answer. The first is waited for here, so that what goes wrong before it still
        has a status of its own.
        """
        found = self._pieces()
        try:
            first = next(found, None)
        except BaseException:
            self.close()
            raise
        return chain([] if first is None else [first], found)

    def _pieces(self) -> Iterator[tuple[int, Piece]]:
        waiting = dict(enumerate(self.all))
        while waiting:
            for number, stream in list(waiting.items()):
                if (piece := next(stream, None)) is None:
                    del waiting[number]
                else:
                    yield number, piece

    def close(self) -> None:
        for stream in self.all:
            stream.close()

    def __enter__(self) -> "Streams":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


@contextmanager
def explained(names: dict[str, str]) -> Iterator[None]:
    """What the host refuses within the block, by the request's names for the fields."""
    try:
        yield
    except WherryError as error:
        raise of_host(error, names) from error


def guarded(events: Iterator[bytes], streams: Streams) -> Iterator[bytes]:
    """Events to their end: what breaks them off is said by one more, for it is too late for a status."""
    with streams:
        try:
            yield from events
        except WherryError as error:
            _LOG.warning("broken off: %s", error.message)
            yield event(of_host(error).fields(), "error")
