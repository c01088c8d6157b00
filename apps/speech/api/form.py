"""multipart/form-data, read as it lies in the request: the recording goes to a file, the fields stay small."""

import os
import re
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote_to_bytes

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from wherry.guest.encoding import read_from
from wherry.guest.openai import ApiError

MAX_FILE_BYTES = 25 << 20
_MAX_BODY_BYTES = MAX_FILE_BYTES + (1 << 20)  # of a body that a client compressed
_MAX_FIELD_BYTES = 1 << 16
_MAX_PARTS = 64
FIELDS = frozenset(
    {"model", "prompt", "response_format", "temperature", "language", "timestamp_granularities", "stream", "include"}
)
_EXTENDED_NAME = re.compile(r";\s*filename\*\s*=\s*([A-Za-z0-9!#$%&+^_`{}~-]+)'[^']*'([^\s;]*)", re.IGNORECASE)


@dataclass(frozen=True)
class Form:
    """fields: (name, value) in order. file: where the upload lies until the form is closed, `file_name` what it was called."""

    fields: list[tuple[str, str]] = field(default_factory=list)
    file: Path | None = None
    file_name: str = ""
    file_bytes: int = 0

    def values(self, name: str) -> list[str]:
        """The values of a field; `name[]` is the same field."""
        return [value for key, value in self.fields if key in (name, f"{name}[]")]


@contextmanager
def read_form(environ: Mapping[str, Any]) -> Generator[Form]:
    """The request's form, for as long as the block lasts. Raises ApiError."""
    kind, options = parse_options_header(environ.get("CONTENT_TYPE", ""))
    if kind != "multipart/form-data" or not options.get("boundary"):
        raise ApiError(
            415,
            f"Content-Type: found {kind or 'none'}, expected multipart/form-data with a boundary",
            code="unsupported_media_type",
        )
    handle, name = tempfile.mkstemp(prefix="upload-")
    path = Path(name)
    try:
        with os.fdopen(handle, "wb") as upload:
            form = _read(environ, options["boundary"], path, upload)
        yield form
    finally:
        path.unlink(missing_ok=True)


def _read(environ: Mapping[str, Any], boundary: str, path: Path, upload: BinaryIO) -> Form:
    body, size = read_from(environ, _MAX_BODY_BYTES)
    parser = PushMultipartParser(
        boundary,
        content_length=size or -1,
        max_segment_count=_MAX_PARTS,
        header_charset="latin1",  # every byte is a character: clients write names in whatever encoding they have
    )
    fields: list[tuple[str, str]] = []
    file_name: str | None = None
    file_bytes = 0
    name, value, is_file = "", bytearray(), False
    try:
        for event in parser.parse_blocking(body.read):
            if isinstance(event, MultipartSegment):
                name, value, is_file = _decoded(event.name or ""), bytearray(), event.name == "file"
                if not is_file and _is_upload(event):
                    raise _misplaced(name)
                if is_file and file_name is not None:
                    raise ApiError(400, "file: found several, expected one", param="file")
                if is_file:
                    file_name = _file_name(event)
            elif event is None:
                if not is_file:
                    fields.append((name, _text(name, value)))
            elif is_file:
                file_bytes += len(event)
                if file_bytes > MAX_FILE_BYTES:
                    raise ApiError(
                        413, f"Maximum content size limit ({MAX_FILE_BYTES}) exceeded", param="file", code="file_too_large"
                    )
                upload.write(event)
            elif len(value) + len(event) > _MAX_FIELD_BYTES:
                if name.removesuffix("[]") not in FIELDS:
                    raise _misplaced(name)
                raise ApiError(413, f"{name}: found more than {_MAX_FIELD_BYTES} bytes, expected fewer", param=name)
            else:
                value += event
    except MultipartError as error:
        raise ApiError(400, f"Could not parse multipart form: {error}", code="malformed_form") from error
    return Form(fields, path if file_name is not None else None, file_name or "", file_bytes)


def _text(name: str, value: bytes | bytearray) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        if name.removesuffix("[]") not in FIELDS:
            raise _misplaced(name) from error
        raise ApiError(400, f"{name}: found bytes that are no UTF-8, expected text", param=name) from error


def _is_upload(segment: MultipartSegment) -> bool:
    """Whether a part is a file. One of text may be a field all the same: `curl -F prompt=@words.txt` sends it so."""
    has_name = segment.filename is not None or _EXTENDED_NAME.search(segment.header("Content-Disposition", "")) is not None
    return has_name and not (segment.content_type or "").startswith("text/")


def _misplaced(name: str) -> ApiError:
    shown = name[:100]
    return ApiError(400, f'file: found the recording in the field "{shown}", expected it in the field `file`', param="file")


def _file_name(segment: MultipartSegment) -> str:
    """`filename*` (RFC 5987) before `filename`."""
    extended = _EXTENDED_NAME.search(segment.header("Content-Disposition", ""))
    if extended is not None:
        with suppress(LookupError, UnicodeDecodeError):  # in an encoding that nobody has, the plain name stands beside it
            return unquote_to_bytes(extended[2]).decode(extended[1])
    return _decoded(segment.filename or "")


def _decoded(text: str) -> str:
    """What was read byte by byte, as UTF-8 where it is; else as it stands, in Latin-1."""
    try:
        return text.encode("latin-1").decode()
    except UnicodeDecodeError:
        return text
