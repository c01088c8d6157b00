"""What a float32 evaluation of SmolLM2's weights goes on with, as text: its tokens by `gguf`'s reading of the file."""

from functools import cache

import numpy as np
from gguf import GGUFReader

from tests.conftest import ROOT
from tests.references.llm_prompts import PROMPTS
from wherry.engine.catalog import default_cache, find_model

PROMPT = PROMPTS["ferry"]
# Made by tests/references/llm_logits.py.
_GREEDY = np.load(ROOT / "tests/fixtures/llm_logits.npz")["ferry.greedy"]


@cache
def _pieces() -> list[str]:
    weights = find_model("smollm2-135m-instruct", default_cache()).weights
    field = GGUFReader(weights).fields["tokenizer.ggml.tokens"]
    return [bytes(field.parts[index]).decode() for index in field.data]


def _byte(char: str) -> int:
    """GPT-2's letters for bytes: what prints stands for itself, the others follow at 256."""
    printing = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printing]
    return ord(char) if ord(char) < 256 else others[ord(char) - 256]


def text(tokens: list[int]) -> str:
    return bytes(_byte(char) for token in tokens for char in _pieces()[token]).decode()


def greedy(count: int) -> str:
    """The text of the first `count` tokens after PROMPT."""
    return text([int(token) for token in _GREEDY[:count]])
