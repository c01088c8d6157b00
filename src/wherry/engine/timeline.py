"""The recording's time line: the engine hears sound without its long holes, and tells the times that a player shows."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate

from wherry.engine.transcript import Segment, TranscribeOptions, Word

_TOLERANCE = 0.2  # seconds by which Whisper's times may lie beyond a hole's edge
_WORD_TOLERANCE = 0.1  # seconds by which a word's end may lie beyond a hole's edge
_TICK = 0.01  # seconds: times are told in whole hundredths


@dataclass(frozen=True)
class Timeline:
    """`holes` are (seconds of sound before it, its own seconds), in order."""

    holes: tuple[tuple[float, float], ...] = ()

    @cached_property
    def _starts(self) -> list[float]:
        return [at for at, _ in self.holes]

    @cached_property
    def _passed(self) -> list[float]:
        """The seconds of the first 0, 1, 2, … holes."""
        return list(accumulate((length for _, length in self.holes), initial=0.0))

    @cached_property
    def _shown_starts(self) -> list[float]:
        return [at + passed for at, passed in zip(self._starts, self._passed, strict=False)]

    def shown(self, seconds: float) -> float:
        """A moment of the sound -> when a player has it. What begins at a hole is behind it."""
        return seconds + self._passed[bisect_right(self._starts, seconds)]

    def duration(self, seconds: float) -> float:
        return seconds + self._passed[-1]

    def heard(self, seconds: float) -> float:
        """A moment of the player's -> of the sound; within a hole, the hole's."""
        count = bisect_left(self._shown_starts, seconds)  # holes that begin before it
        if count == 0:
            return seconds
        return max(self._starts[count - 1], seconds - self._passed[count])

    def span(self, start: float, end: float) -> tuple[float, float]:
        """A span of the sound -> of the player's time. One that reaches over an edge by little ends or begins there."""
        middle = (start + end) / 2
        before_end = max(bisect_left(self._starts, end - _TOLERANCE), bisect_right(self._starts, middle))
        before_start = bisect_right(self._starts, min(start + _TOLERANCE, middle))
        return self._moved(start, before_start, end, before_end)

    def _moved(self, start: float, before_start: int, end: float, before_end: int) -> tuple[float, float]:
        """The ends of a span, each behind so many holes."""
        if before_start:
            start = max(start, self._starts[before_start - 1])
        if before_end < len(self._starts):
            end = min(end, self._starts[before_end])
        start += self._passed[before_start]
        return start, max(start, end + self._passed[before_end])

    def crossed(self, start: float, end: float) -> float | None:
        """The first hole that a span of the sound reaches over by more than Whisper's times may err."""
        first = bisect_right(self._starts, start + _TOLERANCE)
        is_crossed = first < len(self._starts) and self._starts[first] < end - _TOLERANCE
        return self._starts[first] if is_crossed else None

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
        before = bisect_left(self._starts, word.end - _WORD_TOLERANCE)
        start, end = self._moved(word.start, before, word.end, before)
        return replace(word, start=round(start, 2), end=round(end, 2))


def is_before(end: float, hole: float) -> bool:
    """Whether a word was said before a hole, by its end: Whisper's words begin too early after a pause, not end too late."""
    return end <= hole + _WORD_TOLERANCE
