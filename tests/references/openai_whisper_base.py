"""Makes tests/fixtures/openai_whisper_base.json: openai-whisper's language, greedy text and translation with whisper-base's
weights, and the text that it hears after a prompt.

Needs what openai_whisper.py needs:

    python tests/references/openai_whisper_base.py MODEL.bin ../shared/audio tests/fixtures

MODEL.bin is CTranslate2's float16 whisper-base (`wherry models pull whisper-base`).
"""

import json
import sys
from pathlib import Path

import torch
import whisper
from openai_whisper import samples, state, variables
from whisper.model import ModelDimensions, Whisper

PROMPTS = {"test_en.flac": "Mister Kwilter, Esquire"}
BASE = ModelDimensions(80, 1500, 512, 8, 6, 51865, 448, 512, 8, 6)


def main(weights: Path, audio: Path, target: Path) -> None:
    torch.set_num_threads(2)
    model = Whisper(BASE)
    model.load_state_dict(state(variables(weights), 6, 512), strict=False)
    model.eval()
    recordings = {}
    for path in sorted((audio / "leopard").glob("*.flac")):
        sound = samples(path)
        mel = whisper.log_mel_spectrogram(whisper.pad_or_trim(sound), 80)
        with torch.no_grad():
            _, odds = model.detect_language(mel)
        likely = sorted(odds, key=lambda code: -odds[code])[:3]
        result = model.transcribe(sound, temperature=0.0, fp16=False)
        recordings[f"leopard/{path.name}"] = {
            "language": result["language"],
            "probabilities": {code: odds[code] for code in likely},
            "text": result["text"],
            "tokens": [segment["tokens"] for segment in result["segments"]],
            "translation": model.transcribe(sound, task="translate", temperature=0.0, fp16=False)["text"],
        }
        if prompt := PROMPTS.get(path.name):
            prompted = model.transcribe(sound, temperature=0.0, fp16=False, initial_prompt=prompt)
            recordings[f"leopard/{path.name}"]["prompted"] = {"prompt": prompt, "text": prompted["text"]}
        print(path.name, result["language"], result["text"], flush=True)
    made = f"openai-whisper {whisper.__version__}, torch {torch.__version__}, float32, temperature 0, language detected"
    fixture = {"made": made, "recordings": recordings}
    text = json.dumps(fixture, indent=1, ensure_ascii=False) + "\n"
    (target / "openai_whisper_base.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
