"""A path of a container to the file that it names on the host, before anything of the container runs.

The image and the mounts are whoever's made them: a symbolic link is followed inside the root only, and only a regular file is
ever opened. Started with every container, so it imports little.
"""

import os
import stat

_MOST_LINKS = 40


class Root:
    """A container's root folder on the host, and the `mounts` of its configuration that will cover parts of it."""

    def __init__(self, path: str, mounts: list[dict[str, object]], bundle: str = "/") -> None:
        self._path = path
        self._sources: dict[str, str | None] = {}  # folder or file of the container -> what is bound there, None: not a bind
        for mount in mounts:
            target = os.path.normpath("/" + str(mount.get("destination", "")).lstrip("/"))
            options = mount.get("options") or []
            bound = mount.get("type") == "bind" or (isinstance(options, list) and bool({"bind", "rbind"} & set(options)))
            self._sources[target] = os.path.join(bundle, str(mount.get("source", ""))) if bound else None

    def resolve(self, path: str, cwd: str = "/") -> str:
        """The path with no symbolic link left in it, as the container sees it. Raises OSError for a loop of links."""
        done, pending, links = "/", _parts(os.path.join("/", cwd, path)), 0
        while pending:
            name = pending.pop(0)
            if name == "..":
                done = os.path.dirname(done)
                continue
            step = os.path.join(done, name)
            place = self._on_host(step)
            try:
                target = os.readlink(place) if place is not None else ""
            except OSError:  # no link: a file, a folder, or nothing yet
                target = ""
            if not target:
                done = step
                continue
            links += 1
            if links > _MOST_LINKS:
                raise OSError(f"{path}: found more than {_MOST_LINKS} symbolic links, expected a path that ends")
            if target.startswith("/"):
                done = "/"
            pending = _parts(target) + pending
        return done

    def open(self, path: str, cwd: str = "/") -> int | None:
        """A descriptor of a regular file, to read. None where what will be there is not known yet (a tmpfs).

        Raises OSError as open(2) does, and where the path names something else than a file.
        """
        inside = self.resolve(path, cwd)
        place = self._on_host(inside)
        if place is None:
            return None
        handle = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise IsADirectoryError(f"{inside}: found no regular file")
        return handle

    def _on_host(self, path: str) -> str | None:
        """What `path` (without links) is on the host; None below a mount that is no bind."""
        best = ""
        for target in self._sources:
            if (path == target or path.startswith(target.rstrip("/") + "/")) and len(target) > len(best):
                best = target
        if not best:
            return self._path + path
        source = self._sources[best]
        return None if source is None else source + path[len(best.rstrip("/")) :]


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]
