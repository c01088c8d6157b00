"""The choice of the next token of a language model from its logits."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wherry.errors import InputError
from wherry.kernels.sample import BIASED, CANDIDATES, Draw, Options, reference


@dataclass(frozen=True)
class SamplingOptions(Options):
    """temperature 0 is greedy. top_k 0, top_p 1, min_p 0 and typical_p 1 leave all tokens; where one of them does not, the
    1,024 likeliest are looked at, where llama.cpp looks at all. In its order:
    bias, penalties, top-k, typical, top-p, min-p, temperature. The same seed draws the same tokens, alone or among others.

    Penalties look at the last `penalty_last` tokens, the prompt's among them: repeat divides or multiplies (Keskar et al., 2019),
    frequency is taken off for each time, presence once. mirostat 1 or 2 (Basu et al., 2021, its two algorithms) stands in place
    of the other limits; the first draws on the host, from all tokens, and a text of it grows by single steps.
    logit_bias: (token, what is added to its logit), at most 512.
    """

    logit_bias: tuple[tuple[int, float], ...] = ()

    def check(self) -> None:
        """Raises InputError for a value that cannot be."""
        for name, low, high in (
            ("temperature", 0, 100),
            ("top_k", 0, (1 << 31) - 1),
            ("top_p", 0, 1),
            ("min_p", 0, 1),
            ("typical_p", 0, 1),
            ("repeat_penalty", 0.01, 100),
            ("presence_penalty", -100, 100),
            ("frequency_penalty", -100, 100),
            ("penalty_last", 0, (1 << 31) - 1),
            ("mirostat_tau", 0, 100),
            ("mirostat_eta", 0, 100),
            ("seed", 0, (1 << 64) - 1),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise InputError(f"{name}: found {value}, expected {low} to {high}")
        if self.mirostat not in (0, 1, 2):
            raise InputError(f"mirostat: found {self.mirostat}, expected 0, 1 or 2")
        if self.top_k > CANDIDATES:
            raise InputError(f"top_k: found {self.top_k}, expected at most {CANDIDATES}, or 0 for all")
        if len(self.logit_bias) > BIASED or len(dict(self.logit_bias)) < len(self.logit_bias):
            raise InputError(f"logit_bias: found {len(self.logit_bias)} tokens, expected each once and at most {BIASED}")
        for token, bias in self.logit_bias:
            if not -1000 <= bias <= 1000:
                raise InputError(f"logit_bias: found {bias} for token {token}, expected -1000 to 1000")


class Sampler:
    """Draws one text's tokens, in order."""

    def __init__(self, options: SamplingOptions) -> None:
        options.check()
        self._options = options
        self._draw = Draw(0, 2 * options.mirostat_tau)

    def choose(self, logits: NDArray[np.float32], before: NDArray[np.int64]) -> int:
        """logits (vocab,); before: the text's tokens so far."""
        return reference(logits, self._options, self._draw, before, dict(self._options.logit_bias))
