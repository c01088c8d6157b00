"""Makes tests/fixtures/sentences.npz: what transformers makes of texts, with a small random BERT and with all-MiniLM-L6-v2.

Needs torch 2.13.0 (CPU), transformers 5.24.0 and the model's folder:

    python tests/references/sentences.py tests/fixtures FOLDER
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from tests.references.llm_families import random_weights

CONFIG = {
    "model_type": "bert", "vocab_size": 160, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3,
    "num_attention_heads": 4, "max_position_embeddings": 64, "layer_norm_eps": 1e-12, "hidden_act": "gelu", "type_vocab_size": 2,
}  # fmt: skip
TOKENS = [
    [int(token) for token in np.random.default_rng(seed).integers(3, 160, count)]
    for seed, count in ((1, 40), (2, 64), (3, 2), (4, 1))
]
TEXTS = [
    "The ferry leaves at nine.",
    "A boat departs in the morning.",
    "Quarterly earnings rose by four percent.",
    "",
    "Ünïcödé, naïve café — 東京 and 🚢!",
    "[CLS] names of special tokens are text [SEP] [MASK]",
    " ".join(f"word{i} and more" for i in range(60)),
]


def main(target: Path, folder: Path) -> None:
    import torch
    import transformers

    found: dict[str, Any] = {"made": np.asarray(f"transformers {transformers.__version__}, torch {torch.__version__}")}
    small = transformers.BertModel(transformers.BertConfig(**CONFIG), add_pooling_layer=False).eval()
    shapes = {
        name: tuple(tensor.shape) for name, tensor in small.state_dict().items() if tensor.ndim and "position_ids" not in name
    }
    weights = random_weights(shapes)
    small.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()}, strict=False)
    found["shapes"] = np.asarray(json.dumps(shapes))
    with torch.inference_mode():
        for index, tokens in enumerate(TOKENS):
            found[f"hidden {index}"] = small(torch.tensor([tokens])).last_hidden_state[0].numpy()
    tokenizer = transformers.BertTokenizer(str(folder / "vocab.txt"), do_lower_case=True)
    model = transformers.BertModel.from_pretrained(folder, add_pooling_layer=False).eval()
    for index, text in enumerate(TEXTS):
        ids = tokenizer(text, split_special_tokens=True)["input_ids"]
        with torch.inference_mode():
            mean = model(torch.tensor([ids])).last_hidden_state[0].mean(0)
        found[f"tokens {index}"] = np.asarray(ids, np.int32)
        found[f"vector {index}"] = (mean / mean.norm()).numpy()
    np.savez_compressed(target / "sentences.npz", **found)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
