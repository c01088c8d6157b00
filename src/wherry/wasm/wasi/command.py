"""Components that run once, through wasi:cli/run: as a core module's `_start` is run."""

import os
import threading
from collections.abc import Callable

from wherry.errors import FormatError, GuestError, StoppedError
from wherry.wasm.component import Compiled, Guest, Limits, Program
from wherry.wasm.host import GuestOptions
from wherry.wasm.nn.graph import Graph, Graphs, LoadGraph
from wherry.wasm.stop import Stop
from wherry.wasm.wasi.cli import ExitError
from wherry.wasm.wasi.files import Folder
from wherry.wasm.wasi.network import Network
from wherry.wasm.wasi.state import Clock, WasiState
from wherry.wasm.wasi.streams import HostInput, HostOutput
from wherry.wasm.wasi.world import RUN, interfaces

_STREAMS = ("stdin", "stdout", "stderr")


class Command:
    """One component, ready to run once, with the terminal of this process.

    Raises FormatError and InputError for a component that is no command.
    """

    def __init__(
        self,
        compiled: Compiled,
        options: GuestOptions,
        find_graph: Callable[[str], Graph],
        load_graph: LoadGraph | None = None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        entry = compiled.version_of(RUN)
        if entry is None or compiled.exported(entry, "run") is None:
            raise FormatError(f"{compiled.path}: found no export {RUN}@0.2")
        self._entry = entry
        self._program = Program(compiled, interfaces(), wasi=False)
        self._options = options
        self._say = say
        self._stop = Stop()
        self._guest: Guest | None = None
        self._reason = ""
        self._graphs = Graphs(find_graph, load_graph, options.memory_bytes)

    def stop(self, reason: str = "stopped") -> None:
        """From any thread: its code is interrupted, and its waiting calls return."""
        self._reason = self._reason or reason
        if self._guest is not None:
            self._guest.stop(reason)
        else:
            self._stop.give()

    @property
    def stopping(self) -> bool:
        """Whether it was told to end, by `stop` or by its deadline."""
        return self._stop.given

    @property
    def left_work(self) -> bool:
        """Whether a model still computes for the guest, which has been stopped."""
        return self._stop.left_work

    def run(self) -> int:
        """-> the guest's exit code. Raises GuestError for a trap or a limit, StoppedError after `stop`."""
        options = self._options
        numbers = {name: number for number, name in enumerate(_STREAMS)}
        state = WasiState(
            graphs=self._graphs,
            stop=self._stop,
            stdin=HostInput(0, self._stop),
            stdout=HostOutput(1, self._stop),
            stderr=HostOutput(2, self._stop),
            network=Network(options.allowed, self._stop, self._say),
            clock=Clock(options.clock_step),
            arguments=options.argv,
            environment=options.env,
            folders=[Folder(mount.host, mount.guest, mount.writable) for mount in options.mounts],
            terminals=frozenset(name for name, number in numbers.items() if os.isatty(number)),
        )
        timer = None
        if options.timeout is not None:
            timer = threading.Timer(options.timeout, self.stop, ["deadline"])
            timer.daemon = True
            timer.start()
        guest = None
        try:
            guest = Guest(self._program, Limits(options.memory_bytes), None, state, state.check, self._stop.give)
            self._guest = guest
            if self._reason:
                guest.stop(self._reason)
            return 0 if guest.call(self._entry, "run").tag == "ok" else 1
        except ExitError as ended:
            return ended.code
        except StoppedError as error:
            if self._reason == "deadline":
                raise GuestError(
                    f"{self._program.path}: ran for {options.timeout:g} s, which is its limit", hint="raise it with --timeout"
                ) from error
            raise
        finally:
            if timer is not None:
                timer.cancel()
            if guest is not None:
                guest.close()
