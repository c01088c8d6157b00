"""The root that a run gets: layers unpacked once, a copy that is written to, nothing that leads back to the store.

    trees/HEX       layers 1 to n applied, by their chain id (image-spec, config.md); read only, complete or not there
    runs/ID, .lock  the root of one run; whoever has the lock is alive, others are swept

A chain shares the files of the one below it by hard links, as nobody writes to either. A run's root is a copy: cloned where the
file system can, else copied. Where a guest could not open it for writing anyway, a large file is linked instead.
"""

import errno
import fcntl
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from wherry.oci.digest import CHUNK, Digest
from wherry.oci.durable import locked_file
from wherry.oci.image import ImageConfig, Manifest
from wherry.oci.store import Pruned, Store
from wherry.oci.tarstream import Limits
from wherry.oci.unpack import unpack_layer

_TREES = "trees"
_OLD_TREES = "chains"  # where links were not yet held to the root whatever other links there are
_FICLONE = 0x40049409  # linux/fs.h
_CANNOT_CLONE = (errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS, errno.EPERM)
_LARGE = 64 << 20  # bytes
_UNFINISHED = "new-"
_MANY = 1000  # files: more are written to the disk all at once, with whatever else waits for that


class Roots:
    """Roots in `folder`, unpacked from `store`. Safe for several processes; what a killed one left is swept."""

    def __init__(self, folder: Path, store: Store, *, limits: Limits | None = None) -> None:
        self._folder = folder
        self._store = store
        self._limits = limits or Limits()
        for name in (_TREES, "runs"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    @contextmanager
    def unpacked(self, manifest: Manifest, config: ImageConfig) -> Iterator[Path]:
        """The image's root, to be read only; it stays until the end. Raises FormatError, NotFoundError, TooLargeError."""
        config.check_layers(manifest)
        with (self._folder / "use.lock").open("a") as lock:
            with suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for left in (self._folder / _TREES).glob(_UNFINISHED + "*"):
                    shutil.rmtree(left)  # nobody else is here: whoever unpacked this was killed
            fcntl.flock(lock, fcntl.LOCK_SH)
            path = self._folder / _TREES / "empty"
            path.mkdir(exist_ok=True)
            with self._store.hold():
                for chain, layer, diff_id in zip(chain_ids(config.diff_ids), manifest.layers, config.diff_ids, strict=True):
                    below, path = path, self._folder / _TREES / chain.hex
                    if not path.is_dir():
                        self._unpack(layer.digest, diff_id, below, path)
            yield path

    @contextmanager
    def writable(self, unpacked: Path) -> Iterator[Path]:
        """A copy of an unpacked root for one run; gone at its end."""
        self._sweep()
        root = self._folder / "runs" / secrets.token_hex(8)
        with locked_file(root.with_suffix(".lock")):
            try:
                root.mkdir(mode=0o700)
                _copy(unpacked, root)
                yield root
            finally:
                shutil.rmtree(root)
                root.with_suffix(".lock").unlink()

    def prune(self, needed: Sequence[tuple[Manifest, ImageConfig]]) -> Pruned:
        """Remove every unpacked root that these images do not need. Nothing, while somebody runs one."""
        self._sweep()
        keep = {chain.hex for _, config in needed for chain in chain_ids(config.diff_ids)}
        count = size = 0
        with (self._folder / "use.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return Pruned(0, 0)
            old = self._folder / _OLD_TREES
            for path in [*(self._folder / _TREES).iterdir(), *([old] if old.is_dir() else [])]:
                if path.name not in keep:
                    files = [file.lstat() for file in path.rglob("*")]
                    size += sum(status.st_size for status in files if status.st_nlink == 1)
                    count += 1
                    shutil.rmtree(path)
        return Pruned(count, size)

    def _unpack(self, blob: Digest, diff_id: Digest, below: Path, path: Path) -> None:
        """Another process may do the same: the first to finish wins."""
        with tempfile.TemporaryDirectory(dir=self._folder / _TREES, prefix=_UNFINISHED) as temporary:
            root = Path(temporary) / "root"
            root.mkdir()
            _link(below, root)
            with self._store.open(blob) as stream:
                unpack_layer(stream, root, diff_id=diff_id, limits=self._limits, place=f"layer {blob}")
            _settle(root, below)
            try:
                root.rename(path)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise

    def _sweep(self) -> None:
        """Remove the roots of runs that have ended without doing so."""
        for path in (self._folder / "runs").glob("*.lock"):
            with suppress(FileNotFoundError, BlockingIOError), path.open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if path.with_suffix("").is_dir():
                    shutil.rmtree(path.with_suffix(""))
                path.unlink()


def chain_ids(diff_ids: Sequence[Digest]) -> list[Digest]:
    """The digest of each layer with all below it (image-spec, config.md, "Layer ChainID")."""
    found: list[Digest] = []
    for diff_id in diff_ids:
        found.append(Digest.of_bytes(f"{found[-1]} {diff_id}".encode()) if found else diff_id)
    return found


def _settle(root: Path, below: Path) -> None:
    """A root that is there is whole, also after a power failure. What it shares with the chain below is on the disk already."""
    there = {path.lstat().st_ino for path in below.rglob("*")}
    files = (path for path in root.rglob("*") if not path.is_symlink() and path.is_file())
    new = [path for path in files if path.stat().st_ino not in there]
    if len(new) > _MANY:
        os.sync()
        return
    for path in new:
        with path.open("rb") as file:
            os.fsync(file.fileno())


def _link(source: Path, target: Path) -> None:
    """The tree of `source` again, its files shared."""
    _repeat(source, target, lambda entry, other: other.hardlink_to(entry.path))


def _copy(source: Path, target: Path) -> None:
    """The tree of `source` again, to be written to. Two names of one file stay so."""
    copies: dict[int, Path] = {}  # by inode

    def place(entry: "os.DirEntry[str]", other: Path) -> None:
        if (first := copies.get(entry.inode())) is not None:
            other.hardlink_to(first)
        elif entry.stat().st_size >= _LARGE and os.geteuid() != 0:
            # Mode 0444: whoever is not root cannot open it for writing, and no guest can change that.
            other.hardlink_to(entry.path)
        else:
            _copy_file(Path(entry.path), other)
            copies[entry.inode()] = other

    _repeat(source, target, place)


def _repeat(source: Path, target: Path, place: "Callable[[os.DirEntry[str], Path], None]") -> None:
    """Make folders and links as in `source`; `place` makes the files."""
    for entry in os.scandir(source):
        other = target / entry.name
        if entry.is_symlink():
            other.symlink_to(Path(entry.path).readlink())
        elif entry.is_dir():
            other.mkdir()
            _repeat(Path(entry.path), other, place)
        else:
            place(entry, other)


def _copy_file(source: Path, target: Path) -> None:
    status = source.stat()
    if not _clone(source, target):
        if status.st_blocks * 512 < status.st_size:
            _copy_data(source, target, status.st_size)
        else:
            shutil.copyfile(source, target)
    target.chmod(0o755 if status.st_mode & 0o111 else 0o644)
    os.utime(target, ns=(status.st_mtime_ns, status.st_mtime_ns))


def _copy_data(source: Path, target: Path, size: int) -> None:
    """A sparse file: its holes stay holes."""
    with source.open("rb") as old, target.open("wb") as new:
        begin = 0
        while begin < size:
            try:
                begin = os.lseek(old.fileno(), begin, os.SEEK_DATA)
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise
                break  # nothing but a hole is left
            end = os.lseek(old.fileno(), begin, os.SEEK_HOLE)
            old.seek(begin)
            new.seek(begin)
            while begin < end and (piece := old.read(min(CHUNK, end - begin))):
                new.write(piece)
                begin += len(piece)
        new.truncate(size)


def _clone(source: Path, target: Path) -> bool:
    """Let the file system share the blocks until one of the two is written to; False where it cannot."""
    if sys.platform != "linux":
        return False
    with source.open("rb") as old, target.open("wb") as new:
        try:
            fcntl.ioctl(new, _FICLONE, old.fileno())
        except OSError as error:
            if error.errno not in _CANNOT_CLONE:
                raise
            return False
    return True
