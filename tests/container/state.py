"""What the test processes share: a folder, and engines that are started once and ended with the last who uses them."""

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import ROOT

TAG = hashlib.sha256(str(ROOT).encode()).hexdigest()[:6]  # two checkouts may be tested at once
STATE = Path(tempfile.gettempdir()) / f"wherry-{TAG}"  # sockets want a short path
PREFIX = STATE / "prefix"
CDI = STATE / "cdi"


def require_root() -> None:
    """Engines need root: where it is not allowed, the test says what it left out, and fails where CI is set."""
    missing = [] if os.geteuid() == 0 else ["root"]
    missing += [name for name in ("apt-get", "dpkg-deb", "ip", "nsenter", "iptables") if shutil.which(name) is None]
    if missing:
        words = f"left out: real engines, which want {', '.join(missing)}"
        if os.environ.get("CI"):
            pytest.fail(words)
        pytest.skip(words)


@contextmanager
def shared(name: str, start: Callable[[], int], prepare: Callable[[], None], end: Callable[[int], None]) -> Iterator[None]:
    """Start a process once for all test processes, prepare it, and end it with the last. What a killed run left is ended first.

    Each user holds a lock on `NAME.users` as long as it uses it; whoever gets the only one may start and end.
    """
    STATE.mkdir(exist_ok=True, mode=0o755)
    pid_file = STATE / f"{name}.pid"
    with (STATE / f"{name}.lock").open("w") as lock, (STATE / f"{name}.users").open("w") as users:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if pid_file.exists():
                end(int(pid_file.read_text()))
            process = start()
            pid_file.write_text(str(process))
            try:
                prepare()
            except BaseException:
                end(process)
                pid_file.unlink()
                raise
        except BlockingIOError:
            pass  # another process uses it already
        fcntl.flock(users, fcntl.LOCK_SH)
        fcntl.flock(lock, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                end(int(pid_file.read_text()))
                pid_file.unlink()
            except BlockingIOError:
                pass


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that one of a run's test processes makes for all of them."""
    base = factory.getbasetemp()
    base = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    folder, done = base / name, base / f"{name}.done"
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            folder.mkdir()
            make(folder)
            done.touch()
    return folder


def wait_until(ready: Callable[[], bool], log: Path) -> None:
    for _ in range(600):
        if ready():
            return
        time.sleep(0.05)
    raise AssertionError(log.read_text())
