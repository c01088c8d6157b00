"""No number that leaves the engine is NaN, infinite, negative or beyond the recording's end."""

import json
import math
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wherry.engine.catalog import ModelFiles
from wherry.engine.session import Whisper, load_whisper
from wherry.engine.timing import add_word_timestamps
from wherry.engine.transcript import Segment, TranscribeOptions, Transcript
from wherry.engine.writers import WRITERS
from wherry.errors import FormatError
from wherry.models.names import whisper_tensors
from wherry.weights import open_checkpoint
from wherry.weights.safetensors import write

# Nothing is silent, no text is too repetitive or improbable: whatever the decoder makes of noise has to come out.
EVERYTHING = TranscribeOptions(
    temperature=(0.0,), no_speech_threshold=None, logprob_threshold=None, compression_ratio_threshold=None
)


def noise(samples: int, loudness: float = 0.3) -> Any:
    return np.clip(np.random.default_rng(samples).normal(0, loudness, samples), -1, 1).astype(np.float32)


def replace_text(transcript: Transcript) -> Transcript:
    """The same times, and nothing in the text that could be taken for one."""
    segments = (
        replace(segment, text="a", words=tuple(replace(word, word="a") for word in segment.words))
        for segment in transcript.segments
    )
    return replace(transcript, segments=tuple(segments))


def assert_sound_numbers(transcript: Transcript) -> None:
    times = [(segment.start, segment.end) for segment in transcript.segments]
    times += [(word.start, word.end) for word in transcript.words]
    for start, end in times:
        assert 0 <= start <= end <= transcript.duration
    for segment in transcript.segments:
        assert all(map(math.isfinite, (segment.avg_logprob, segment.no_speech_prob, segment.compression_ratio)))
        assert segment.no_speech_prob >= 0 and segment.compression_ratio >= 0
    for word in transcript.words:
        assert 0 <= word.probability <= 1
    for name in ("srt", "vtt", "tsv"):
        assert not re.search(r"(^|[\t \n>])-\d|nan", WRITERS[name](replace_text(transcript)))
    json.loads(WRITERS["json"](transcript), parse_constant=lambda name: pytest.fail(name))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("samples", [0, 1, 160, 480, 1760, 2000, 4000, 480_000, 480_160, 482_000])
def test_words_of_any_length_of_noise_have_sound_numbers(samples: int, tiny_en: Whisper) -> None:
    assert_sound_numbers(tiny_en.transcribe(noise(samples), replace(EVERYTHING, word_timestamps=True)))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "sound",
    [np.zeros(24_000, np.float32), np.sign(noise(24_000)), np.ones(24_000, np.float32), noise(24_000, 1e-6)],
    ids=["silence", "clipping", "offset", "faint"],
)
def test_sounds_without_speech_have_sound_numbers(sound: Any, tiny_en: Whisper) -> None:
    assert_sound_numbers(tiny_en.transcribe(sound, replace(EVERYTHING, word_timestamps=True)))
    assert_sound_numbers(tiny_en.transcribe(sound, replace(EVERYTHING, batch_size=2)))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("frames", [1, 2, 3, 4, 8, 13])
def test_words_of_a_window_of_a_few_frames_lie_within_it(frames: int, tiny_en: Whisper) -> None:
    mel = np.zeros((1, 3000, 80), np.float32)
    mel[0, :frames] = 1
    text = " one two three, four."
    tokens = tuple(tiny_en.tokenizer.encode(text))
    segment = Segment(0, 500, 5.0, 5.0 + frames / 100, text, tokens, 0.0, -0.5, 1.0, 0.1)
    sound = tiny_en.network.listen(mel)
    (timed,) = add_word_timestamps(tiny_en.network, tiny_en.tokenizer, [segment], sound, frames, 0.0, EVERYTHING)
    assert "".join(word.word for word in timed.words) == text
    for part in (timed, *timed.words):
        assert 5.0 <= part.start <= part.end <= 5.0 + frames / 100


def test_the_last_cue_ends_with_the_recording(tiny_en: Whisper, sample: Any) -> None:
    """Cut in the middle of a sentence, where the decoder would place the end into the silence after it."""
    for seconds in (3.0, 6.37):
        transcript = tiny_en.transcribe(sample[: int(seconds * 16_000)], EVERYTHING)
        assert transcript.text.strip()
        assert transcript.segments[-1].end <= seconds


def test_a_model_that_computes_nan_is_an_error_and_no_transcript(tmp_path: Path, tiny_en_files: ModelFiles, sample: Any) -> None:
    dims, tensors = whisper_tensors(open_checkpoint(tiny_en_files.weights))
    damaged = {name: np.array(x) for name, x in tensors.items()}
    damaged["decoder.ln.bias"][0] = np.nan
    write(tmp_path / "model.safetensors", damaged, asdict(dims))
    whisper = load_whisper(tmp_path / "model.safetensors", tokenizer=tiny_en_files.tokenizer, device="cpu")
    with pytest.raises(FormatError, match="not finite"), np.errstate(invalid="ignore"):
        whisper.transcribe(sample[:16_000], EVERYTHING)
