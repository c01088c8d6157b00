"""Models that are loaded before anybody asks for them, and whether an app is ready because of them."""

import threading
from collections.abc import Callable, Sequence

from wherry.errors import WherryError
from wherry.wasm.nn.graph import Graph


class Loading:
    """names: of the graphs that an app has. `find` loads one once, whoever asks; `say` is told of one that does not load.

    lazy: nothing is loaded ahead, and the app is ready without.
    """

    def __init__(
        self, names: Sequence[str], find: Callable[[str], Graph], say: Callable[[str], None], *, lazy: bool = False
    ) -> None:
        self._find = find
        self._say = say
        self._guard = threading.Lock()
        self._missing = [] if lazy else list(names)
        self._failed: set[str] = set()
        self._stopped = False
        self._thread: threading.Thread | None = None

    def find(self, name: str) -> Graph:
        """Raises what loading raises."""
        graph = self._find(name)
        with self._guard:
            if name in self._missing:
                self._missing.remove(name)
            self._failed.discard(name)
        return graph

    def load_all(self) -> None:
        """All, one after another. Raises what loading raises."""
        for name in list(self._missing):
            self.find(name)

    def start(self) -> None:
        """All, on a thread of its own: what does not load is said, and tried again by the first request for it."""
        self._thread = threading.Thread(target=self._load_each, name="loading", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Load no further one."""
        self._stopped = True

    @property
    def is_running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def not_ready(self) -> str:
        """Which models the app waits for; empty where it has them all."""
        with self._guard:
            waiting = [f"{name} ({'failed to load' if name in self._failed else 'loading'})" for name in self._missing]
        return f"not ready: {', '.join(waiting)}" if waiting else ""

    def _load_each(self) -> None:
        for name in list(self._missing):
            if self._stopped:
                return
            try:
                self.find(name)
            except WherryError as error:
                with self._guard:
                    self._failed.add(name)
                self._say(f"model {name}: {error}")
