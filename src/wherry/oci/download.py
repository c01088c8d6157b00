"""One blob from a registry into the store: it goes on where it stopped, and only right bytes arrive there."""

import asyncio
import errno
import os
import re
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager

import httpx2

from wherry.errors import DownloadError, FormatError, NotFoundError
from wherry.oci.connection import Attempts, RetryableError
from wherry.oci.image import Descriptor
from wherry.oci.progress import Progress, Step
from wherry.oci.registry import Registry
from wherry.oci.store import PartialBlob, Store

_WORTH = 1 << 20  # bytes; so many more, and a later failure counts as a first one
_WRONG_BYTES = 2  # downloads of the same wrong bytes are enough
_ROOM = "`wherry prune` removes what no image needs; XDG_CACHE_HOME moves the store; then run the same command again"
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


def check_space(store: Store, blobs: Iterable[Descriptor]) -> None:
    """Raises DownloadError where the disk cannot take what is missing: now, and not after an hour."""
    missing = {blob.digest: max(0, blob.size - store.partial_size(blob.digest)) for blob in blobs if not store.has(blob.digest)}
    needed, free = sum(missing.values()), shutil.disk_usage(store.root).free
    if needed > free:
        raise DownloadError(f"{store.root}: the disk is too full: found {free} bytes free, expected {needed}", hint=_ROOM)


@contextmanager
def full_disk_explained(store: Store) -> Iterator[None]:
    """Raises DownloadError where the disk fills while something is brought into the store."""
    try:
        yield
    except OSError as error:
        if error.errno not in _DISK_FULL:
            raise
        message = f"{error.filename or store.root}: {os.strerror(error.errno)}; what has come is kept"
        raise DownloadError(message, hint=_ROOM) from error


async def download(registry: Registry, store: Store, blob: Descriptor, progress: Progress) -> int:
    """Bring a blob into the store -> the bytes that came over the line.

    Waits where another process fetches the same blob. Raises NotFoundError, FormatError (a damaged blob), DownloadError.
    """
    if _is_whole(store, blob):
        progress(Step(blob, "there", blob.size))
        return 0
    progress(Step(blob, "waiting", 0))
    async with _partial(store, blob) as part:
        if part.complete:
            progress(Step(blob, "there", blob.size))
            return 0
        return await _Download(registry, blob, part, progress).run()


class _Download:
    def __init__(self, registry: Registry, blob: Descriptor, part: PartialBlob, progress: Progress) -> None:
        self._registry = registry
        self._blob = blob
        self._part = part
        self._progress = progress
        self._place = f"{registry.name}: blob {blob.digest}"
        self._received = 0  # bytes

    async def run(self) -> int:
        attempts = Attempts(self._registry.connection.patience)
        farthest, wrong, inherited = self._part.size, 0, self._part.size > 0
        while True:
            try:
                if self._part.size < self._blob.size:
                    await self._go_on()
                await _undisturbed(self._part.commit)
                self._progress(Step(self._blob, "done", self._blob.size))
                return self._received
            except RetryableError as error:
                if self._part.size >= farthest + _WORTH:
                    attempts.progress()
                farthest = max(farthest, self._part.size)
                await attempts.wait(error)
            except NotFoundError as error:
                hint = "the registry has the image's manifest and not its blob: push the image there again"
                raise NotFoundError(error.message, hint=hint) from error
            except FormatError as error:
                wrong += not inherited  # what an earlier run left may be to blame: that does not count
                inherited = False
                if wrong >= _WRONG_BYTES:
                    hint = "the registry's copy is damaged: push the image there again, or pull it from elsewhere"
                    raise FormatError(f"{self._registry.name}: {error.message}; fetched {wrong} times", hint=hint) from error

    async def _go_on(self) -> None:
        """One attempt at the rest of the blob."""
        part, expected = self._part, self._blob.size
        async with self._registry.blob(self._blob, part.size) as response:
            if not self._continues(response):
                part.restart()
            if response.status_code == 416:
                raise RetryableError(f"{self._place}: found no bytes from {part.size} on, expected {expected}")
            length = response.headers.get("Content-Length", "")
            if length.isdecimal() and int(length) != expected - part.size:
                part.restart()
                raise FormatError(f"blob {self._blob.digest}: found {length} bytes, expected {expected - part.size}")
            async for piece in self._registry.connection.pieces(response):
                part.write(piece)
                self._received += len(piece)
                self._progress(Step(self._blob, "moving", part.size))
        if part.size < expected:
            raise RetryableError(
                f"{self._place}: found {part.size} bytes, expected {expected}",
                hint="the registry's copy is cut short: push the image there again, or pull it from elsewhere",
            )

    def _continues(self, response: httpx2.Response) -> bool:
        """Whether the answer goes on where we are. Registries without ranges send all of it; some send other ranges."""
        if response.status_code != 206:
            return self._part.size == 0 and response.status_code == 200
        said = re.fullmatch(r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19}|\*)", response.headers.get("Content-Range", ""))
        if said is None or int(said[1]) != self._part.size:
            found = response.headers.get("Content-Range", "nothing")[:100]
            self._part.restart()
            raise RetryableError(f"{self._place}: Content-Range: found {found}, expected the bytes asked for")
        return True


async def _undisturbed(work: Callable[[], None]) -> None:
    """In a thread, and to its end even where we are cancelled: what it works on is still needed."""
    done = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        await asyncio.shield(done)
    except asyncio.CancelledError:
        await asyncio.wait([done])
        raise


@asynccontextmanager
async def _partial(store: Store, blob: Descriptor) -> AsyncIterator[PartialBlob]:
    """`Store.partial` waits for other processes: in a thread that a Ctrl-C leaves behind, which then lets go by itself."""
    loop = asyncio.get_running_loop()
    context = store.partial(blob)
    opened: asyncio.Future[PartialBlob] = loop.create_future()

    def deliver(part: PartialBlob | None, error: BaseException | None) -> None:
        if opened.cancelled():
            if part is not None:
                context.__exit__(None, None, None)
        elif part is not None:
            opened.set_result(part)
        elif error is not None:
            opened.set_exception(error)

    def enter() -> None:
        part, problem = None, None
        try:
            part = context.__enter__()
        except Exception as error:  # noqa: BLE001  # it is raised where it is waited for
            problem = error
        try:
            loop.call_soon_threadsafe(deliver, part, problem)
        except RuntimeError:  # the loop has ended
            if part is not None:
                context.__exit__(None, None, None)

    threading.Thread(target=enter, daemon=True, name=f"partial {blob.digest.short}").start()
    part = await opened
    try:
        yield part
    finally:
        context.__exit__(None, None, None)


def _is_whole(store: Store, blob: Descriptor) -> bool:
    """A file in the store that has not the size it should have is one of them damaged: reading it tells which."""
    if not store.has(blob.digest):
        return False
    if store.size(blob.digest) == blob.size:
        return True
    try:
        with store.open(blob.digest) as stream:
            while stream.read(1 << 20):
                pass
    except FormatError:
        return False  # and the store has removed it
    raise FormatError(f"blob {blob.digest}: found {store.size(blob.digest)} bytes, and a manifest that says {blob.size}")
