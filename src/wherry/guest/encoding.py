"""Bodies of requests that a client compressed (Content-Encoding, RFC 9110, 8.4): read as if it had not."""

import zlib
from collections.abc import Mapping
from typing import Any, Protocol

from wherry.guest.openai import ApiError

_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}  # zlib's numbers for its formats
_CHUNK = 1 << 16


class Readable(Protocol):
    def read(self, size: int = ..., /) -> bytes: ...


def read_from(environ: Mapping[str, Any], max_bytes: int) -> tuple[Readable, int | None]:
    """A request's body, decompressed, and its size where the head has it. max_bytes: of what it decompresses to.

    Raises ApiError for an encoding that is none of gzip and deflate; reading raises it for a body that is damaged or too large.
    """
    encoding = environ.get("HTTP_CONTENT_ENCODING", "").strip().lower()
    if encoding in ("", "identity"):
        return environ["wsgi.input"], int(environ.get("CONTENT_LENGTH") or 0)
    if encoding not in _WINDOWS:
        raise ApiError(
            415, f"Content-Encoding: found {encoding[:100]}, expected gzip, deflate or none", code="unsupported_content_encoding"
        )
    return _Decompressed(environ["wsgi.input"], encoding, max_bytes), None


class _Decompressed:
    """Never more in memory than what is asked for: few bytes may decompress to many."""

    def __init__(self, body: Readable, encoding: str, max_bytes: int) -> None:
        self._body = body
        self._encoding = encoding
        self._left = max_bytes
        self._max_bytes = max_bytes
        self._inflate = zlib.decompressobj(_WINDOWS[encoding])
        self._ahead = b""

    def read(self, size: int = -1, /) -> bytes:
        if size < 0:
            return b"".join(iter(lambda: self._some(_CHUNK), b""))
        return self._some(size) if size else b""

    def _some(self, size: int) -> bytes:
        """At least a byte and at most `size`; none at the end."""
        while True:
            self._ahead = self._ahead or self._body.read(_CHUNK)
            if self._inflate.eof:
                if not self._ahead:
                    return b""
                self._inflate = zlib.decompressobj(_WINDOWS[self._encoding])  # gzip has members, one after another
            ended = not self._ahead
            try:
                data = self._inflate.decompress(self._ahead, size)
            except zlib.error as error:
                raise self._damaged(str(error)) from error
            self._ahead = self._inflate.unconsumed_tail or self._inflate.unused_data
            if data:
                self._left -= len(data)
                if self._left < 0:
                    message = f"Content-Encoding: found more than {self._max_bytes} bytes in the body, expected at most that"
                    raise ApiError(413, message, code="request_too_large")
                return data
            if ended and not self._inflate.eof:
                raise self._damaged("it ends too early")

    def _damaged(self, why: str) -> ApiError:
        return ApiError(400, f"Content-Encoding: found a body that is no {self._encoding}: {why}", code="malformed_body")
