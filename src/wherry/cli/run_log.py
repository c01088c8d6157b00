"""What `wherry run` writes to stderr besides the guest: all of it text, or all of it JSON, one object per line."""

import json
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Literal

from wherry.errors import InputError, WherryError

LogFormat = Literal["text", "json"]
_VARIABLE = "WHERRY_LOG_FORMAT"


def read_log_format(option: str | None, environ: Mapping[str, str]) -> LogFormat:
    """The option wins over WHERRY_LOG_FORMAT; the default is text. Raises InputError."""
    value = option or environ.get(_VARIABLE) or "text"
    if value not in ("text", "json"):
        raise InputError(f'{_VARIABLE}: found "{value[:80]}", expected text or json')
    return "json" if value == "json" else "text"


def message_writer(name: str, log_format: LogFormat) -> Callable[[str], None]:
    """A function that writes one message about the guest `name`."""

    def write(message: str) -> None:
        print(_json("info", name, message) if log_format == "json" else f"{name}: {message}", file=sys.stderr, flush=True)

    return write


def write_error(name: str, error: WherryError) -> None:
    """The error that ends the run, as JSON; text is the command line's own."""
    fields = {"hint": error.hint} if error.hint else {}
    print(_json("error", name, error.message, fields), file=sys.stderr, flush=True)


def _json(level: str, name: str, message: str, fields: Mapping[str, str] = {}) -> str:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return json.dumps({"time": now, "level": level, "name": name, "message": message, **fields})
