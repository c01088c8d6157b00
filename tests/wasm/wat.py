"""Guests in WebAssembly's text form, for what C cannot say."""

from pathlib import Path
from typing import Any

import wasmtime

from wherry.errors import NotFoundError
from wherry.wasm.host import Guest, GuestOptions
from wherry.wasm.nn import core
from wherry.wasm.nn.graph import Graph

_PREVIEW1 = {
    "clock_time_get": "i32 i64 i32",
    "fd_close": "i32",
    "fd_fdstat_get": "i32 i32",
    "fd_fdstat_set_flags": "i32 i32",
    "fd_read": "i32 i32 i32 i32",
    "fd_renumber": "i32 i32",
    "fd_write": "i32 i32 i32 i32",
    "path_open": "i32 i32 i32 i32 i32 i64 i64 i32 i32",
    "poll_oneoff": "i32 i32 i32 i32",
    "epoll_oneoff": "i32 i32 i32 i32",
    "sock_open": "i32 i32 i32",
    "sock_bind": "i32 i32 i32",
    "sock_listen": "i32 i32",
    "sock_accept": "i32 i32",
    "sock_accept_v2": "i32 i32 i32",
    "sock_connect": "i32 i32 i32",
    "sock_recv": "i32 i32 i32 i32 i32 i32",
    "sock_recv_from": "i32 i32 i32 i32 i32 i32 i32",
    "sock_recv_from_v2": "i32 i32 i32 i32 i32 i32 i32 i32",
    "sock_send": "i32 i32 i32 i32 i32",
    "sock_send_to": "i32 i32 i32 i32 i32 i32 i32",
    "sock_shutdown": "i32 i32",
    "sock_getsockopt": "i32 i32 i32 i32 i32",
    "sock_setsockopt": "i32 i32 i32 i32 i32",
    "sock_getlocaladdr": "i32 i32 i32 i32",
    "sock_getlocaladdr_v2": "i32 i32 i32",
    "sock_getpeeraddr": "i32 i32 i32 i32",
    "sock_getpeeraddr_v2": "i32 i32 i32",
    "sock_getaddrinfo": "i32 i32 i32 i32 i32 i32 i32 i32",
}
# Host functions: name -> its parameters; each answers an errno.
CALLS: dict[str, tuple[str, ...]] = {
    **{name: tuple(kinds.split()) for name, kinds in _PREVIEW1.items()},
    **{f"nn_{name}": ("i32",) * arity for name, arity in core.ARITIES.items()},
}
OURS = sorted(CALLS.keys() - {"clock_time_get"})  # that one is wasmtime's: a bad pointer is a trap there
LOG = '(import "wasi:logging/logging" "log" (func $log (param i32 i32 i32 i32 i32)))'
EXIT = '(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))'


def imports(*names: str) -> str:
    """The import of each call, as `$name`, and `$exit`."""
    lines = [EXIT]
    for name in names:
        module = "wasi_ephemeral_nn" if name.startswith("nn_") else "wasi_snapshot_preview1"
        kinds = " ".join(CALLS[name])
        lines.append(f'(import "{module}" "{name.removeprefix("nn_")}" (func ${name} (param {kinds}) (result i32)))')
    return "\n".join(lines)


def call(name: str, *arguments: int) -> str:
    """One call with constants, its errno on the stack."""
    given = " ".join(f"({kind}.const {value})" for kind, value in zip(CALLS[name], arguments, strict=True))
    return f"(call ${name} {given})"


def exit_with(expression: str) -> str:
    return f"(call $exit {expression})"


def command(body: str, *names: str, memory: str = "1", extra: str = "") -> bytes:
    """A module whose `_start` is `body`, with these calls imported and 64 KiB pages of memory."""
    text = f'(module {imports(*names)} {extra} (memory (export "memory") {memory}) (func (export "_start") {body}))'
    return bytes(wasmtime.wat2wasm(text))


def no_graphs(name: str) -> Graph:
    raise NotFoundError(f'graph "{name}": found no such name')


def make(folder: Path, wasm: bytes, find: Any = no_graphs, **options: Any) -> Guest:
    """A guest of this module. `options` are GuestOptions's, and `load_graph`, `cache` and `say` the guest's."""
    own = {name: options.pop(name) for name in ("load_graph", "cache", "say") if name in options}
    path = folder / "guest.wasm"
    path.write_bytes(wasm)
    return Guest(path, GuestOptions(**options), find, **own)
