"""Times as a player shows them, where the engine hears the sound without its holes."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.audio.test_clock import MKV, recording
from wherry.audio.decode import SAMPLE_RATE, open_audio
from wherry.engine.session import Whisper
from wherry.engine.timeline import Timeline
from wherry.engine.transcript import Segment, TranscribeOptions, Word
from wherry.wasm.nn.backend import WhisperSpeech
from wherry.wasm.nn.graph import Tensor

Floats = NDArray[np.float32]
_U8 = 3  # wasi-nn's number of the type of bytes
LATE = Timeline(((0.0, 5.0),))
TWO = Timeline(((5.0, 10.0), (8.0, 100.0)))


def _segment(start: float, end: float, *words: tuple[float, float]) -> Segment:
    return Segment(0, 0, start, end, " x", (), 0.0, 0.0, 1.0, 0.0, tuple(Word(a, b, " x", 1.0) for a, b in words))


def test_a_moment_is_moved_by_the_holes_before_it() -> None:
    assert [TWO.shown(t) for t in (0, 4.9, 5, 7.9, 8, 9)] == [0, 4.9, 15, 17.9, 118, 119]
    assert [TWO.heard(t) for t in (0, 4.9, 5, 9, 15, 17.9, 18, 60, 118, 119)] == pytest.approx([0, 4.9, 5, 5, 5, 7.9, 8, 8, 8, 9])
    assert TWO.duration(9) == 119
    assert LATE.shown(0) == 5


@pytest.mark.parametrize(
    ("span", "shown"),
    [
        ((0.0, 4.0), (0.0, 4.0)),
        ((0.0, 5.1), (0.0, 5.0)),  # its end lies beyond the edge by little: it ends there
        ((4.9, 7.0), (15.0, 17.0)),  # it begins before the edge by little: it begins behind
        ((5.0, 5.0), (15.0, 15.0)),
        ((4.0, 6.0), (4.0, 16.0)),
        ((4.0, 8.1), (4.0, 18.0)),
        ((8.0, 9.0), (118.0, 119.0)),
        ((1.0, 9.0), (1.0, 119.0)),
    ],
)
def test_a_span_ends_and_begins_at_the_edges_of_holes(span: tuple[float, float], shown: tuple[float, float]) -> None:
    assert TWO.span(*span) == pytest.approx(shown)


def test_a_late_start_moves_everything() -> None:
    (found,) = LATE.segments([_segment(0.0, 3.0, (0.0, 1.0), (1.0, 3.0))], lambda segment, hole: pytest.fail("no hole"))
    assert (found.start, found.end, found.seek) == (5.0, 8.0, 500)
    assert [(word.start, word.end) for word in found.words] == [(5.0, 6.0), (6.0, 8.0)]


def test_no_word_reaches_over_a_hole() -> None:
    """It is where it ends: Whisper lets a word begin in the pause before it."""
    words = [(3.0, 4.0), (4.0, 5.05), (5.05, 6.0), (7.5, 8.5)]
    (found,) = TWO.segments([_segment(3.0, 8.1, *words)], lambda segment, hole: [segment])
    assert [(word.start, word.end) for word in found.words] == [(3.0, 4.0), (4.0, 5.0), (15.05, 16.0), (118.0, 118.5)]


def test_a_segment_over_two_holes_is_split_twice() -> None:
    def split(segment: Segment, hole: float) -> list[Segment]:
        return [_segment(segment.start, hole), _segment(hole, segment.end)]

    found = list(TWO.segments([_segment(4.0, 9.0)], split))
    assert [(each.start, each.end) for each in found] == [(4.0, 5.0), (15.0, 18.0), (118.0, 119.0)]


def test_clips_are_given_in_the_players_time() -> None:
    found = TWO.options(TranscribeOptions(clip_start=16.0, clip_seconds=102.5))
    assert (found.clip_start, found.clip_seconds) == pytest.approx((6.0, 2.5))


def test_any_span_stays_in_order() -> None:
    chosen = np.random.default_rng(1)
    for _ in range(2000):
        at = np.sort(chosen.uniform(0, 20, 3))
        line = Timeline(tuple((float(a), float(length)) for a, length in zip(at, chosen.uniform(1, 9, 3), strict=True)))
        a, b = sorted(chosen.uniform(0, 20, 2))
        start, end = line.span(a, b)
        assert 0 <= start <= end <= line.duration(20) + 1e-9
        assert a <= start
        assert line.heard(line.shown(a)) == pytest.approx(a)


def test_thousands_of_holes_cost_little() -> None:
    """A recording whose maker wanted it so; a step for each hole and each word would be billions."""
    line = Timeline(tuple((k * 0.3, 1.0) for k in range(36_000)))
    words = [(k * 0.3, k * 0.3 + 0.2) for k in range(30_000)]
    found = list(line.segments([_segment(a, b, (a, b)) for a, b in words], lambda segment, hole: [segment]))
    assert found[-1].end <= line.duration(10_800)
    assert all(a.end <= b.start + 1e-6 for a, b in pairwise(found))


# -- a recording


@pytest.fixture(scope="module")
def sentences(sample: Floats) -> tuple[Floats, Floats]:
    """The sample's two sentences, at the rate of the recordings made here."""
    at48 = np.repeat(sample, 3)
    cut = round(5.0 * 48_000)
    return at48[:cut], at48[cut:]


