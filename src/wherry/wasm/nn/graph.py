"""What stands behind wasi-nn's handles: graphs, execution contexts, and the protocols of whatever computes them."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from wherry.errors import InputError, TooLargeError, WherryError

_MAX_HANDLES = 1024
_MAX_INPUT_BYTES = 1 << 30


@dataclass(frozen=True)
class Tensor:
    """One input as the guest passed it. `kind` is wasi-nn's number for the element type (F32 is 1)."""

    dims: tuple[int, ...]
    kind: int
    data: bytes


class Graph(Protocol):
    """A loaded model. `compute` is called from any guest's thread."""

    def compute(self, inputs: dict[int, Tensor]) -> dict[int, bytes]:
        """Inputs by index -> outputs by index. Raises WherryError."""
        ...


@dataclass
class _Context:
    graph: Graph
    inputs: dict[int, Tensor] = field(default_factory=dict)
    outputs: dict[int, bytes] = field(default_factory=dict)


@dataclass
class Graphs:
    """The handles of one guest: they grow and are never used again. `find` gives a graph by name, loading it once."""

    find: Callable[[str], Graph]
    _graphs: dict[int, Graph] = field(default_factory=dict)
    _contexts: dict[int, _Context] = field(default_factory=dict)
    _by_name: dict[str, int] = field(default_factory=dict)
    _next: int = 0

    def load_by_name(self, name: str) -> int:
        if name in self._by_name and self._by_name[name] in self._graphs:
            return self._by_name[name]
        handle = self._new(len(self._graphs))
        self._graphs[handle] = self.find(name)
        self._by_name[name] = handle
        return handle

    def unload(self, graph: int) -> None:
        """The handle is gone at once; contexts that live on keep the model."""
        if self._graphs.pop(graph, None) is None:
            raise InputError(f"graph {graph}: found no such handle, expected one of load or load_by_name")

    def open_context(self, graph: int) -> int:
        if graph not in self._graphs:
            raise InputError(f"graph {graph}: found no such handle, expected one of load or load_by_name")
        handle = self._new(len(self._contexts))
        self._contexts[handle] = _Context(self._graphs[graph])
        return handle

    def close_context(self, context: int) -> None:
        self._context(context)
        del self._contexts[context]

    def set_input(self, context: int, index: int, tensor: Tensor) -> None:
        held = self._context(context)
        size = sum(len(t.data) for i, t in held.inputs.items() if i != index) + len(tensor.data)
        if index >= 16 or size > _MAX_INPUT_BYTES:
            raise TooLargeError(f"input {index}: found {size} bytes in all, expected at most {_MAX_INPUT_BYTES} in 16 inputs")
        held.inputs[index] = tensor

    def compute(self, context: int) -> None:
        """Each compute replaces the last output, so one context serves request after request."""
        held = self._context(context)
        held.outputs = {}
        held.outputs = held.graph.compute(dict(held.inputs))

    def output(self, context: int, index: int) -> bytes:
        held = self._context(context)
        if index not in held.outputs:
            raise InputError(f"output {index}: found none, expected one of {sorted(held.outputs)} after compute")
        return held.outputs[index]

    def _context(self, context: int) -> _Context:
        if context not in self._contexts:
            raise InputError(f"context {context}: found no such handle, expected one of init_execution_context")
        return self._contexts[context]

    def _new(self, live: int) -> int:
        if live >= _MAX_HANDLES:
            raise TooLargeError(f"handles: found {live} in use, expected fewer")
        handle = self._next
        self._next += 1
        return handle


class SharedGraphs:
    """Graphs by name for all guests of a process: each is loaded once, by the first that asks."""

    def __init__(self, load: Callable[[str], Graph]) -> None:
        self._load = load
        self._guard = threading.Lock()
        self._loading: dict[str, threading.Lock] = {}
        self._loaded: dict[str, Graph] = {}

    def find(self, name: str) -> Graph:
        """Raises NotFoundError for an unknown name, and whatever loading raises; a failed load is tried again."""
        with self._guard:
            turn = self._loading.setdefault(name, threading.Lock())
        with turn:
            if name not in self._loaded:
                try:
                    self._loaded[name] = self._load(name)
                except WherryError:
                    with self._guard:
                        self._loading.pop(name, None)
                    raise
            return self._loaded[name]
