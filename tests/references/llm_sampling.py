"""Makes tests/fixtures/llm_sampling.npz: what transformers' logits processors leave of some logits, and how likely.

Needs transformers 5 and torch: `python tests/references/llm_sampling.py tests/fixtures`. The ways are in llm_sampling_ways.py.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from transformers.generation import logits_process as processors

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.references.llm_sampling_ways import WAYS, logits_of


def main() -> None:
    found = {}
    for name, options in WAYS.items():
        for seed in range(3):
            scores, text = logits_of(seed)
            row, ids = torch.from_numpy(scores)[None].double(), torch.from_numpy(text)[None]
            steps = []
            if "repeat_penalty" in options:
                steps.append(processors.RepetitionPenaltyLogitsProcessor(options["repeat_penalty"]))
            if "top_k" in options:
                steps.append(processors.TopKLogitsWarper(options["top_k"]))
            if "typical_p" in options:
                steps.append(processors.TypicalLogitsWarper(options["typical_p"]))
            if "top_p" in options:
                steps.append(processors.TopPLogitsWarper(options["top_p"]))
            if "min_p" in options:
                steps.append(processors.MinPLogitsWarper(options["min_p"]))
            steps.append(processors.TemperatureLogitsWarper(options["temperature"]))
            for step in steps:
                row = step(ids, row)
            found[f"{name}.{seed}"] = torch.softmax(row[0], -1).numpy()
    np.savez_compressed(Path(sys.argv[1]) / "llm_sampling.npz", **found)


if __name__ == "__main__":
    main()
