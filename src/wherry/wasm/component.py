"""Components: compiled once a machine, linked once a process, instantiated for each guest within limits.

What a host function raises is kept on its own guest and becomes a trap: nothing passes from one guest's thread to another's.
"""

import ctypes
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from ctypes import byref
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import wasmtime
from wasmtime import _ffi as ffi
from wasmtime import component as wasm
from wasmtime.component import _types as types

from wherry.errors import GuestError, InputError, StoppedError, WherryError
from wherry.wasm.module import load_component, new_component_engine, reason_of
from wherry.wasm.values import Case, Own, Signature, raise_error

T = TypeVar("T")
Function = Callable[..., Any]  # the guest, then the arguments -> the result
_WASI_2 = re.compile(r"^(wasi:[^@]+)@0\.2\.\d+$")  # whatever its last number: they differ in what was added
_MAX_RESOURCES = 4096  # alive in a guest
_MAX_TABLE_ELEMENTS = 1 << 18
_MAX_PARTS = 64  # core instances, tables and memories of a guest, each
_WASI = ("wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:io/", "wasi:random/", "wasi:sockets/")  # wasmtime's
_CONTINUE = 0  # wasmtime's word for a store whose epoch goes on
_NO_FINALIZER = ctypes.CFUNCTYPE(None, ctypes.c_void_p)()  # null
_EpochCallback = ctypes.CFUNCTYPE(
    ctypes.c_size_t,
    ctypes.POINTER(ffi.wasmtime_context_t),
    ctypes.c_void_p,
    ctypes.POINTER(ctypes.c_uint64),
    ctypes.POINTER(ffi.wasmtime_update_deadline_kind_t),
)
_here = threading.local()  # `guest`: the one whose code this thread runs


@dataclass(frozen=True)
class Interface:
    """What the host provides under one name: functions by theirs ("[method]graph.compute"), resources with their kinds.

    fault   why a function cannot have the type that a component says it has, or nothing
    """

    functions: Mapping[str, Function]
    resources: Mapping[str, int] = field(default_factory=dict)
    fault: Callable[[str, types.FuncType], str] = lambda name, kind: ""


@dataclass(frozen=True)
class Limits:
    """memory_bytes: the most linear memory of an instance."""

    memory_bytes: int = 512 << 20


class Compiled:
    """A component as machine code, and what it exports: types by name."""

    def __init__(self, path: Path, cache: Path | None = None, say: Callable[[str], None] = lambda line: None) -> None:
        """Raises NotFoundError, FormatError, TooLargeError."""
        self.path = path
        self.engine = new_component_engine()
        self.component = load_component(self.engine, path, cache, say)
        self.exports = {name: item.ty for name, item in self.component.type.exports(self.engine).items()}

    def exported(self, interface: str | None, name: str) -> Any:
        """The type of an exported function, None where there is none."""
        items = self.exports
        if interface is not None:
            inner = items.get(interface)
            if not isinstance(inner, types.ComponentInstanceType):
                return None
            items = {key: item.ty for key, item in inner.exports(self.engine).items()}
        kind = items.get(name)
        return kind if isinstance(kind, types.FuncType) else None

    def version_of(self, interface: str) -> str | None:
        """The exported interface of WASI 0.2 by its whole name, whatever its last number; None where there is none."""
        return next((name for name in self.exports if _WASI_2.sub(r"\1", name) == interface != name), None)


class Program:
    """A component, linked: `start` makes instances of it, on any thread.

    interfaces   what the host provides, by name and version, WASI's by name alone; `wasi`: whether wasmtime's own WASI p2 is
                 there besides
    """

    def __init__(self, compiled: Compiled, interfaces: Mapping[str, Interface], *, wasi: bool) -> None:
        self.compiled = compiled
        self.path = compiled.path
        self.engine = compiled.engine
        self.component = compiled.component
        self.exported = compiled.exported
        self._kept: list[Any] = []  # callbacks that C calls
        self.linker = wasm.Linker(self.engine)
        if wasi:
            self.linker.allow_shadowing = True
            self.linker.add_wasip2()
        with self.linker.root() as root:
            for name, item in self.component.type.imports(self.engine).items():
                self._define(root, name, item.ty, interfaces, wasi)

    def _define(self, root: Any, name: str, kind: Any, interfaces: Mapping[str, Interface], wasi: bool) -> None:
        if not isinstance(kind, types.ComponentInstanceType):
            if isinstance(kind, types.FuncType):
                raise InputError(f"{self.path}: found import {name}, which Wherry does not provide")
            return
        provided = interfaces.get(name) or interfaces.get(_WASI_2.sub(r"\1", name))
        if provided is None:
            items = kind.exports(self.engine)
            if wasi and name.startswith(_WASI):  # wasmtime says what it lacks when the first instance is made
                return
            if any(isinstance(item.ty, types.FuncType | wasm.ResourceType) for item in items.values()):
                raise InputError(f"{self.path}: found import {name}, which Wherry does not provide")
            provided = Interface({})
        with root.add_instance(name) as instance:
            for item_name, item in kind.exports(self.engine).items():
                if isinstance(item.ty, wasm.ResourceType):
                    if item_name in provided.resources:
                        number = provided.resources[item_name]
                        instance.add_resource(item_name, wasm.ResourceType.host(number), _drop)
                elif isinstance(item.ty, types.FuncType):
                    if item_name not in provided.functions:
                        raise InputError(f"{self.path}: found import {name}#{item_name}, which Wherry does not provide")
                    if why := provided.fault(item_name, item.ty):
                        raise InputError(f"{self.path}: import {name}#{item_name}: {why}")
                    self._add(instance, item_name, provided.functions[item_name], Signature.of(item.ty))

    def _add(self, instance: Any, name: str, function: Function, signature: Signature) -> None:
        callback = ffi.wasmtime_component_func_callback_t(_host_function(function, signature))
        self._kept.append(callback)
        raw = name.encode()
        buffer = ctypes.create_string_buffer(raw)
        raise_error(
            ffi.wasmtime_component_linker_instance_add_func(instance.ptr(), buffer, len(raw), callback, None, _NO_FINALIZER)
        )


