"""Improbable words around long silence are left out, and the silence is skipped (openai-whisper, transcribe.py)."""

from collections.abc import Sequence
from dataclasses import dataclass

from wherry.audio.log_mel import FRAMES_PER_SECOND, N_FRAMES
from wherry.engine.transcript import Segment, Word

_MARKS = "\"'“¿([{-\"'.。,，!！?？:：”)]}、"
_WORDS = 8  # of a segment, that are looked at
_NEAR = 2.0  # seconds from a window's edge that count as silence


@dataclass(frozen=True)
class HeardWindow:
    """A window's segments with their words; seconds are those of the recording."""

    segments: list[Segment]
    seek: int  # frames
    frames: int
    advance: int  # frames on which the next window starts
    last_speech: float  # seconds: where speech ended before this window
    is_whole: bool  # nothing is spoken after the last segment


def skip_hallucinations(window: HeardWindow, threshold: float, content_frames: int) -> tuple[list[Segment], int]:
    """The segments that stay, and how many frames on the next window starts. threshold: seconds of silence."""
    offset = window.seek / FRAMES_PER_SECOND
    window_end = (window.seek + N_FRAMES) / FRAMES_PER_SECOND
    advance = window.advance
    ends = [word.end for segment in window.segments for word in segment.words]
    if not window.is_whole and ends and ends[-1] > offset:
        is_silent_after = window_end - ends[-1] > threshold
        advance = round(ends[-1] * FRAMES_PER_SECOND) - window.seek if is_silent_after else window.frames
    first = _first_with_words(window.segments)
    if first is not None and _is_improbable(first) and first.start - offset > threshold:
        return [], round((first.start - offset) * FRAMES_PER_SECOND)
    speech_end = window.last_speech
    for index, segment in enumerate(window.segments):
        if not segment.words:
            continue
        if _is_improbable(segment):
            following = _first_with_words(window.segments[index + 1 :])
            next_start = following.words[0].start if following else offset + window.frames / FRAMES_PER_SECOND
            is_silent_before = (
                segment.start - speech_end > threshold or segment.start < threshold or segment.start - offset < _NEAR
            )
            is_silent_after = (
                next_start - segment.end > threshold
                or (following is not None and _is_improbable(following))
                or window_end - segment.end < _NEAR
            )
            if is_silent_before and is_silent_after:
                seek = round(max(offset + 1, segment.start) * FRAMES_PER_SECOND)
                if content_frames / FRAMES_PER_SECOND - segment.end < threshold:
                    seek = content_frames
                return window.segments[:index], seek - window.seek
        speech_end = segment.end
    return window.segments, advance


def _first_with_words(segments: Sequence[Segment]) -> Segment | None:
    return next((segment for segment in segments if segment.words), None)


def _is_improbable(segment: Segment) -> bool:
    words = [word for word in segment.words if word.word not in _MARKS][:_WORDS]
    score = sum(map(_strangeness, words))
    return score >= 3 or score + 0.01 >= len(words)


def _strangeness(word: Word) -> float:
    """Very improbable, very short, very long."""
    duration = word.end - word.start
    score = 1.0 if word.probability < 0.15 else 0.0
    if duration < 0.133:
        score += (0.133 - duration) * 15
    return score + max(0.0, duration - 2.0)
