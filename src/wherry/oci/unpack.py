"""Unpack layers that nobody vouches for into a folder that is ours alone.

Nothing is written outside the folder, whatever names and links say: a path is walked from the folder's root, links on it
are followed as if that root were `/`. Files and folders only: devices and the like are refused, owners, setuid bits and
write permission are dropped. What a layer may take is bounded: entries, bytes, how much a compressed byte may become, and
the space that is left on the disk.
"""

import errno
import os
import shutil
import stat
import tarfile
from pathlib import Path
from posixpath import normpath, relpath

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
    except OSError as error:
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
        elif member.type in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE):
            self._clear(path)
            self._add_file(member, path, tar)
        elif member.issym():
            self._clear(path)
            path.symlink_to(self._within(member, parts[:-1]))
        elif member.islnk():
            self._link(member, path)
        else:
            kinds = {tarfile.CHRTYPE: "a device", tarfile.BLKTYPE: "a device", tarfile.FIFOTYPE: "a pipe"}
            found = kinds.get(member.type, "a sparse file" if member.sparse is not None else f"type {member.type!r}")
            raise self._wrong(member, found, "files, folders and links")
        self._own.add(path)

    # -- kinds of entries

    def _add_folder(self, path: Path) -> None:
        if not _is_folder(path):
            self._clear(path)
            path.mkdir(_FOLDER_MODE)

    def _add_file(self, member: tarfile.TarInfo, path: Path, tar: TarStream) -> None:
        self._take_bytes(max(member.size, 0))
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "wb") as file:
            for piece in tar.content(member):
                file.write(piece)
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
        if not stat.S_ISREG(status.st_mode):
            raise self._wrong(member, f'a hard link to "{member.linkname}"', "a file")
        if target == path:
            return
        self._take_bytes(status.st_size)  # a copy of the root has it once more
        self._clear(path)
        path.hardlink_to(target)

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
        left = list(reversed(parts))
        hops = 0
        while left:
            part = left.pop()
            if part == "..":
                here = here[:-1]
                continue
            path = self._root.joinpath(*here, part)
            try:
                mode = path.lstat().st_mode
            except FileNotFoundError:
                self._take(1)
                path.mkdir(_FOLDER_MODE)
                mode = stat.S_IFDIR
            if stat.S_ISDIR(mode):
                self._own.add(path)  # it leads to something of this layer, even where a lower one has it too
                here.append(part)
            elif stat.S_ISLNK(mode):
                hops += 1
                target = str(path.readlink())
                if hops > _MAX_HOPS or len(here) + len(left) > 4 * _MAX_DEPTH:
                    raise self._wrong(member, "links without end on its path", f"at most {_MAX_HOPS}")
                here = [] if target.startswith("/") else here
                left += [part for part in reversed(target.split("/")) if part not in ("", ".")]
            else:
                raise self._wrong(member, f'the file "{part}" on its path', "a folder")
        return self._root.joinpath(*here)

    def _within(self, member: tarfile.TarInfo, folder: tuple[str, ...]) -> str:
        """A symbolic link's target such that it means within the root what it would mean with the root as `/`."""
        target = member.linkname
        if not target or "\0" in target or len(os.fsencode(target)) > 4000:
            raise self._wrong(member, "a symbolic link to nowhere", "a target of 1 to 4000 bytes")
        place = "/" + "/".join(folder)
        meant = normpath(place + "/" + target) if not target.startswith("/") else normpath("/" + target.lstrip("/"))
        escapes = normpath("/".join(folder) + "/" + target if folder else target).startswith("..")
        return relpath(meant, place) if target.startswith("/") or escapes else target

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


def _is_folder(path: Path) -> bool:
    """A folder itself, not a link to one."""
    return path.is_dir() and not path.is_symlink()
