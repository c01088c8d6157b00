"""What stands behind wasi-nn's handles: graphs, execution contexts, and the protocols of whatever computes them."""

import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol, runtime_checkable

from wherry.errors import InputError, TooLargeError, UnsupportedError, WherryError
from wherry.wasm.stop import Check

_MAX_HANDLES = 1024  # graphs and contexts alive, each
_LAST_HANDLE = 0xFFFF_FFFF
_MAX_INPUTS = 16
_MAX_TENSOR_BYTES = 1 << 30  # of all inputs of a guest


@dataclass(frozen=True)
class Tensor:
    """One input as the guest passed it. `kind` is wasi-nn's number for the element type (F32 is 1)."""

    dims: tuple[int, ...]
    kind: int
    data: bytes


class Graph(Protocol):
    """A loaded model. `compute` is called from any guest's thread."""

    def compute(self, inputs: dict[int, Tensor], check: Check) -> dict[int, bytes]:
        """Inputs by index -> outputs by index. `check` is called now and then: what it raises ends the work.

        Raises WherryError.
        """
        ...

    def configured(self, config: bytes) -> "Graph":
        """The same model under the configuration that a guest named with it (JSON). Raises InputError."""
        ...


class Ending(Enum):
    """Why an answer has no further piece: it is at its end, or the model's context is full."""

    SEQUENCE = "end of sequence"
    CONTEXT = "context full"


class Pieces(Protocol):
    """An answer that comes piece by piece."""

    @property
    def piece(self) -> bytes:
        """The newest."""
        ...

    def step(self, check: Check) -> Ending | None:
        """Make one piece more -> None, or why there is none. Raises WherryError."""
        ...

    def outputs(self) -> dict[int, bytes]:
        """By index, of all pieces so far."""
        ...

    def close(self) -> None:
        """End the work."""
        ...


@runtime_checkable
class PieceGraph(Graph, Protocol):
    """A graph that can give its output piece by piece."""

    def stream(self, inputs: dict[int, Tensor]) -> Pieces: ...


# Indexes of a language model, in the conventions of WasmEdge's GGML plugin.
PROMPT = TEXT = 0
USAGE = 1


@runtime_checkable
class PromptGraph(Graph, Protocol):
    """A graph that counts the tokens of its prompt (input 0) before it computes: output 1 is there as soon as input 0 is."""

    def usage(self, inputs: dict[int, Tensor]) -> bytes:
        """JSON. Raises InputError for a prompt that is none."""
        ...


# Builders (the bytes of each), encoding and target by wasi-nn's numbers -> a graph. Raises WherryError.
LoadGraph = Callable[[Sequence[bytes], int, int], Graph]


@dataclass(frozen=True)
class _Model:
    graph: Graph
    size: int = 0  # bytes that the guest passed for it


@dataclass
class _Context:
    model: _Model
    inputs: dict[int, Tensor] = field(default_factory=dict)
    outputs: dict[int, bytes] = field(default_factory=dict)
    pieces: Pieces | None = None  # of the answer that `compute_single` makes

    @property
    def held(self) -> int:
        return sum(len(tensor.data) for tensor in self.inputs.values())


