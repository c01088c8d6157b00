"""A transcript as a file: txt, srt, vtt, tsv and json, named and shaped as openai-whisper's command writes them."""

import json
from collections.abc import Callable
from dataclasses import asdict

from wherry.engine.transcript import Segment, Transcript


def to_txt(transcript: Transcript) -> str:
    return "".join(f"{segment.text.strip()}\n" for segment in transcript.segments)


def to_srt(transcript: Transcript) -> str:
    cues = (
        f"{i}\n{_clock(s.start, ',', hours=True)} --> {_clock(s.end, ',', hours=True)}\n{_cue(s)}\n"
        for i, s in enumerate(transcript.segments, 1)
    )
    return "".join(cue + "\n" for cue in cues)


def to_vtt(transcript: Transcript) -> str:
    cues = (f"{_clock(s.start, '.')} --> {_clock(s.end, '.')}\n{_cue(s)}\n" for s in transcript.segments)
    return "WEBVTT\n\n" + "".join(cue + "\n" for cue in cues)


def to_tsv(transcript: Transcript) -> str:
    """Whole milliseconds, tab-separated."""
    rows = (
        f"{round(1000 * s.start)}\t{round(1000 * s.end)}\t{s.text.strip().replace(chr(9), ' ')}\n" for s in transcript.segments
    )
    return "start\tend\ttext\n" + "".join(rows)


def to_json(transcript: Transcript) -> str:
    segments = []
    for segment in transcript.segments:
        fields = asdict(segment)
        if not segment.words:
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


def _cue(segment: Segment) -> str:
    return segment.text.strip().replace("-->", "->")  # an arrow would end the cue


def _clock(seconds: float, point: str, *, hours: bool = False) -> str:
    milliseconds = round(seconds * 1000)
    h, rest = divmod(milliseconds, 3_600_000)
    m, rest = divmod(rest, 60_000)
    s, ms = divmod(rest, 1000)
    return (f"{h:02d}:" if hours or h else "") + f"{m:02d}:{s:02d}{point}{ms:03d}"
