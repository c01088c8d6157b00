"""A transcript as a file: txt, srt, vtt, tsv and json, named and shaped as openai-whisper's command writes them."""

import json
from dataclasses import asdict
from typing import Protocol

from wherry.engine.cues import Layout, cues
from wherry.engine.transcript import Transcript

PLAIN = Layout()


def to_txt(transcript: Transcript, layout: Layout = PLAIN) -> str:
    return "".join(f"{segment.text.strip()}\n" for segment in transcript.segments)


def to_srt(transcript: Transcript, layout: Layout = PLAIN) -> str:
    blocks = (
        f"{i}\n{_clock(start, ',', hours=True)} --> {_clock(end, ',', hours=True)}\n{text}\n\n"
        for i, (start, end, text) in enumerate(cues(transcript, layout), 1)
    )
    return "".join(blocks)


def to_vtt(transcript: Transcript, layout: Layout = PLAIN) -> str:
    blocks = (f"{_clock(start, '.')} --> {_clock(end, '.')}\n{text}\n\n" for start, end, text in cues(transcript, layout))
    return "WEBVTT\n\n" + "".join(blocks)


def to_tsv(transcript: Transcript, layout: Layout = PLAIN) -> str:
    """Whole milliseconds, tab-separated."""
    rows = (
        f"{round(1000 * s.start)}\t{round(1000 * s.end)}\t{s.text.strip().replace(chr(9), ' ')}\n" for s in transcript.segments
    )
    return "start\tend\ttext\n" + "".join(rows)


def to_json(transcript: Transcript, layout: Layout = PLAIN) -> str:
    """One object: text, segments, language. Where words were timed, every segment has `words`, if only an empty list."""
    segments = []
    for segment in transcript.segments:
        fields = asdict(segment)
        if not transcript.words:
            del fields["words"]
        segments.append(fields)
    return json.dumps({"text": transcript.text, "segments": segments, "language": transcript.language})


class Writer(Protocol):
    def __call__(self, transcript: Transcript, layout: Layout = PLAIN) -> str: ...


WRITERS: dict[str, Writer] = {
    "txt": to_txt,
    "srt": to_srt,
    "vtt": to_vtt,
    "tsv": to_tsv,
    "json": to_json,
}


def _clock(seconds: float, point: str, *, hours: bool = False) -> str:
    milliseconds = round(seconds * 1000)
    h, rest = divmod(milliseconds, 3_600_000)
    m, rest = divmod(rest, 60_000)
    s, ms = divmod(rest, 1000)
    return (f"{h:02d}:" if hours or h else "") + f"{m:02d}:{s:02d}{point}{ms:03d}"
