"""When each word was spoken: cross-attention aligned with the frames by dynamic time warping (openai-whisper, timing.py)."""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from wherry.audio.log_mel import FRAMES_PER_SECOND
from wherry.engine.network import Network
from wherry.engine.transcript import Segment, TranscribeOptions, Word
from wherry.models.whisper import Sound
from wherry.text.whisper import SECONDS_PER_TIMESTAMP, WhisperTokenizer

Floats = NDArray[np.float32]
_MEDIAN_WIDTH = 7
_SENTENCE_ENDS = ".。!！?？"


@dataclass
class _Timing:
    word: str
    tokens: list[int]
    start: float  # seconds within the window
    end: float
    probability: float


def add_word_timestamps(
    network: Network,
    tokenizer: WhisperTokenizer,
    segments: list[Segment],
    sound: Sound[object],
    frames: int,
    last_speech: float,
    options: TranscribeOptions,
) -> list[Segment]:
    """The segments of one window with their words, and their own ends moved to the words'. `last_speech` in seconds.

    No time lies before the window or after its `frames` frames.
    """
    if not segments:
        return segments
    texts = [[token for token in segment.tokens if token < tokenizer.eot] for segment in segments]
    timings = align(network, tokenizer, [token for text in texts for token in text], sound, frames)
    typical = _typical_duration(timings)
    longest = typical * 2
    _shorten_at_sentence_ends(timings, longest)
    _merge_punctuation(timings, options.prepend_punctuations, options.append_punctuations)
    offset = segments[0].seek / FRAMES_PER_SECOND
    end = (segments[0].seek + frames) / FRAMES_PER_SECOND
    result = []
    at = 0
    for segment, text in zip(segments, texts, strict=True):
        words: list[Word] = []
        taken = 0
        while at < len(timings) and taken < len(text):
            timing = timings[at]
            if timing.word:
                words.append(
                    Word(round(offset + timing.start, 2), round(offset + timing.end, 2), timing.word, timing.probability)
                )
            taken += len(timing.tokens)
            at += 1
        if words:
            segment = _within(_fit(segment, words, typical, longest, last_speech), offset, end)
            last_speech = segment.end
        result.append(segment)
    return result


