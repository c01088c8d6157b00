"""The recording's time line: the engine hears sound without its long holes, and tells the times that a player shows."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from wherry.engine.transcript import Segment, TranscribeOptions, Word

_TOLERANCE = 0.2  # seconds by which Whisper's times may lie beyond a hole's edge
_WORD_TOLERANCE = 0.1  # seconds by which a word's end may lie beyond a hole's edge
_TICK = 0.01  # seconds: times are told in whole hundredths


@dataclass(frozen=True)
class Timeline:
    """`holes` are (seconds of sound before it, its own seconds), in order."""

    holes: tuple[tuple[float, float], ...] = ()

    def shown(self, seconds: float) -> float:
        """A moment of the sound -> when a player has it. What begins at a hole is behind it."""
        return seconds + sum(length for at, length in self.holes if seconds >= at)

    def duration(self, seconds: float) -> float:
        return seconds + sum(length for _, length in self.holes)

    def heard(self, seconds: float) -> float:
        """A moment of the player's -> of the sound; within a hole, the hole's."""
        passed = 0.0  # by holes
        for at, length in self.holes:
            if seconds <= at + passed:
                break
            passed += min(length, seconds - passed - at)
        return seconds - passed

    def span(self, start: float, end: float) -> tuple[float, float]:
        """A span of the sound -> of the player's time. One that reaches over an edge by little ends or begins there."""
        middle = (start + end) / 2
        before_start = before_end = 0.0  # seconds of holes
        for at, length in self.holes:
            if end > at + _TOLERANCE or middle >= at:
                before_end += length
            else:
                end = min(end, at)
            if start >= at - _TOLERANCE and middle >= at:
                before_start += length
                start = max(start, at)
        return start + before_start, max(end + before_end, start + before_start)

    def crossed(self, start: float, end: float) -> float | None:
        """The first hole that a span of the sound reaches over by more than Whisper's times may err."""
        return next((at for at, _ in self.holes if start < at - _TOLERANCE and end > at + _TOLERANCE), None)

    def options(self, options: TranscribeOptions) -> TranscribeOptions:
        """Clips are given in a player's time."""
        start = self.heard(options.clip_start)
        seconds = options.clip_seconds
        if seconds is not None:
            seconds = max(_TICK, self.heard(options.clip_start + seconds) - start)
        clips = tuple(self.heard(time) for time in options.clip_timestamps)
        return replace(options, clip_start=start, clip_seconds=seconds, clip_timestamps=clips)

    def segments(self, segments: Iterable[Segment], split: Callable[[Segment, float], list[Segment]]) -> Iterator[Segment]:
        """Segments with the player's times. One that reaches over a hole is `split` there, if that is possible."""
        for segment in segments:
            hole = self.crossed(segment.start, segment.end)
            parts = [segment] if hole is None else split(segment, hole)
            yield self._told(parts[0])
            if len(parts) > 1:
                yield from self.segments(parts[1:], split)

    def _told(self, segment: Segment) -> Segment:
        if not self.holes:
            return segment
        start, end = self.span(segment.start, segment.end)
        words = tuple(self._word(word) for word in segment.words)
        seek = round(self.shown(segment.seek / 100) * 100)
        return replace(segment, start=round(start, 2), end=round(end, 2), words=words, seek=seek)

    def _word(self, word: Word) -> Word:
        """No word reaches over a hole: it is where it ends."""
        start, passed = word.start, 0.0
        for at, length in self.holes:
            if is_before(word.end, at):
                return replace(word, start=round(start + passed, 2), end=round(min(word.end, at) + passed, 2))
            start = max(start, at)
            passed += length
        return replace(word, start=round(start + passed, 2), end=round(word.end + passed, 2))


def is_before(end: float, hole: float) -> bool:
    """Whether a word was said before a hole, by its end: Whisper's words begin too early after a pause, not end too late."""
    return end <= hole + _WORD_TOLERANCE
