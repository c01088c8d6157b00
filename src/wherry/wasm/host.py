"""Runs a core module: preview1 by wasmtime, WasmEdge's sockets and wasi-nn by us, within limits.

Nothing a guest does may end, hang or corrupt the host. Host functions let no exception out (wasmtime-py keeps the last one
in a module-wide variable, so another thread's guest could receive it): what goes wrong becomes an errno, and what should
not have gone wrong is kept on this guest and raised when it has ended.
"""

import ctypes
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import wasmtime

from wherry.errors import GuestError, InputError, NotFoundError, StoppedError
from wherry.wasm import arguments, descriptors, sockets
from wherry.wasm.allowed import AllowedHost
from wherry.wasm.arguments import Arguments, preopen
from wherry.wasm.descriptors import Descriptors
from wherry.wasm.errno import FAULT, INVAL, IO, NOSYS, SUCCESS
from wherry.wasm.memory import PAGE_BYTES, GuestFault, GuestMemory
from wherry.wasm.module import load_module, megabytes, new_engine, reason_of
from wherry.wasm.network_policy import NetworkAccess, NetworkPolicy
from wherry.wasm.nn import core
from wherry.wasm.nn.graph import Graph, Graphs, LoadGraph
from wherry.wasm.sockets import Sockets
from wherry.wasm.stop import Stop
from wherry.wasm.wasi.reach import Reach

_PREVIEW1 = "wasi_snapshot_preview1"
_NN = "wasi_ephemeral_nn"
_LOGGING = "wasi:logging/logging"
_LEVELS = ("trace", "debug", "info", "warn", "error", "critical")
_MAX_LOG_BYTES, _MAX_LOG_CONTEXT = 1 << 16, 256
_CLOCK = {"clock_time_get": ("i32", "i64", "i32"), "clock_res_get": ("i32", "i32")}
_REALTIME, _MONOTONIC = 0, 1
_LOG_SIGNATURE = ("i32",) * 5
_MAX_TABLES, _MAX_TABLE_ELEMENTS = 4, 1 << 18  # of 8 bytes on the host


@dataclass(frozen=True)
class Mount:
    """A folder of the host that the guest sees as `guest`."""

    host: Path
    guest: str
    writable: bool = True

    def check(self) -> None:
        if not self.host.is_dir():
            raise NotFoundError(f"{self.host}: found no such folder, expected one to mount at {self.guest}")


@dataclass(frozen=True)
class GuestOptions:
    """What a guest is given; nothing else of the host is visible to it.

    network        of a core module: the ports that it may serve, and whether it may have everything
    allowed        hosts that it may reach
    clock_step     nanoseconds that its clocks can tell apart
    memory_bytes   the most linear memory it may have; the host keeps as much again for it, in tensors and models
    timeout        seconds of wall clock, None for no limit
    """

    argv: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    mounts: Sequence[Mount] = ()
    network: NetworkPolicy = field(default_factory=NetworkPolicy)
    allowed: Sequence[AllowedHost] = ()
    clock_step: int = 1
    memory_bytes: int = 1 << 32
    timeout: float | None = None
    inherit_stdio: bool = True
    stdout_file: Path | None = None
    stderr_file: Path | None = None


