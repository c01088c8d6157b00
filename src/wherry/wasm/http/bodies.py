"""A request's body on its way to a file."""

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wherry.wasm.http.upload import too_large, too_slow

_BODY_SECONDS = 300.0  # for a request's body to arrive
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class ClientGoneError(ConnectionError):
    """The client left before its request was whole."""


async def receive_body(receive: Receive, path: Path, limit: int, piece_seconds: float) -> int:
    """-> its size. Raises RefusedError where it has more than `limit` bytes or comes too slowly."""
    size = 0
    ended = time.monotonic() + _BODY_SECONDS
    try:
        with path.open("wb") as file:
            async for data in body_pieces(receive, piece_seconds, ended):
                size += len(data)
                if size > limit:
                    break
                file.write(data)
    except TimeoutError as error:
        raise too_slow(size) from error
    if size > limit:
        raise too_large(limit)
    return size


async def body_pieces(receive: Receive, piece_seconds: float, ended: float) -> AsyncGenerator[bytes]:
    """Raises TimeoutError where the next piece is late, or all are not there when the clock says `ended`."""
    while True:
        async with asyncio.timeout(min(piece_seconds, ended - time.monotonic())):
            message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        yield message.get("body", b"")
        if not message.get("more_body"):
            return


@contextmanager
def body_file(folder: Path) -> Generator[Path]:
    handle, name = tempfile.mkstemp(dir=folder, prefix="body-")
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)
