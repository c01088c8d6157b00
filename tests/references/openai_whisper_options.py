"""Makes tests/fixtures/openai_whisper_options.json: openai-whisper's further options, with the weights of tiny.en.

Needs openai-whisper 20250625, torch (CPU), av and numpy, and neither Wherry nor a network:

    python tests/references/openai_whisper_options.py MODEL.bin src/wherry/cli/sample.wav tests/fixtures
"""

import json
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np
import torch
from openai_whisper import HEADS, TINY_EN, state, variables
from whisper.model import Whisper
from whisper.tokenizer import get_tokenizer

# "long" is four recordings of the sample, "noise" one with 26 s of noise after it. 8848 and 1657 are " boat" and " light".
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "clip to the end": ("sample", {"clip_timestamps": [4.5]}),
    "two clips": ("sample", {"clip_timestamps": [0.0, 3.0, 4.5, 8.0]}),
    "nothing suppressed": ("sample", {"suppress_tokens": []}),
    "words suppressed": ("sample", {"suppress_tokens": [-1, 8848, 1657]}),
    "prefix": ("sample", {"prefix": "A wherry is", "without_timestamps": True}),
    "prompt carried": ("long", {"initial_prompt": "A wherry.", "carry_initial_prompt": True}),
    "prompt not carried": ("long", {"initial_prompt": "A wherry."}),
    "noise": ("noise", {"word_timestamps": True, "no_speech_threshold": None}),
    "noise skipped": ("noise", {"word_timestamps": True, "hallucination_silence_threshold": 0.5, "no_speech_threshold": None}),
    "other punctuation": ("sample", {"word_timestamps": True, "prepend_punctuations": "", "append_punctuations": ","}),
}
PROMPTS = ["<|en|>", "<|endoftext|>", " <|0.00|> and <|12.34|>", "a<|startofprev|><|nospeech|>b", "<|startoftranscript|>"]


def sounds(sample: np.ndarray) -> dict[str, np.ndarray]:
    noise = (np.random.default_rng(5).standard_normal(26 * 16_000) * 0.02).astype(np.float32)
    return {"sample": sample, "long": np.tile(sample, 4), "noise": np.concatenate([sample, noise])}


def main(weights: Path, sample: Path, target: Path) -> None:
    torch.set_num_threads(2)
    model = Whisper(TINY_EN)
    model.load_state_dict(state(variables(weights)), strict=False)
    heads = torch.zeros(4, 6, dtype=torch.bool)
    for layer, head in HEADS:
        heads[layer, head] = True
    model.register_buffer("alignment_heads", heads.to_sparse(), persistent=False)
    model.eval()
    with wave.open(str(sample)) as file:
        audio = sounds(np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768)
    found = {}
    for name, (sound, options) in CASES.items():
        result = model.transcribe(audio[sound], temperature=0.0, fp16=False, language="en", **options)
        fields = ("seek", "start", "end", "text", "tokens", "words")
        segments = [{key: segment[key] for key in fields if key in segment} for segment in result["segments"]]
        found[name] = {"sound": sound, "options": options, "segments": segments}
    encodings = {}
    for name, multilingual in (("tiny.en", False), ("base", True)):
        encoding = get_tokenizer(multilingual, num_languages=99).encoding
        encodings[name] = {text: encoding.encode_ordinary(text) for text in PROMPTS}
    document = {"transcripts": found, "prompts": encodings}
    (target / "openai_whisper_options.json").write_text(json.dumps(document, ensure_ascii=False, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
