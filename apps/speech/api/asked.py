"""The fields of a request, checked: what is asked for, or which field is wrong."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from api.form import Form
from wherry.guest import speech
from wherry.guest.openai import ApiError, unknown_model

FORMATS = ("json", "text", "srt", "verbose_json", "vtt")
_GRANULARITIES = ("word", "segment")
_DEFAULT_NAMES = ("", "whisper-1")  # what clients of OpenAI's say: here, the model that the image brings
_FIELDS = {"model", "prompt", "response_format", "temperature"}
_TRANSCRIPTION_FIELDS = _FIELDS | {"language", "timestamp_granularities", "stream", "include"}
# Fields of models that are not Whisper, without which the answer is not what was asked for.
_OTHERS_FIELDS = {"known_speaker_names", "known_speaker_references"}
_SHOWN = 80  # characters of a name
_LOG = logging.getLogger("speech")


@dataclass(frozen=True)
class Asked:
    model: speech.Model
    file: Path
    options: speech.Options
    format: str
    words: bool
    segments: bool
    stream: bool
    ignored: Sequence[str]  # names of fields that have no effect


def asked(form: Form, task: str) -> Asked:
    """task: transcribe or translate. Raises ApiError naming the field."""
    ignored = _ignored(form, _TRANSCRIPTION_FIELDS if task == "transcribe" else _FIELDS)
    if form.file is None:
        raise ApiError(400, "file: found none, expected a recording in the form's field `file`", param="file")
    if not form.file_bytes:
        raise ApiError(400, "file: found an empty file, expected a recording", param="file", code="empty_file")
    format = _one_of(form, "response_format", FORMATS) or "json"
    granularities = _granularities(form, format)
    stream = _flag(form, "stream")
    if stream and format in ("srt", "vtt"):
        raise ApiError(400, f"response_format: found {format} of a stream, expected json, text or verbose_json", param="stream")
    _check_include(form)
    model = open_model(_single(form, "model"))
    options = speech.Options(
        task=task,
        language=_language(form, model.languages),
        initial_prompt=_single(form, "prompt") or None,
        temperature=_temperatures(form),
        word_timestamps="word" in granularities,
    )
    if task == "translate" and set(model.languages) == {"en"}:
        raise ApiError(400, f"{model.name} knows English only: expected a multilingual model", param="model")
    return Asked(model, form.file, options, format, "word" in granularities, "segment" in granularities, stream, ignored)


def open_model(name: str) -> speech.Model:
    """By one of `speech.names()`; OpenAI's own name means the default. Raises ApiError."""
    if name not in _DEFAULT_NAMES and name not in speech.names():
        raise unknown_model(name, speech.names())
    return speech.open("default" if name in _DEFAULT_NAMES else name)


def _ignored(form: Form, known: set[str]) -> list[str]:
    """The fields that have no effect, each once; the log names them too."""
    found: list[str] = []
    for name, _ in form.fields:
        if (base := name.removesuffix("[]")) in _OTHERS_FIELDS:
            raise ApiError(400, f"{base}: not a field of Whisper models", param=name, code="unsupported_parameter")
        if base not in known and (shown := name[:_SHOWN]) not in found:
            found.append(shown)
            _log_ignored(shown)
    return found


@lru_cache(maxsize=1000)
def _log_ignored(name: str) -> None:
    """Once for each, as long as this app runs."""
    _LOG.warning("ignored: the form's field %s", name)


def _single(form: Form, name: str) -> str:
    values = form.values(name)
    if len(values) > 1:
        raise ApiError(400, f"{name}: found {len(values)} values, expected one", param=name)
    return values[0] if values else ""


def _one_of(form: Form, name: str, known: Sequence[str]) -> str:
    value = _single(form, name)
    if value and value not in known:
        raise ApiError(400, f"{name}: found '{value}', expected one of {', '.join(known)}", param=name)
    return value


def _granularities(form: Form, format: str) -> set[str]:
    values = form.values("timestamp_granularities")
    for value in values:
        if value not in _GRANULARITIES:
            raise ApiError(
                400,
                f"timestamp_granularities[]: found '{value}', expected one of {', '.join(_GRANULARITIES)}",
                param="timestamp_granularities[]",
            )
    if values and format != "verbose_json":
        raise ApiError(
            400,
            f"timestamp_granularities[]: found it with the format {format}, expected response_format verbose_json",
            param="timestamp_granularities[]",
        )
    return set(values) or {"segment"}


def _flag(form: Form, name: str) -> bool:
    value = _single(form, name).lower()
    if value not in ("", "true", "false", "1", "0"):
        raise ApiError(400, f"{name}: found '{value}', expected true or false", param=name)
    return value in ("true", "1")


def _check_include(form: Form) -> None:
    for value in form.values("include"):
        if value != "logprobs":
            raise ApiError(400, f"include[]: found '{value}', expected logprobs", param="include[]")
        raise ApiError(
            400, "include[]: Whisper models give no logprobs by token", param="include[]", code="unsupported_parameter"
        )


def _temperatures(form: Form) -> tuple[float, ...]:
    """From what is asked for on, in steps: the next is tried where a window's text fails Whisper's thresholds."""
    text = _single(form, "temperature") or "0"
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise ApiError(400, f"temperature: found '{text}', expected a number from 0 to 1", param="temperature")
    return tuple(round(value + step / 5, 6) for step in range(6) if value + step / 5 <= 1.000001)


def _language(form: Form, known: Mapping[str, str]) -> str | None:
    value = _single(form, "language")
    if not value:
        return None
    if value.lower() not in known:
        raise ApiError(
            400,
            f"language: found '{value}', expected the ISO-639-1 code of a language that the model knows: {', '.join(known)}",
            param="language",
            code="invalid_language_format",
        )
    return value.lower()
