"""The texts of a GPU, each in a row of its own: prompts by pieces, then steps for all rows, recorded once and replayed, in which
the next tokens are chosen on the device."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.engine.language_network import LanguageNetwork
from wherry.kernels import sample
from wherry.kernels.pages import PAGE, PAGES, Pages
from wherry.kernels.sample import KEPT, Choices, Options
from wherry.models.llama import Cache

Floats = NDArray[np.float32]
_PIECE = 256  # tokens of a prompt at once
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)  # rows of a recorded step


@dataclass
class DeviceRows:
    """`rows` texts of at most `context` tokens, whose keys and values lie in `pages` pages. Not for two threads at once."""

    network: LanguageNetwork
    rows: int
    pages: int
    context: int
    at_once: int = 8  # steps between two looks at the result
    least: int = 9  # tokens of a prompt that are read anew whatever is known
    exact: bool = False  # whether a token's keys and values are the same however it came to its text
    choices: Choices = field(init=False)
    _pools: list[Any] = field(init=False)
    _piece: Any = field(init=False)  # (1, words): the row of a prompt's piece
    _stepped: Any = None  # the logits of the last step
    _steps: dict[int, tuple[Any, Any]] = field(default_factory=dict)  # by rows: the recorded step, its logits

    def __post_init__(self) -> None:
        dims = self.network.model.dims
        device = self.network.ops.device
        most = -(-self.context // PAGE)
        self.choices = sample.start(device, self.rows, self.context, most)
        self._piece = device.zeros((1, PAGES + most), "i32")
        widths = [dims.kv_heads(layer) * dims.head_width for layer in range(dims.n_layer)]
        self._pools = [device.empty((self.pages, PAGE, 2, width // 2), "u32") for width in widths]

    def read(self, tokens: Sequence[int], start: int, pages: Sequence[int], *, last: bool = True) -> Any:
        """tokens (T,) of a text from place `start` on, its pages -> logits after the last (1, vocab), on the device; None where
        `last` says that nobody asks."""
        hidden = self._hidden(tokens, start, pages)
        if not last:
            return None
        ops = self.network.ops
        if len(tokens) > 1:
            hidden = ops.select(
                hidden.reshape((len(tokens), self.network.model.dims.n_state)), ops.array(np.asarray([len(tokens) - 1], np.int32))
            )
        return self.network.logits(hidden.reshape((1, self.network.model.dims.n_state)))

    def logits(self, tokens: Sequence[int], start: int, pages: Sequence[int]) -> Floats:
        """As `read`, but the logits after each of the tokens: (T, vocab), in numpy."""
        found, state = [], self.network.model.dims.n_state
        for first in range(0, len(tokens), _PIECE):
            piece = tokens[first : first + _PIECE]
            found.append(self.numpy(self.network.logits(self._hidden(piece, start + first, pages).reshape((len(piece), state)))))
        return np.concatenate(found)

    def hidden(self, tokens: Sequence[int], start: int, pages: Sequence[int]) -> Floats:
        """As `read`, but what the network makes of the last token (state,), before the logits."""
        for first in range(0, len(tokens), _PIECE):
            hidden = self._hidden(tokens[first : first + _PIECE], start + first, pages)
        state = self.network.model.dims.n_state
        found: Floats = np.asarray(self.network.ops.numpy(hidden), np.float32).reshape(-1, state)[-1]
        return found

    def mean_hidden(self, tokens: Sequence[int], start: int, pages: Sequence[int]) -> Floats:
        """As `hidden`, of all tokens in the mean."""
        total = np.zeros(self.network.model.dims.n_state, np.float64)
        for first in range(0, len(tokens), _PIECE):
            hidden = self._hidden(tokens[first : first + _PIECE], start + first, pages)
            total += np.asarray(self.network.ops.numpy(hidden)).reshape(-1, len(total)).sum(axis=0, dtype=np.float64)
        return np.asarray(total / len(tokens), np.float32)

    def numpy(self, logits: Any) -> Floats:
        """What `read` gave, in numpy."""
        return np.asarray(self.network.ops.numpy(logits))

    def project(self, hidden: Floats) -> Floats:
        """hidden (rows, state) -> logits (rows, vocab)."""
        return self.numpy(self.network.logits(self.network.ops.array(hidden)))

    def _hidden(self, tokens: Sequence[int], start: int, pages: Sequence[int]) -> Any:
        ops, end = self.network.ops, start + len(tokens)
        words = np.zeros(self._piece.shape[1], np.int32)
        words[0], words[PAGES : PAGES + len(pages)] = end, pages
        ops.device.write(self._piece, words)
        where = [ops.array(np.asarray(x, np.int32)) for x in ([list(tokens)], [start], [end])]
        return self.network.hidden(where[0], where[1], where[2], self._cache(self._piece))

    def begin(
        self,
        row: int,
        text: Sequence[int],
        pages: Sequence[int],
        options: Options,
        biases: dict[int, float],
        logits: Any,
        drawn: int = 0,
    ) -> None:
        """A text that was read whole takes the row: its first token is drawn from `logits` (1, vocab), its last ones'.

        drawn: tokens that were drawn of it before.
        """
        device = self.network.ops.device
        words = np.zeros(self.choices.rows.shape[1], np.int32)
        words[:PAGES] = sample.words(options, len(text), drawn, len(biases))
        words[PAGES : PAGES + len(pages)] = pages
        device.write(self.choices.rows, words, at=4 * row * len(words))
        device.write(self.choices.history, np.asarray(text, np.int32), at=4 * row * self.context)
        if biases:
            pairs = np.zeros((len(biases), 2), np.uint32)
            pairs[:, 0] = list(biases)
            pairs[:, 1] = np.asarray(list(biases.values()), np.float32).view(np.uint32)
            device.write(self.choices.biases, pairs, at=8 * row * sample.BIASED)
        self.network.ops.sample(self.choices, logits, row=row)

    def grow(self, row: int, place: int, pages: Sequence[int]) -> None:
        """The row's further pages, from its page number `place` on."""
        device = self.network.ops.device
        device.write(self.choices.rows, np.asarray(pages, np.int32), at=4 * (row * self.choices.rows.shape[1] + PAGES + place))

    def end(self, row: int) -> None:
        """The row is nobody's again."""
        self.network.ops.device.write(self.choices.rows, np.zeros(1, np.int32), at=4 * row * self.choices.rows.shape[1])

    def step(self, rows: int, times: int) -> None:
        """Each of the first `rows` rows that are somebody's grows by `times` tokens, at most KEPT. Nothing is waited for."""
        program, self._stepped = self._recorded(rows)
        self.network.ops.device.run(program, times)

    def last(self, row: int) -> Floats:
        """The logits from which the row's last token was drawn in a step (vocab,)."""
        assert self._stepped is not None
        ops = self.network.ops
        found: Floats = np.asarray(ops.numpy(ops.select(self._stepped, ops.array(np.asarray([row], np.int32)))))[0]
        return found

    def replace(self, row: int, token: int) -> None:
        """Put another token in the place of the row's last one."""
        device = self.network.ops.device
        length = int(device.download(self.choices.rows)[row, 0])
        word = np.asarray([token], np.int32)
        device.write(self.choices.tokens, word, at=4 * row)
        device.write(self.choices.history, word, at=4 * (row * self.context + length - 1))

    def made(self) -> tuple[NDArray[np.int32], Floats]:
        """Wait -> the last KEPT tokens of each row and their log-probabilities: (rows, KEPT) each, draw i at i % KEPT."""
        found = self.network.ops.device.download(self.choices.made)
        return found[:, :, 0], np.ascontiguousarray(found[:, :, 1]).view(np.float32)

    def release(self) -> None:
        """Give the recordings' memory back."""
        for program, _ in self._steps.values():
            self.network.ops.device.release(program)
        self._steps.clear()

    def _recorded(self, rows: int) -> tuple[Any, Any]:
        size = min(next(size for size in (*_SIZES, rows) if size >= rows), self.rows)
        if size not in self._steps:
            ops, state = self.network.ops, self.network.model.dims.n_state
            with ops.record() as program:
                tokens = self.choices.tokens.head((size, 1))
                hidden = self.network.hidden(tokens, None, None, self._cache(self.choices.rows))
                logits = self.network.logits(hidden.reshape((size, state)))
                ops.sample(self.choices, logits)
            self._steps[size] = program, logits
        return self._steps[size]

    def _cache(self, rows: Any) -> Cache[Any]:
        keys = [Pages(pool, rows) for pool in self._pools]
        return Cache(keys, [key.values() for key in keys])


__all__ = ["KEPT", "DeviceRows"]