@dataclass
class Graphs:
    """The handles of one guest: they grow and are never used again.

    `find` gives a graph by name, loading it once; `load` makes one of bytes. A guest can make the host hold no more than
    `limit` bytes for it, in inputs and in models that it passed; a model counts until its last context is gone.
    """

    find: Callable[[str], Graph]
    load: LoadGraph | None = None
    limit: int = 1 << 32
    _models: dict[int, _Model] = field(default_factory=dict)
    _contexts: dict[int, _Context] = field(default_factory=dict)
    _by_name: dict[str, int] = field(default_factory=dict)
    _model_bytes: int = 0
    _tensor_bytes: int = 0
    _next: int = 0

    def load_by_name(self, name: str) -> int:
        known = self._by_name.get(name)
        if known is not None and known in self._models:
            return known
        self._by_name[name] = handle = self._add_model(_Model(self.find(name)))
        return handle

    def open_by_name(self, name: str) -> int:
        """Each call is a handle of its own, for whoever lets go of what it has asked for."""
        return self._add_model(_Model(self.find(name)))

    def load_by_name_with_config(self, name: str, config: bytes) -> int:
        """Each call is a graph of its own: the model is shared, the configuration is not."""
        return self._add_model(_Model(self.find(name).configured(config)))

    def load_bytes(self, builders: Sequence[bytes], encoding: int, target: int) -> int:
        if self.load is None:
            raise UnsupportedError("load: found model bytes, expected a graph by name", hint="name the model with --nn-preload")
        size = sum(map(len, builders))
        self.check_room(size)
        handle = self._add_model(_Model(self.load(builders, encoding, target), size))
        self._model_bytes += size
        return handle

    def check_room(self, size: int) -> None:
        """Raises TooLargeError where `size` bytes more would be above the guest's limit."""
        held = self._model_bytes + self._tensor_bytes
        if held + size > self.limit:
            raise TooLargeError(f"found {size} bytes beside {held} held already, expected {self.limit} at most")

    def unload(self, graph: int) -> None:
        """The handle is gone at once; contexts that live on keep the model."""
        self._model(graph)
        self._release(self._models.pop(graph))

    def open_context(self, graph: int) -> int:
        model = self._model(graph)
        handle = self._new(len(self._contexts))
        self._contexts[handle] = _Context(model)
        return handle

    def close_context(self, context: int) -> None:
        held = self._context(context)
        self.end_single(context)
        self._tensor_bytes -= held.held
        del self._contexts[context]
        self._release(held.model)

    def check_input(self, context: int, index: int, size: int) -> None:
        """Before its bytes are taken. Raises InputError, and TooLargeError for what the host will not hold."""
        held = self._context(context)
        if index >= _MAX_INPUTS:
            raise TooLargeError(f"input {index}: expected an index below {_MAX_INPUTS}")
        more = size - (len(held.inputs[index].data) if index in held.inputs else 0)
        if self._tensor_bytes + more > _MAX_TENSOR_BYTES:
            raise TooLargeError(f"input {index}: found {size} bytes, expected at most {_MAX_TENSOR_BYTES} in all inputs")
        self.check_room(more)

    def set_input(self, context: int, index: int, tensor: Tensor) -> None:
        self.check_input(context, index, len(tensor.data))
        held = self._context(context)
        self._tensor_bytes -= held.held
        held.inputs[index] = tensor
        self._tensor_bytes += held.held
        if index == PROMPT and isinstance(held.model.graph, PromptGraph):
            self.end_single(context)  # pieces to come are the new prompt's
            held.outputs.pop(USAGE, None)

    def compute(self, context: int, check: Check) -> None:
        """Each compute replaces the last output, so one context serves request after request."""
        held = self._context(context)
        self.end_single(context)
        held.outputs = {}
        held.outputs = held.model.graph.compute(dict(held.inputs), check)

    def compute_single(self, context: int, check: Check) -> Ending | None:
        """One piece more of an answer, which the first call begins -> None, or why there is none."""
        held = self._context(context)
        if held.pieces is None:
            graph = held.model.graph
            if not isinstance(graph, PieceGraph):
                raise UnsupportedError("compute_single: found a graph that gives its output whole, expected compute")
            held.outputs = {}
            held.pieces = graph.stream(dict(held.inputs))
        ending = held.pieces.step(check)
        held.outputs = held.pieces.outputs()
        return ending

    def piece(self, context: int) -> bytes:
        """The newest piece of `compute_single`."""
        held = self._context(context)
        if held.pieces is None:
            raise InputError("get_output_single: found no answer in the making, expected compute_single before it")
        return held.pieces.piece

    def end_single(self, context: int) -> None:
        """Forget the answer in the making, if there is one; its outputs stay."""
        held = self._context(context)
        if held.pieces is not None:
            held.pieces.close()
            held.pieces = None

    def outputs(self, context: int) -> dict[int, bytes]:
        """All of the last compute."""
        return self._context(context).outputs

    def output(self, context: int, index: int) -> bytes:
        held = self._context(context)
        if index in (TEXT, USAGE) and index not in held.outputs and isinstance(held.model.graph, PromptGraph):
            if index == TEXT:
                return b""  # nothing has been computed, as WasmEdge has it
            held.outputs[USAGE] = held.model.graph.usage(dict(held.inputs))
        if index not in held.outputs:
            raise InputError(f"output {index}: found none, expected one of {sorted(held.outputs)} after compute")
        return held.outputs[index]

    def _context(self, context: int) -> _Context:
        if context not in self._contexts:
            raise InputError(f"context {context}: found no such handle, expected one of init_execution_context")
        return self._contexts[context]

    def _model(self, graph: int) -> _Model:
        if graph not in self._models:
            raise InputError(f"graph {graph}: found no such handle, expected one of load or load_by_name")
        return self._models[graph]

    def _add_model(self, model: _Model) -> int:
        handle = self._new(len(self._models))
        self._models[handle] = model
        return handle

    def _release(self, model: _Model) -> None:
        """Its bytes no longer count once no handle means it."""
        if model.size and not any(
            model is other for other in [*self._models.values(), *(c.model for c in self._contexts.values())]
        ):
            self._model_bytes -= model.size

    def _new(self, live: int) -> int:
        if live >= _MAX_HANDLES or self._next > _LAST_HANDLE:
            raise TooLargeError(f"handles: found {live} in use and {self._next} given out, expected fewer")
        handle = self._next
        self._next += 1
        return handle


