"""Callers take turns at a device in the order in which they came."""

import threading
from collections import deque
from types import TracebackType


class Turns:
    """A fair lock: `threading.Lock` promises no order, and a busy caller could starve the others."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._taken = False

    def __enter__(self) -> None:
        with self._guard:
            if not self._taken:
                self._taken = True
                return
            mine = threading.Event()
            self._waiting.append(mine)
        mine.wait()

    def pass_on(self) -> None:
        """Between two pieces of a long work: whoever waits has a turn first. To be called by the one whose turn it is."""
        with self._guard:
            if not self._waiting:
                return
        self.__exit__(None, None, None)
        self.__enter__()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().set()  # the turn passes on without being free in between
            else:
                self._taken = False
