"""Nobody waits in silence, or for long after Ctrl-C; what can be refused before work is; a full disk is named as one."""

import os
import pty
import random
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.test_commands import WHERRY, wherry

LAYER = 40 << 20  # bytes


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """What is built has a file that takes a moment to be compressed."""
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "Dockerfile").write_text('FROM scratch\nCOPY big /big\nCOPY app.wasm /\nENTRYPOINT ["/app.wasm"]\n')
    (folder / "app.wasm").write_bytes(b"\0asm\1\0\0\0")
    (folder / "big").write_bytes(random.Random(1).randbytes(LAYER))
    return folder


def on_a_terminal(*command: str | Path, cache: Path) -> str:
    """What a command shows on stderr, a terminal of 100 columns."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(
        [WHERRY, *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=follower, env=environment
    )
    os.close(follower)
    shown = b""
    while True:
        if leader in select.select([leader], [], [], 60)[0]:
            try:
                shown += os.read(leader, 1 << 16)
            except OSError:  # nobody has the other end any more
                break
    process.communicate()
    os.close(leader)
    assert process.returncode == 0, shown
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode(errors="replace"))


def test_builds_and_loads_show_how_far_they_are(tmp_path: Path, context: Path) -> None:
    cache = tmp_path / "cache"
    shown = on_a_terminal("build", "-t", "app", context, cache=cache)
    assert "layer 1/2" in shown and re.search(r"[0-9.]+/[0-9.]+ MB +[0-9.]+ [kM]B/s", shown), shown
    assert wherry("save", "-o", tmp_path / "app.tar", "app", XDG_CACHE_HOME=str(cache)).returncode == 0
    shown = on_a_terminal("load", "-i", tmp_path / "app.tar", cache=tmp_path / "other")
    assert "app.tar" in shown and re.search(r"[0-9.]+/[0-9.]+ MB", shown), shown
    quiet = wherry("load", "-i", tmp_path / "app.tar", XDG_CACHE_HOME=str(tmp_path / "third"))
    assert quiet.stderr == ""  # no terminal: a line for the image alone, on stdout


def test_a_native_call_does_not_hold_up_an_interruption() -> None:
    """Compilers and compressors of other languages hear no signal: the command ends all the same, with its exit code."""
    script = """
import ctypes, sys
from wherry.cli.ending import ended
from wherry.cli import main
from wherry.interruption import interruptible
def call():
    print("ready", flush=True)
    ctypes.CDLL(None).sleep(600)  # it lets go of the interpreter, and returns to it when it likes
main.leave(ended(lambda: interruptible(call)))
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert time.monotonic() - begin < 20
    process.stdout.close()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-p", "99999:1"], "--publish"),
        (["-p", "80:http"], "--publish"),
        (["--memory", "lots"], "--memory"),
        (["--allow-net", "a b"], "a b"),
        (["--platform", "teapot"], "platform"),
        (["-v", "/nonexistent/folder:/x"], "/nonexistent/folder"),
        (["-e", "=x"], "--env"),
    ],
)
def test_options_are_checked_before_an_image_is_fetched(tmp_path: Path, options: list[str], words: str) -> None:
    """The registry is nowhere: whoever asked it would hear of that."""
    result = wherry("run", *options, "127.0.0.1:1/team/app:1", XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert words in result.stderr and "fetching" not in result.stderr and "cannot reach" not in result.stderr
    assert result.returncode in (2, 4)


def test_wrong_names_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    for command in (["pull", "UPPER"], ["push", "a:b:c"], ["load", "-i", tmp_path / "none.tar", "-t", "a b"], ["tag", "a", "B"]):
        result = wherry(*command, XDG_CACHE_HOME=str(tmp_path / "cache"))
        assert result.returncode in (2, 4) and "Traceback" not in result.stderr


def test_a_full_disk_is_named_as_one(tmp_path: Path, context: Path) -> None:
    if os.geteuid() != 0:
        words = "left out: a small file system wants root"
        if os.environ.get("CI"):
            pytest.fail(words)
        pytest.skip(words)
    disk = tmp_path / "disk"
    disk.mkdir()
    script = 'mount -t tmpfs -o size=4m none "$1" && XDG_CACHE_HOME="$1" exec "$2" build -t app "$3"'
    command = ["unshare", "-m", "sh", "-c", script, "sh", disk, WHERRY, context]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and f"wherry: {disk}" in done.stderr and "the disk is full" in done.stderr, done
    assert "hint: `wherry prune`" in done.stderr and len(done.stderr.splitlines()) == 2
