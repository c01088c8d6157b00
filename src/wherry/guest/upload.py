"""Bodies of requests as they come, at those of an app's addresses that are named; at all others a body is whole beforehand.

app = upload.streams(app, "/files", "/raw/*", most=10 << 30)

def store(environ):
    for piece in upload.pieces(environ): ...
"""

import io
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from wherry.guest.wsgi import Wrapped

PIECE_BYTES = 1 << 16
_PATH = re.compile(r"/[^*?#\s]{0,1000}\*?")


class Streaming(Wrapped):
    """An app, and the addresses where bodies stream to it: each with the most bytes of one. In all else it is the app."""

    def __init__(self, app: Any, addresses: Iterable[tuple[str, int]]) -> None:
        super().__init__(app)
        self.upload_addresses = tuple(addresses)


def streams(app: Any, *paths: str, most: int = 1 << 30) -> Streaming:
    """`app`, which reads the bodies of requests to `paths` as they come. most: bytes of one; the host refuses what is more.

    paths: as they are in PATH_INFO; a `*` at the end stands for all that begin so. Raises ValueError.
    """
    for path in paths:
        if not _PATH.fullmatch(path):
            raise ValueError(f'upload.streams: found "{path}", expected a path such as /files or /files/*')
    if not 0 < most < 1 << 50:
        raise ValueError(f"upload.streams: most: found {most}, expected 1 to {(1 << 50) - 1} bytes")
    return Streaming(app, (*addresses(app), *((path, most) for path in paths)))


def addresses(app: Any) -> tuple[tuple[str, int], ...]:
    """Where bodies stream to an app, and the most bytes of each."""
    while isinstance(app, Wrapped):
        if isinstance(app, Streaming):
            return app.upload_addresses
        app = app.app
    return ()


class _Coming(io.RawIOBase):
    def __init__(self, read: Callable[[int], bytes]) -> None:
        super().__init__()
        self._read = read
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._rest or self._read(len(buffer))
        count = min(len(buffer), len(data))
        buffer[:count], self._rest = data[:count], data[count:]
        return count


def coming(read: Callable[[int], bytes]) -> io.BufferedReader:
    """A body that comes while it is read: `read` waits for what is next, none at the end."""
    return io.BufferedReader(_Coming(read), PIECE_BYTES)


def pieces(environ: dict[str, Any]) -> Iterator[bytes]:
    """A request's body from where it has been read, at most 64 KiB at a time: where it streams, as it comes.

    A client that leaves, sends too much or stops sending ends the request: the app is not told, and what it was doing ends.
    """
    body = environ["wsgi.input"]
    read = getattr(body, "read1", body.read)
    while piece := read(PIECE_BYTES):
        yield piece
