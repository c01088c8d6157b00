"""`sock_getaddrinfo`: names to addresses, and the list of WasmEdge's records that a guest gets them in."""

import contextlib
import errno
import socket
import struct
from collections.abc import Sequence
from typing import Any

from wherry.wasm.memory import GuestMemory
from wherry.wasm.network_policy import NetworkAccess
from wherry.wasm.stop import Stop
from wherry.wasm.wasi.reach import ProhibitedError

_IPV4, _STREAM, _TCP = 1, 2, 1


def look_up(name: str | None, service: str | None, access: NetworkAccess, stop: Stop) -> list[tuple[str, int]]:
    """IPv4 addresses and ports. Numbers are told without a network. Raises OSError."""
    with contextlib.suppress(socket.gaierror):
        return _addresses(name, service, socket.AI_NUMERICHOST | socket.AI_NUMERICSERV)
    if name is not None and not access.may_look_up(name):
        raise PermissionError(errno.EACCES, "not allowed")
    if name is None or access.policy.outgoing:
        return stop.run(lambda check: _addresses(name, service))
    port = _addresses(None, service)[0][1] if service else 0
    try:
        found = stop.run(lambda check: access.reach.look_up(name, port or None))
    except ProhibitedError as error:
        raise PermissionError(errno.EACCES, "not allowed") from error
    return [(str(address), port) for address in found if address.version == 4]


def _addresses(name: str | None, service: str | None, flags: int = 0) -> list[tuple[str, int]]:
    rows: list[Any] = socket.getaddrinfo(name, service, socket.AF_INET, socket.SOCK_STREAM, flags=flags)
    return [(str(address[0]), int(address[1])) for *_, address in rows]


def write_addresses(memory: GuestMemory, entry: int, found: Sequence[tuple[str, int]]) -> int:
    """Into the list that the guest allocated, which begins at `entry` and may be shorter -> how many were written."""
    written = 0
    for host, port in found:
        if not entry:
            break
        memory.write(entry, struct.pack("<HBBB", 0, _IPV4, _STREAM, _TCP))
        address = memory.u32(entry + 12)
        data = memory.u32(address + 8)
        raw = struct.pack(">H", port) + socket.inet_aton(host)
        memory.set_u32(entry + 8, 16)
        memory.write(address, b"\x01")
        memory.set_u32(address + 4, len(raw))
        memory.write(data, raw)
        entry = memory.u32(entry + 24)
        written += 1
    return written
