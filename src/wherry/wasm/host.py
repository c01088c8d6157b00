"""Runs a core module: preview1 by wasmtime, WasmEdge's sockets and wasi-nn by us, within limits.

Nothing a guest does may end, hang or corrupt the host. Host functions let no exception out (wasmtime-py keeps the last one
in a module-wide variable, so another thread's guest could receive it): what goes wrong becomes an errno, and what should
not have gone wrong is kept on this guest and raised when it has ended.
"""

import ctypes
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import wasmtime

from wherry.errors import GuestError, InputError, NotFoundError, StoppedError
from wherry.wasm import sockets
from wherry.wasm.memory import GuestFault, GuestMemory
from wherry.wasm.module import load_module, new_engine
from wherry.wasm.nn import core
from wherry.wasm.nn.graph import Graph, Graphs
from wherry.wasm.sockets import NetworkPolicy, Sockets

_PREVIEW1 = "wasi_snapshot_preview1"
_NN = "wasi_ephemeral_nn"
_LOGGING = "wasi:logging/logging"
# Preview1 calls that may name a socket: ours first, wasmtime's for every other descriptor.
_SHARED = ("fd_close", "fd_fdstat_get", "fd_fdstat_set_flags", "fd_read", "fd_write")
_LEVELS = ("trace", "debug", "info", "warn", "error", "critical")
_MAX_LOG_BYTES = 1 << 16
_MAX_STACK = 1 << 20


@dataclass(frozen=True)
class Mount:
    """A folder of the host that the guest sees as `guest`."""

    host: Path
    guest: str
    writable: bool = True


@dataclass(frozen=True)
class GuestOptions:
    """What a guest is given; nothing else of the host is visible to it.

    memory_bytes   the most linear memory it may have
    timeout        seconds of wall clock, None for no limit
    """

    argv: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    mounts: Sequence[Mount] = ()
    network: NetworkPolicy = field(default_factory=NetworkPolicy)
    memory_bytes: int = 1 << 32
    timeout: float | None = None
    inherit_stdio: bool = True
    stdout_file: Path | None = None
    stderr_file: Path | None = None


