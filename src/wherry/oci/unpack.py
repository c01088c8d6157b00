"""Unpack layers that nobody vouches for into a folder that is ours alone.

Nothing is written outside the folder, whatever names and links say: a path is walked from the folder's root, links on it
are followed as if that root were `/`. A link is written such that the kernel, too, stays in the root: `..` stands at the front
of its target alone, at most as often as the link is deep, so that no other link changes where it leads. Files, folders and
links only: devices and the like are refused, owners, setuid bits and write permission are dropped. What a layer may take is
bounded: entries, bytes, how much a compressed byte may become, and the space that is left on the disk.
"""

import errno
import os
import shutil
import stat
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from posixpath import relpath

from wherry.errors import FormatError, TooLargeError
from wherry.oci.digest import CHUNK, Digest, Readable
from wherry.oci.tarstream import Limits, TarStream, check_space

_MAX_DEPTH = 64  # folders in one another
_MAX_HOPS = 40  # symbolic links on one path, as Linux has it
_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_AUFS = ".wh..wh."  # aufs' own files, which no image means
_FILE_MODE, _PROGRAM_MODE, _FOLDER_MODE = 0o444, 0o555, 0o755


def unpack_layer(stream: Readable, root: Path, *, diff_id: Digest, limits: Limits, place: str) -> None:
    """Apply a layer to `root`: additions, changes and whiteouts. `place` names the layer in errors.

    Raises FormatError for what is damaged, hostile or not the layer that `diff_id` names, TooLargeError for what is more than
    the limits allow. `root` is to be thrown away then.
    """
    tar = TarStream(stream, limits, place, algorithm=diff_id.algorithm)
    layer = _Layer(root, limits, place)
    try:
        for member in tar.members():
            layer.apply(member, tar)
        layer.settle_links()
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):  # written bytes have no name in Python's own message
            raise OSError(error.errno, os.strerror(error.errno), str(root)) from error
        if error.errno not in (errno.ENAMETOOLONG, errno.ELOOP, errno.EILSEQ):
            raise
        raise FormatError(f"{place}: found a name that this file system refuses: {error.strerror}") from error
    if (found := tar.finish()) != diff_id:
        raise FormatError(f"{place}: diff_id: found {found}, expected {diff_id}")


