"""One blob from the store into a registry: not at all where it is, mounted where a neighbour has it, else in chunks that go on.

(OCI distribution specification, "Pushing blobs".) Small blobs go in one piece; so do large ones where a registry takes no chunks.
"""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from enum import Enum, auto

import httpx2

from wherry.errors import DownloadError, NotFoundError
from wherry.oci.connection import Answer, Attempts, Content, RetryableError
from wherry.oci.digest import CHUNK
from wherry.oci.image import Descriptor
from wherry.oci.progress import Progress, Step
from wherry.oci.registry import Registry
from wherry.oci.store import Store

_PIECE = 1 << 16  # bytes read and sent at once
_WHOLE = 16 << 20  # bytes; what is larger goes in chunks of this size
_SMALLEST_CHUNK = 1 << 18
_LARGEST_CHUNK = 1 << 30  # bytes that a registry may ask for
_MAX_MOUNTS = 2  # neighbours asked for one blob
_REFUSALS = 2  # of the whole blob by its digest are enough
_OK, _BAD, _TOO_LARGE, _OUT_OF_STEP = 201, 400, 413, 416
_STARTED = frozenset({201, 202})
_NO_CHUNKS = frozenset({400, 405, 411, 501})


async def upload(registry: Registry, store: Store, blob: Descriptor, neighbours: Sequence[str], progress: Progress) -> int:
    """Bring a blob to the registry -> the bytes that went over the line. `neighbours`: its repositories that may have it.

    Raises FormatError where the store's own blob is damaged, DownloadError.
    """
    if await registry.has_blob(blob.digest):
        progress(Step(blob, "there", blob.size))
        return 0
    return await _Upload(registry, store, blob, progress).run(neighbours[:_MAX_MOUNTS])


class _Sent(Enum):
    """How one session ended."""

    DONE = auto()
    OTHERWISE = auto()  # to be sent in another way, in a new session


