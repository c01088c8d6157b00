"""Transcripts against openai-whisper's, with the same weights (tests/references/openai_whisper.py)."""

import gzip
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import AUDIO, ROOT, SAMPLE
from wherry.audio.decode import decode_audio
from wherry.audio.log_mel import log_mel
from wherry.engine.catalog import ModelFiles
from wherry.engine.session import Whisper, load_whisper
from wherry.engine.transcript import TranscribeOptions
from wherry.errors import InputError

GREEDY = TranscribeOptions(temperature=(0.0,))
_FIXTURE = json.loads(gzip.decompress((ROOT / "tests/fixtures/openai_whisper_tiny_en.json.gz").read_bytes()))
RECORDINGS = sorted(_FIXTURE["recordings"]) if AUDIO.is_dir() else []
TIMED = [path for path in RECORDINGS if "words" in _FIXTURE["recordings"][path]]
ACTIVE = [path for path in _FIXTURE["activations"] if AUDIO.is_dir()]


@pytest.mark.slow
@pytest.mark.parametrize("path", RECORDINGS)
def test_greedy_text_is_openai_whispers(path: str, tiny_en: Whisper, reference: dict[str, Any]) -> None:
    expected = reference["recordings"][path]["greedy"]
    found = tiny_en.transcribe(AUDIO / path, GREEDY)
    assert found.text == expected["text"]
    assert len(found.segments) == len(expected["segments"])
    for mine, theirs in zip(found.segments, expected["segments"], strict=True):
        assert (mine.text, list(mine.tokens)) == (theirs["text"], theirs["tokens"])
        # openai-whisper's last cue may reach into the silence that it appends to a recording.
        end = min(theirs["end"], int(100 * found.duration) / 100)
        assert (mine.start, mine.end) == pytest.approx((theirs["start"], end), abs=1e-6)
        assert mine.avg_logprob == pytest.approx(theirs["avg_logprob"], abs=1e-3)
        assert mine.no_speech_prob == pytest.approx(theirs["no_speech_prob"], rel=0.02, abs=1e-4)
        assert mine.compression_ratio == pytest.approx(theirs["compression_ratio"])


@pytest.mark.slow
@pytest.mark.parametrize("path", TIMED)
def test_words_and_their_times_are_openai_whispers(path: str, tiny_en: Whisper, reference: dict[str, Any]) -> None:
    expected = [word for segment in reference["recordings"][path]["words"]["segments"] for word in segment["words"]]
    found = tiny_en.transcribe(AUDIO / path, replace(GREEDY, word_timestamps=True)).words
    assert [word.word for word in found] == [word["word"] for word in expected]
    for mine, theirs in zip(found, expected, strict=True):
        # One step of the alignment is 20 ms: rounding may move a boundary by one.
        assert (mine.start, mine.end) == pytest.approx((theirs["start"], theirs["end"]), abs=0.021)
        assert mine.probability == pytest.approx(theirs["probability"], abs=5e-3)


@pytest.mark.slow
@pytest.mark.parametrize("path", TIMED)
def test_beam_search_finds_openai_whispers_text(path: str, tiny_en: Whisper, reference: dict[str, Any]) -> None:
    found = tiny_en.transcribe(AUDIO / path, replace(GREEDY, beam_size=5))
    assert found.text == reference["recordings"][path]["beam"]["text"]


@pytest.mark.parametrize("path", ACTIVE)
def test_activations_are_openai_whispers(path: str, tiny_en: Whisper, reference: dict[str, Any]) -> None:
    expected = reference["activations"][path]
    mel = log_mel(decode_audio(AUDIO / path), 80, padding=480_000)[:3000]
    assert mel.reshape(-1)[np.arange(0, 240_000, 97)] == pytest.approx(expected["mel"], abs=2e-4)
    network = tiny_en.network
    encoded = network.encode(mel[None])[0].reshape(-1)[expected["encoder_index"]]
    assert relative_error(encoded, expected["encoder"]) < 1e-3
    state = network.start(network.listen(mel[None]), 1)
    logits = network.prompt_logits(state, np.asarray([[50257]], np.int32), [0])[0, 0]
    assert relative_error(logits[::13], expected["logits"]) < 1e-3


