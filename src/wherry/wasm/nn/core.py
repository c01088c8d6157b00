"""Module `wasi_ephemeral_nn`: arguments in, protocol call, result out. The contract is `wasi_ephemeral_nn.witx`."""

from collections.abc import Callable, Mapping

from wherry.errors import FormatError, InputError, TooLargeError, WherryError
from wherry.wasm.memory import GuestFault, GuestMemory
from wherry.wasm.nn.graph import USAGE, Ending, Graphs, Tensor
from wherry.wasm.nn.preload import ENCODINGS, TARGETS
from wherry.wasm.stop import Check

SUCCESS, MISSING_MEMORY, RUNTIME_ERROR = 0, 3, 5
_ENDINGS = {None: SUCCESS, Ending.SEQUENCE: 100, Ending.CONTEXT: 101}
TENSOR_TYPES = {"f16": 0, "f32": 1, "f64": 2, "u8": 3, "i32": 4, "i64": 5}
_MAX_NAME = 4096
_MAX_CONFIG = 1 << 20
_MAX_DIMS = 16
_MAX_BUILDERS = 16

Aside = Callable[[Callable[[Check], int]], int]  # does work that takes long, and gives up waiting when the guest is to stop

# Name -> how many i32 arguments it takes; every one answers an i32 errno.
ARITIES: Mapping[str, int] = {
    "load": 5,
    "load_by_name": 3,
    "load_by_name_with_config": 5,
    "init_execution_context": 2,
    "set_input": 3,
    "compute": 1,
    "get_output": 5,
    "compute_single": 1,
    "get_output_single": 5,
    "fini_single": 1,
    "unload": 1,
    "finalize_execution_context": 1,
}


