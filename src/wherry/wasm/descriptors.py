"""Preview1's calls that name a descriptor: ours for sockets and for the host's own streams, wasmtime's for files.

wasmtime would wait on a terminal or a full pipe where no stop can reach it, so those streams are ours. It also lets a guest
open files until the host has no descriptor left for anyone.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from wherry.wasm.errno import BADF, FAULT, MFILE, NOTDIR, NOTSUP, SUCCESS, of_host
from wherry.wasm.memory import GuestFault, GuestMemory
from wherry.wasm.sockets import Sockets
from wherry.wasm.stop import READ, WRITE, Stop

_MAX_FILES = 256
_MAX_READ = 1 << 20
_PIPE_BYTES = 4096  # what a pipe takes whole once it is writable (PIPE_BUF)

# Name -> its parameters; each has one i32 result.
SIGNATURES: Mapping[str, tuple[str, ...]] = {
    "fd_close": ("i32",),
    "fd_fdstat_get": ("i32", "i32"),
    "fd_fdstat_set_flags": ("i32", "i32"),
    "fd_read": ("i32", "i32", "i32", "i32"),
    "fd_renumber": ("i32", "i32"),
    "fd_write": ("i32", "i32", "i32", "i32"),
    "path_open": ("i32", "i32", "i32", "i32", "i32", "i64", "i64", "i32", "i32"),
}


@dataclass
class Descriptors:
    """One guest's. `streams` maps its descriptors to the host's where they are the same stream."""

    stop: Stop
    sockets: Sockets
    streams: dict[int, int] = field(default_factory=dict)
    _files: int = 0

    def call(self, name: str, memory: GuestMemory, forward: Callable[..., int], arguments: tuple[int, ...]) -> int:
        """One call by its import's name -> errno. `forward` is wasmtime's own."""
        fd = arguments[0]
        if fd in self.sockets.table or (name == "fd_renumber" and arguments[1] in self.sockets.table):
            return self._of_socket(name, memory, arguments)
        if fd in self.streams and name in ("fd_read", "fd_write"):
            return self._of_stream(name, memory, arguments)
        if name == "path_open" and self._files >= _MAX_FILES:
            return MFILE
        code = forward(*arguments)
        if code == SUCCESS:
            self._note(name, arguments)
        return code

    def _of_socket(self, name: str, memory: GuestMemory, arguments: tuple[int, ...]) -> int:
        fd, *rest = arguments
        match name:
            case "fd_close":
                return self.sockets.close(fd)
            case "fd_fdstat_get":
                return self.sockets.status(memory, fd, rest[0])
            case "fd_fdstat_set_flags":
                return self.sockets.set_flags(fd, rest[0])
            case "fd_read":
                return self.sockets.call("read", memory, arguments)
            case "fd_write":
                return self.sockets.call("write", memory, arguments)
            case "path_open":
                return NOTDIR
            case _:
                return NOTSUP

    def _of_stream(self, name: str, memory: GuestMemory, arguments: tuple[int, ...]) -> int:
        fd, iovs, count, out = arguments
        host = self.streams[fd]
        try:
            if (name == "fd_read") != (host == 0):
                return BADF
            if name == "fd_read":
                start, length = next((piece for piece in memory.iovecs(iovs, count) if piece[1]), (0, 0))
                memory.set_u32(out, 0)
                if length:
                    self._wait(host, READ)
                    data = os.read(host, min(length, _MAX_READ))
                    memory.write(start, data)
                    memory.set_u32(out, len(data))
            else:
                data = memory.gather(iovs, count, _PIPE_BYTES)
                memory.set_u32(out, 0)
                if data:
                    self._wait(host, WRITE)
                    memory.set_u32(out, os.write(host, data))
        except GuestFault:
            return FAULT
        except OSError as error:
            return of_host(error)
        return SUCCESS

    def _wait(self, host: int, mask: int) -> None:
        if os.name != "nt":  # Windows waits on sockets alone
            self.stop.wait(host, mask)

    def _note(self, name: str, arguments: tuple[int, ...]) -> None:
        """Keep count of the files, and of which descriptors are the host's streams."""
        if name == "path_open":
            self._files += 1
        elif name == "fd_close" and self.streams.pop(arguments[0], None) is None:
            self._files = max(0, self._files - 1)
        elif name == "fd_renumber" and arguments[0] != arguments[1]:
            source, target = arguments
            if self.streams.pop(target, None) is None:
                self._files = max(0, self._files - 1)
            if source in self.streams:
                self.streams[target] = self.streams.pop(source)