class _Layer:
    """One layer on its way into `root`. A whiteout hides what lower layers have, not what this one has."""

    def __init__(self, root: Path, limits: Limits, place: str) -> None:
        self._root = root
        self._limits = limits
        self._place = place
        self._entries = 0
        self._bytes = 0
        self._own: set[Path] = set()  # host paths that this layer has written
        self._links: dict[Path, str] = {}  # its symbolic links' targets, as the layer has them

    def apply(self, member: tarfile.TarInfo, tar: TarStream) -> None:
        self._take(1)
        parts = self._parts(member.name)
        if not parts:
            if not member.isdir():
                raise self._wrong(member, "a file", "the root to be a folder")
            return
        if parts[-1].startswith(_WHITEOUT):
            self._remove(member, parts)
            return
        path = self._parent(member, parts[:-1]) / parts[-1]
        if member.isdir():
            self._add_folder(path)
        elif member.type in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE, tarfile.GNUTYPE_SPARSE):
            self._clear(path)
            self._add_file(member, path, tar)
        elif member.issym():
            self._check_target(member)
            self._clear(path)
            self._add_link(path, member.linkname)
        elif member.islnk():
            self._link(member, path)
        else:
            kinds = {tarfile.CHRTYPE: "a device", tarfile.BLKTYPE: "a device", tarfile.FIFOTYPE: "a pipe"}
            raise self._wrong(member, kinds.get(member.type, f"type {member.type!r}"), "files, folders and links")
        self._own.add(path)

    def settle_links(self) -> None:
        """At the layer's end: a target such as `a/../b` depends on what `a` is, and `a` may have come after the link."""
        for path, target in self._links.items():
            folder = list(path.parent.relative_to(self._root).parts)
            if not path.is_symlink() or self._real(folder) != folder:
                continue  # replaced or removed since
            scoped = self._scoped(folder, target)
            if scoped != os.fspath(path.readlink()):
                path.unlink()
                path.symlink_to(scoped)

    # -- kinds of entries

    def _add_folder(self, path: Path) -> None:
        if not _is_folder(path):
            self._clear(path)
            path.mkdir(_FOLDER_MODE)

    def _add_file(self, member: tarfile.TarInfo, path: Path, tar: TarStream) -> None:
        self._take_bytes(max(member.size, 0))
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "wb") as file:
            for offset, piece in tar.segments(member):
                file.seek(offset)  # what a sparse file leaves out stays a hole
                file.write(piece)
            file.truncate(member.size)
            os.fchmod(file.fileno(), _PROGRAM_MODE if member.mode & 0o111 else _FILE_MODE)
        seconds = int(member.mtime) if 0 <= member.mtime < 1 << 33 else 0
        os.utime(path, (seconds, seconds))

    def _link(self, member: tarfile.TarInfo, path: Path) -> None:
        parts = self._parts(member.linkname)
        target = self._parent(member, parts[:-1]) / parts[-1] if parts else self._root
        try:
            status = target.lstat()
        except FileNotFoundError as error:
            raise self._wrong(member, f'a hard link to "{member.linkname}"', "an entry before it") from error
        if target == path:
            return
        if stat.S_ISLNK(status.st_mode):  # the link itself, as containerd has it: another name for the same target
            text = self._links.get(target, os.fspath(target.readlink()))
            self._clear(path)
            self._add_link(path, text)
            return
        if not stat.S_ISREG(status.st_mode):
            raise self._wrong(member, f'a hard link to "{member.linkname}"', "a file")
        self._take_bytes(status.st_size)  # a copy of the root has it once more
        self._clear(path)
        path.hardlink_to(target)

    def _add_link(self, path: Path, target: str) -> None:
        path.symlink_to(self._scoped(list(path.parent.relative_to(self._root).parts), target))
        self._links[path] = target

    def _check_target(self, member: tarfile.TarInfo) -> None:
        target = member.linkname
        if not target or "\0" in target or len(os.fsencode(target)) > 4000:
            raise self._wrong(member, "a symbolic link to nowhere", "a target of 1 to 4000 bytes")

    def _remove(self, member: tarfile.TarInfo, parts: tuple[str, ...]) -> None:
        """A whiteout."""
        folder = self._parent(member, parts[:-1])
        name = parts[-1]
        if name == _OPAQUE:
            self._remove_lower(folder)
        elif not name.startswith(_AUFS):
            name = name.removeprefix(_WHITEOUT)
            if name in ("", ".", ".."):
                raise self._wrong(member, "a whiteout of no name", "one of a file")
            path = folder / name
            if path not in self._own:
                self._clear(path)
            elif _is_folder(path):
                self._remove_lower(path)

    def _remove_lower(self, folder: Path) -> None:
        for path in list(folder.iterdir()):
            if path not in self._own:
                self._clear(path)
            elif _is_folder(path):
                self._remove_lower(path)

    # -- paths

    def _parts(self, name: str) -> tuple[str, ...]:
        """A name's components. A leading `/` or `./` means the root, as for every engine; `..` is refused."""
        parts = tuple(part for part in name.split("/") if part not in ("", "."))
        if ".." in parts or "\0" in name:
            raise FormatError(f"{self._place}: found the name {name!r}, expected one without ..")
        if len(parts) > _MAX_DEPTH:
            raise FormatError(f"{self._place}: found the name {name[:80]!r}…, expected at most {_MAX_DEPTH} folders")
        return parts

    def _parent(self, member: tarfile.TarInfo, parts: tuple[str, ...]) -> Path:
        """The host's folder for an entry's folder, made where it is missing; links are followed as if the root were `/`."""
        here: list[str] = []
        walk = _Walk(self._root, here, parts)
        for path, mode in walk.steps():
            if mode is None:
                self._take(1)
                path.mkdir(_FOLDER_MODE)
            elif not stat.S_ISDIR(mode):
                raise self._wrong(member, f'the file "{path.name}" on its path', "a folder")
            self._own.add(path)  # it leads to something of this layer, even where a lower one has it too
        if walk.endless:
            raise self._wrong(member, "links without end on its path", f"at most {_MAX_HOPS}")
        return self._root.joinpath(*here)

    def _scoped(self, folder: list[str], target: str) -> str:
        """The target to write for a link in the real folder `folder`: what `target` means with the root as `/`."""
        parts = [part for part in target.split("/") if part not in ("", ".")]
        ups = next((i for i, part in enumerate(parts) if part != ".."), len(parts))
        if not target.startswith("/") and ups <= len(folder) and ".." not in parts[ups:]:
            return target
        here = [] if target.startswith("/") else list(folder)
        for part in parts:
            if part == "..":
                here = self._real(here)[:-1]
            else:
                here.append(part)
        return relpath("/" + "/".join(here), "/" + "/".join(folder))

    def _real(self, folder: list[str]) -> list[str]:
        """Where a path in the root leads, links followed; as it is where it leads nowhere."""
        here: list[str] = []
        walk = _Walk(self._root, here, folder)
        for _ in walk.steps():
            pass
        return folder if walk.endless else here

    def _clear(self, path: Path) -> None:
        """Remove what is there, links themselves and not what they point to."""
        if _is_folder(path):
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    # -- limits

    def _take(self, entries: int) -> None:
        self._entries += entries
        if self._entries > self._limits.entries:
            raise TooLargeError(f"{self._place}: found more than {self._limits.entries} entries, expected fewer")
        if self._entries % 1000 == 1:
            check_space(self._root, 0, self._limits, self._place)

    def _take_bytes(self, size: int) -> None:
        self._bytes += size
        if self._bytes > self._limits.bytes:
            raise TooLargeError(f"{self._place}: found more than {self._limits.bytes} bytes, expected fewer")
        if size > CHUNK:
            check_space(self._root, size, self._limits, self._place)

    def _wrong(self, member: tarfile.TarInfo, found: str, expected: str) -> FormatError:
        return FormatError(f"{self._place}: {member.name[:200]!r}: found {found}, expected {expected}")


class _Walk:
    """A path walked from the root, links on it followed as if the root were `/`. `here` is the real path so far."""

    def __init__(self, root: Path, here: list[str], parts: Sequence[str]) -> None:
        self._root = root
        self._here = here
        self._left = list(reversed(parts))
        self.endless = False

    def steps(self) -> Iterator[tuple[Path, int | None]]:
        """Each component that is no link, with its mode; None where it is missing."""
        here, left = self._here, self._left
        hops = 0
        while left:
            part = left.pop()
            if part == "..":
                del here[-1:]
                continue
            path = self._root.joinpath(*here, part)
            try:
                mode = path.lstat().st_mode
            except (FileNotFoundError, NotADirectoryError):
                yield path, None
                here.append(part)
                continue
            if not stat.S_ISLNK(mode):
                yield path, mode
                here.append(part)
                continue
            hops += 1
            target = os.fspath(path.readlink())
            if hops > _MAX_HOPS or len(here) + len(left) > 4 * _MAX_DEPTH:
                self.endless = True
                return
            if target.startswith("/"):
                here.clear()
            left += [part for part in reversed(target.split("/")) if part not in ("", ".")]


def _is_folder(path: Path) -> bool:
    """A folder itself, not a link to one."""
    return path.is_dir() and not path.is_symlink()