class _Upload:
    def __init__(self, registry: Registry, store: Store, blob: Descriptor, progress: Progress) -> None:
        self._registry = registry
        self._connection = registry.connection
        self._store = store
        self._blob = blob
        self._progress = progress
        self._place = f"{registry.name}: blob {blob.digest}"
        self._uploads = registry.connection.address(f"{registry.repository}/blobs/uploads/")
        self._attempts = Attempts(registry.connection.patience)
        self._begun: Answer | None = None  # a session that a refused mount has opened
        self._chunk = _WHOLE  # bytes of one request
        self._chunks_refused = False
        self._refusals = 0
        self._farthest = 0  # bytes that the registry had at its best
        self._sent = 0  # bytes that went over the line

    async def run(self, neighbours: Sequence[str]) -> int:
        for neighbour in neighbours:
            url = self._uploads.copy_merge_params({"mount": str(self._blob.digest), "from": neighbour})
            answer = await self._connection.ask("POST", url, self._registry.scopes, _STARTED)
            if answer.status == _OK:
                self._progress(Step(self._blob, "mounted", self._blob.size))
                return 0
            self._begun = answer
        while True:
            try:
                if await self._session() is _Sent.DONE:
                    break
            except (RetryableError, NotFoundError) as error:  # not found: the registry forgot the session, or ended it
                if await self._registry.has_blob(self._blob.digest):
                    break  # only its answer was lost
                again = error if isinstance(error, RetryableError) else RetryableError(error.message, hint=error.hint)
                await self._attempts.wait(again)
        self._progress(Step(self._blob, "done", self._blob.size))
        return self._sent

    async def _session(self) -> _Sent:
        answer = self._begun or await self._connection.ask_once("POST", self._uploads, self._registry.scopes, _STARTED)
        self._begun = None
        least = answer.headers.get("OCI-Chunk-Min-Length", "")
        if re.fullmatch(r"[0-9]{1,10}", least):
            self._chunk = max(self._chunk, min(int(least), _LARGEST_CHUNK))
        location = self._next(answer)
        if self._blob.size <= self._chunk or self._chunks_refused:
            return await self._finish(location, 0)
        return await self._in_chunks(location)

    async def _in_chunks(self, location: httpx2.URL) -> _Sent:
        offset: int | None = 0  # what the registry has; None: we do not know
        while offset is None or offset < self._blob.size:
            try:
                if offset is None:
                    accept = frozenset({202, 204})
                    answer = await self._connection.ask_once("GET", location, self._registry.scopes, accept)
                    offset = self._reached(answer, default=0)
                else:
                    length = min(self._chunk, self._blob.size - offset)
                    answer = await self._patch(location, offset, length)
                    if answer.status == _TOO_LARGE:
                        return self._smaller(answer, length)
                    if answer.status in _NO_CHUNKS and offset == 0:
                        self._chunks_refused = True
                        return _Sent.OTHERWISE
                    if answer.status != 202:
                        raise RetryableError(self._connection.unexpected(answer, "PATCH").message)
                    offset = self._reached(answer, default=offset + length)
            except RetryableError as error:
                await self._attempts.wait(error)
                offset = None
                continue
            if offset > self._farthest:
                self._farthest = offset
                self._attempts.progress()
            location = self._next(answer)
        return await self._finish(location, offset)

    async def _patch(self, location: httpx2.URL, offset: int, length: int) -> Answer:
        headers = {"Content-Range": f"{offset}-{offset + length - 1}"}
        accept = frozenset({202, _TOO_LARGE, _OUT_OF_STEP}) | _NO_CHUNKS
        return await self._send("PATCH", location, offset, length, headers, accept)

    async def _finish(self, location: httpx2.URL, offset: int) -> _Sent:
        """The last request, with what is not sent yet."""
        url = location.copy_merge_params({"digest": str(self._blob.digest)})
        length = self._blob.size - offset
        answer = await self._send("PUT", url, offset, length, {}, frozenset({_OK, 204, _BAD, _TOO_LARGE}))
        if answer.status == _TOO_LARGE:
            return self._smaller(answer, length)
        if answer.status == _BAD:
            self._check_own()
            self._refusals += 1
            if self._refusals >= _REFUSALS:
                raise self._connection.unexpected(answer, "PUT")
            return _Sent.OTHERWISE  # a byte may have been flipped on its way
        return _Sent.DONE

    async def _send(
        self, method: str, url: httpx2.URL, offset: int, length: int, headers: Mapping[str, str], accept: frozenset[int]
    ) -> Answer:
        """`length` bytes of the blob from `offset` on. One attempt."""
        said = {"Content-Type": "application/octet-stream", "Content-Length": str(length), **headers}
        content = self._content(offset, length) if length else b""
        return await self._connection.ask_once(method, url, self._registry.scopes, accept, headers=said, content=content)

    def _content(self, offset: int, length: int) -> Content:
        async def pieces() -> AsyncIterator[bytes]:
            with self._store.path(self._blob.digest).open("rb") as file:
                file.seek(offset)
                left = length
                while left and (piece := file.read(min(_PIECE, left))):
                    yield piece
                    left -= len(piece)
                    self._sent += len(piece)
                    self._progress(Step(self._blob, "moving", offset + length - left))

        return pieces

    def _next(self, answer: Answer) -> httpx2.URL:
        location = answer.headers.get("Location", "")
        if not location:
            raise DownloadError(f"{self._place}: Location: found nothing, expected where to send it")
        return self._connection.target(answer.url, location)

    def _reached(self, answer: Answer, *, default: int) -> int:
        """How many bytes the registry has: `Range: 0-99` says a hundred, and 0-0 none."""
        text = answer.headers.get("Range", "")
        if not text:
            return default
        said = re.fullmatch(r"(?:bytes=)?0-([0-9]{1,19})", text)
        if said is None or int(said[1]) >= self._blob.size:
            raise RetryableError(f'{self._place}: Range: found "{text[:100]}", expected 0-N below {self._blob.size}')
        return int(said[1]) + 1 if int(said[1]) else 0

    def _smaller(self, answer: Answer, length: int) -> _Sent:
        """A proxy before the registry takes no such request; chunks of a quarter may pass."""
        self._chunk = length // 4
        if self._chunks_refused or self._chunk < _SMALLEST_CHUNK:
            hint = "a proxy before the registry limits requests: raise it there (nginx: client_max_body_size)"
            raise DownloadError(self._connection.unexpected(answer, "PUT").message, hint=hint)
        return _Sent.OTHERWISE

    def _check_own(self) -> None:
        """Raises FormatError where it is our blob that is wrong."""
        with self._store.open(self._blob.digest) as stream:
            while stream.read(CHUNK):
                pass
