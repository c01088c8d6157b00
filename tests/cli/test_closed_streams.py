"""Standard descriptors that are closed when a command begins, as daemons and supervisors leave them."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.wasm.wat import call, command

# Reads a piece of stdin, writes it to stdout and stderr, and exits with the number of bytes.
_COPY = f"""
(i32.store (i32.const 100) (i32.const 200)) (i32.store (i32.const 104) (i32.const 16))
(if {call("fd_read", 0, 100, 1, 300)} (then (call $exit (i32.const 99))))
(i32.store (i32.const 104) (i32.load (i32.const 300)))
(drop {call("fd_write", 1, 100, 1, 304)}) (drop {call("fd_write", 2, 100, 1, 304)})
(call $exit (i32.load (i32.const 300)))
"""
_ALL = ["<&-", ">&-", "2>&-", "<&- >&-", "<&- 2>&-", ">&- 2>&-", "<&- >&- 2>&-"]


def closed(redirects: str, *words: str | Path) -> "subprocess.CompletedProcess[str]":
    argv = ["sh", "-c", f'exec "$@" {redirects}', "sh", sys.executable, "-m", "wherry", *map(str, words)]
    return subprocess.run(argv, input="piped", capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("redirects", _ALL)
def test_a_guest_sees_no_descriptor_of_the_hosts_for_a_closed_stream(tmp_path: Path, redirects: str) -> None:
    module = tmp_path / "copy.wasm"
    module.write_bytes(command(_COPY, "fd_read", "fd_write"))
    found = closed(redirects, "run", module)
    piped = "" if "<&-" in redirects else "piped"
    assert found.returncode == len(piped), found
    assert found.stdout == ("" if " >&-" in f" {redirects}" else piped)
    assert found.stderr == ("" if "2>&-" in redirects else piped)


@pytest.mark.parametrize("words", [["--help"], ["models", "list"], ["run", "missing.wasm"], ["sing"]])
def test_a_command_ends_as_ever_with_all_streams_closed(words: list[str]) -> None:
    expected = {"--help": 0, "models": 0, "run": 4, "sing": 2}[words[0]]
    assert closed("<&- >&- 2>&-", *words).returncode == expected
