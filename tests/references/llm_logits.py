"""Makes tests/fixtures/llm_logits.npz: SmolLM2's logits and greedy tokens, in float32 on the weights that its GGUF file means.

Needs torch 2.13.0 (CPU), transformers 5.24.0, gguf 0.19.0 and the model's file:

    python tests/references/llm_logits.py tests/fixtures FILE.gguf
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from gguf import GGUFReader
from gguf.quants import dequantize
from numpy.typing import NDArray

from tests.references.llm_prompts import PROMPTS

_NAMES = {
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj", "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}  # fmt: skip
_OUTER = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}


def apart(weight: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """llama.cpp's converter lays rotated pairs side by side; transformers has them half a head apart."""
    return weight.reshape(heads, -1, 2, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)


def model_of(file: Path) -> Any:
    """Transformers' model of the weights that a GGUF file means, in float32."""
    reader = GGUFReader(file)

    def number(key: str) -> Any:
        return reader.fields[f"llama.{key}"].contents()

    config = transformers.LlamaConfig(
        vocab_size=number("vocab_size"), hidden_size=number("embedding_length"), num_hidden_layers=number("block_count"),
        intermediate_size=number("feed_forward_length"), num_attention_heads=number("attention.head_count"),
        num_key_value_heads=number("attention.head_count_kv"), max_position_embeddings=number("context_length"),
        rms_norm_eps=number("attention.layer_norm_rms_epsilon"), tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": number("rope.freq_base")},
    )  # fmt: skip
    state = {}
    for tensor in reader.tensors:
        parts = tensor.name.split(".")
        name = _OUTER[parts[0]] if parts[0] in _OUTER else f"model.layers.{parts[1]}.{_NAMES[parts[2]]}"
        value = np.asarray(dequantize(tensor.data, tensor.tensor_type), np.float32)
        heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}.get(parts[-2])
        state[f"{name}.weight"] = torch.from_numpy(np.ascontiguousarray(apart(value, heads) if heads else value))
    model = transformers.LlamaForCausalLM(config).eval()
    missing = model.load_state_dict(state, strict=False)
    assert missing.missing_keys in ([], ["lm_head.weight"]) and not missing.unexpected_keys, missing
    return model


def main(target: Path, file: Path) -> None:
    model = model_of(file)
    found: dict[str, Any] = {}
    for name, prompt in PROMPTS.items():
        with torch.inference_mode():
            logits = model(torch.tensor([prompt])).logits[0, -1].numpy()
            made = model.generate(torch.tensor([prompt]), max_new_tokens=64, do_sample=False, eos_token_id=-1, pad_token_id=0)
        found[f"{name}.logits"], found[f"{name}.greedy"] = logits[::16], made[0, len(prompt) :].numpy().astype(np.int32)
    found["made"] = np.asarray(f"transformers {transformers.__version__}, torch {torch.__version__}")
    np.savez_compressed(target / "llm_logits.npz", **found)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
