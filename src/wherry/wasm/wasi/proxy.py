"""Components that answer through wasi:http/incoming-handler, of any toolchain: a `Handler` of the HTTP server.

Each request has an instance of its own, as with other hosts: what one leaves behind, no other can find.
"""

from collections.abc import Callable
from pathlib import Path

from wherry.errors import FormatError
from wherry.wasm.component import Compiled, Guest, Limits, Program
from wherry.wasm.http.exchange import Exchange
from wherry.wasm.nn.graph import Graph, Graphs
from wherry.wasm.pool import AppOptions, Pool
from wherry.wasm.wasi.cli import ExitError
from wherry.wasm.wasi.handling import Handling
from wherry.wasm.wasi.http import add_request
from wherry.wasm.wasi.state import WasiState
from wherry.wasm.wasi.world import INCOMING_HANDLER, interfaces


class HttpApp(Pool):
    """Raises FormatError and InputError for a component that is none of these."""

    fresh = True

    def __init__(
        self,
        compiled: Compiled,
        options: AppOptions,
        find_graph: Callable[[str], Graph],
        *,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        handler = compiled.version_of(INCOMING_HANDLER)
        if handler is None or compiled.exported(handler, "handle") is None:
            raise FormatError(f"{compiled.path}: found no export {INCOMING_HANDLER}@0.2")
        super().__init__(Program(compiled, interfaces(), wasi=False), options, say)
        self._handler = handler
        self._find_graph = find_graph

    def begin(self, folder: Path) -> Guest:
        most = self.options.memory_bytes
        state = WasiState(graphs=Graphs(self._find_graph, None, most), **self.own_wasi())
        return Guest(self.program, Limits(most), None, state, state.check, state.stop.give)

    def run(self, guest: Guest, exchange: Exchange, folder: Path) -> None:
        state: WasiState = guest.data
        state.handling = Handling(exchange, state.stop, self.options.output_bytes)
        try:
            guest.call(self._handler, "handle", *add_request(guest, state.handling))
        except ExitError as ended:
            if ended.code:
                self._say(f"{self.program.path.name}: exited with {ended.code} while it answered")
