"""A transcript as a file: txt, srt, vtt, tsv and json, named and shaped as openai-whisper's command writes them."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict

from wherry.engine.transcript import Transcript


def to_txt(transcript: Transcript) -> str:
    return "".join(f"{segment.text.strip()}\n" for segment in transcript.segments)


def to_srt(transcript: Transcript) -> str:
    cues = (
        f"{i}\n{_clock(start, ',', hours=True)} --> {_clock(end, ',', hours=True)}\n{text}\n\n"
        for i, (start, end, text) in enumerate(_cues(transcript), 1)
    )
    return "".join(cues)


def to_vtt(transcript: Transcript) -> str:
    cues = (f"{_clock(start, '.')} --> {_clock(end, '.')}\n{text}\n\n" for start, end, text in _cues(transcript))
    return "WEBVTT\n\n" + "".join(cues)


def to_tsv(transcript: Transcript) -> str:
    """Whole milliseconds, tab-separated."""
    rows = (
        f"{round(1000 * s.start)}\t{round(1000 * s.end)}\t{s.text.strip().replace(chr(9), ' ')}\n" for s in transcript.segments
    )
    return "start\tend\ttext\n" + "".join(rows)


def to_json(transcript: Transcript) -> str:
    """One object: text, segments, language. Where words were timed, every segment has `words`, if only an empty list."""
    segments = []
    for segment in transcript.segments:
        fields = asdict(segment)
        if not transcript.words:
            del fields["words"]
        segments.append(fields)
    return json.dumps({"text": transcript.text, "segments": segments, "language": transcript.language})


WRITERS: dict[str, Callable[[Transcript], str]] = {
    "txt": to_txt,
    "srt": to_srt,
    "vtt": to_vtt,
    "tsv": to_tsv,
    "json": to_json,
}


def _cues(transcript: Transcript) -> Iterator[tuple[float, float, str]]:
    """(start, end, text) of each subtitle: a segment, or where words were timed, from its first word to its last."""
    for segment in transcript.segments:
        start, end, text = segment.start, segment.end, segment.text
        if transcript.words:
            if not segment.words:
                continue
            start, end, text = segment.words[0].start, segment.words[-1].end, "".join(word.word for word in segment.words)
        yield start, end, text.strip().replace("-->", "->")  # an arrow would end the cue


def _clock(seconds: float, point: str, *, hours: bool = False) -> str:
    milliseconds = round(seconds * 1000)
    h, rest = divmod(milliseconds, 3_600_000)
    m, rest = divmod(rest, 60_000)
    s, ms = divmod(rest, 1000)
    return (f"{h:02d}:" if hours or h else "") + f"{m:02d}:{s:02d}{point}{ms:03d}"
