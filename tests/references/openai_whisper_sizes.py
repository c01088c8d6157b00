"""Makes tests/fixtures/openai_whisper_sizes.json: every model's alignment heads and special tokens, as openai-whisper has them.

Needs openai-whisper 20250625 and numpy, and no network (the sizes below stand in the models' own files):

    python tests/references/openai_whisper_sizes.py tests/fixtures
"""

import base64
import gzip
import json
import sys
from pathlib import Path

import numpy as np
import whisper
from whisper.tokenizer import get_tokenizer

# Name -> encoder layers, decoder layers, heads, mels, tokens.
SIZES = {
    "tiny.en": (4, 4, 6, 80, 51864), "tiny": (4, 4, 6, 80, 51865), "base.en": (6, 6, 8, 80, 51864), "base": (6, 6, 8, 80, 51865),
    "small.en": (12, 12, 12, 80, 51864), "small": (12, 12, 12, 80, 51865), "medium.en": (24, 24, 16, 80, 51864),
    "medium": (24, 24, 16, 80, 51865), "large-v2": (32, 32, 20, 80, 51865), "large-v3": (32, 32, 20, 128, 51866),
    "large-v3-turbo": (32, 4, 20, 128, 51866),
}  # fmt: skip


def heads(name: str, layers: int, count: int) -> list[list[int]]:
    bits = np.frombuffer(gzip.decompress(base64.b85decode(whisper._ALIGNMENT_HEADS[name])), dtype=bool)
    return [[int(layer), int(head)] for layer, head in np.argwhere(bits.reshape(layers, count))]


def tokens(n_vocab: int) -> dict[str, object]:
    multilingual = n_vocab >= 51865
    languages = n_vocab - 51765 - int(multilingual)
    t = get_tokenizer(multilingual, num_languages=languages, language="ko" if multilingual else None, task="translate")
    text = " It's a naïve ferry, 12:30! ♪ 日本語 𝄞 лодка"
    return {
        "sot_sequence": list(t.sot_sequence),
        "special": {"sot": t.sot, "eot": t.eot, "sot_prev": t.sot_prev, "no_speech": t.no_speech,
                    "no_timestamps": t.no_timestamps, "timestamp_begin": t.timestamp_begin},
        "languages": dict(zip(t.all_language_codes, t.all_language_tokens, strict=True)) if multilingual else {},
        "non_speech": list(t.non_speech_tokens),
        "text": text,
        "encoded": t.encode(text),
    }  # fmt: skip


def main(target: Path) -> None:
    fixture = {
        "made": f"openai-whisper {whisper.__version__}",
        "models": {
            name: {
                "audio_layers": audio, "text_layers": text, "heads": count, "n_mels": mels, "n_vocab": vocabulary,
                "alignment_heads": heads(name, text, count),
            }
            for name, (audio, text, count, mels, vocabulary) in SIZES.items()
        },
        "tokens": {str(n): tokens(n) for n in (51864, 51865, 51866)},
    }  # fmt: skip
    (target / "openai_whisper_sizes.json").write_text(json.dumps(fixture, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
