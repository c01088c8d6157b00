"""Makes tests/fixtures/llm_logprobs.json: log-probabilities of the first greedy tokens after two prompts, and of the 20 likeliest
in each one's place, in float32 on the weights that SmolLM2's GGUF file means.

Needs what llm_logits.py needs:

    PYTHONPATH=. python tests/references/llm_logprobs.py tests/fixtures FILE.gguf
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch

from tests.references.llm_logits import model_of
from tests.references.llm_prompts import PROMPTS

_TOKENS = 5


def main(target: Path, file: Path) -> None:
    model = model_of(file)
    found: dict[str, Any] = {}
    for name in ("ferry", "drawn 8"):
        text, places = list(PROMPTS[name]), []
        for _ in range(_TOKENS):
            with torch.inference_mode():
                logprobs = model(torch.tensor([text])).logits[0, -1].log_softmax(-1)
            top = logprobs.topk(20)
            places.append({"tokens": top.indices.tolist(), "logprobs": [round(x, 5) for x in top.values.tolist()]})
            text.append(int(logprobs.argmax()))
        found[name] = places
    (target / "llm_logprobs.json").write_text(json.dumps(found) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
