"""The peer of `device.py`: Hugging Face transformers on CUDA in float16, the same weights and the same clip."""

import re
import time
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

from wherry.engine.catalog import ModelFiles
from wherry.models.names import whisper_tensors
from wherry.text.whisper import WhisperTokenizer
from wherry.weights import Quantized, open_checkpoint

# openai-whisper's names -> those of transformers, in this order.
_RENAMES = (
    (r"(en|de)coder\.blocks", r"\1coder.layers"),
    (r"cross_attn_ln", "encoder_attn_layer_norm"),
    (r"cross_attn", "encoder_attn"),
    (r"\battn_ln", "self_attn_layer_norm"),
    (r"\battn\b", "self_attn"),
    (r"\.query\.", ".q_proj."),
    (r"\.key\.", ".k_proj."),
    (r"\.value\.", ".v_proj."),
    (r"\.out\.", ".out_proj."),
    (r"mlp_ln", "final_layer_norm"),
    (r"mlp\.0", "fc1"),
    (r"mlp\.2", "fc2"),
    (r"positional_embedding", "embed_positions.weight"),
    (r"token_embedding", "embed_tokens"),
    (r"ln_post|decoder\.ln\b", lambda found: "layer_norm" if found[0] == "ln_post" else "decoder.layer_norm"),
)


def transformers_ms(files: ModelFiles, samples: NDArray[np.float32], runs: int) -> tuple[list[float], str]:
    """Milliseconds of each run after a warm-up, from samples to tokens with timestamps, and the text."""
    assert files.tokenizer is not None
    transformers.logging.set_verbosity_error()
    dims, tensors = whisper_tensors(open_checkpoint(files.weights))
    words = WhisperTokenizer.from_file(files.tokenizer, dims.n_vocab)
    model = WhisperForConditionalGeneration(
        WhisperConfig(
            vocab_size=dims.n_vocab, num_mel_bins=dims.n_mels, d_model=dims.n_audio_state,
            encoder_layers=dims.n_audio_layer, encoder_attention_heads=dims.n_audio_head, encoder_ffn_dim=4 * dims.n_audio_state,
            decoder_layers=dims.n_text_layer, decoder_attention_heads=dims.n_text_head, decoder_ffn_dim=4 * dims.n_text_state,
            max_source_positions=dims.n_audio_ctx, max_target_positions=dims.n_text_ctx,
            decoder_start_token_id=words.sot, bos_token_id=words.eot, eos_token_id=words.eot, pad_token_id=words.eot,
        )
    )  # fmt: skip
    missing = model.load_state_dict({_renamed(name): _torch(value) for name, value in tensors.items()}, strict=False)
    unexpected = [name for name in missing.missing_keys if name != "proj_out.weight"] + missing.unexpected_keys
    assert not unexpected, unexpected
    model = model.half().cuda().eval()
    extract = WhisperFeatureExtractor(feature_size=dims.n_mels)
    prompt = torch.tensor([[words.sot]]).cuda()

    @torch.inference_mode()
    def transcribe() -> list[int]:
        mel = extract(samples, sampling_rate=16_000, return_tensors="pt").input_features.half().cuda()
        made = model.generate(
            encoder_outputs=model.model.encoder(mel), decoder_input_ids=prompt, max_new_tokens=220, do_sample=False, num_beams=1
        )
        return list(map(int, made[0].tolist()))

    spent, tokens = [], transcribe()
    for _ in range(runs):
        start = time.perf_counter()
        tokens = transcribe()
        spent.append(1e3 * (time.perf_counter() - start))
    return spent, words.decode([token for token in tokens if token < words.eot])


def _renamed(name: str) -> str:
    for pattern, new in _RENAMES:
        name = re.sub(pattern, new, name)
    return f"model.{name}"


def _torch(value: Any) -> torch.Tensor:
    dense = value.dequantize() if isinstance(value, Quantized) else np.asarray(value)
    return torch.from_numpy(np.ascontiguousarray(dense, np.float32))
