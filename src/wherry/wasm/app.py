"""What a web app imports besides wasi:nn: the answer, models, settings and the log. The contract is wit/app.wit."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wherry.errors import GuestError, InputError, StoppedError, WherryError
from wherry.wasm import app_language
from wherry.wasm.component import Guest, Interface, fallible
from wherry.wasm.http.exchange import Exchange
from wherry.wasm.language import Languages
from wherry.wasm.lines import printable
from wherry.wasm.nn.graph import Graphs
from wherry.wasm.speech import Speech
from wherry.wasm.values import Own

VERSION = "0.1.0"
HANDLE = "handle"
STREAMS = "streams"
PUBLIC_PATHS = "public-paths"
_MODEL, _TRANSCRIPT = 201, 202
_PIECE_BYTES = 1 << 16
_MAX_ADDRESSES = 100  # where bodies stream
_MAX_PATHS = 1000  # of public pages
_PATH = re.compile(r"/[^*?#\s]{0,1000}\*?")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


@dataclass(kw_only=True)
class AppData:
    """What the functions find with their guest. `exchange` is the request that is being handled.

    resolve    a path of the app's -> the host's file. Raises NotFoundError.
    """

    speech: Speech
    languages: Languages
    graphs: Graphs
    settings: Mapping[str, str]
    resolve: Callable[[str], Path]
    say: Callable[[str], None]
    output_bytes: int
    log_bytes: int
    exchange: Exchange | None = None
    written: int = 0
    logged: int = 0

    def begin(self, exchange: Exchange) -> None:
        self.exchange, self.written, self.logged = exchange, 0, 0

    def check(self) -> None:
        """Raises StoppedError where the client has left."""
        if self.exchange is not None and self.exchange.gone:
            raise StoppedError("the client has gone")

    def wake(self) -> None:
        """The guest is to stop: it waits for nothing more."""
        if (exchange := self.exchange) is not None and exchange.request.upload is not None:
            exchange.request.upload.wake()

    @property
    def answering(self) -> Exchange:
        if self.exchange is None:
            raise GuestError("the app answered while no request was handled")
        return self.exchange


def interfaces() -> dict[str, Interface]:
    response = Interface({"start": _start, "write": _write})
    body = Interface({"read": _read})
    speech = Interface(
        {
            "names": lambda guest: list(guest.data.speech.names()),
            "open": _fallible(_open),
            "[method]model.name": lambda guest, model: guest.table[model].name,
            "[method]model.device": lambda guest, model: guest.table[model].device,
            "[method]model.languages": lambda guest, model: list(guest.table[model].languages.items()),
            "[method]model.transcribe": _fallible(_transcribe),
            "[method]model.detect-language": _fallible(_detect_language),
            "[method]transcript.language": lambda guest, transcript: guest.table[transcript].language,
            "[method]transcript.duration": lambda guest, transcript: guest.table[transcript].duration,
            "[method]transcript.next": _fallible(_next),
        },
        {"model": _MODEL, "transcript": _TRANSCRIPT},
    )
    settings = Interface({"all": lambda guest: list(guest.data.settings.items())})
    log = Interface({"write": _log})
    found = {"response": response, "body": body, "speech": speech, "settings": settings, "log": log, "errors": Interface({})}
    found |= app_language.interfaces(_fallible)
    return {f"wherry:app/{name}@{VERSION}": interface for name, interface in found.items()}


def _fallible(function: Callable[..., Any]) -> Callable[..., Any]:
    return fallible(function, lambda guest, error: (kind_of(error), error.message, error.hint))


def kind_of(error: WherryError) -> str:
    """TooLargeError -> too-large."""
    words = re.findall("[A-Z][a-z]+", type(error).__name__)[:-1]
    return "other" if words == ["Wherry"] else "-".join(words).lower()


def _start(guest: Guest, status: int, headers: list[tuple[str, str]]) -> None:
    for name, value in headers:
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise GuestError(f"the app's answer: found the header {name[:100]!r}: {value[:100]!r}, which HTTP does not have")
    try:
        guest.data.answering.start(status, headers)
    except (ValueError, RuntimeError) as error:
        raise GuestError(f"the app's answer: {error}") from error


def _write(guest: Guest, chunk: str) -> bool:
    data: AppData = guest.data
    try:
        raw = chunk.encode("latin-1")
    except UnicodeEncodeError as error:
        raise GuestError("the app's answer: found a character that is no byte") from error
    data.written += len(raw)
    if data.written > data.output_bytes:
        raise GuestError(f"the app's answer: found more than {data.output_bytes} bytes, expected at most that")
    try:
        return data.answering.write(raw)
    except RuntimeError as error:
        raise GuestError(f"the app's answer: {error}") from error


def _read(guest: Guest) -> str | None:
    upload = guest.data.answering.request.upload
    if upload is None:
        raise GuestError("the app read a body as it comes, which is a file")
    return upload.read(_PIECE_BYTES, guest.check_stopped).decode("latin-1") or None


def checked_addresses(found: list[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    """What an app says of where bodies stream. Raises GuestError."""
    if len(found) > _MAX_ADDRESSES:
        raise GuestError(f"streams: found {len(found)} addresses, expected at most {_MAX_ADDRESSES}")
    for path, most in found:
        if not _PATH.fullmatch(path) or not 0 < most < 1 << 50:
            raise GuestError(f"streams: found {path[:100]!r} with {most} bytes, expected a path and a number below 2^50")
    return tuple(found)


def checked_paths(found: list[str]) -> frozenset[str]:
    """What an app says of its public pages. Raises GuestError."""
    if len(found) > _MAX_PATHS:
        raise GuestError(f"public-paths: found {len(found)} paths, expected at most {_MAX_PATHS}")
    for path in found:
        if not _PATH.fullmatch(path) or path.endswith("*"):
            raise GuestError(f"public-paths: found {path[:100]!r}, expected a path such as /page.css")
    return frozenset(found)


def _open(guest: Guest, name: str) -> Own:
    return guest.table.add(_MODEL, guest.data.speech.open(name))


@dataclass
class _Transcript:
    language: str
    duration: float
    segments: Any

    def close(self) -> None:
        self.segments.close()


def _transcribe(guest: Guest, model: int, file: str, options: tuple[Any, ...]) -> Own:
    path = guest.data.resolve(file)
    found = _named(file, path, lambda: guest.table[model].stream(path, options, guest.check))
    return guest.table.add(_TRANSCRIPT, _Transcript(found.language, found.duration, found.segments))


def _detect_language(guest: Guest, model: int, file: str) -> list[tuple[str, float]]:
    path = guest.data.resolve(file)
    return list(_named(file, path, lambda: guest.table[model].detect_language(path, guest.check)).items())


def _named(file: str, path: Path, call: Callable[[], Any]) -> Any:
    """Errors name the file as the app does: where it lies on the host is no business of its."""
    try:
        return call()
    except WherryError as error:
        if str(path) in error.message:
            raise type(error)(error.message.replace(str(path), file), hint=error.hint.replace(str(path), file)) from error
        raise
    except (TypeError, ValueError) as error:
        raise InputError(f"options: found a value that cannot be ({error})") from error


def _next(guest: Guest, transcript: int) -> Any:
    return next(guest.table[transcript].segments, None)


def _log(guest: Guest, level: str, context: str, message: str) -> None:
    """At most so much of each request; what a terminal would obey is shown as what it is not."""
    data: AppData = guest.data
    if data.logged > data.log_bytes:
        return
    data.logged += len(message) + len(context) + 1
    if data.logged > data.log_bytes:
        data.say(f"found more than {data.log_bytes} bytes of log in one request: the rest is dropped")
        return
    for line in message.splitlines() or [""]:
        data.say(printable(f"{level}: {context[:256]}: {line}"))
