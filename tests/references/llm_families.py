"""Makes tests/fixtures/llm_families.npz: logits of small random models, one of each family, as transformers has them.

Needs torch 2.13.0 (CPU), transformers 5.24.0 and numpy, and no network:

    python tests/references/llm_families.py tests/fixtures

The weights are not stored: `random_weights` makes the same ones wherever it runs, from each tensor's name and shape.
"""

import json
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_COMMON = {
    "vocab_size": 160, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "bos_token_id": 1, "eos_token_id": 2,
    "pad_token_id": 0, "tie_word_embeddings": False,
}  # fmt: skip
_SCALED = {
    "rope_theta": 10000.0, "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}  # fmt: skip
_YARN = {"rope_theta": 10000.0, "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}
# Name -> (class in transformers, what differs from the common configuration).
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("Llama", {}),
    "llama3": ("Llama", {"rope_parameters": _SCALED, "tie_word_embeddings": True}),
    "yarn": ("Llama", {"rope_parameters": _YARN}),
    "mistral": ("Mistral", {"sliding_window": 7, "head_dim": 24}),
    "qwen2": ("Qwen2", {"tie_word_embeddings": True}),
    "qwen3": ("Qwen3", {"head_dim": 24}),
    "phi3": ("Phi3", {"partial_rotary_factor": 0.5}),
    "gemma2": ("Gemma2", {"head_dim": 24, "sliding_window": 7, "query_pre_attn_scalar": 20, "tie_word_embeddings": True}),
    "gemma3": ("Gemma3Text", {"head_dim": 24, "sliding_window": 7, "query_pre_attn_scalar": 20, "tie_word_embeddings": True,
               "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]}),
}  # fmt: skip
TOKENS = [int(token) for token in np.random.default_rng(7).integers(3, 160, 40)]


def random_weights(shapes: dict[str, tuple[int, ...]]) -> dict[str, NDArray[np.float32]]:
    """A tensor of each name, the same on every machine; norms are near one."""
    made = {}
    for name, shape in shapes.items():
        values = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
        scale = 0.1 if len(shape) == 1 else shape[-1] ** -0.5
        made[name] = (values * scale + (1.0 if name.endswith("norm.weight") else 0.0)).astype(np.float32)
    return made


def main(target: Path) -> None:
    import torch
    import transformers

    found: dict[str, Any] = {}
    for name, (family, changes) in FAMILIES.items():
        config = getattr(transformers, f"{family}Config")(**{**_COMMON, **changes}, attn_implementation="eager")
        model = getattr(transformers, f"{family.removesuffix('Text')}ForCausalLM")(config).eval()
        shapes = {k: tuple(v.shape) for k, v in model.state_dict().items()}
        if config.tie_word_embeddings:
            del shapes["lm_head.weight"]
        weights = random_weights(shapes)
        missing = model.load_state_dict({k: torch.from_numpy(v) for k, v in weights.items()}, strict=False)
        assert not missing.unexpected_keys, missing
        with torch.inference_mode():
            logits = model(torch.tensor([TOKENS])).logits[0].numpy()
        found[f"{name}.logits"] = logits[[0, 6, 20, 39]]
        found[f"{name}.config"] = np.asarray(json.dumps(config.to_dict(), default=str, sort_keys=True))
        found[f"{name}.shapes"] = np.asarray(json.dumps({k: list(v) for k, v in shapes.items()}))
    found["made"] = np.asarray(f"transformers {transformers.__version__}, torch {torch.__version__}")
    np.savez_compressed(target / "llm_families.npz", **found)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
