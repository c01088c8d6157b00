"""Images of the apps under `wherry run`, asked over HTTP alone."""

import fcntl
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx2

from tests.conftest import ROOT

KEY = "sk-test-0123456789abcdef"
_SECONDS = 300.0  # for the server to be ready: it compiles the app to machine code, once on a machine


class Served(NamedTuple):
    url: str  # without a slash at its end
    key: str


@contextmanager
def _alone(app: str) -> Generator[None]:
    """One test process at a time: what the first has built or compiled, the next finds."""
    folder = ROOT / "build/apps"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f".{app}").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build(app: str, *arguments: str) -> str:
    """The image of apps/NAME, built once for all test processes -> its name."""
    image = f"wherry-tests/{app}"
    with _alone(app):
        command = [sys.executable, "-m", "wherry", "build", str(ROOT / "apps" / app), "-t", image, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return image


@contextmanager
def serve(app: str, image: str, log: Path, arguments: Sequence[str] = ()) -> Generator[Served]:
    """arguments: of `wherry run`. Nothing may go wrong that the app does not answer for, and SIGTERM leaves nothing behind."""
    command = [sys.executable, "-m", "wherry", "run", "--device", "cpu", "-p", "127.0.0.1:0:8080", *arguments, image]
    temporary = log.with_suffix(".tmp")
    temporary.mkdir()
    environ = {**os.environ, "WHERRY_API_KEYS": f"sk-another,{KEY}", "TMPDIR": str(temporary)}
    with _alone(app):
        with log.open("w") as file:
            process = subprocess.Popen(command, env=environ, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
        url = _ready(process, log)
    try:
        yield Served(url, KEY)
    finally:
        process.terminate()
        process.wait(60)
    assert "Traceback" not in log.read_text()
    assert process.returncode == 128 + signal.SIGTERM
    assert list(temporary.iterdir()) == []


def _ready(process: "subprocess.Popen[bytes]", log: Path) -> str:
    """The address that the server says, once /readyz is well."""
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(r"http://127\.0\.0\.1:\d+", log.read_text()):
            if httpx2.get(f"{found[0]}/readyz").status_code != 200:  # its models are loading
                time.sleep(0.1)
                continue
            return found[0]
        time.sleep(0.1)
    process.kill()
    raise AssertionError(log.read_text())
