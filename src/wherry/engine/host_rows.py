"""The texts of the CPU, each in a row of its own: every token of a prompt and every next token of a text is one row of a recorded
network, so that all are computed alike, alone or together."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.engine.language_network import LanguageNetwork
from wherry.kernels import sample
from wherry.kernels.pages import PAGE, PAGES, Pages
from wherry.kernels.sample import KEPT, Draw, Options
from wherry.models.llama import Cache

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
_AT_ONCE = 64  # tokens of a prompt: the weights are read once for them, and what lies between fits the cache
_RECORDINGS = 8


@dataclass
class _Row:
    words: Ints  # as in `Pages`
    tokens: list[int]
    options: Options
    biases: dict[int, float]
    draw: Draw
    logits: Floats  # the last


@dataclass
class _Recorded:
    program: Any  # a `kernels.cpu_text.CpuText`
    tokens: Ints  # (B, 1)
    words: Ints  # (B, words)
    hidden: Floats  # (B, state)


@dataclass
class HostRows:
    """As `DeviceRows`, on the CPU: `rows` texts of at most `context` tokens over `pages` pages. Not for two threads at once."""

    network: LanguageNetwork
    rows: int
    pages: int
    context: int
    at_once: int = 1  # steps between two looks at the result
    least: int = 1  # tokens of a prompt that are read anew whatever is known
    exact: bool = True  # whether a token's keys and values are the same however it came to its text
    _pools: list[Floats] = field(init=False)
    _texts: dict[int, _Row] = field(default_factory=dict)
    _made: tuple[Ints, Floats] = field(init=False)
    _recorded: OrderedDict[int, _Recorded] = field(default_factory=OrderedDict)

    def __post_init__(self) -> None:
        dims = self.network.model.dims
        widths = [dims.kv_heads(layer) * dims.head_width for layer in range(dims.n_layer)]
        # The system gives pages when they are touched.
        self._pools = [np.zeros((self.pages, PAGE, 2, width), np.float32) for width in widths]
        self._made = np.zeros((self.rows, KEPT), np.int32), np.zeros((self.rows, KEPT), np.float32)

    def read(self, tokens: Sequence[int], start: int, pages: Sequence[int], *, last: bool = True) -> Floats | None:
        """tokens (T,) of a text from place `start` on, its pages -> logits after the last (1, vocab); None where `last` says that
        nobody asks."""
        for first in range(0, len(tokens), _AT_ONCE):
            hidden = self._hidden(
                tokens[first : first + _AT_ONCE], self._places(tokens[first : first + _AT_ONCE], start + first, pages)
            )
        return self.project(hidden[-1:]) if last else None

    def logits(self, tokens: Sequence[int], start: int, pages: Sequence[int]) -> Floats:
        """As `read`, but the logits after each of the tokens: (T, vocab)."""
        found = []
        for first in range(0, len(tokens), _AT_ONCE):
            piece = tokens[first : first + _AT_ONCE]
            found.append(self.project(self._hidden(piece, self._places(piece, start + first, pages))))
        return np.concatenate(found)

    def hidden(self, tokens: Sequence[int], start: int, pages: Sequence[int]) -> Floats:
        """As `read`, but what the network makes of the last token (state,), before the logits."""
        self.read(tokens[:-1], start, pages, last=False)
        found: Floats = self._hidden(tokens[-1:], self._places(tokens[-1:], start + len(tokens) - 1, pages))[0].copy()
        return found

    def mean_hidden(self, tokens: Sequence[int], start: int, pages: Sequence[int]) -> Floats:
        """As `hidden`, of all tokens in the mean."""
        total = np.zeros(self.network.model.dims.n_state, np.float64)
        for first in range(0, len(tokens), _AT_ONCE):
            piece = tokens[first : first + _AT_ONCE]
            total += self._hidden(piece, self._places(piece, start + first, pages)).sum(axis=0, dtype=np.float64)
        return np.asarray(total / len(tokens), np.float32)

    def numpy(self, logits: Floats) -> Floats:
        """What `read` gave, in numpy."""
        return logits

    def begin(
        self,
        row: int,
        text: Sequence[int],
        pages: Sequence[int],
        options: Options,
        biases: dict[int, float],
        logits: Floats,
        drawn: int = 0,
    ) -> None:
        """A text that was read whole takes the row: its first token is drawn from `logits` (1, vocab), its last ones'.

        drawn: tokens that were drawn of it before.
        """
        words = np.zeros(self._words, np.int32)
        words[PAGES : PAGES + len(pages)] = pages
        self._texts[row] = _Row(words, list(text), options, biases, Draw(drawn, 2 * options.mirostat_tau), logits[0])
        self._choose(row, logits[0])

    def grow(self, row: int, place: int, pages: Sequence[int]) -> None:
        """The row's further pages, from its page number `place` on."""
        self._texts[row].words[PAGES + place : PAGES + place + len(pages)] = pages

    def end(self, row: int) -> None:
        """The row is nobody's again."""
        self._texts.pop(row, None)

    def step(self, rows: int, times: int) -> None:
        """Each of the first `rows` rows that are somebody's grows by `times` tokens, at most KEPT."""
        active = sorted(row for row in self._texts if row < rows)
        for _ in range(times):
            words = np.stack([self._texts[row].words for row in active])
            words[:, 0] = [len(self._texts[row].tokens) for row in active]
            logits = self.project(self._hidden([self._texts[row].tokens[-1] for row in active], words))
            for row, mine in zip(active, logits, strict=True):
                self._choose(row, mine)

    def last(self, row: int) -> Floats:
        """The logits from which the row's last token was drawn (vocab,)."""
        return self._texts[row].logits

    def replace(self, row: int, token: int) -> None:
        """Put another token in the place of the row's last one."""
        self._texts[row].tokens[-1] = token

    def made(self) -> tuple[Ints, Floats]:
        """The last KEPT tokens of each row and their log-probabilities: (rows, KEPT) each, draw i at i % KEPT."""
        return self._made

    def release(self) -> None:
        self._recorded.clear()

    @property
    def _words(self) -> int:
        return PAGES + -(-self.context // PAGE)

    def _places(self, tokens: Sequence[int], start: int, pages: Sequence[int]) -> Ints:
        """The words of consecutive tokens of one text: (T, words)."""
        words = np.zeros((len(tokens), self._words), np.int32)
        words[:, 0] = np.arange(start + 1, start + len(tokens) + 1)
        words[:, PAGES : PAGES + len(pages)] = pages
        return words

    def _choose(self, row: int, logits: Floats) -> None:
        text = self._texts[row]
        text.logits = logits
        place = text.draw.count % KEPT
        token = sample.reference(logits, text.options, text.draw, np.asarray(text.tokens, np.int64), text.biases)
        top = float(logits.max())
        self._made[0][row, place] = token
        self._made[1][row, place] = float(logits[token]) - top - float(np.log(np.exp(logits - np.float32(top)).sum()))
        text.tokens.append(token)

    def _hidden(self, tokens: Sequence[int], words: Ints) -> Floats:
        """tokens (B,), each with its row of words -> (B, state), until the next call."""
        ops, state = self.network.ops, self.network.model.dims.n_state
        if not ops.takes_text(self.network.model.dims):
            return np.concatenate([self._alone(token, words[i : i + 1]) for i, token in enumerate(tokens)])
        count = len(tokens)
        if count not in self._recorded:
            while len(self._recorded) >= _RECORDINGS:
                self._recorded.popitem(last=False)
            held, at = np.zeros((count, 1), np.int32), np.zeros_like(words)
            program = ops.text(at)
            hidden = self.network.hidden(held, None, None, self._cache(at), ops=program).reshape(count, state)
            self._recorded[count] = _Recorded(program, held, at, hidden)
        self._recorded.move_to_end(count)
        recorded = self._recorded[count]
        recorded.tokens[:, 0], recorded.words[:] = tokens, words
        recorded.program.run()
        return recorded.hidden

    def _alone(self, token: int, words: Ints) -> Floats:
        """One token without compiled code."""
        ops, length = self.network.ops, words[:, 0].copy()
        hidden = self.network.hidden(np.asarray([[token]], np.int32), length - 1, length, self._cache(words), ops=ops)
        return np.asarray(hidden.reshape(1, -1), np.float32)

    def project(self, hidden: Floats) -> Floats:
        """hidden (rows, state) -> logits (rows, vocab)."""
        ops = self.network.ops
        if not ops.takes_text(self.network.model.dims):
            return np.concatenate([self.network.logits(hidden[i : i + 1]) for i in range(len(hidden))])
        program = ops.text(np.zeros((len(hidden), self._words), np.int32))
        logits: Floats = self.network.logits(np.ascontiguousarray(hidden), ops=program)
        program.run()
        return logits

    def _cache(self, words: Ints) -> Cache[Any]:
        keys = [Pages[Any](pool, words) for pool in self._pools]
        return Cache(keys, [key.values() for key in keys])
