"""Python's own logging, to the host's log: an app calls `logging.getLogger(__name__)` as ever.

The sandbox and `wherry dev` call `install` before the first request.
"""

import logging

from wherry.guest import host

# logging's numbers, from the highest -> wasi:logging's names.
_LEVELS = ((50, "critical"), (40, "error"), (30, "warn"), (20, "info"), (10, "debug"))


class HostHandler(logging.Handler):
    """Each record becomes one line of the host's log, under the logger's name."""

    def emit(self, record: logging.LogRecord) -> None:
        level = next((name for number, name in _LEVELS if record.levelno >= number), "trace")
        try:
            host.current().log(level, record.name, self.format(record))
        except Exception:  # noqa: BLE001 - logging's own contract: what cannot be logged must not end the app
            self.handleError(record)


def install(level: int = logging.INFO) -> None:
    """Send the root logger's records to the host, from `level` on. Once is enough; again changes the level."""
    root = logging.getLogger()
    if not any(isinstance(handler, HostHandler) for handler in root.handlers):
        root.addHandler(HostHandler())
    root.setLevel(level)
