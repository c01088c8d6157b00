"""Makes tests/fixtures/log_mel.json: openai-whisper's log-mel spectrograms of signals that are formulas.

Needs openai-whisper 20250625, torch 2.13.0 (CPU) and numpy, and neither Wherry nor a network:

    python tests/references/log_mel.py tests/fixtures
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
import whisper
from whisper.audio import log_mel_spectrogram, mel_filters

LENGTHS = [201, 400, 401, 559, 16_000, 16_159, 48_123]
EVERY = 31  # of a spectrogram, row by row, each so manyth value is kept


def signal(samples: int) -> np.ndarray:
    """A chirp, quiet hash and a click; the test has the same lines."""
    t = np.arange(samples) / 16_000
    hash_ = np.sin(np.arange(samples) * 12.9898) * 43758.5453
    sound = 0.4 * np.sin(2 * np.pi * (150 * t + 900 * t * t)) + 0.01 * (hash_ - np.floor(hash_) - 0.5)
    sound[samples // 2] += 0.5
    return sound.astype(np.float32)


def main(target: Path) -> None:
    found: dict[str, object] = {"made": f"openai-whisper {whisper.__version__}, torch {torch.__version__}", "every": EVERY}
    for n_mels in (80, 128):
        filters = mel_filters("cpu", n_mels).numpy()
        places = np.argwhere(filters)
        found[f"filters {n_mels}"] = [[int(r), int(c), float(filters[r, c])] for r, c in places]
        for samples in LENGTHS:
            for padding in (0, 8_000):
                mel = log_mel_spectrogram(signal(samples), n_mels, padding=padding).T.numpy()
                values = [round(float(v), 6) for v in mel.reshape(-1)[::EVERY]]
                found[f"{n_mels} {samples} {padding}"] = {"frames": len(mel), "values": values}
    (target / "log_mel.json").write_text(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