def align(network: Network, tokenizer: WhisperTokenizer, text: list[int], sound: Sound[object], frames: int) -> list[_Timing]:
    """Text tokens of one window -> the words with their times."""
    if not text:
        return []
    begin = len(tokenizer.sot_sequence)
    tokens = [*tokenizer.sot_sequence, tokenizer.no_timestamps, *text, tokenizer.eot]
    weights, probabilities = network.alignment(sound, tokens, begin, tokenizer.eot, max(1, frames // 2))
    mean, deviation = weights.mean(axis=-2, keepdims=True), weights.std(axis=-2, keepdims=True)
    # A window of one column has none: every token attends to it alike.
    weights = _median_filter(np.divide(weights - mean, deviation, out=np.zeros_like(weights), where=deviation > 0))
    matrix = weights.mean(axis=0)[begin:-1]  # (text + 1, frames)
    rows, columns = _warp(-matrix.astype(np.float64))
    words, groups = tokenizer.split_words([*text, tokenizer.eot])
    if len(groups) <= 1:
        return []
    boundaries = np.cumsum([0, *(len(group) for group in groups[:-1])])
    jumps = np.concatenate([[True], np.diff(rows).astype(bool)])
    times = np.maximum(columns[jumps], 0) * SECONDS_PER_TIMESTAMP  # the path's own beginning lies before the first column
    found = []
    for word, group, first, last in zip(words[:-1], groups[:-1], boundaries[:-1], boundaries[1:], strict=True):
        probability = float(probabilities[first:last].mean()) if last > first else 0.0
        found.append(_Timing(word, group, float(times[first]), float(times[last]), probability))
    return found


def _typical_duration(timings: list[_Timing]) -> float:
    """The median length of a word in seconds, at most 0.7."""
    durations = [timing.end - timing.start for timing in timings if timing.end != timing.start]
    return min(0.7, float(np.median(durations))) if durations else 0.0


def _shorten_at_sentence_ends(timings: list[_Timing], longest: float) -> None:
    """Alignment stretches the words at a pause: cut them where a sentence ends."""
    if all(timing.end == timing.start for timing in timings):
        return
    for before, timing in pairwise(timings):
        if timing.end - timing.start > longest:
            if timing.word in _SENTENCE_ENDS:
                timing.end = timing.start + longest
            elif before.word in _SENTENCE_ENDS:
                timing.start = timing.end - longest


def _merge_punctuation(timings: list[_Timing], opening: str, closing: str) -> None:
    """Opening marks go to the word after them, closing marks to the one before; what is left behind is empty."""
    follower = len(timings) - 1
    for i in range(len(timings) - 2, -1, -1):
        mark = timings[i]
        if mark.word.startswith(" ") and mark.word.strip() in opening:
            timings[follower].word = mark.word + timings[follower].word
            timings[follower].tokens = mark.tokens + timings[follower].tokens
            mark.word, mark.tokens = "", []
        else:
            follower = i
    leader = 0
    for i in range(1, len(timings)):
        mark = timings[i]
        if not timings[leader].word.endswith(" ") and mark.word in closing:
            timings[leader].word += mark.word
            timings[leader].tokens = timings[leader].tokens + mark.tokens
            mark.word, mark.tokens = "", []
        else:
            leader = i


def _fit(segment: Segment, words: list[Word], typical: float, longest: float, last_speech: float) -> Segment:
    """Make the segment's ends and those of its first and last word agree; too long a word yields to the segment."""
    first = words[0]
    after_pause = first.end - last_speech > typical * 4
    stretched = first.end - first.start > longest or (len(words) > 1 and words[1].end - first.start > longest * 2)
    if after_pause and stretched:
        if len(words) > 1 and words[1].end - words[1].start > longest:
            boundary = max(words[1].end / 2, words[1].end - longest)
            first = replace(first, end=boundary)
            words[1] = replace(words[1], start=boundary)
        first = replace(first, start=max(0.0, first.end - longest))
    if segment.start < first.end and segment.start - 0.5 > first.start:
        first = replace(first, start=max(0.0, min(first.end - typical, segment.start)))
        start = segment.start
    else:
        start = first.start
    words[0] = first
    last = words[-1]
    if segment.end > last.start and segment.end + 0.5 < last.end:
        last = replace(last, end=max(last.start + typical, segment.end))
        end = segment.end
    else:
        end = last.end
    words[-1] = last
    return replace(segment, start=start, end=end, words=tuple(words))


def _within(segment: Segment, start: float, end: float) -> Segment:
    """No time before `start` or after `end`, and none that ends before it starts."""

    def inside(seconds: float) -> float:
        return min(max(seconds, start), end)

    words = tuple(
        replace(word, start=inside(word.start), end=max(inside(word.start), inside(word.end))) for word in segment.words
    )
    first = inside(segment.start)
    return replace(segment, start=first, end=max(first, inside(segment.end)), words=words)


def _median_filter(x: Floats) -> Floats:
    """The median of seven neighbours along the last axis, mirrored at the ends."""
    half = _MEDIAN_WIDTH // 2
    if x.shape[-1] <= half:
        return x
    padded = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(half, half)], mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, _MEDIAN_WIDTH, axis=-1)
    return np.asarray(np.partition(windows, half, axis=-1)[..., half], np.float32)


def _warp(cost: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The cheapest monotonic path through cost (N, M) -> its rows and columns.

    A row depends on its own left neighbour, so rows are taken one by one and the running minimum along a row is found by
    diagonals: cells (i, j) with the same i + j depend only on earlier diagonals.
    """
    rows, columns = cost.shape
    total = np.full((rows + 1, columns + 1), np.inf, np.float32)
    came = np.full((rows + 1, columns + 1), -1, np.int8)
    total[0, 0] = 0
    for diagonal in range(2, rows + columns + 1):
        i = np.arange(max(1, diagonal - columns), min(rows, diagonal - 1) + 1)
        j = diagonal - i
        match, insert, delete = total[i - 1, j - 1], total[i - 1, j], total[i, j - 1]
        is_match = (match < insert) & (match < delete)
        is_insert = (insert < match) & (insert < delete)
        best = np.where(is_match, match, np.where(is_insert, insert, delete))
        total[i, j] = cost[i - 1, j - 1].astype(np.float32) + best
        came[i, j] = np.where(is_match, 0, np.where(is_insert, 1, 2))
    came[0, :] = 2
    came[:, 0] = 1
    i_at, j_at = rows, columns
    path = []
    while i_at > 0 or j_at > 0:
        path.append((i_at - 1, j_at - 1))
        step = came[i_at, j_at]
        if step in (0, 1):
            i_at -= 1
        if step in (0, 2):
            j_at -= 1
    found = np.asarray(path[::-1], np.intp)
    return found[:, 0], found[:, 1]
