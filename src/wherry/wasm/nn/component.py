"""wasi:nn for components: resources in, protocol call, result out. The contract is wit/deps/wasi-nn/wasi-nn.wit.

The graphs and contexts are those of the core ABI; inputs and outputs have names here, which are the numbers there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from wherry.errors import (
    FormatError,
    InputError,
    NotFoundError,
    StoppedError,
    TooLargeError,
    UnsupportedError,
    WherryError,
)
from wherry.wasm.component import Guest, Interface, fallible
from wherry.wasm.nn.graph import Graphs, Tensor
from wherry.wasm.nn.preload import ENCODINGS, TARGETS
from wherry.wasm.values import Own

VERSION = "0.2.0-rc-2024-10-28"
_TENSOR, _GRAPH, _CONTEXT, _ERROR = 101, 102, 103, 104
# The contract's element types -> the core ABI's numbers, which lack bfloat16.
_KINDS = {"FP16": 0, "FP32": 1, "FP64": 2, "U8": 3, "I32": 4, "I64": 5}
_MAX_TENSOR_BYTES = 1 << 28  # of all tensors that a guest has alive
_CODES: Mapping[type[WherryError], str] = {
    TooLargeError: "too-large",
    UnsupportedError: "unsupported-operation",
    FormatError: "invalid-encoding",
    InputError: "invalid-argument",
    NotFoundError: "not-found",
    StoppedError: "timeout",
}


class HasGraphs(Protocol):
    """What the functions want to find as their guest's `data`."""

    graphs: Graphs


@dataclass(frozen=True)
class _Value:
    dimensions: tuple[int, ...]
    kind: str
    data: bytes


@dataclass(frozen=True)
class _Error:
    code: str
    text: str


@dataclass
class _Handle:
    """A graph's or context's number; letting the resource go gives it back."""

    number: int
    close: Callable[[], None]


def interfaces() -> dict[str, Interface]:
    tensor = Interface(
        {
            "[constructor]tensor": _new_tensor,
            "[method]tensor.dimensions": lambda guest, tensor: list(guest.table[tensor].dimensions),
            "[method]tensor.ty": lambda guest, tensor: guest.table[tensor].kind,
            "[method]tensor.data": lambda guest, tensor: guest.table[tensor].data,
        },
        {"tensor": _TENSOR},
    )
    error = Interface(
        {
            "[method]error.code": lambda guest, error: guest.table[error].code,
            "[method]error.data": lambda guest, error: guest.table[error].text,
        },
        {"error": _ERROR},
    )
    inference = Interface({"[method]graph-execution-context.compute": _fallible(_compute)}, {"graph-execution-context": _CONTEXT})
    graph = Interface(
        {
            "[method]graph.init-execution-context": _fallible(_open_context),
            "load": _fallible(_load),
            "load-by-name": _fallible(_load_by_name),
        },
        {"graph": _GRAPH},
    )
    found = {"tensor": tensor, "errors": error, "inference": inference, "graph": graph}
    return {f"wasi:nn/{name}@{VERSION}": interface for name, interface in found.items()}


def _fallible(function: Callable[..., Any]) -> Callable[..., Any]:
    return fallible(function, _told)


def _told(guest: Guest, error: WherryError) -> Own:
    code = next((code for kind, code in _CODES.items() if isinstance(error, kind)), "runtime-error")
    return guest.table.add(_ERROR, _Error(code, str(error)))


def _new_tensor(guest: Guest, dimensions: Sequence[int], kind: str, data: bytes) -> Own:
    """A constructor cannot fail: a tensor that lies about its size is refused where it is used."""
    held = sum(len(item.data) for item in guest.table.items() if isinstance(item, _Value))
    if held + len(data) > _MAX_TENSOR_BYTES:
        raise TooLargeError(f"tensor: found {len(data)} bytes beside {held} held already, expected {_MAX_TENSOR_BYTES} at most")
    return guest.table.add(_TENSOR, _Value(tuple(dimensions), kind, data))


def _load(guest: Guest, builders: Sequence[bytes], encoding: str, target: str) -> Own:
    graphs: Graphs = guest.data.graphs
    graphs.check_room(sum(map(len, builders)))
    number = graphs.load_bytes(builders, ENCODINGS[encoding], TARGETS[target])
    return guest.table.add(_GRAPH, _Handle(number, lambda: graphs.unload(number)))


def _load_by_name(guest: Guest, name: str) -> Own:
    graphs: Graphs = guest.data.graphs
    number = graphs.open_by_name(name)
    return guest.table.add(_GRAPH, _Handle(number, lambda: graphs.unload(number)))


def _open_context(guest: Guest, graph: int) -> Own:
    graphs: Graphs = guest.data.graphs
    number = graphs.open_context(guest.table[graph].number)
    return guest.table.add(_CONTEXT, _Handle(number, lambda: graphs.close_context(number)))


def _compute(guest: Guest, context: int, inputs: Sequence[tuple[str, int]]) -> list[tuple[str, Own]]:
    graphs: Graphs = guest.data.graphs
    number = guest.table[context].number
    given = [(name, guest.table.take(tensor)) for name, tensor in inputs]
    for name, tensor in given:
        if not (name.isascii() and name.isdecimal()) or len(name) > 4:
            raise InputError(f'input "{name[:200]}": expected a number, such as "0"')
        if tensor.kind not in _KINDS:
            raise InputError(f'input "{name}": found type {tensor.kind}, expected one of {" ".join(_KINDS)}')
        graphs.set_input(number, int(name), Tensor(tensor.dimensions, _KINDS[tensor.kind], tensor.data))
    graphs.compute(number, guest.check)
    return [
        (str(index), guest.table.add(_TENSOR, _Value((len(data),), "U8", data))) for index, data in graphs.outputs(number).items()
    ]
