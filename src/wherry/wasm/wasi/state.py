"""What the functions of WASI find with their guest."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from wherry.wasm.nn.graph import Graphs
from wherry.wasm.stop import Stop
from wherry.wasm.wasi.files import Folder, OpenFiles
from wherry.wasm.wasi.handling import Handling
from wherry.wasm.wasi.network import Network
from wherry.wasm.wasi.streams import InputStream, LogOutput, Nothing, OutputStream


@dataclass(frozen=True)
class Clock:
    """step: nanoseconds that a guest can tell apart."""

    step: int = 1

    def now(self) -> int:
        """Monotonic, in nanoseconds."""
        return time.monotonic_ns() // self.step * self.step

    def today(self) -> int:
        """Nanoseconds since 1970."""
        return time.time_ns() // self.step * self.step


@dataclass(kw_only=True)
class WasiState:
    """One guest's. Its owner calls `close` when the guest has ended.

    folders    those that it is given, and as what it sees them
    terminals  which of its streams (stdin, stdout, stderr) are a person's terminal
    handling   the request that it answers, if it answers one
    """

    graphs: Graphs
    stop: Stop
    stdout: OutputStream
    stderr: OutputStream
    network: Network
    stdin: InputStream = field(default_factory=Nothing)
    arguments: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    folders: Sequence[Folder] = ()
    files: OpenFiles = field(default_factory=OpenFiles)
    terminals: frozenset[str] = frozenset()
    clock: Clock = field(default_factory=Clock)
    handling: Handling | None = None

    def check(self) -> None:
        """Raises StoppedError where nobody waits for the guest any more."""
        if self.handling is not None:
            self.handling.check()

    def close(self) -> None:
        self.network.close()
        for stream in (self.stdout, self.stderr):
            if isinstance(stream, LogOutput):
                stream.end()
        self.stop.close()