def test_batched_windows_hear_the_same_words(tiny_en: Whisper, sample: Any) -> None:
    """45 s of speech, decoded together: the words of a shorter recording come back in every part."""
    long = np.concatenate([np.concatenate([sample, np.zeros(16_000, np.float32)]) for _ in range(5)])
    batched = tiny_en.transcribe(long, replace(GREEDY, batch_size=4))
    assert batched.text.lower().count("any processor") == 5
    assert batched.segments[-1].end == pytest.approx(len(long) / 16_000, abs=2.0)


def test_sampling_repeats_with_its_seed(tiny_en: Whisper, sample: Any) -> None:
    options = TranscribeOptions(temperature=(0.8,), best_of=2, seed=7)
    assert tiny_en.transcribe(sample, options).text == tiny_en.transcribe(sample, options).text


def test_clip_hears_only_its_part(tiny_en: Whisper, sample: Any) -> None:
    found = tiny_en.transcribe(sample, replace(GREEDY, clip_start=5.0))
    assert "processor" in found.text
    assert "wherry" not in found.text.lower()
    assert "light" not in found.text
    assert found.segments[0].start >= 5.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "sing"}, "task"),
        ({"temperature": ()}, "temperature"),
        ({"beam_size": 0}, "beam_size"),
        ({"language": "klingon"}, "language"),
        ({"language": "de"}, "language"),
        ({"task": "translate"}, "task"),
        ({"clip_start": -1.0}, "clip"),
    ],
)
def test_wrong_options_are_named(tiny_en: Whisper, sample: Any, change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        tiny_en.transcribe(sample, replace(GREEDY, **change))


@pytest.mark.parametrize("samples", [0, 1, 150, 401])
def test_next_to_no_sound_is_no_error(tiny_en: Whisper, samples: int) -> None:
    assert tiny_en.transcribe(np.zeros(samples, np.float32), GREEDY).duration == samples / 16_000


def test_samples_that_are_not_finite_are_refused(tiny_en: Whisper) -> None:
    with pytest.raises(InputError, match="finite"):
        tiny_en.transcribe(np.full(16_000, np.nan, np.float32), GREEDY)


def test_command_writes_each_format_and_resumes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "wherry", "transcribe", str(SAMPLE), "--device", "cpu", "--output-dir", str(tmp_path)]
    subprocess.run(command, check=True)
    data = json.loads((tmp_path / "sample.json").read_text())
    assert set(data) == {"text", "segments", "language"}
    assert data["text"].rstrip().endswith("processor.")
    assert {file.suffix for file in tmp_path.iterdir()} == {".txt", ".srt", ".vtt", ".tsv", ".json", ".jsonl"}
    again = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "already transcribed" in again.stderr


def relative_error(found: Any, expected: Any) -> float:
    f, e = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    return float(np.linalg.norm(f - e) / np.linalg.norm(e))


def test_a_model_without_alignment_heads_transcribes_and_refuses_times_of_words(
    tmp_path: Path, tiny_en_files: ModelFiles, sample: Any
) -> None:
    """A copy whose generation_config.json names heads of layers that it does not have, as distilled models' do."""
    for file in (tiny_en_files.weights, tiny_en_files.tokenizer):
        assert file
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / "generation_config.json").write_text('{"alignment_heads": [[7, 0], [10, 17]]}')
    distilled = load_whisper(tmp_path / tiny_en_files.weights.name, device="cpu")
    clip = replace(GREEDY, clip_start=4.5)
    assert "processor" in distilled.transcribe(sample, clip).text
    with pytest.raises(InputError, match=r"word_timestamps.*alignment heads"):
        distilled.transcribe(sample, replace(clip, word_timestamps=True))
