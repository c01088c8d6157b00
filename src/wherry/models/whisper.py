"""Whisper (Radford et al., 2022, "Robust Speech Recognition via Large-Scale Weak Supervision")."""

from dataclasses import dataclass


@dataclass(frozen=True)
class WhisperDims:
    """The sizes of one Whisper model, named as in OpenAI's checkpoints."""

    n_mels: int
    n_audio_ctx: int
    n_audio_state: int
    n_audio_head: int
    n_audio_layer: int
    n_vocab: int
    n_text_ctx: int
    n_text_state: int
    n_text_head: int
    n_text_layer: int
