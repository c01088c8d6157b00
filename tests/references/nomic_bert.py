"""Makes tests/fixtures/nomic_bert.npz: what transformers makes of texts with a small random Nomic BERT.

Needs torch 2.13.0 (CPU), transformers 5.24.0 and numpy, and no network:

    python tests/references/nomic_bert.py tests/fixtures

The model is saved and read again, so that its names are those of published files, as transformers has them.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.references.llm_families import random_weights

CONFIG = {
    "vocab_size": 160, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4,
    "max_position_embeddings": 64, "layer_norm_eps": 1e-12,
}  # fmt: skip
TOKENS = [
    [int(token) for token in np.random.default_rng(seed).integers(3, 160, count)] for seed, count in ((4, 40), (5, 64), (6, 1))
]


def weights_of(shapes: dict[str, tuple[int, ...]]) -> dict[str, NDArray[np.float32]]:
    """Tensors by their names, the same on every machine; norms are near one."""
    norms = ("norm1.weight", "norm2.weight", "emb_ln.weight")
    return {name: value + np.float32(name.endswith(norms)) for name, value in random_weights(shapes).items()}


def main(target: Path) -> None:
    import torch
    import transformers
    from safetensors.numpy import load_file, save_file

    found: dict[str, Any] = {"made": np.asarray(f"transformers {transformers.__version__}, torch {torch.__version__}")}
    with tempfile.TemporaryDirectory() as folder:
        transformers.NomicBertModel(transformers.NomicBertConfig(**CONFIG)).save_pretrained(folder)
        file = Path(folder) / "model.safetensors"
        shapes = {name: tuple(value.shape) for name, value in load_file(file).items()}
        save_file(weights_of(shapes), file, {"format": "pt"})
        model = transformers.NomicBertModel.from_pretrained(folder).eval()
        found["config"] = np.asarray((Path(folder) / "config.json").read_text())
    found["shapes"] = np.asarray(json.dumps(shapes))
    with torch.inference_mode():
        for index, tokens in enumerate(TOKENS):
            found[f"hidden {index}"] = model(torch.tensor([tokens])).last_hidden_state[0].numpy()
    np.savez_compressed(target / "nomic_bert.npz", **found)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
