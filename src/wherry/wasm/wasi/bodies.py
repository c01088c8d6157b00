"""Bodies of messages, on either side: handles that a guest has of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wherry.wasm.wasi.streams import InputStream


@dataclass
class IncomingBody:
    """open: gives its bytes, once."""

    open: Callable[[], InputStream]
    taken: bool = False


@dataclass
class OutgoingBody:
    """Of an answer or a request. taken: its stream has been asked for."""

    sink: Any
    taken: bool = False

    def close(self) -> None:
        self.sink.close()
