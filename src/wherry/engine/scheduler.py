"""Texts of all callers, taken together: prompts by pieces between the steps of the texts that grow (Yu et al., 2022, "Orca")."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from wherry.engine.pagebook import PageBook
from wherry.errors import InputError, TooLargeError
from wherry.kernels.pages import PAGE
from wherry.kernels.sample import KEPT, Draw, Options, reference

Result = TypeVar("Result")
_PIECE = 256  # tokens of a prompt between two steps of the others; pieces begin at its multiples
_SCORED = 64  # the same, where the host wants the logits of each


class Rows(Protocol):
    """Where the texts are computed: `DeviceRows` or `HostRows`."""

    rows: int
    pages: int
    context: int
    at_once: int  # steps between two looks at the result
    least: int  # tokens of a prompt that must be read anew, so that they are computed as without a shared beginning
    exact: bool  # whether a token's keys and values are the same however it came to its text

    def read(self, tokens: Sequence[int], start: int, pages: Sequence[int], *, last: bool = True) -> Any: ...
    def logits(self, tokens: Sequence[int], start: int, pages: Sequence[int]) -> NDArray[np.float32]: ...
    def hidden(self, tokens: Sequence[int], start: int, pages: Sequence[int]) -> NDArray[np.float32]: ...
    def mean_hidden(self, tokens: Sequence[int], start: int, pages: Sequence[int]) -> NDArray[np.float32]: ...
    def project(self, hidden: NDArray[np.float32]) -> NDArray[np.float32]: ...
    def numpy(self, logits: Any) -> NDArray[np.float32]: ...
    def last(self, row: int) -> NDArray[np.float32]: ...
    def replace(self, row: int, token: int) -> None: ...
    def begin(
        self,
        row: int,
        text: Sequence[int],
        pages: Sequence[int],
        options: Options,
        biases: dict[int, float],
        logits: Any,
        drawn: int,
    ) -> None: ...
    def end(self, row: int) -> None: ...
    def step(self, rows: int, times: int) -> None: ...
    def made(self) -> tuple[NDArray[np.int32], NDArray[np.float32]]: ...


class Guide(Protocol):
    """What says which tokens may come next, as a grammar does."""

    def mask(self) -> NDArray[np.bool_]: ...
    def take(self, token: int) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class Made:
    token: int
    logprob: float
    last: bool = False  # because as many as were asked for are made, or the context is full
    top: tuple[tuple[int, float], ...] = ()  # the likeliest in its place: token, log-probability


@dataclass
class Stream:
    """One text in the making; iterate for its tokens. Whoever ends the iteration ends the work."""

    text: list[int]  # the prompt, then what was made
    options: Options
    biases: dict[int, float]
    most: int  # tokens to be made
    ends: frozenset[int]
    shift: bool  # go on with the latter half of the text where the context is full
    made: "queue.SimpleQueue[Made | BaseException | None]" = field(default_factory=queue.SimpleQueue)
    cancelled: bool = False
    drawn: int = 0  # tokens drawn
    told: int = 0  # of them handed out
    read: int = 0  # tokens whose keys and values lie in pages
    pages: list[int] = field(default_factory=list)
    row: int = -1
    growing: bool = False
    guide: Guide | None = None  # its tokens are drawn here, one step at a time
    draw: Draw = field(default_factory=Draw)
    redrawn: tuple[int, float] = (0, 0.0)  # its last token, and that one's log-probability
    top: int = 0  # of the likeliest that are told with each token, which is made in a step of its own
    scored: bool = False  # what is told are the prompt's own tokens; none is made
    likeliest: tuple[tuple[int, float], ...] = ()  # in the place of the last token
    known: int | None = None  # tokens of the prompt that were not read, once it is known
    ended: bool = False  # `take` gives no more
    _failure: BaseException | None = None

    @property
    def looked_at(self) -> bool:
        """Whether the host wants the logits of each of its tokens."""
        return self.drawn_here or self.top > 0

    @property
    def drawn_here(self) -> bool:
        """Whether its tokens are drawn from them on the host, too."""
        return self.guide is not None or self.options.mirostat == 1

    def end(self, error: BaseException | None) -> None:
        """Nothing more comes; its guide has no more work."""
        if self.guide is not None:
            self.guide.close()
        self.made.put(error)

    def take(self, seconds: float) -> list[Made]:
        """What was made since the last time; for the first of it, this waits so long. Raises what the work raised."""
        found: list[Made] = []
        try:
            while not self.ended and self._failure is None:
                made = self.made.get(timeout=0 if found else seconds)
                if made is None:
                    self.ended = True
                elif isinstance(made, BaseException):
                    self._failure = made
                else:
                    found.append(made)
        except queue.Empty:
            pass
        if self._failure is not None and not found:
            self.ended, failure, self._failure = True, self._failure, None
            raise failure
        return found

    def __iter__(self) -> Iterator[Made]:
        try:
            while (made := self.made.get()) is not None:
                if isinstance(made, BaseException):
                    raise made
                yield made
        finally:
            self.cancelled = True


class Scheduler:
    """Safe for several threads. One thread works while there is work, and ends when there is none."""

    def __init__(self, rows: Rows, keep: int = 4) -> None:
        """keep: tokens at the beginning of a text that stay when it is shifted."""
        self.rows, self.keep = rows, keep
        self.book = PageBook(rows.pages)
        self._lock = threading.Lock()
        self._waiting: deque[Stream] = deque()
        self._jobs: deque[tuple[int, Callable[[list[int]], None]]] = deque()  # the pages that each wants
        self._streams: dict[int, Stream] = {}  # by row
        self._worker: threading.Thread | None = None

    def submit(
        self,
        prompt: Sequence[int],
        options: Options,
        most: int,
        *,
        ends: frozenset[int] = frozenset(),
        biases: dict[int, float] | None = None,
        shift: bool = False,
        guide: Guide | None = None,
        top: int = 0,
    ) -> Stream:
        """A text that begins with `prompt` and is to grow by `most` tokens, or until one of `ends` comes (which is handed out).
        top: how many of the likeliest are told with each.

        Raises InputError for an empty prompt, TooLargeError for one that leaves no room in the context.
        """
        if not prompt:
            raise InputError("prompt: found no tokens, expected at least one")
        if len(prompt) >= self.rows.context and not shift:
            raise TooLargeError(
                f"prompt: found {len(prompt)} tokens, expected fewer than the context of {self.rows.context}",
                hint="shorten the prompt, or load the model with a larger context",
            )
        stream = Stream(list(prompt), options, biases or {}, most, ends, shift, guide=guide, top=top)
        stream.draw.mu = 2 * options.mirostat_tau
        if len(prompt) >= self.rows.context:
            stream.text = self._shifted(stream.text)
        if most < 1:
            stream.end(None)
            return stream
        with self._lock:
            self._waiting.append(stream)
            self._wake()
        return stream

    def score(self, prompt: Sequence[int], top: int = 0) -> Stream:
        """The tokens of `prompt` after its first, each with its log-probability after those before it, and the `top` likeliest in
        its place. Raises as `submit`; the prompt may fill the context.
        """
        if not prompt:
            raise InputError("prompt: found no tokens, expected at least one")
        if len(prompt) > self.rows.context:
            raise TooLargeError(f"prompt: found {len(prompt)} tokens, expected at most the context of {self.rows.context}")
        stream = Stream(list(prompt), Options(), {}, 0, frozenset(), shift=False, top=top, scored=True)
        with self._lock:
            self._waiting.append(stream)
            self._wake()
        return stream

    def call(self, work: Callable[[Rows, list[int]], Result], tokens: int) -> Result:
        """work(rows, pages) between two steps, with pages for so many tokens that nobody else has; it waits until there are."""
        count = -(-tokens // PAGE)
        if count >= self.book.count:
            raise TooLargeError(
                f"found {tokens} tokens, expected at most {(self.book.count - 1) * PAGE}, for which there is memory"
            )
        result: queue.SimpleQueue[tuple[Result | None, BaseException | None]] = queue.SimpleQueue()

        def job(pages: list[int]) -> None:
            try:
                result.put((work(self.rows, pages), None))
            except BaseException as error:  # noqa: BLE001 (it goes to whoever asked)
                result.put((None, error))

        with self._lock:
            self._jobs.append((count, job))
            self._wake()
        found, error = result.get()
        if error is not None:
            raise error
        return found  # type: ignore[return-value]

    def _wake(self) -> None:
        if self._worker is None:
            self._worker = threading.Thread(target=self._work, name="wherry-texts", daemon=True)
            self._worker.start()

    # -- the worker's

    def _work(self) -> None:
        while True:
            with self._lock:
                if not (self._waiting or self._jobs or self._streams):
                    self._worker = None
                    return
            try:
                self._round()
            except BaseException as error:  # noqa: BLE001 (it goes to everybody whose text is lost)
                self._fail(error)

    def _round(self) -> None:
        for stream in [stream for stream in self._streams.values() if stream.cancelled]:
            self._leave(stream, None)
        if self._calls():
            self._admit()
        reading = next((stream for stream in self._streams.values() if not stream.growing), None)
        if reading is not None:
            (self._score if reading.scored else self._read)(reading)
        growing = [stream for stream in self._streams.values() if stream.growing]
        if growing:
            fewest = min(stream.most - stream.drawn for stream in growing)
            looked_at = any(stream.looked_at for stream in growing)
            times = 1 if reading is not None or looked_at else self.rows.at_once
            times = max(0, min(times, fewest if len(growing) == 1 else times, KEPT - max(s.drawn - s.told for s in growing)))
            if times:
                self.rows.step(1 + max(stream.row for stream in growing), times)
            tokens, logprobs = self.rows.made()
            for stream in growing:
                stream.drawn += times
                if not stream.looked_at:
                    self._tell(stream, tokens[stream.row], logprobs[stream.row])
                elif times:
                    self._look(stream, self.rows.last(stream.row), tokens[stream.row], logprobs[stream.row])

    def _calls(self) -> bool:
        """The work of `call` -> whether none is left. Where one waits for pages no text begins, or it might wait for ever."""
        while True:
            with self._lock:
                if not self._jobs:
                    return True
                count, job = self._jobs[0]
            pages = self.book.take(count)
            if pages is None:
                return False
            with self._lock:
                self._jobs.popleft()
            job(pages)
            self.book.give(pages)

    def _admit(self) -> None:
        with self._lock:
            for gone in [stream for stream in self._waiting if stream.cancelled]:
                self._waiting.remove(gone)
                gone.end(None)
        while True:
            stream: Stream | None
            with self._lock:
                stream = self._waiting[0] if self._waiting else None
            row = next((row for row in range(self.rows.rows) if row not in self._streams), None)
            if stream is None or row is None or not self._place(stream):
                return
            with self._lock:
                self._waiting.popleft()
            stream.row = row
            self._streams[row] = stream

    def _place(self, stream: Stream) -> bool:
        """Pages for all that the text may become, so that none ever waits for another in the middle."""
        length = len(stream.text)
        whole = min(self.rows.context, length + (stream.most - stream.drawn) + KEPT)
        if stream.shift:
            whole = self.rows.context
        shared = [] if stream.scored else self.book.shared(stream.text, max(0, length - self.rows.least))
        more = self.book.take(-(-whole // PAGE) - len(shared))
        if more is None:
            self.book.give(shared)
            return False
        stream.pages, stream.read = shared + more, len(shared) * PAGE
        if stream.known is None:
            stream.known = stream.read
        return True

    def _read(self, stream: Stream) -> None:
        """The next piece of a prompt; after the last, the first token is drawn."""
        end = min(len(stream.text), (stream.read // _PIECE + 1) * _PIECE)
        last = end == len(stream.text)
        logits = self.rows.read(stream.text[stream.read : end], stream.read, stream.pages, last=last)
        stream.read = end
        if last:
            self.book.know(stream.pages, stream.text)
            self.rows.begin(stream.row, stream.text, stream.pages, stream.options, stream.biases, logits, stream.drawn)
            stream.drawn += 1
            stream.growing = True
            if stream.looked_at:
                tokens, logprobs = self.rows.made()
                self._look(stream, self.rows.numpy(logits)[0], tokens[stream.row], logprobs[stream.row])

    def _score(self, stream: Stream) -> None:
        """Tell the tokens after those of the prompt's next piece. All is read anew, for what pages hold tells no logits."""
        start, end = stream.read, min(len(stream.text), stream.read + _SCORED)
        logits = self.rows.logits(stream.text[start:end], start, stream.pages)
        stream.read = end
        for place, each in zip(range(start + 1, len(stream.text)), logits, strict=False):
            token = stream.text[place]
            logprob = float(each[token] - np.float32(_log_sum(each)))
            stream.made.put(Made(token, logprob, top=_likeliest(each, stream.top)))
        if end == len(stream.text):
            if self.rows.exact:
                self.book.know(stream.pages, stream.text)
            self._leave(stream, None)

    def _look(
        self, stream: Stream, logits: NDArray[np.float32], tokens: NDArray[np.int32], logprobs: NDArray[np.float32]
    ) -> None:
        """Hand out the token that was drawn last from `logits` (vocab,): with the likeliest, or another that is drawn here."""
        stream.likeliest = _likeliest(logits, stream.top)
        if not stream.drawn_here:
            self._tell(stream, tokens, logprobs)
        elif self._draw(stream, logits):
            self._tell_redrawn(stream)

    def _draw(self, stream: Stream, logits: NDArray[np.float32]) -> bool:
        """Draw the last token again, of those that may be -> whether that was possible."""
        try:
            allowed = logits if stream.guide is None else np.where(stream.guide.mask(), logits, np.float32(-1e30))
        except Exception as error:  # noqa: BLE001 (a grammar's trouble is its text's alone)
            self._leave(stream, error)
            return False
        token = reference(allowed, stream.options, stream.draw, np.asarray(stream.text, np.int64), stream.biases)
        stream.redrawn = token, float(logits[token]) - _log_sum(logits)
        self.rows.replace(stream.row, token)
        return True

    def _tell_redrawn(self, stream: Stream) -> None:
        """Hand out what was drawn again: one token."""
        token, logprob = stream.redrawn
        try:
            if stream.guide is not None and token not in stream.ends:
                stream.guide.take(token)
        except Exception as error:  # noqa: BLE001 (as above)
            self._leave(stream, error)
            return
        self._tell(stream, np.full(KEPT, token, np.int32), np.full(KEPT, logprob, np.float32))

    def _tell(self, stream: Stream, tokens: NDArray[np.int32], logprobs: NDArray[np.float32]) -> None:
        """Hand out what was drawn."""
        while stream.told < stream.drawn:
            token, place = int(tokens[stream.told % KEPT]), stream.told % KEPT
            stream.told += 1
            stream.text.append(token)
            full = len(stream.text) >= self.rows.context
            last = stream.told >= stream.most or (full and not stream.shift)
            stream.made.put(Made(token, float(logprobs[place]), last, stream.likeliest))
            if last or token in stream.ends:
                self._leave(stream, None)
                return
            if full:
                stream.drawn = stream.told  # what was drawn beyond is drawn again
                self._shift(stream)
                return

    def _shift(self, stream: Stream) -> None:
        """Where others hold pages that it shared, there may be too few for a text of its own: then it waits as a new one does."""
        self.rows.end(stream.row)
        self.book.give(stream.pages)
        stream.pages, stream.text, stream.growing = [], self._shifted(stream.text), False
        if not self._place(stream):
            del self._streams[stream.row]
            with self._lock:
                self._waiting.appendleft(stream)

    def _shifted(self, text: list[int]) -> list[int]:
        """The beginning that stays, and the latter half of a context."""
        return text[: self.keep] + text[-(self.rows.context // 2 - self.keep) :]

    def _leave(self, stream: Stream, error: BaseException | None) -> None:
        self.rows.end(stream.row)
        if self.rows.exact and stream.growing:
            self.book.know(stream.pages, stream.text[:-1])
        self.book.give(stream.pages)
        del self._streams[stream.row]
        stream.end(error)

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            waiting = list(self._waiting)
            self._waiting.clear()
        for stream in list(self._streams.values()):
            stream.growing = False
            try:
                self._leave(stream, error)
            except Exception:  # noqa: BLE001 (the device is gone: what it held is gone too)
                self._streams.pop(stream.row, None)
                stream.end(error)
        for stream in waiting:
            stream.end(error)


def _log_sum(logits: NDArray[np.float32]) -> float:
    """What is taken off a logit to make a log-probability of it."""
    top = logits.max()
    return float(top) + float(np.log(np.exp(logits - top).sum()))


def _likeliest(logits: NDArray[np.float32], count: int) -> tuple[tuple[int, float], ...]:
    """logits (vocab,) -> the `count` highest, first to last, and their log-probabilities."""
    if not count:
        return ()
    some = np.argpartition(-logits, min(count, len(logits)) - 1)[:count]
    some = some[np.lexsort((some, -logits[some]))]
    logprobs = logits[some] - np.float32(_log_sum(logits))
    return tuple(zip(some.tolist(), logprobs.tolist(), strict=True))
