"""Windows of several callers decoded together: what waits for the device when it becomes free is one batch."""

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.engine.decoding import Decoded, DecodeOptions, decode_windows, initial_tokens
from wherry.engine.network import Network
from wherry.engine.turns import Turns
from wherry.models.whisper import Sound
from wherry.text.whisper import WhisperTokenizer

Floats = NDArray[np.float32]
Listened = Callable[[], Sound[Any]]  # a window's sound as the only recording, while its caller has the device
# What a caller makes of its window: of its sound, and of the text decoded first.
Then = Callable[[Listened, Decoded], Any]


@dataclass(eq=False)
class _Asked:
    mel: Floats  # (frames, n_mels), a whole window
    tokenizer: WhisperTokenizer
    options: DecodeOptions
    random: np.random.Generator
    tokens: list[int]  # of the prompt
    then: Then
    done: bool = False
    result: Any = None
    error: BaseException | None = None

    @property
    def kind(self) -> Hashable:
        """Windows of one kind can be decoded together. Beams and draws have rows and seeds of their own: none is like them."""
        if self.options.temperature > 0 or self.options.beam_size is not None:
            return id(self)
        start = self.tokens.index(self.tokenizer.sot)
        return start, len(self.tokens), self.options.without_timestamps, self.options.suppress_tokens


@dataclass
class Together:
    """The way of a model's callers to its device, in the order in which they came. At most `most` windows go at once.

    A batch is as many windows as 1, 2, 4, …: each such number is recorded once on the device, and keeps memory there.
    """

    network: Network
    turns: Turns
    most: int = 1
    _waiting: list[_Asked] = field(default_factory=list)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def hear(
        self, mel: Floats, tokenizer: WhisperTokenizer, options: DecodeOptions, random: np.random.Generator, then: Then
    ) -> Any:
        """mel (frames, n_mels), one window -> what `then` makes of it. What `then` raises is raised here, and only here."""
        tokens = initial_tokens(tokenizer, options, self.network.dims.n_text_ctx)
        mine = _Asked(mel, tokenizer, options, random, tokens, then)
        with self._guard:
            self._waiting.append(mine)
        with self.turns:
            if not mine.done:  # by the turn of somebody before
                self._hear_all(self._batch(mine))
        if mine.error is not None:
            raise mine.error
        return mine.result

    def _batch(self, mine: _Asked) -> list[_Asked]:
        """This window, and those of its kind that have waited longest."""
        with self._guard:
            others = [asked for asked in self._waiting if asked is not mine and asked.kind == mine.kind]
            batch = [mine, *others[: self.most - 1]]
            self._waiting = [asked for asked in self._waiting if asked not in batch]
        return batch

    def _hear_all(self, batch: list[_Asked]) -> None:
        """Every one of the batch is done after this, whatever goes wrong."""
        try:
            rows = min(1 << (len(batch) - 1).bit_length(), self.most)
            padded = [*batch, *[batch[0]] * (rows - len(batch))]
            first = batch[0]
            sound = self.network.listen(np.stack([asked.mel for asked in padded]))
            tokens = np.asarray([asked.tokens for asked in padded], np.int32)
            found = decode_windows(self.network, first.tokenizer, sound, tokens, first.options, first.random)
            for row, asked in enumerate(batch):
                self._finish(asked, partial(self._alone, sound, rows, row), found[row])
        except BaseException as error:  # noqa: BLE001 - raised again by each caller
            for asked in batch:
                if not asked.done:
                    asked.error = error
        finally:
            for asked in batch:
                asked.done = True

    def _alone(self, sound: Sound[Any], rows: int, row: int) -> Sound[Any]:
        return sound if rows == 1 else self.network.recordings(sound, [row])

    def _finish(self, asked: _Asked, listened: Listened, found: Decoded) -> None:
        try:
            asked.result = asked.then(listened, found)
        except BaseException as error:  # noqa: BLE001 - one caller's own: the others of the batch have theirs
            asked.error = error
        asked.done = True
