"""Files through preview1, and the log: what a program does there, and what the host then finds."""

from pathlib import Path

import pytest

from tests.conftest import ROOT, build_guest
from tests.wasm.graphs import find_echo
from tests.wasm.wat import LOG, command, make
from wherry.errors import NotFoundError
from wherry.wasm.host import Guest, GuestOptions, Mount


@pytest.fixture(scope="session")
def files_guest() -> Path:
    return build_guest(ROOT / "tests/guests/files.c")


def test_files_behave_as_a_program_expects(files_guest: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data, fixed = tmp_path / "data", tmp_path / "fixed"
    for folder in (data, fixed):
        folder.mkdir()
    (fixed / "given.txt").write_text("given")
    (tmp_path / "secret").write_text("secret")
    (data / "way-out").symlink_to(tmp_path / "secret")
    (data / "folder-out").symlink_to(tmp_path)
    options = GuestOptions(argv=["files"], mounts=[Mount(data, "/data"), Mount(fixed, "/fixed", writable=False)])
    assert Guest(files_guest, options, find_echo).run() == 0
    said = dict(line.rsplit(": ", 1) for line in capfd.readouterr().out.splitlines())
    exist, not_empty, no_entry = "-20", "-55", "-44"  # preview1's errno
    assert said == {
        "write": "13", "mkdir": "0", "rename": "0", "stat": "0", "size": "19", "seek": "6", "read": "6", "same": "0",
        "truncate": "0", "symlink": "0", "through a link": "0", "entries": "2", "exclusive": exist, "unlink": "0",
        "remove a full folder": not_empty, "missing": no_entry, "read-only: read": "0", "read-only: write": "0",
        "read-only: create": "0", "read-only: unlink": "0", "read-only: mkdir": "0", "escape by ..": "0",
        "escape by a link": "0", "escape by a linked folder": "0", "make a link out": "0", "rename out": "0",
    }  # fmt: skip
    assert (data / "folder/renamed.txt").read_text() == "first\nsecond"
    assert (data / "stdout.txt").read_text() == "stdout renumbered: 0\n"
    assert [file.name for file in fixed.iterdir()] == ["given.txt"] and (fixed / "given.txt").read_text() == "given"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["data", "fixed", "secret"]


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no such folder"):
        make(tmp_path, command(""), mounts=[Mount(tmp_path / "none", "/")]).run()


def test_log_lines_arrive_with_their_level(tmp_path: Path) -> None:
    lines: list[str] = []
    calls = " ".join(
        f"(call $log (i32.const {level}) (i32.const 0) (i32.const 0) (i32.const 16) (i32.const 5))" for level in range(7)
    )
    extra = f'{LOG} (data (i32.const 16) "hello")'
    bad = "(call $log (i32.const 2) (i32.const 0) (i32.const 0) (i32.const -16) (i32.const 100))"
    long = "(call $log (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0x7fffffff))"
    named = "(call $log (i32.const 2) (i32.const 24) (i32.const 8) (i32.const 16) (i32.const 5))"
    extra += '(data (i32.const 24) "/app.log")'
    make(tmp_path, command(f"{calls} {bad} {long} {named}", extra=extra), say=lines.append).run()
    levels = ("trace", "debug", "info", "warn", "error", "critical", "6")
    assert lines[:7] == [f"{level}: hello" for level in levels]
    assert lines[7].startswith("wasi:logging: found 100 bytes")
    assert len(lines[8]) < 1 << 17  # its first 64 KiB
    assert lines[9] == "info: /app.log: hello"