class SharedGraphs:
    """Graphs by name for all guests of a process: each is loaded once, by the first that asks.

    keep_alive: seconds from the last `find` until a graph is let go, None for ever. A guest that holds it keeps it until it
    is done, and whoever finds it meanwhile shares it.
    """

    def __init__(self, load: Callable[[str], Graph], keep_alive: float | None = None) -> None:
        self._load = load
        self._keep_alive = keep_alive
        self._guard = threading.Lock()
        self._loading: dict[str, threading.Lock] = {}
        self._kept: dict[str, Graph] = {}
        self._alive: weakref.WeakValueDictionary[str, Graph] = weakref.WeakValueDictionary()
        self._timers: dict[str, threading.Timer] = {}

    def find(self, name: str) -> Graph:
        """Raises NotFoundError for an unknown name, and whatever loading raises; a failed load is tried again."""
        while True:
            with self._guard:
                turn = self._loading.setdefault(name, threading.Lock())
            with turn:
                if (known := self._alive.get(name)) is not None:
                    self._keep(name, known)
                    return known
                with self._guard:
                    if self._loading.get(name) is not turn:
                        continue  # whoever had this turn failed: another one counts now
                try:
                    graph = self._load(name)
                except WherryError:
                    with self._guard:
                        del self._loading[name]  # names that are none must not pile up
                    raise
                self._keep(name, graph)
                return graph

    def loaded(self) -> list[str]:
        """The names of the graphs that are in memory."""
        return sorted(self._alive)

    def in_memory(self) -> dict[str, Graph]:
        """Those graphs; who asks counts as nobody who wants them."""
        with self._guard:
            return dict(self._alive)

    def _keep(self, name: str, graph: Graph) -> None:
        """From now on, for as long as a graph is kept."""
        with self._guard:
            self._kept[name] = self._alive[name] = graph
            if self._keep_alive is None:
                return
            if name in self._timers:
                self._timers[name].cancel()
            timer = threading.Timer(self._keep_alive, lambda: self._let_go(name, timer))
            timer.daemon = True
            self._timers[name] = timer
            timer.start()

    def _let_go(self, name: str, timer: threading.Timer) -> None:
        with self._guard:
            if self._timers.get(name) is timer:  # not one that came too late to be cancelled
                del self._timers[name], self._kept[name]
