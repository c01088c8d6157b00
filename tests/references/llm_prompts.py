"""Prompts for SmolLM2, as its own tokens: text, a conversation, and numbers that mean nothing."""

import numpy as np

_DRAWN = np.random.default_rng(3)
PROMPTS: dict[str, list[int]] = {
    "ferry": [49, 31936, 314, 253, 1420, 9741, 338, 11046, 701, 284, 5503, 1699, 253, 4626, 30],
    "count": [33, 28, 216, 34, 28, 216, 35, 28, 216, 36, 28, 216, 37, 28],
    **{f"drawn {count}": _DRAWN.integers(17, 49152, count).tolist() for count in (8, 100, 300)},
}
