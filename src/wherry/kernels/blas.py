"""How many threads numpy's BLAS takes: one while threads of our own share the work between them, its own choice otherwise."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController


class BlasThreads:
    """The thread count of the process's BLAS; safe for several threads."""

    def __init__(self) -> None:
        self._libraries = ThreadpoolController().select(user_api="blas").lib_controllers
        self._usual = self.counts()
        self._lock = threading.Lock()
        self._inside = 0

    def counts(self) -> list[int]:
        """The thread count of each BLAS now; nothing where there is none that can be told."""
        return [library.num_threads for library in self._libraries]

    @contextmanager
    def one(self) -> Iterator[None]:
        """Within, a product runs on the thread that asks for it."""
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                for library in self._libraries:
                    library.set_num_threads(1)
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if self._inside == 0:
                    for library, usual in zip(self._libraries, self._usual, strict=True):
                        library.set_num_threads(usual)


@cache
def blas_threads() -> BlasThreads:
    """BLAS has one thread count a process, so there is one keeper of it: two would restore each other's ones."""
    return BlasThreads()