class CoreNN:
    """The functions for one guest. `say` takes a line for the log when a call fails."""

    def __init__(self, graphs: Graphs, aside: Aside, say: Callable[[str], None]) -> None:
        self._graphs = graphs
        self._aside = aside
        self._say = say

    def call(self, name: str, memory: GuestMemory, arguments: tuple[int, ...]) -> int:
        """One call by its import's name -> errno."""
        try:
            return int(getattr(self, "_" + name)(memory, *(argument & 0xFFFF_FFFF for argument in arguments)))
        except GuestFault as fault:
            self._say(f"wasi-nn {name}: {fault}")
            return MISSING_MEMORY
        except WherryError as error:
            self._say(f"wasi-nn {name}: {error}")
            return error.nn_errno
        except InterruptedError:  # the guest ends before it can read this
            return RUNTIME_ERROR

    def _load(self, memory: GuestMemory, builders: int, count: int, encoding: int, target: int, out: int) -> int:
        if not 0 < count <= _MAX_BUILDERS:
            raise InputError(f"load: found {count} builders, expected 1 to {_MAX_BUILDERS}")
        if encoding not in ENCODINGS.values():
            raise FormatError(f"load: found encoding {encoding}, expected 0 to {max(ENCODINGS.values())}")
        if target not in TARGETS.values():
            raise InputError(f"load: found target {target}, expected 0 to {max(TARGETS.values())}")
        flat = memory.u32s(builders, 2 * count)
        self._graphs.check_room(sum(flat[1::2]))
        pieces = [memory.read(pointer, length) for pointer, length in zip(flat[::2], flat[1::2], strict=True)]
        memory.set_u32(out, 0)  # a bad pointer is found before a model is loaded
        memory.set_u32(out, self._aside(lambda check: self._graphs.load_bytes(pieces, encoding, target)))
        return SUCCESS

    def _load_by_name(self, memory: GuestMemory, name: int, length: int, out: int) -> int:
        wanted = _name(memory, name, length)
        memory.set_u32(out, 0)
        memory.set_u32(out, self._aside(lambda check: self._graphs.load_by_name(wanted)))
        return SUCCESS

    def _load_by_name_with_config(
        self, memory: GuestMemory, name: int, length: int, config: int, config_length: int, out: int
    ) -> int:
        wanted = _name(memory, name, length)
        if config_length > _MAX_CONFIG:
            raise TooLargeError(f"configuration: found {config_length} bytes, expected at most {_MAX_CONFIG}")
        given = memory.read(config, config_length)
        memory.set_u32(out, 0)
        memory.set_u32(out, self._aside(lambda check: self._graphs.load_by_name_with_config(wanted, given)))
        return SUCCESS

    def _init_execution_context(self, memory: GuestMemory, graph: int, out: int) -> int:
        memory.set_u32(out, 0)
        memory.set_u32(out, self._graphs.open_context(graph))
        return SUCCESS

    def _set_input(self, memory: GuestMemory, context: int, index: int, tensor: int) -> int:
        dims, dims_length, kind, data, length = memory.u32s(tensor, 5)
        if dims_length > _MAX_DIMS:
            raise InputError(f"input {index}: found {dims_length} dimensions, expected at most {_MAX_DIMS}")
        if kind & 0xFF not in TENSOR_TYPES.values():
            raise InputError(f"input {index}: found type {kind & 0xFF}, expected 0 to {max(TENSOR_TYPES.values())}")
        shape = tuple(memory.u32s(dims, dims_length))
        self._graphs.check_input(context, index, length)
        self._graphs.set_input(context, index, Tensor(shape, kind & 0xFF, memory.read(data, length)))
        return SUCCESS

    def _compute(self, memory: GuestMemory, context: int) -> int:
        def compute(check: Check) -> int:
            self._graphs.compute(context, check)
            return SUCCESS

        return self._aside(compute)

    def _get_output(self, memory: GuestMemory, context: int, index: int, buffer: int, size: int, out: int) -> int:
        return _pass_on(memory, self._output(context, index), f"output {index}", buffer, size, out)

    def _output(self, context: int, index: int) -> bytes:
        found: list[bytes] = []

        def take(check: Check) -> int:
            found.append(self._graphs.output(context, index))
            return SUCCESS

        self._aside(take)  # the usage of a long prompt takes a while to count
        return found[0]

    def _compute_single(self, memory: GuestMemory, context: int) -> int:
        return self._aside(lambda check: _ENDINGS[self._graphs.compute_single(context, check)])

    def _get_output_single(self, memory: GuestMemory, context: int, index: int, buffer: int, size: int, out: int) -> int:
        if index == USAGE:
            return _pass_on(memory, self._output(context, index), "output 1", buffer, size, out)
        if index:
            raise InputError(f"get_output_single: found output {index}, expected 0, or 1 for the usage")
        return _pass_on(memory, self._graphs.piece(context), "the newest piece", buffer, size, out)

    def _fini_single(self, memory: GuestMemory, context: int) -> int:
        self._graphs.end_single(context)
        return SUCCESS

    def _unload(self, memory: GuestMemory, graph: int) -> int:
        self._graphs.unload(graph)
        return SUCCESS

    def _finalize_execution_context(self, memory: GuestMemory, context: int) -> int:
        self._graphs.close_context(context)
        return SUCCESS


def _name(memory: GuestMemory, pointer: int, length: int) -> str:
    if length > _MAX_NAME:
        raise InputError(f"graph name: found {length} bytes, expected at most {_MAX_NAME}")
    try:
        return memory.read(pointer, length).decode()
    except UnicodeDecodeError as error:
        raise InputError("graph name: found bytes that are not UTF-8, expected a name") from error


def _pass_on(memory: GuestMemory, data: bytes, what: str, buffer: int, size: int, out: int) -> int:
    memory.set_u32(out, len(data))  # also when it does not fit, so that the guest can try again
    if len(data) > size:
        raise TooLargeError(f"{what}: found a buffer of {size} bytes, expected {len(data)}")
    memory.write(buffer, data)
    return SUCCESS
