"""Paths of a guest's: none leads out of its folder, whatever lies there."""

import os
import socket
from pathlib import Path

import pytest

from wherry.errors import NotFoundError
from wherry.wasm.wasi.files import Descriptor, Folder, OpenFiles, code_of

_READ, _WRITE = frozenset({"read"}), frozenset({"read", "write"})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("not for you")
    given = tmp_path / "given"
    (given / "inner/deep").mkdir(parents=True)
    (given / "file").write_text("plain")
    (given / "inner/file").write_text("within")
    links = {
        "up": "..", "out": "../outside", "secret": "../outside/secret", "absolute": str(tmp_path / "outside/secret"), "root": "/",
        "loop": "loop", "ping": "pong", "pong": "ping", "in": "inner", "inner/back": "../file",
        "inner/deep/far": "../../../outside", "chain": "in/back", "zigzag": "inner/../../outside/secret",
    }  # fmt: skip
    for name, target in links.items():
        (given / name).symlink_to(target)
    os.mkfifo(given / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        here = os.open(given, os.O_RDONLY)
        try:
            listening.bind(f"/proc/self/fd/{here}/socket")  # a path below the length that sockets have
        finally:
            os.close(here)
    return given


def read(folder: Descriptor, path: str, *, follow: bool = True, rights: frozenset[str] = _READ) -> str:
    """What a file holds, or the contract's word for why not."""
    try:
        found = folder.open(path, follow=follow, flags=frozenset(), rights=rights)
    except OSError as error:
        return code_of(error)
    try:
        return "directory" if found.directory else os.pread(found.number, 100, 0).decode()
    finally:
        found.close()


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("file", "plain"), ("./inner//file", "within"), ("in/file", "within"), ("inner/back", "plain"), ("chain", "plain"),
        ("inner/../file", "plain"), ("inner/deep/../../file", "plain"), (".", "directory"), ("inner/", "directory"),
        ("..", "not-permitted"), ("../given/file", "not-permitted"), ("inner/../../outside/secret", "not-permitted"),
        ("/etc/passwd", "not-permitted"), ("up", "not-permitted"), ("up/outside/secret", "not-permitted"),
        ("out/secret", "not-permitted"), ("secret", "not-permitted"), ("absolute", "not-permitted"),
        ("root/etc", "not-permitted"),
        ("inner/deep/far/secret", "not-permitted"), ("zigzag", "not-permitted"), ("loop", "loop"), ("ping", "loop"),
        ("", "no-entry"), ("missing", "no-entry"), ("file/", "not-directory"), ("file/x", "not-directory"), ("a\0b", "invalid"),
        ("x" * 5000, "name-too-long"), ("pipe", "access"), ("socket", "access"),
    ],
)  # fmt: skip
def test_a_path_stays_within(folder: Path, path: str, found: str) -> None:
    given = Folder(folder, "/data", writable=True).open(OpenFiles())
    assert read(given, path) == found
    given.close()


def test_a_link_is_not_opened_itself(folder: Path) -> None:
    given = Folder(folder, "/data", writable=True).open(OpenFiles())
    assert {read(given, name, follow=False) for name in ("in", "secret", "absolute", "loop")} == {"loop"}
    assert read(given, "in/file", follow=False) == "within"  # in the middle they are followed
    given.close()


def test_a_folder_that_becomes_a_link_leads_nowhere(folder: Path) -> None:
    """Between a look and the next: what was opened stays what it was."""
    given = Folder(folder, "/data", writable=True).open(OpenFiles())
    inner = given.open("inner", follow=True, flags=frozenset({"directory"}), rights=_READ)
    (folder / "inner").rename(folder.parent / "outside/moved")
    (folder / "inner").symlink_to("../outside")
    assert read(inner, "file") == "within"
    assert read(inner, "../secret") == "not-permitted"
    assert read(given, "inner/secret") == "not-permitted"
    inner.close()
    given.close()


def test_what_is_to_read_only_is(folder: Path) -> None:
    given = Folder(folder, "/data", writable=False).open(OpenFiles())
    assert read(given, "file", rights=_WRITE) == "read-only"
    with pytest.raises(OSError, match="Read-only"):
        given.open("new", follow=True, flags=frozenset({"create"}), rights=_READ)
    given.close()


def test_descriptors_are_counted_and_given_back(folder: Path) -> None:
    count = OpenFiles()
    given = Folder(folder, "/data", writable=True).open(count)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    held = []
    for _ in range(255):
        held.append(given.open("file", follow=True, flags=frozenset(), rights=_READ))
    with pytest.raises(OSError, match="Too many open files"):
        given.open("file", follow=True, flags=frozenset(), rights=_READ)
    for each in held:
        each.close()
        each.close()
    assert (len(os.listdir("/proc/self/fd")), count.number) == (before, 1)  # noqa: PTH208
    given.close()


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="missing: found no folder"):
        Folder(tmp_path / "missing", "/data", writable=False).open(OpenFiles())
