"""What a guest is given of a standalone image's root.

There is no wrapper then that mounts the container's files once more without /proc, which would let a guest reach out of its own
memory. So the guest is given each folder of the root but the system's, and at `/` a folder in memory with copies of the files
that lie there. What it writes at `/` itself stays in memory, and large files there are none of its own: a preload finds them.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wherry.container import layout
from wherry.errors import NotFoundError
from wherry.wasm.scratch import scratch_folder

_MEMORY = Path("/dev/shm")  # there in every container, also in one that is read-only
_NOT_THE_GUESTS = ("proc", "sys", "dev", layout.HOME.strip("/"))
_LARGEST = 16 << 20  # bytes of a file that is copied
_MOST = 48 << 20  # of all together: the engine gives /dev/shm 64 MiB


@contextmanager
def guest_folders(root: Path, memory: Path = _MEMORY) -> Iterator[list[tuple[Path, str]]]:
    """(folder, the guest's name for it) of a root without the system's folders; the first is the guest's `/`, and gone at the
    end: the memory may be the host's, where the container is told so.

    Raises NotFoundError where there is no memory to lay out that one.
    """
    if not memory.is_dir():
        raise NotFoundError(f"{memory}: found no such folder, expected shared memory, as engines give it to every container")
    with scratch_folder(memory) as top:
        yield _laid_out(root, top)


def _laid_out(root: Path, top: Path) -> list[tuple[Path, str]]:
    folders, left = [(top, "/")], _MOST
    for path in sorted(root.iterdir()):
        if path.name in _NOT_THE_GUESTS or path.is_symlink():
            continue
        if path.is_dir():
            (top / path.name).mkdir()  # to be listed
            folders.append((path, f"/{path.name}"))
        elif path.is_file() and (size := path.stat().st_size) <= min(_LARGEST, left):
            shutil.copy(path, top / path.name)
            left -= size
    return folders
