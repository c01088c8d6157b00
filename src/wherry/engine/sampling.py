"""The choice of the next token of a language model from its logits."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wherry.errors import InputError


@dataclass(frozen=True)
class SamplingOptions:
    """temperature 0 is greedy. top_k 0, top_p 1 and min_p 0 leave all tokens. The same seed draws the same tokens."""

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repeat_penalty: float = 1.0
    seed: int = 0

    def check(self) -> None:
        """Raises InputError for a value that cannot be."""
        for name, value, low, high in (
            ("temperature", self.temperature, 0, 100),
            ("top_k", self.top_k, 0, 1 << 31),
            ("top_p", self.top_p, 0, 1),
            ("min_p", self.min_p, 0, 1),
            ("repeat_penalty", self.repeat_penalty, 0.01, 100),
            ("seed", self.seed, 0, (1 << 64) - 1),
        ):
            if not low <= value <= high:
                raise InputError(f"{name}: found {value}, expected {low} to {high}")


class Sampler:
    """Draws one text's tokens, in order."""

    def __init__(self, options: SamplingOptions) -> None:
        options.check()
        self._options = options
        self._random = np.random.default_rng(options.seed)

    def choose(self, logits: NDArray[np.float32], before: NDArray[np.int64]) -> int:
        """logits (vocab,); before: the tokens that `repeat_penalty` makes less likely (Keskar et al., 2019)."""
        options = self._options
        scores = logits.astype(np.float64)
        if options.repeat_penalty != 1.0 and len(before):
            seen = np.unique(before)
            scores[seen] = np.where(
                scores[seen] > 0, scores[seen] / options.repeat_penalty, scores[seen] * options.repeat_penalty
            )
        if options.temperature == 0:
            return int(scores.argmax())
        order = np.argsort(-scores, kind="stable")
        if options.top_k:
            order = order[: options.top_k]
        odds = np.exp(scores[order] - scores[order[0]])
        odds /= odds.sum()
        if options.top_p < 1:  # the fewest that reach top_p together (Holtzman et al., 2019)
            kept = int(np.searchsorted(np.cumsum(odds), options.top_p)) + 1
            order, odds = order[:kept], odds[:kept]
        if options.min_p > 0:  # Nguyen et al., 2024
            likely = odds >= options.min_p * odds[0]
            order, odds = order[likely], odds[likely]
        odds = odds ** (1 / options.temperature) if options.temperature != 1 else odds
        total = np.cumsum(odds)
        return int(order[np.searchsorted(total, self._random.random() * total[-1], side="right").clip(max=len(order) - 1)])