def test_cues_after_a_hole_are_where_a_player_has_them(
    tiny_en: Whisper, sentences: tuple[Floats, Floats], tmp_path: Path
) -> None:
    first, second = sentences
    plain, holed = tmp_path / "plain.mkv", tmp_path / "holed.mkv"
    plain.write_bytes(recording(MKV, [(0.0, first), (5.0, second)]))
    holed.write_bytes(recording(MKV, [(3.0, first), (28.0, second)], picture=(0, 1)))  # 3 s late, and 20 s are missing
    expected = tiny_en.transcribe(plain, TranscribeOptions(word_timestamps=True))
    found = tiny_en.transcribe(holed, TranscribeOptions(word_timestamps=True))
    assert found.text == expected.text
    assert found.duration == pytest.approx(expected.duration + 23, abs=0.05)
    words = [(word.start, word.end) for word in found.words]
    moved = [(s + 3, e + 3) if e <= 5.1 else (max(s, 5.0) + 23, e + 23) for s, e in ((w.start, w.end) for w in expected.words)]
    assert np.abs(np.subtract(words, moved)).max() < 0.05
    assert not any(word[0] < 8.0 and word[1] > 28.0 for word in words)
    assert [segment.id for segment in found.segments] == list(range(len(found.segments)))


def test_a_segment_over_a_hole_is_split_between_its_words(tiny_en: Whisper, sample: Floats, tmp_path: Path) -> None:
    """In the middle of a sentence, without the times of words: the two parts have all its text."""
    at48 = np.repeat(sample, 3)
    cut = round(2.5 * 48_000)
    path = tmp_path / "holed.mkv"
    path.write_bytes(recording(MKV, [(0.0, at48[:cut]), (42.5, at48[cut:])]))
    found = tiny_en.transcribe(path)
    assert " ".join(found.text.split()) == " ".join(tiny_en.transcribe(sample).text.split())
    assert "".join(segment.text for segment in found.segments) == found.text
    before = [segment for segment in found.segments if segment.end <= 2.51]
    after = [segment for segment in found.segments if segment.start >= 42.49]
    assert before and after
    assert len(before) + len(after) == len(found.segments), "no cue reaches over the hole"
    assert found.segments[-1].end <= found.duration + 0.02


def test_a_hole_of_hours_costs_no_work(tiny_en: Whisper, sample: Floats, tmp_path: Path) -> None:
    at48 = np.repeat(sample, 3)
    path = tmp_path / "holed.mkv"
    path.write_bytes(recording(MKV, [(0.0, at48), (30_000.0, at48)]))
    stream = open_audio(path)
    assert sum(map(len, stream.blocks())) / SAMPLE_RATE == pytest.approx(2 * len(sample) / SAMPLE_RATE, abs=0.1)
    windows: list[Any] = []
    found = tiny_en.transcribe(path, check=lambda: windows.append(None))
    assert len(windows) < 8
    assert found.duration == pytest.approx(30_000 + len(sample) / SAMPLE_RATE, abs=0.05)
    assert max(segment.end for segment in found.segments) > 30_005


def test_a_graph_of_bytes_tells_a_players_times(tiny_en: Whisper, sample: Floats) -> None:
    """What a wasi-nn guest and an upload get: 5 s late."""
    data = recording(MKV, [(5.0, np.repeat(sample, 3))], picture=(0, 1))
    speech = WhisperSpeech(tiny_en, lambda line: None)
    lines = speech.compute({0: Tensor((len(data),), _U8, data)}, lambda: None)[0].decode().splitlines()
    plain = [(segment.start, segment.end) for segment in tiny_en.transcribe(sample).segments]
    assert len(lines) == len(plain)
    for line, (start, _) in zip(lines, plain, strict=True):
        assert line.startswith(f"[00:00:{start + 5:06.3f} --> ")
