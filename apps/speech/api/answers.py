"""A transcript in each of the API's formats, whole or as server-sent events."""

import json
import logging
from collections.abc import Generator, Iterator
from dataclasses import asdict, replace
from typing import Any

from api.asked import Asked
from api.errors import of_host
from wherry.errors import WherryError
from wherry.guest import speech
from wherry.guest.openai import event
from wherry.guest.subtitles import to_srt, to_vtt

_LOG = logging.getLogger("speech")


def whole(asked: Asked, stream: speech.TranscriptStream) -> tuple[str, str]:
    """The content type and the text of the answer."""
    segments = tuple(_spoken(stream.segments))
    transcript = speech.Transcript("".join(s.text for s in segments).strip(), segments, stream.language, stream.duration)
    match asked.format:
        case "text":
            return "text/plain; charset=utf-8", transcript.text + "\n"
        case "srt":
            return "application/x-subrip; charset=utf-8", to_srt(transcript)
        case "vtt":
            return "text/vtt; charset=utf-8", to_vtt(transcript)
        case "verbose_json":
            return "application/json", json.dumps(_verbose(asked, transcript))
        case _:
            return "application/json", json.dumps({"text": transcript.text, "usage": _usage(stream.duration)})


def events(asked: Asked, stream: speech.TranscriptStream) -> Generator[bytes]:
    """The answer segment by segment. With verbose_json every segment comes in full besides its text; its id is text there."""
    text = ""
    full = asked.format == "verbose_json"
    try:
        for segment in _spoken(stream.segments):
            delta = segment.text if text else segment.text.lstrip()
            text += delta
            name = {"segment_id": str(segment.id)} if full else {}
            yield event({"type": "transcript.text.delta", "delta": delta} | name)
            if full:
                fields = _segment(segment) | {"id": str(segment.id)}
                words = {"words": [_word(word) for word in segment.words]} if asked.words else {}
                yield event({"type": "transcript.text.segment"} | fields | words)
        about = _about(asked, stream.language, stream.duration) if full else {}
        yield event({"type": "transcript.text.done", "text": text} | about)
    except WherryError as error:  # too late for a status: the clients raise what this event says
        _LOG.warning("broken off: %s", error.message)
        yield event(of_host(error).fields(), "error")
    finally:
        stream.segments.close()


def _spoken(segments: Iterator[speech.Segment]) -> Iterator[speech.Segment]:
    """Those that say something, numbered anew: Whisper also reports windows in which nothing was said."""
    number = 0
    for segment in segments:
        if segment.text.strip():
            yield replace(segment, id=number)
            number += 1


def _verbose(asked: Asked, transcript: speech.Transcript) -> dict[str, Any]:
    found: dict[str, Any] = {"task": asked.options.task, "text": transcript.text}
    found |= _about(asked, transcript.language, transcript.duration)
    if asked.segments:
        found["segments"] = [_segment(segment) for segment in transcript.segments]
    if asked.words:
        found["words"] = [_word(word) for segment in transcript.segments for word in segment.words]
    return found | {"usage": _usage(transcript.duration)}


def _about(asked: Asked, language: str, seconds: float) -> dict[str, Any]:
    """The language is that of the text, by its English name."""
    written = "en" if asked.options.task == "translate" else language
    return {"language": asked.model.languages.get(written, written), "duration": round(seconds, 3)}


def _segment(segment: speech.Segment) -> dict[str, Any]:
    fields = asdict(segment)
    del fields["words"]
    return fields


def _word(word: speech.Word) -> dict[str, Any]:
    return {"word": word.word.strip(), "start": word.start, "end": word.end}


def _usage(seconds: float) -> dict[str, Any]:
    return {"type": "duration", "seconds": round(seconds, 3)}
