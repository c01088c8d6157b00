"""Transcripts segment by segment: the same as the whole, computed as they are taken, within limits."""

import threading
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import SAMPLE
from wherry.engine.session import Whisper
from wherry.engine.transcript import TranscribeOptions
from wherry.errors import StoppedError, TooLargeError

GREEDY = TranscribeOptions(temperature=(0.0,))


@pytest.mark.parametrize("batch_size", [1, 2])
def test_a_stream_is_the_transcript_in_pieces(tiny_en: Whisper, sample: Any, batch_size: int) -> None:
    long = np.concatenate([sample] * 4)  # 37 s: two windows
    options = TranscribeOptions(temperature=(0.0,), word_timestamps=True, batch_size=batch_size)
    whole = tiny_en.transcribe(long, options)
    stream = tiny_en.stream(long, options)
    assert (stream.language, stream.duration) == ("en", len(long) / 16_000)
    assert tuple(stream.segments) == whole.segments
    assert [segment.id for segment in whole.segments] == list(range(len(whole.segments)))
    assert "".join(segment.text for segment in whole.segments) == whole.text


def test_the_device_is_free_between_segments(tiny_en: Whisper, sample: Any) -> None:
    stream = tiny_en.stream(np.concatenate([sample] * 4), GREEDY)
    first = next(stream.segments)
    found: list[str] = []
    other = threading.Thread(target=lambda: found.append(tiny_en.transcribe(sample, GREEDY).text))
    other.start()
    other.join()
    assert found == [tiny_en.transcribe(sample, GREEDY).text]
    rest = list(stream.segments)
    assert first.id == 0 and [segment.id for segment in rest] == list(range(1, len(rest) + 1))


def test_a_closed_stream_computes_nothing_more(tiny_en: Whisper, sample: Any) -> None:
    windows: list[int] = []
    stream = tiny_en.stream(np.concatenate([sample] * 8), GREEDY, lambda: windows.append(1))
    next(stream.segments)
    stream.segments.close()
    assert list(stream.segments) == []
    assert len(windows) == 1


def test_a_file_may_not_be_longer_than_the_limit(tiny_en: Whisper) -> None:
    with pytest.raises(TooLargeError, match="more than 5 s of sound"):
        tiny_en.stream(SAMPLE, GREEDY, max_seconds=5)


def test_reading_a_file_hears_the_stop(tiny_en: Whisper, tmp_path: Path) -> None:
    path = tmp_path / "silence.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(2 * 16_000 * 95))
    blocks: list[int] = []

    def check() -> None:
        blocks.append(1)
        if len(blocks) == 2:
            raise StoppedError("enough")

    with pytest.raises(StoppedError):
        tiny_en.stream(path, GREEDY, check)
    assert len(blocks) == 2