def _host_function(function: Function, signature: Signature) -> Callable[..., int]:
    parameters, result = signature.parameters, signature.result

    def call(data: Any, context: Any, kind: Any, arguments: Any, count: int, results: Any, result_count: int) -> int:
        guest: Guest = _here.guest
        try:
            given = [parameter.lift(context, arguments[i]) for i, parameter in enumerate(parameters)]
            value = function(guest, *given)
            if result is not None:
                result.lower(context, value, results[0])
        except BaseException as error:  # noqa: BLE001 - raised again in `Guest.call`, on the side of the host
            return guest.fail(error)
        return 0

    return call


def _drop(store: Any, number: int) -> None:
    """A guest has let a resource go."""
    guest: Guest = _here.guest
    try:
        guest.table.drop(number)
    except Exception as error:  # noqa: BLE001 - as above
        guest.fail(error)


class Table:
    """What stands behind the numbers that a guest has of the host's resources. wasmtime has checked their kinds."""

    def __init__(self) -> None:
        self._items: dict[int, Any] = {}
        self._next = 1

    def add(self, kind: int, item: Any) -> Own:
        """Raises GuestError where a guest has too many: it has lost count, and ends."""
        if len(self._items) >= _MAX_RESOURCES:
            _close(item)
            raise GuestError(f"resources: found {len(self._items)} in use, expected fewer")
        number, self._next = self._next, self._next + 1
        self._items[number] = item
        return Own(number, kind)

    def __getitem__(self, number: int) -> Any:
        return self._items[number]

    def of(self, number: int, kind: type[T]) -> T:
        """What stands there. Raises GuestError for another kind than it should be: a number that was made up."""
        item = self._items.get(number)
        if not isinstance(item, kind):
            raise GuestError(f"resources: found no {kind.__name__.lower()} where a handle of one was expected")
        return item

    def take(self, number: int) -> Any:
        """Of a resource that passes to the host."""
        return self._items.pop(number)

    def take_of(self, number: int, kind: type[T]) -> T:
        """The same, of a kind. Raises GuestError."""
        item = self.of(number, kind)
        del self._items[number]
        return item

    def drop(self, number: int) -> None:
        _close(self._items.pop(number, None))

    def items(self) -> Iterable[Any]:
        return self._items.values()

    def clear(self) -> None:
        for number in list(self._items):
            self.drop(number)

    def __len__(self) -> int:
        return len(self._items)


def _close(item: Any) -> None:
    if (close := getattr(item, "close", None)) is not None:
        close()


