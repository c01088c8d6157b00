"""Which audio track of a file is heard: FFmpeg's choice, or the one that was named."""

import logging
from typing import Any

from wherry.errors import FormatError, InputError

_LOG = logging.getLogger(__name__)
_DEFAULT = 0x1  # AV_DISPOSITION_DEFAULT


def choose_track(container: Any, label: str, track: int | None) -> Any:
    """An open container, a number from 1 or None -> the audio stream.

    The rule is that of ffmpeg's command, and so openai-whisper's: a track with sound before one without, the default one
    before others, then the one with more channels. Tracks without a decoder are passed over. Raises FormatError, InputError.
    """
    tracks = container.streams.audio
    if not tracks:
        raise FormatError(f"{label}: found no audio stream, expected one")
    if track is not None:
        if not 1 <= track <= len(tracks):
            raise InputError(f"track: found {track}, expected 1 to {len(tracks)}: {label} has so many audio tracks")
        if not _decodable(tracks[track - 1]):
            raise FormatError(f"{label}: found track {track} in a codec that FFmpeg cannot decode, expected another track")
        return tracks[track - 1]
    candidates = [stream for stream in tracks if _decodable(stream)]
    if not candidates:
        raise FormatError(f"{label}: found no audio stream in a codec that FFmpeg can decode, expected one")
    chosen = max(candidates, key=_score)  # the first of equals
    if len(tracks) > 1:
        others = "; ".join(_described(n, stream) for n, stream in enumerate(tracks, 1) if stream is not chosen)
        number = tracks.index(chosen) + 1
        _LOG.warning(
            "%s: found %d audio tracks: %s is transcribed, not %s (--track N chooses)",
            label, len(tracks), _described(number, chosen), others,
        )  # fmt: skip
    return chosen


def _score(stream: Any) -> tuple[bool, bool, int]:
    return len(stream.index_entries) > 0, bool(int(stream.disposition) & _DEFAULT), _channels(stream)


def _decodable(stream: Any) -> bool:
    return stream.codec_context is not None


def _channels(stream: Any) -> int:
    return int(stream.codec_context.channels) if _decodable(stream) else 0


def _described(number: int, stream: Any) -> str:
    facts = ["unknown codec"] if not _decodable(stream) else [stream.codec_context.name, stream.codec_context.layout.name]
    facts += [_printable(stream.metadata.get(key, "")) for key in ("language", "title")]
    return f"track {number} ({', '.join(fact for fact in facts if fact not in ('', 'und'))})"


def _printable(text: str) -> str:
    """What a file calls itself goes to a terminal: no control characters, and not much of it."""
    return "".join(c if c.isprintable() else " " for c in text[:40]).strip()
