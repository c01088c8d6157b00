"""Readers with a fault each, for `test_fuzz.py`: of three inputs the second shows it, the third is refused."""

import os
import signal
from collections.abc import Callable
from typing import NoReturn

from benchmarks.fuzz import Read, Target
from wherry.errors import FormatError

_kept: list[bytes] = []


def _target(name: str, fault: Callable[[], object]) -> Target:
    def read(data: bytes) -> None:
        if data == b"refused":
            raise FormatError("refused")
        if data == b"fault":
            fault()

    def start(folder: object) -> Read:
        return read

    return Target(name, lambda: [b"sound", b"fault", b"refused"], start)


def _raise() -> NoReturn:
    raise KeyError("a fault")


def _stop() -> NoReturn:
    raise SystemExit("stop")


def _grow() -> None:
    _kept.append(b"x" * (200 << 20))


def _run_for_ever() -> NoReturn:
    while True:
        pass


TARGETS = {
    target.name: target
    for target in (
        _target("raises", _raise),
        _target("panics", _stop),
        _target("grows", _grow),
        _target("does-not-end", _run_for_ever),
        _target("is-killed", lambda: os.kill(os.getpid(), signal.SIGKILL)),
    )
}