class Guest:
    """One instance of a program. One thread makes it, calls it and closes it; `stop` may come from any.

    data     whatever the host's functions want to find with their guest; its `close`, if it has one, comes after the guest's
    wanted   raises StoppedError where nobody waits for the guest's work any more, which may go on and end by itself
    wake     ends the waits of the guest in the host's functions, after `stop`

    After a trap it is of no use any more.
    """

    def __init__(
        self,
        program: Program,
        limits: Limits,
        wasi: wasmtime.WasiConfig | None,
        data: Any = None,
        wanted: Callable[[], None] = lambda: None,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self.data = data
        self._wake = wake
        self._wanted = wanted
        self.table = Table()
        self.dead = False
        self._program = program
        self._reason = ""
        self._fault: BaseException | None = None
        self._functions: dict[tuple[str | None, str], tuple[Any, Signature]] = {}
        self._store = wasmtime.Store(program.engine)
        self._store.set_limits(limits.memory_bytes, _MAX_TABLE_ELEMENTS, _MAX_PARTS, _MAX_PARTS, _MAX_PARTS)
        if wasi is not None:
            self._store.set_wasi(wasi)
        self._epoch = _EpochCallback(self._at_epoch)
        ffi.wasmtime_store_epoch_deadline_callback(self._store.ptr(), self._epoch, None, _NO_FINALIZER)
        self._store.set_epoch_deadline(1)
        _here.guest = self
        try:
            self._instance = program.linker.instantiate(self._store, program.component)
        except wasmtime.WasmtimeError as error:
            self.close()
            raise self._ended(error) from error

    def call(self, interface: str | None, name: str, *arguments: Any) -> Any:
        """Raises GuestError where the guest trapped, StoppedError after `stop`, and what a host function raised."""
        function, signature = self._function(interface, name)
        context = self._store._context()
        given = (ffi.wasmtime_component_val_t * len(arguments))()
        result = ffi.wasmtime_component_val_t()
        _here.guest = self
        self._fault = None
        self._store.set_epoch_deadline(1)
        if self._reason:
            raise self._ended(None)
        try:
            for place, converter, value in zip(given, signature.parameters, arguments, strict=True):
                converter.lower(context, value, place)
            wanted = byref(result) if signature.result is not None else None
            error = ffi.wasmtime_component_func_call(byref(function), context, given, len(given), wanted, int(wanted is not None))
            raise_error(error)
            value = signature.result.lift(context, result) if signature.result is not None else None
            raise_error(ffi.wasmtime_component_func_post_return(byref(function), context))
            return value
        except wasmtime.WasmtimeError as error:
            self.dead = True
            raise self._ended(error) from error
        finally:
            for place in given:
                ffi.wasmtime_component_val_delete(byref(place))
            if signature.result is not None:
                ffi.wasmtime_component_val_delete(byref(result))

    def stop(self, reason: str) -> None:
        """End its code where it stands."""
        self._reason = self._reason or reason
        self._program.engine.increment_epoch()
        self._wake()

    @property
    def stopped(self) -> str:
        """Why it was stopped, or nothing."""
        return self._reason

    def check(self) -> None:
        """Raises StoppedError after `stop` and where nobody waits: for whatever works for the guest."""
        self.check_stopped()
        self._wanted()

    def check_stopped(self) -> None:
        """Raises StoppedError after `stop`: a host function that passes it on ends the guest."""
        if self._reason:
            raise StoppedError(f"the guest was stopped: {self._reason}")

    def fail(self, error: BaseException) -> int:
        """Keep what a host function raised -> the trap to give back."""
        self._fault = self._fault or error
        return ctypes.cast(ffi.wasmtime_error_new(b"a function of the host failed"), ctypes.c_void_p).value or 0

    def close(self) -> None:
        self.dead = True
        _here.guest = self
        self.table.clear()
        self._store.close()
        _close(self.data)

    def _at_epoch(self, context: Any, data: Any, more: Any, kind: Any) -> int:
        """Some guest of this engine is to stop: this one?"""
        if self._reason:
            return ctypes.cast(ffi.wasmtime_error_new(b"stopped"), ctypes.c_void_p).value or 0
        more[0] = 1
        kind[0] = _CONTINUE
        return 0

    def _function(self, interface: str | None, name: str) -> tuple[Any, Signature]:
        known = self._functions.get((interface, name))
        if known is None:
            kind = self._program.exported(interface, name)
            index = None if interface is None else self._instance.get_export_index(self._store, interface)
            index = self._instance.get_export_index(self._store, name, index)
            function = self._instance.get_func(self._store, index) if index is not None else None
            if kind is None or function is None:
                what = f"{interface}#{name}" if interface else name
                raise InputError(f"{self._program.path}: found no export {what}")
            known = self._functions[interface, name] = (function._func, Signature.of(kind))
        return known

    def _ended(self, error: Exception | None) -> BaseException:
        """Why the guest ended, as the host's own exception."""
        if self._reason:
            return StoppedError(f"{self._program.path.name}: stopped: {self._reason}")
        if self._fault is not None:
            return self._fault
        return GuestError(f"{self._program.path.name}: {reason_of(error) if error else 'ended'}")


def fallible(function: Callable[..., Any], told: Callable[[Guest, WherryError], Any]) -> Callable[..., Any]:
    """A function whose result says whether it failed: what Wherry raises on purpose becomes the guest's to handle, as `told` puts
    it; anything else ends the guest."""

    def call(guest: Guest, *arguments: Any) -> Any:
        try:
            return Case("ok", function(guest, *arguments))
        except GuestError:
            raise  # its own fault, and its end
        except WherryError as error:
            guest.check_stopped()  # then it hears nothing more
            return Case("err", told(guest, error))

    return call