class Guest:
    """One module, ready to run once. `find_graph` gives wasi-nn graphs by name, `say` takes lines for the log."""

    def __init__(
        self,
        path: Path,
        options: GuestOptions,
        find_graph: Callable[[str], Graph],
        *,
        cache: Path | None = None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._path = path
        self._options = options
        self._say = say
        self._engine = new_engine()
        self._module = load_module(self._engine, path, cache)
        self._wake, woken = socket.socketpair()
        self._sockets = Sockets(options.network, woken)
        self._nn = core.CoreNN(Graphs(find_graph), say)
        self._shim: Any = None
        self._fault: BaseException | None = None
        self._reason = ""

    def stop(self, reason: str = "stopped") -> None:
        """End the guest from any thread: its code is interrupted, and its waiting calls return."""
        self._reason = self._reason or reason
        self._engine.increment_epoch()  # first: a call that wakes must not return into a guest that may run on
        self._wake.send(b"!")

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
            start = self._instantiate(store)
            start(store)
            code = 0
        except wasmtime.ExitTrap as exit_trap:
            code = int(exit_trap.code)
        except (wasmtime.Trap, wasmtime.WasmtimeError) as error:
            raise self._ended(error) from error
        finally:
            if timer is not None:
                timer.cancel()
            self._sockets.close_all()
            self._sockets.woken.close()
        if self._fault is not None:
            raise self._fault
        if self._reason:  # it ended by itself, after it was stopped
            raise self._ended(GuestError(""))
        return code

    def _store(self) -> wasmtime.Store:
        options = self._options
        store = wasmtime.Store(self._engine)
        store.set_limits(memory_size=options.memory_bytes, table_elements=1 << 20, instances=8, tables=16, memories=8)
        store.set_epoch_deadline(1)
        wasi = wasmtime.WasiConfig()
        wasi.argv = list(options.argv) or [self._path.name]
        wasi.env = list(options.env.items())
        if options.stdout_file is not None:
            wasi.stdout_file = str(options.stdout_file)
        if options.stderr_file is not None:
            wasi.stderr_file = str(options.stderr_file)
        if options.inherit_stdio:
            wasi.inherit_stdin()
            wasi.inherit_stdout()
            wasi.inherit_stderr()
        for mount in options.mounts:
            if not mount.host.is_dir():
                raise NotFoundError(f"{mount.host}: found no such folder, expected one to mount at {mount.guest}")
            wasi.preopen_dir(str(mount.host), mount.guest, mount.writable)
        store.set_wasi(wasi)
        return store

    def _instantiate(self, store: wasmtime.Store) -> Callable[[wasmtime.Store], object]:
        linker = wasmtime.Linker(self._engine)
        linker.define_wasi()
        linker.allow_shadowing = True
        shared: list[tuple[str, wasmtime.FuncType]] = []
        for item in self._module.imports:
            name = item.name or ""
            if not isinstance(item.type, wasmtime.FuncType):
                raise InputError(f"{self._path}: found import {item.module}::{name} that is no function, expected functions")
            if item.module == _PREVIEW1 and name in _SHARED:
                linker.define_func(_PREVIEW1, name, item.type, self._shared_call(name), access_caller=True)
                shared.append((name, item.type))
            elif item.module == _PREVIEW1 and name.removesuffix("_v2") in sockets.ARITIES:
                self._check(item.module, name, item.type, sockets.ARITIES[name.removesuffix("_v2")])
                linker.define_func(_PREVIEW1, name, item.type, self._host_call(self._sockets.call, name), access_caller=True)
            elif item.module == _NN and name in core.ARITIES:
                self._check(item.module, name, item.type, (core.ARITIES[name],))
                linker.define_func(_NN, name, item.type, self._host_call(self._nn.call, name), access_caller=True)
            elif item.module == _LOGGING and name == "log":
                linker.define_func(_LOGGING, name, item.type, self._log_call(), access_caller=True)
        try:
            exports = linker.instantiate(store, self._module).exports(store)
        except wasmtime.WasmtimeError as error:
            if "unknown import" in str(error):
                missing = str(error).split("unknown import:")[-1].strip().splitlines()[0]
                raise InputError(f"{self._path}: found import {missing}, which Wherry does not provide") from error
            raise
        start = exports.get("_start")
        if not isinstance(start, wasmtime.Func):
            raise InputError(f"{self._path}: found no function _start, expected a command module (wasm32-wasip1)")
        memory = exports.get("memory")
        if shared and isinstance(memory, wasmtime.Memory):
            self._shim = self._make_shim(store, memory, shared)
        return start

    def _make_shim(self, store: wasmtime.Store, memory: wasmtime.Memory, shared: list[tuple[str, wasmtime.FuncType]]) -> Any:
        """wasmtime's own fd calls look for `memory` on whoever calls them: this module lends them the guest's."""
        lines = ['(module (import "guest" "memory" (memory 0)) (export "memory" (memory 0))']
        for name, kind in shared:
            lines.append(f'(import "{_PREVIEW1}" "{name}" (func ${name} {_signature(kind)}))')
        for name, kind in shared:
            arguments = " ".join(f"local.get {i}" for i in range(len(kind.params)))
            lines.append(f'(func (export "{name}") {_signature(kind)} {arguments} call ${name})')
        linker = wasmtime.Linker(self._engine)
        linker.define_wasi()
        linker.define(store, "guest", "memory", memory)
        return linker.instantiate(store, wasmtime.Module(self._engine, "\n".join([*lines, ")"]))).exports(store)

    def _check(self, module: str, name: str, kind: wasmtime.FuncType, arities: tuple[int, ...]) -> None:
        i32 = all(str(p) == "i32" for p in [*kind.params, *kind.results])
        if len(kind.params) not in arities or len(kind.results) != 1 or not i32:
            expected = " or ".join(map(str, arities))
            raise InputError(
                f"{self._path}: import {module}::{name}: found {len(kind.params)} parameters, expected {expected} of i32 and "
                "an i32 result"
            )

    # -- host functions: no exception may leave them

    def _host_call(self, call: Callable[[str, GuestMemory, tuple[int, ...]], int], name: str) -> Callable[..., int]:
        def function(caller: wasmtime.Caller, *arguments: int) -> int:
            try:
                return call(name, _memory_of(caller), arguments)
            except GuestFault:
                return sockets.FAULT
            except BaseException as error:  # noqa: BLE001 - kept, and raised when the guest has ended
                return self._broken(error)

        return function

    def _shared_call(self, name: str) -> Callable[..., int]:
        ours = self._sockets

        def function(caller: wasmtime.Caller, fd: int, *rest: int) -> int:
            try:
                if fd not in ours.table:
                    return int(self._shim[name](caller, fd, *rest)) if self._shim is not None else sockets.NOSYS
                memory = _memory_of(caller)
                match name:
                    case "fd_close":
                        return ours.close(fd)
                    case "fd_fdstat_get":
                        return ours.status(memory, fd, rest[0])
                    case "fd_fdstat_set_flags":
                        return ours.set_flags(fd, rest[0])
                    case "fd_read":
                        return ours.call("read", memory, (fd, *rest))
                    case _:
                        return ours.call("write", memory, (fd, *rest))
            except GuestFault:
                return sockets.FAULT
            except (wasmtime.Trap, wasmtime.WasmtimeError):
                return sockets.FAULT  # a pointer outside memory traps in wasmtime's own call
            except BaseException as error:  # noqa: BLE001 - kept, and raised when the guest has ended
                return self._broken(error)

        return function

    def _log_call(self) -> Callable[..., None]:
        def function(caller: wasmtime.Caller, level: int, context: int, size: int, message: int, length: int) -> None:
            try:
                memory = _memory_of(caller)
                name = _LEVELS[level] if 0 <= level < len(_LEVELS) else str(level)
                text = memory.read(message, min(length & 0xFFFF_FFFF, _MAX_LOG_BYTES)).decode(errors="replace")
                self._say(f"{name}: {text}")
            except GuestFault as fault:
                self._say(f"wasi:logging: {fault}")
            except BaseException as error:  # noqa: BLE001 - kept, and raised when the guest has ended
                self._broken(error)

        return function

    def _broken(self, error: BaseException) -> int:
        """A defect of the host, not of the guest: end the guest, and tell."""
        self._fault = self._fault or error
        self.stop("a defect of the host")
        return sockets.IO

    def _ended(self, error: Exception) -> Exception:
        if self._fault is not None:
            return self._fault if isinstance(self._fault, Exception) else GuestError(f"{self._path}: {self._fault!r}")
        if self._reason == "deadline":
            return GuestError(
                f"{self._path}: ran for {self._options.timeout:g} s, which is its limit", hint="raise it with --timeout"
            )
        if self._reason:
            return StoppedError(f"{self._path}: {self._reason}")
        if isinstance(error, InputError):
            return error
        code = getattr(error, "trap_code", None)
        what = code.name.lower().replace("_", " ") if code is not None else str(error).strip().splitlines()[0]
        hint = ""
        if "memory" in str(error) and code is None:
            hint = "raise the limit with --memory"
        return GuestError(f"{self._path}: the guest trapped: {what}", hint=hint)


def _memory_of(caller: wasmtime.Caller) -> GuestMemory:
    memory = caller.get("memory")
    if not isinstance(memory, wasmtime.Memory):
        raise GuestFault("found no exported memory")
    return GuestMemory(lambda: (ctypes.addressof(memory.data_ptr(caller).contents), memory.data_len(caller)))


def _signature(kind: wasmtime.FuncType) -> str:
    parameters = " ".join(str(p) for p in kind.params)
    results = " ".join(str(r) for r in kind.results)
    return f"(param {parameters})" + (f" (result {results})" if results else "")
