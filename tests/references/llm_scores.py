"""Makes tests/fixtures/llm_scores.json: the log-probability of each token of two prompts after those before it, and of the
likeliest in its place, in float32 on the weights that SmolLM2's GGUF file means.

Needs what llm_logits.py needs:

    PYTHONPATH=. python tests/references/llm_scores.py tests/fixtures FILE.gguf
"""

import json
import sys
from pathlib import Path
from typing import Any

from tests.references.llm_prompts import PROMPTS

NAMES = ("ferry", "drawn 100")


def main(target: Path, file: Path) -> None:
    import torch

    from tests.references.llm_logits import model_of

    model = model_of(file)
    found: dict[str, Any] = {}
    for name in NAMES:
        text = torch.tensor([list(PROMPTS[name])])
        with torch.inference_mode():
            logprobs = model(text).logits[0, :-1].log_softmax(-1)
        own = logprobs.gather(1, text[0, 1:, None])[:, 0]
        found[name] = {"own": [round(x, 4) for x in own.tolist()], "best": [round(x, 4) for x in logprobs.amax(1).tolist()]}
    (target / "llm_scores.json").write_text(json.dumps(found) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
