"""The segments of one window, from the tokens that were decoded of it (openai-whisper, transcribe.py)."""

from collections.abc import Sequence
from dataclasses import replace

from wherry.audio.log_mel import FRAMES_PER_SECOND
from wherry.engine.decoding import Decoded
from wherry.engine.transcript import Segment
from wherry.text.whisper import SECONDS_PER_TIMESTAMP, WhisperTokenizer

_FRAMES_PER_TIMESTAMP = 2


def split_segments(tokenizer: WhisperTokenizer, result: Decoded, seek: int, frames: int) -> tuple[list[Segment], int]:
    """The segments of a window of `frames` frames from `seek` on, and how many frames on the next window starts.

    No segment reaches beyond its window: after a recording's end the decoder hears zeros, and may place words there.
    """
    begin = tokenizer.timestamp_begin
    tokens = result.tokens
    offset, end_of_window = seek / FRAMES_PER_SECOND, (seek + frames) / FRAMES_PER_SECOND

    def segment(start: float, end: float, part: tuple[int, ...]) -> Segment:
        return Segment(
            0, seek, min(start, end_of_window), min(end, end_of_window), tokenizer.decode(part), part, result.temperature,
            result.avg_logprob, result.compression_ratio, result.no_speech_prob,
        )  # fmt: skip

    def seconds(token: int) -> float:
        return offset + (token - begin) * SECONDS_PER_TIMESTAMP

    pairs = [i for i in range(1, len(tokens)) if tokens[i] >= begin and tokens[i - 1] >= begin]
    if pairs:
        is_single = ends_in_single_timestamp(tokens, begin)
        segments = []
        last = 0
        for cut in [*pairs, len(tokens)] if is_single else pairs:
            part = tokens[last:cut]
            segments.append(segment(seconds(part[0]), seconds(part[-1]), part))
            last = cut
        # What follows the last pair is cut off in this window: the next starts there.
        return segments, frames if is_single else min(frames, (tokens[last - 1] - begin) * _FRAMES_PER_TIMESTAMP)
    duration = frames / FRAMES_PER_SECOND
    times = [token for token in tokens if token >= begin]
    if times and times[-1] != begin:
        duration = (times[-1] - begin) * SECONDS_PER_TIMESTAMP
    return [segment(offset, offset + duration, tokens)], frames


def ends_in_single_timestamp(tokens: Sequence[int], begin: int) -> bool:
    """No speech after the last time: the window has been heard to its end."""
    return len(tokens) >= 2 and tokens[-2] < begin <= tokens[-1]


def without_nothing(segment: Segment) -> Segment:
    """A segment of no length or no text says nothing, and must not prompt the next window."""
    if segment.start == segment.end or not segment.text.strip():
        return replace(segment, text="", tokens=(), words=())
    return segment


def starting_at(segment: Segment, seconds: float) -> Segment:
    """The segment, and its words, begin no earlier than the cue above them ends."""
    if segment.start >= seconds:
        return segment
    words = tuple(replace(word, start=max(word.start, seconds), end=max(word.end, seconds)) for word in segment.words)
    return replace(segment, start=seconds, end=max(segment.end, seconds), words=words)
