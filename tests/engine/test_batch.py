"""Parts of a recording that are decoded side by side: every frame is heard, and cues come in order."""

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import AUDIO
from wherry.audio.decode import decode_audio
from wherry.audio.log_mel import N_FRAMES, log_mel
from wherry.engine.clips import cut_for_batch, find_clips
from wherry.engine.decoding import Decoded
from wherry.engine.session import Whisper
from wherry.engine.transcript import TranscribeOptions, Transcript

GREEDY = TranscribeOptions(temperature=(0.0,))
_LONG = ["jfk/jfk.wav", "asterisk/demo-congrats.flac"]


def plain_words(text: str) -> list[str]:
    return "".join(letter for letter in text.lower() if letter.isalnum() or letter == " ").split()


def assert_in_order(transcript: Transcript) -> None:
    end = 0.0
    for segment in transcript.segments:
        assert end <= segment.start <= segment.end <= transcript.duration
        end = segment.end


@settings(max_examples=50)
@given(st.integers(1, 60_000), st.integers(2, 64), st.integers(0, 500))
def test_parts_of_a_batch_cover_a_clip_without_holes(frames: int, batch_size: int, start: int) -> None:
    mel = np.random.default_rng(frames).random((start + frames, 2)).astype(np.float32)
    parts = list(cut_for_batch(mel, (start, start + frames), batch_size))
    assert parts[0][0] == start and parts[-1][1] == start + frames
    assert all(before[1] == after[0] for before, after in pairwise(parts))
    assert all(first < last for first, last in parts)
    assert len(parts) <= -(-frames // N_FRAMES)


def test_a_batch_is_cut_where_it_is_quiet() -> None:
    mel = np.ones((5000, 2), np.float32)
    mel[2300:2360] = 0
    (_, cut), _ = cut_for_batch(mel, (0, 5000), 2)
    assert 2300 <= cut <= 2360


@pytest.mark.parametrize("batch_size", [2, 3, 8])
def test_what_a_window_leaves_is_heard_by_the_next(batch_size: int, tiny_en: Whisper, monkeypatch: Any) -> None:
    """A decoder that reaches only 14 s of each window: all frames of the recording must be before it in that part."""
    samples = np.random.default_rng(1).normal(0, 0.01, 130 * 16_000).astype(np.float32)
    windows: list[Any] = []
    begin = tiny_en.tokenizer.timestamp_begin
    heard = Decoded((begin, 262, begin + 700, begin + 700, 262), "a", -0.1, 0.0, 0.0, 1.0)

    class Listening:
        def __getattr__(self, name: str) -> Any:
            return getattr(tiny_en.network, name)

        def listen(self, mel: Any) -> Any:
            windows.extend(mel)
            return None

    monkeypatch.setattr("wherry.engine.transcribe.decode_windows", lambda *given: [heard] * len(given[3]))
    shared = replace(tiny_en, together=replace(tiny_en.together, network=Listening()))  # type: ignore[arg-type]
    transcript = shared.transcribe(samples, replace(GREEDY, batch_size=batch_size))
    mel = log_mel(samples, 80, padding=480_000)
    frames = [np.flatnonzero((mel[:13_000] == window[0]).all(axis=1))[0] for window in windows]
    missing = np.ones(13_000, bool)
    for frame in frames:
        missing[frame : frame + 1400] = False
    # A window that is the last of its part holds zeros after it; what it leaves under 0.1 s is no word.
    assert missing.sum() < 10 * len(windows)
    assert_in_order(transcript)


@pytest.mark.skipif(not AUDIO.is_dir(), reason="no recordings at hand")
@pytest.mark.parametrize(
    "options",
    [
        replace(GREEDY, batch_size=2),
        replace(GREEDY, batch_size=4, word_timestamps=True),
        replace(GREEDY, batch_size=3, beam_size=2),
        TranscribeOptions(batch_size=2, temperature=(0.0, 0.4), logprob_threshold=-0.2, seed=1),
    ],
    ids=["greedy", "words", "beams", "fallback"],
)
def test_a_batch_hears_every_sentence(options: TranscribeOptions, tiny_en: Whisper) -> None:
    """Against the recordings' own texts: the sentence across the middle of the longer one was lost once."""
    texts = {entry["path"]: entry["text"] for entry in json.loads((AUDIO / "manifest.json").read_text())}
    sound = np.concatenate([decode_audio(AUDIO / path) for path in _LONG])
    transcript = tiny_en.transcribe(sound, options)
    expected = plain_words(" ".join(texts[path] for path in _LONG))
    words = plain_words(transcript.text)
    assert len(words) == pytest.approx(len(expected), abs=8)
    assert len(set(expected) - set(words)) <= 8
    assert "sample sounds" in transcript.text
    assert_in_order(transcript)
    for word in transcript.words:
        assert 0 <= word.start <= word.end <= transcript.duration


def test_clips_are_clamped_to_the_recording() -> None:
    assert find_clips(TranscribeOptions(clip_timestamps=(1.0, 2.0, 3.0)), 1000) == [(100, 200), (300, 1000)]
    assert find_clips(TranscribeOptions(clip_timestamps=(1.0, 20.0, 30.0, 40.0)), 1000) == [(100, 1000)]
    assert find_clips(TranscribeOptions(clip_start=2.0, clip_seconds=3.0), 1000) == [(200, 500)]
    assert find_clips(TranscribeOptions(), 0) == []