class Guest:
    """One module, ready to run once.

    `find_graph` gives wasi-nn graphs by name, `load_graph` makes them of the bytes that a guest passes (None: it may not),
    `say` takes lines for the log.
    """

    def __init__(
        self,
        path: Path,
        options: GuestOptions,
        find_graph: Callable[[str], Graph],
        *,
        load_graph: LoadGraph | None = None,
        cache: Path | None = None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._path = path
        self._options = options
        self._say = say
        self._engine = new_engine()
        self._module = load_module(self._engine, path, cache, say)
        self._stop = Stop()
        streams = {0: 0, 1: 1, 2: 2} if options.inherit_stdio else {}
        for number, file in ((1, options.stdout_file), (2, options.stderr_file)):
            if file is not None:
                streams.pop(number, None)
        access = NetworkAccess(options.network, Reach(options.allowed, say), say)
        self._sockets = Sockets(access, self._stop, streams, self._is_open)
        self._arguments = Arguments(list(options.argv) or [path.name], options.env)
        self._descriptors = Descriptors(self._stop, self._sockets, streams)
        self._nn = core.CoreNN(Graphs(find_graph, load_graph, options.memory_bytes), self._stop.run, say)
        self._shim: Any = None
        self._caller: wasmtime.Caller | None = None  # of the socket call that runs
        self._exit: int | None = None
        self._fault: BaseException | None = None
        self._reason = ""

    def stop(self, reason: str = "stopped") -> None:
        """End the guest from any thread: its code is interrupted, and its waiting calls return."""
        self._reason = self._reason or reason
        self._engine.increment_epoch()  # first: a call that wakes must not return into a guest that may run on
        self._stop.give()

    @property
    def stopping(self) -> bool:
        """Whether it was told to end, by `stop` or by its deadline."""
        return self._stop.given

    @property
    def left_work(self) -> bool:
        """Whether a model still computes for the guest, which has been stopped: nobody waits for it, but it has a thread."""
        return self._stop.left_work

    def run(self) -> int:
        """Run `_start` to its end -> the guest's exit code.

        Raises GuestError for a trap or a limit, StoppedError after `stop`, InputError for imports nobody provides.
        """
        store = self._store()
        timer = None
        if self._options.timeout is not None:
            timer = threading.Timer(self._options.timeout, self.stop, ["deadline"])
            timer.daemon = True
            timer.start()
        try:
            if self._reason:  # stopped before it began: its epoch is past what the store counts from
                raise self._ended(GuestError(""))
            start = self._instantiate(store)
            start(store)
        except (wasmtime.Trap, wasmtime.WasmtimeError) as error:
            if self._exit is None:
                raise self._ended(error) from error
        finally:
            if timer is not None:
                timer.cancel()
            self._sockets.close_all()
            self._stop.close()
            self._shim = None
            store.close()  # now, not when the collector finds it: it holds the guest's memory and files
        if self._fault is not None:
            raise self._fault
        if self._reason and self._exit is None:  # it came to its end, after it was stopped
            raise self._ended(GuestError(""))
        return self._exit or 0

    def _store(self) -> wasmtime.Store:
        options = self._options
        store = wasmtime.Store(self._engine)
        store.set_limits(options.memory_bytes, _MAX_TABLE_ELEMENTS, instances=2, tables=_MAX_TABLES, memories=1)
        store.set_epoch_deadline(1)
        wasi = wasmtime.WasiConfig()
        if options.stdout_file is not None:
            wasi.stdout_file = str(options.stdout_file)
        if options.stderr_file is not None:
            wasi.stderr_file = str(options.stderr_file)
        if options.inherit_stdio:
            wasi.inherit_stdin()
            wasi.inherit_stdout()
            wasi.inherit_stderr()
        for mount in options.mounts:
            mount.check()
            preopen(wasi, mount.host, mount.guest, mount.writable)
        store.set_wasi(wasi)
        return store

    def _instantiate(self, store: wasmtime.Store) -> Callable[[wasmtime.Store], object]:
        linker = wasmtime.Linker(self._engine)
        linker.define_wasi()
        linker.allow_shadowing = True
        forwarded = self._define(linker)
        for item in self._module.imports:
            try:
                linker.get(store, item.module, item.name or "")
            except wasmtime.WasmtimeError as error:
                what = f"{item.module}::{item.name}"
                raise InputError(f"{self._path}: found import {what}, which Wherry does not provide") from error
        self._check_memory()
        kinds = [item.type for item in self._module.exports if item.name == "_start"]
        if not any(isinstance(kind, wasmtime.FuncType) and not kind.params for kind in kinds):
            raise InputError(f"{self._path}: found no function _start, expected a command module (wasm32-wasip1)")
        try:
            instance = linker.instantiate_pre(self._module)
        except wasmtime.WasmtimeError as error:  # an import of another type: nothing of the guest has run
            raise InputError(f"{self._path}: {' '.join(str(error).split())}") from error
        exports = instance.instantiate(store).exports(store)
        memory = exports.get("memory")
        if isinstance(memory, wasmtime.Memory) and memory.data_len(store):
            self._shim = self._make_shim(store, memory, forwarded)
            self._sockets.clock_offset = self._shim["now"](store) - time.monotonic_ns()
        return cast(wasmtime.Func, exports["_start"])

    def _define(self, linker: wasmtime.Linker) -> list[str]:
        """Our functions over wasmtime's -> those of preview1 that are wasmtime's for files."""
        forwarded: list[str] = []
        for item in self._module.imports:
            name, kind = item.name or "", item.type
            if not isinstance(kind, wasmtime.FuncType):
                raise InputError(f"{self._path}: found import {item.module}::{name} that is no function, expected functions")
            function: Callable[..., int | None]
            if item.module == _PREVIEW1 and name in descriptors.SIGNATURES:
                kind = self._signature_of(item.module, name, kind, [descriptors.SIGNATURES[name]])
                function = self._descriptor_call(name)
                forwarded.append(name)
            elif item.module == _PREVIEW1 and name.removesuffix("_v2") in sockets.ARITIES:
                arities = sockets.ARITIES[name.removesuffix("_v2")]
                kind = self._signature_of(item.module, name, kind, [("i32",) * arity for arity in arities])
                function = self._socket_call(name)
            elif item.module == _PREVIEW1 and name in arguments.ARITIES:
                kind = self._signature_of(item.module, name, kind, [("i32",) * arguments.ARITIES[name]])
                function = self._host_call(self._arguments.call, name)
            elif item.module == _NN and name in core.ARITIES:
                kind = self._signature_of(item.module, name, kind, [("i32",) * core.ARITIES[name]])
                function = self._host_call(self._nn.call, name)
            elif item.module == _LOGGING and name == "log":
                kind = self._signature_of(item.module, name, kind, [_LOG_SIGNATURE], results=())
                function = self._log_call()
            elif item.module == _PREVIEW1 and name in _CLOCK and self._options.clock_step > 1:
                kind = self._signature_of(item.module, name, kind, [_CLOCK[name]])
                function = self._clock_call(name)
            elif item.module == _PREVIEW1 and name == "proc_exit":
                kind = self._signature_of(item.module, name, kind, [("i32",)], results=())
                function = self._exit_call()
            else:
                continue
            linker.define_func(item.module, name, kind, function, access_caller=True)
        return forwarded

    def _signature_of(
        self,
        module: str,
        name: str,
        kind: wasmtime.FuncType,
        expected: Sequence[tuple[str, ...]],
        results: tuple[str, ...] = ("i32",),
    ) -> wasmtime.FuncType:
        """The one of ours that an import means, by how many parameters it has. The linker compares the types: wasmtime's C
        interface ends the process of whoever asks it for one that it has no name for, such as v128.
        """
        found = len(kind.params)
        for each in expected:
            if len(each) == found:
                types = {"i32": wasmtime.ValType.i32, "i64": wasmtime.ValType.i64}
                return wasmtime.FuncType([types[name]() for name in each], [types[name]() for name in results])
        wanted = " or ".join(f"({' '.join(each)})" for each in expected)
        raise InputError(
            f"{self._path}: import {module}::{name}: found {found} parameters, expected {wanted} -> ({' '.join(results)})"
        )

    def _check_memory(self) -> None:
        limit = self._options.memory_bytes
        for item in self._module.exports:
            if isinstance(item.type, wasmtime.MemoryType) and (needed := item.type.limits.min * PAGE_BYTES) > limit:
                raise GuestError(
                    f"{self._path}: memory: found a limit of {megabytes(limit)} MB, expected at least {megabytes(needed)} MB",
                    hint=f"raise the limit: --memory {megabytes(needed)}m",
                )

    def _make_shim(self, store: wasmtime.Store, memory: wasmtime.Memory, names: Sequence[str]) -> Any:
        """wasmtime's own calls look for `memory` on whoever calls them: this module lends them the guest's.

        `now` is the guest's monotonic clock in nanoseconds, `status` the errno of a descriptor: 0 where it is open. They leave
        the memory as it was.
        """
        clock, status = ("i32", "i64", "i32"), ("i32", "i32")
        lines = [
            '(module (import "guest" "memory" (memory 0)) (export "memory" (memory 0))',
            f'(import "{_PREVIEW1}" "clock_time_get" (func $clock {_signature(clock)}))',
            f'(import "{_PREVIEW1}" "fd_fdstat_get" (func $status {_signature(status)}))',
        ]
        signatures = {name: descriptors.SIGNATURES[name] for name in names}
        for name, kind in signatures.items():
            lines.append(f'(import "{_PREVIEW1}" "{name}" (func ${name} {_signature(kind)}))')
        lines.append(
            '(func (export "now") (result i64) (local $kept i64) (local.set $kept (i64.load (i32.const 0))) '
            "(drop (call $clock (i32.const 1) (i64.const 0) (i32.const 0))) (i64.load (i32.const 0)) "
            "(i64.store (i32.const 0) (local.get $kept)))"
        )
        words = range(0, 24, 8)  # of a descriptor's status
        kept = " ".join(f"(local $w{at} i64)" for at in words)
        saved = " ".join(f"(local.set $w{at} (i64.load (i32.const {at})))" for at in words)
        restored = " ".join(f"(i64.store (i32.const {at}) (local.get $w{at}))" for at in words)
        lines.append(
            f'(func (export "status") (param i32) (result i32) {kept} (local $code i32) '
            f"{saved} (local.set $code (call $status (local.get 0) (i32.const 0))) {restored} (local.get $code))"
        )
        for name, kind in signatures.items():
            arguments = " ".join(f"local.get {i}" for i in range(len(kind)))
            lines.append(f'(func (export "{name}") {_signature(kind)} {arguments} call ${name})')
        linker = wasmtime.Linker(self._engine)
        linker.define_wasi()
        linker.define(store, "guest", "memory", memory)
        return linker.instantiate(store, wasmtime.Module(self._engine, "\n".join([*lines, ")"]))).exports(store)

    def _is_open(self, fd: int) -> bool:
        """Of a descriptor that is wasmtime's, during a call of the guest's."""
        try:
            return self._shim is not None and self._shim["status"](self._caller, fd) == SUCCESS
        except (wasmtime.Trap, wasmtime.WasmtimeError):
            return False  # the guest is being stopped

    # -- host functions: no exception may leave them

    def _host_call(self, call: Callable[[str, GuestMemory, tuple[int, ...]], int], name: str) -> Callable[..., int]:
        def function(caller: wasmtime.Caller, *given: int) -> int:
            try:
                return call(name, _memory_of(caller), given)
            except GuestFault:
                return FAULT
            except BaseException as error:  # noqa: BLE001 - kept, and raised when the guest has ended
                return self._broken(error)

        return function

    def _socket_call(self, name: str) -> Callable[..., int]:
        call = self._host_call(self._sockets.call, name)

        def function(caller: wasmtime.Caller, *given: int) -> int:
            self._caller = caller
            try:
                return call(caller, *given)
            finally:
                self._caller = None

        return function

    def _descriptor_call(self, name: str) -> Callable[..., int]:
        def function(caller: wasmtime.Caller, *given: int) -> int:
            def forward(*same: int) -> int:
                return int(self._shim[name](caller, *same)) if self._shim is not None else NOSYS

            try:
                return self._descriptors.call(name, _memory_of(caller), forward, given)
            except GuestFault:
                return FAULT
            except (wasmtime.Trap, wasmtime.WasmtimeError):
                return FAULT  # a pointer outside memory traps in wasmtime's own call
            except BaseException as error:  # noqa: BLE001 - kept, and raised when the guest has ended
                return self._broken(error)

        return function

    def _exit_call(self) -> Callable[..., None]:
        """wasmtime's own refuses codes from 126 on. Compilers put a trap behind the call; an epoch ends who has none."""

        def function(caller: wasmtime.Caller, code: int) -> None:
            if self._exit is None:
                self._exit = code & 0xFF
            self._engine.increment_epoch()

        return function

    def _clock_call(self, name: str) -> Callable[..., int]:
        """wasmtime's own clocks tell nanoseconds apart."""
        step = self._options.clock_step

        def function(caller: wasmtime.Caller, clock: int, *rest: int) -> int:
            try:
                if clock not in (_REALTIME, _MONOTONIC):
                    return INVAL
                now = time.time_ns() if clock == _REALTIME else time.monotonic_ns() + self._sockets.clock_offset
                value = now // step * step if name == "clock_time_get" else step
                _memory_of(caller).write(rest[-1], value.to_bytes(8, "little"))
            except GuestFault:
                return FAULT
            except BaseException as error:  # noqa: BLE001 - kept, and raised when the guest has ended
                return self._broken(error)
            return SUCCESS

        return function

    def _log_call(self) -> Callable[..., None]:
        def function(caller: wasmtime.Caller, level: int, context: int, size: int, message: int, length: int) -> None:
            try:
                memory = _memory_of(caller)
                name = _LEVELS[level] if 0 <= level < len(_LEVELS) else str(level)
                text = memory.read(message, min(length & 0xFFFF_FFFF, _MAX_LOG_BYTES)).decode(errors="replace")
                # A guest may name a stream or a file; all of it goes to the one log, files with their name.
                where = memory.read(context, min(size & 0xFFFF_FFFF, _MAX_LOG_CONTEXT)).decode(errors="replace")
                self._say(f"{name}: {text}" if where in ("", "stdout", "stderr") else f"{name}: {where}: {text}")
            except GuestFault as fault:
                self._say(f"wasi:logging: {fault}")
            except BaseException as error:  # noqa: BLE001 - kept, and raised when the guest has ended
                self._broken(error)

        return function

    def _broken(self, error: BaseException) -> int:
        """A defect of the host, not of the guest: end the guest, and tell."""
        self._fault = self._fault or error
        self.stop("a defect of the host")
        return IO

    def _ended(self, error: Exception) -> Exception:
        if self._fault is not None:
            return self._fault if isinstance(self._fault, Exception) else GuestError(f"{self._path}: {self._fault!r}")
        if self._reason == "deadline":
            return GuestError(
                f"{self._path}: ran for {self._options.timeout:g} s, which is its limit", hint="raise it with --timeout"
            )
        if self._reason:
            return StoppedError(f"{self._path}: {self._reason}")
        code = getattr(error, "trap_code", None)
        what = f"trapped: {code.name.lower().replace('_', ' ')}" if code is not None else f"failed: {reason_of(error)}"
        return GuestError(f"{self._path}: the guest {what}")


def _memory_of(caller: wasmtime.Caller) -> GuestMemory:
    memory = caller.get("memory")
    if not isinstance(memory, wasmtime.Memory):
        raise GuestFault("found no exported memory")
    return GuestMemory(lambda: (ctypes.addressof(memory.data_ptr(caller).contents), memory.data_len(caller)))


def _signature(parameters: Sequence[str]) -> str:
    return f"(param {' '.join(parameters)}) (result i32)"
