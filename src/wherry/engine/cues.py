"""A transcript as cues: times and lines of text, laid out as openai-whisper's options lay them out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from wherry.engine.transcript import Segment, Transcript, Word

Cue = tuple[float, float, str]  # seconds, seconds, text
_UNBOUNDED = 1000  # openai-whisper's width and number of words where none is given
_LONG_PAUSE = 3.0  # seconds that end a cue where cues need not end with their segments


@dataclass(frozen=True)
class Layout:
    """How subtitles are laid out; all of it needs the times of words.

    max_line_width       characters in a line
    max_line_count       lines in a cue; with max_line_width, cues run on over the ends of segments
    max_words_per_line   words in a cue
    highlight_words      a cue for each word, which is underlined in it
    """

    max_line_width: int | None = None
    max_line_count: int | None = None
    max_words_per_line: int | None = None
    highlight_words: bool = False


def cues(transcript: Transcript, layout: Layout) -> Iterator[Cue]:
    """A segment each; or where words were timed, as the layout has it."""
    for start, end, text in _cues(transcript, layout):
        yield start, end, text.replace("-->", "->")  # an arrow would end the cue


def _cues(transcript: Transcript, layout: Layout) -> Iterator[Cue]:
    if not transcript.words:
        for segment in transcript.segments:
            yield segment.start, segment.end, segment.text.strip()
        return
    for words in _in_lines(transcript.segments, layout):
        if layout.highlight_words:
            yield from _highlighted(words)
        else:
            yield words[0].start, words[-1].end, "".join(word.word for word in words)


def _in_lines(segments: Sequence[Segment], layout: Layout) -> Iterator[list[Word]]:
    """The words of each cue, with the line breaks between them."""
    by_segment = layout.max_line_count is None or layout.max_line_width is None
    width = layout.max_line_width or _UNBOUNDED
    words_at_once = layout.max_words_per_line or _UNBOUNDED
    cue: list[Word] = []
    used, lines = 0, 1  # characters of the line, lines of the cue
    before: float | None = None
    for segment in segments:
        for number, word in enumerate(segment.words):
            begins = bool(cue) and by_segment and number % words_at_once == 0
            pause = before is not None and not by_segment and word.start - before > _LONG_PAUSE
            before = word.start
            if used and used + len(word.word) <= width and not pause and not begins:
                used += len(word.word)
                cue.append(word)
                continue
            text = word.word.strip()
            used_before, used = used, len(text)
            if begins or (cue and layout.max_line_count is not None and (pause or lines >= layout.max_line_count)):
                yield cue
                cue, lines = [], 1
            elif used_before:
                lines += 1
                text = "\n" + text
            cue.append(replace(word, word=text))
    if cue:
        yield cue


def _highlighted(words: list[Word]) -> Iterator[Cue]:
    """The whole text for as long as each word lasts, and between words."""
    text = "".join(word.word for word in words)
    before = _milliseconds(words[0].start)
    for index, word in enumerate(words):
        start, end = _milliseconds(word.start), _milliseconds(word.end)
        if before != start:
            yield before / 1000, start / 1000, text
        parts = [each.word if other != index else _underlined(each.word) for other, each in enumerate(words)]
        yield start / 1000, end / 1000, "".join(parts)
        before = end


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _underlined(word: str) -> str:
    bare = word.lstrip()
    return f"{word[: len(word) - len(bare)]}<u>{bare}</u>"
