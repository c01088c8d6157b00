"""Logits and options, the same for transformers and for Wherry."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

VOCAB = 300
WAYS: dict[str, dict[str, Any]] = {
    "temperature": {"temperature": 0.7},
    "top-k": {"temperature": 1.0, "top_k": 12},
    "top-p": {"temperature": 1.0, "top_p": 0.8},
    "min-p": {"temperature": 1.3, "min_p": 0.1},
    "typical": {"temperature": 1.0, "typical_p": 0.5},
    "most typical": {"temperature": 0.9, "typical_p": 0.9, "top_k": 60},
    "all": {"temperature": 0.6, "top_k": 50, "typical_p": 0.95, "top_p": 0.9, "min_p": 0.05},
    "repetition": {"temperature": 1.0, "repeat_penalty": 1.4, "top_p": 0.9},
}


def logits_of(seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """(VOCAB,), and a text of 40 tokens."""
    random = np.random.default_rng(seed)
    return (random.standard_normal(VOCAB) * 3).astype(np.float32), random.integers(0, VOCAB, 40)
