"""Folders of processes that end well, and of those that are killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from wherry.wasm.scratch import scratch_folder

# A process that has a folder with a file in it, says where, and waits.
_WAITS = """
import sys
from pathlib import Path
from wherry.wasm.scratch import scratch_folder
with scratch_folder(Path(sys.argv[1])) as folder:
    (folder / "deep").mkdir()
    (folder / "deep/mine").write_text("mine")
    print(folder, flush=True)
    sys.stdin.read()
"""
# Folders one after the other, each swept for by the others: what lies in it must stay.
_TURNS = """
import sys
from pathlib import Path
from wherry.wasm.scratch import scratch_folder
for _ in range(200):
    with scratch_folder(Path(sys.argv[1])) as folder:
        (folder / "mine").write_text("mine")
        with scratch_folder(Path(sys.argv[1])) as another:
            assert another != folder
            assert (folder / "mine").read_text() == "mine"
"""


@contextmanager
def waiting(parent: Path) -> Generator[tuple[Path, "subprocess.Popen[str]"]]:
    command = [sys.executable, "-c", _WAITS, str(parent)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield Path(process.stdout.readline().strip()), process
    finally:
        process.communicate()


def test_a_folder_goes_with_its_end_and_with_an_error(tmp_path: Path) -> None:
    with scratch_folder(tmp_path) as folder:
        assert folder.parent == tmp_path
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "file").touch()
    with pytest.raises(KeyError), scratch_folder(tmp_path):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_what_the_killed_left_is_swept_and_what_others_have_is_not(tmp_path: Path) -> None:
    with waiting(tmp_path) as (live, _), waiting(tmp_path) as (left, killed):
        killed.send_signal(signal.SIGKILL)
        assert killed.wait() == -signal.SIGKILL
        assert (left / "deep/mine").read_text() == "mine"
        with scratch_folder(tmp_path) as mine:
            assert not left.exists()
            assert (live / "deep/mine").read_text() == "mine"
            assert sorted(tmp_path.iterdir()) == sorted([live, mine])
    assert list(tmp_path.iterdir()) == []


def test_what_only_has_such_a_name_stays(tmp_path: Path) -> None:
    """A link to somebody's folder, a pipe that would never open, a file, and folders of other names."""
    theirs = tmp_path / "theirs"
    (theirs / "deep").mkdir(parents=True)
    (tmp_path / "wherry-scratch-link").symlink_to(theirs)
    os.mkfifo(tmp_path / "wherry-scratch-pipe")
    (tmp_path / "wherry-scratch-file").touch()
    (tmp_path / "wherry-app-older").mkdir()
    before = sorted(tmp_path.rglob("*"))
    with scratch_folder(tmp_path):
        pass
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_another_users_folder_stays(tmp_path: Path) -> None:
    theirs = tmp_path / "wherry-scratch-theirs"
    theirs.mkdir()
    os.chown(theirs, 12345, -1)
    with scratch_folder(tmp_path):
        assert theirs.is_dir()


def test_many_at_once_sweep_nobodys_folder(tmp_path: Path) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", _TURNS, str(tmp_path)]) for _ in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    assert list(tmp_path.iterdir()) == []
