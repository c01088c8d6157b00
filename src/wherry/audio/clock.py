"""Where a track's sound lies in time: as a player shows it, by the container's own clock and not by counting samples."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

_JUMP = 0.1  # seconds by which a clock may stutter; FFmpeg's own bound for a clock that goes back
_HOLE = 0.03  # seconds: a gap between two frames that becomes silence
_MAX_DRIFT = 0.1  # seconds of slow drift that become silence at once: more than can be stretched in time
_RESTART = 10.0  # seconds: where clocks may restart (MPEG-TS, Ogg), a longer way forward is a restart, as FFmpeg has it
_MAX_SILENCE = 10 * 3600.0  # seconds put into one recording: beyond, its clock is taken for broken
_STRETCH = 0.1  # share of a frame's length by which drift is made up
_SPAN = 0.5  # seconds over which drift is measured: longer than the jitter of one frame
_MIN_DRIFT = 0.01  # seconds: containers round their times to milliseconds


@dataclass(frozen=True)
class Hole:
    """A long stretch without sound: how many samples come before it, other holes left out, and how many it lasts."""

    at: int
    samples: int


@dataclass(frozen=True)
class Placed:
    """A frame, the silence before it, and by how much it is to be stretched (negative: squeezed); in seconds."""

    frame: Any  # av.AudioFrame
    start: float  # on the recording's time line
    silence: float = 0.0
    stretch: float = 0.0


class Clock:
    """Frames in decoding order -> their places.

    zero      what a player shows as 0, in the container's time; None: the first frame
    restarts  whether the container's format lets clocks restart (FFmpeg: AVFMT_TS_DISCONT)

    A hole becomes silence, slow drift is made up by stretching, and a clock that starts again goes on where it was: no
    sound is dropped. One frame with a wrong time between two with right ones changes nothing.
    """

    def __init__(self, zero: float | None, *, restarts: bool = False) -> None:
        self._zero = zero
        self._restarts = restarts
        self._expected: float | None = None  # when the next frame should begin, by the clock
        self._position = 0.0  # where it would begin, if nothing is put between
        self._silence = 0.0  # put in so far
        self._drift = _Drift()
        self.faults = 0  # jumps that were not followed

    def place(self, frames: Iterable[Any]) -> Iterator[Placed]:
        before: Any = None
        for frame in frames:
            if before is not None:
                yield self._placed(before, frame)
            before = frame
        if before is not None:
            yield self._placed(before, None)

    def _placed(self, frame: Any, following: Any) -> Placed:
        seconds = frame.samples / frame.sample_rate
        expected = self._expected
        time = self._time(frame, following, seconds)
        jump = 0.0 if expected is None else time - expected
        self._expected = time + seconds
        drift = time - self._position
        silence = stretch = 0.0
        if (expected is None and drift > 0) or (min(jump, drift) > _HOLE) or drift > _MAX_DRIFT:
            silence = drift
            self._silence += silence
            self._drift = _Drift()
        else:
            stretch = self._drift.stretch(drift, seconds)
        start = self._position + silence
        self._position = start + seconds + stretch
        if self._position - self._expected > 1.0:  # a clock that stands still: it is no clock
            self._move(self._position - self._expected)
            self._expected = self._position
        return Placed(frame, start, silence, stretch)

    def _time(self, frame: Any, following: Any, seconds: float) -> float:
        """When the frame begins on the time line, as far as its clock is to be believed."""
        time = self._shown(frame)
        if self._expected is None:
            if time is None or not 0 <= time <= _MAX_SILENCE:
                self._zero = None if time is None or self._zero is None else self._zero + time
                time = 0.0
            return time
        if time is None:
            return self._expected
        jump = time - self._expected
        if abs(jump) <= _JUMP:
            return time
        later = self._shown(following) if following is not None else None
        line = self._expected if jump < 0 else time  # a single wrong time: the next frame is back where it should be
        if later is not None and (later > line + seconds - _JUMP) == (jump < 0):
            self.faults += 1
            return self._expected
        if jump < 0 or (self._restarts and jump > _RESTART):
            self._move(-jump)
            return self._expected
        if self._silence + jump > _MAX_SILENCE:
            self.faults += 1
            self._move(-jump)
            return self._expected
        return time

    def _shown(self, frame: Any) -> float | None:
        if frame.pts is None or not frame.time_base:
            return None
        time = float(frame.pts * frame.time_base)
        if self._zero is None:
            self._zero = time - (self._expected or 0.0)
        return time - self._zero

    def _move(self, seconds: float) -> None:
        if self._zero is not None:
            self._zero -= seconds


class _Drift:
    """How far the clock runs away from the samples, and what makes it up in small parts.

    Only what all frames of a span agree on is drift: times that jitter around the right ones are none.
    """

    def __init__(self) -> None:
        self._drifts: list[float] = []  # of this span's frames
        self._seconds = 0.0  # of this span
        self._stretched = 0.0  # in this span
        self._due = 0.0  # seconds still to be made up

    def stretch(self, drift: float, seconds: float) -> float:
        """The drift before a frame, the frame's length -> by how much it is to be stretched."""
        self._drifts.append(drift)
        self._seconds += seconds
        if self._seconds >= _SPAN:
            self._due = self._measured()
            self._drifts, self._seconds, self._stretched = [], 0.0, 0.0
        part = max(-_STRETCH * seconds, min(_STRETCH * seconds, self._due))
        self._due -= part
        self._stretched += part
        return part

    def _measured(self) -> float:
        """What this span's frames agree on, and what the next span will add at this span's pace."""
        low, high = min(self._drifts), max(self._drifts)
        sure = low if low > _MIN_DRIFT else high if high < -_MIN_DRIFT else 0.0
        if not sure:
            return 0.0
        return sure + self._drifts[-1] - self._drifts[0] + self._stretched
