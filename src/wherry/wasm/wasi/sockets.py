"""wasi:sockets: TCP to the hosts that a guest was given, their names; what would listen, and UDP, is refused."""

from collections.abc import Callable
from typing import Any

from wherry.errors import GuestError
from wherry.wasm.component import Guest, Interface
from wherry.wasm.values import Case, Own
from wherry.wasm.wasi.io import Input, Output, add_pollable
from wherry.wasm.wasi.network import Network
from wherry.wasm.wasi.reach import parse_address
from wherry.wasm.wasi.resources import ADDRESSES, INPUT_STREAM, NETWORK, NUMBERS, OUTPUT_STREAM, TCP_SOCKET
from wherry.wasm.wasi.tcp import MOST, Lookup, SocketError, TcpSocket, lifted, lowered, parts

_DENIED = Case("err", "access-denied")
_SECOND = 1_000_000_000
_MAX_SOCKETS = 16
_MAX_NAME = 253
_UDP = (
    "start-bind", "finish-bind", "stream", "local-address", "remote-address", "address-family", "unicast-hop-limit",
    "set-unicast-hop-limit", "receive-buffer-size", "set-receive-buffer-size", "send-buffer-size", "set-send-buffer-size",
    "subscribe",
)  # fmt: skip
_NUMBERS = ("keep-alive-count", "hop-limit", "receive-buffer-size", "send-buffer-size")
_TIMES = ("keep-alive-idle-time", "keep-alive-interval")


def interfaces() -> dict[str, Interface]:
    tcp: dict[str, Callable[..., Any]] = {
        "start-bind": lambda guest, socket, network, address: _DENIED,
        "finish-bind": _not_begun,
        "start-connect": _coded(_start_connect),
        "finish-connect": _coded(_finish_connect),
        "start-listen": lambda guest, socket: _DENIED,
        "finish-listen": _not_begun,
        "accept": lambda guest, socket: Case("err", "invalid-state"),
        "local-address": _coded(lambda guest, socket: lowered(*_of(guest, socket).address(remote=False))),
        "remote-address": _coded(lambda guest, socket: lowered(*_of(guest, socket).address(remote=True))),
        "is-listening": lambda guest, socket: False,
        "address-family": lambda guest, socket: _of(guest, socket).family,
        "set-listen-backlog-size": lambda guest, socket, value: Case("err", "not-supported"),
        "keep-alive-enabled": _coded(lambda guest, socket: bool(_of(guest, socket).option("keep-alive-enabled"))),
        "set-keep-alive-enabled": _coded(lambda guest, socket, on: _set(guest, socket, "keep-alive-enabled", int(on))),
        "subscribe": lambda guest, socket: add_pollable(guest, _of(guest, socket).pollable()),
        "shutdown": _coded(lambda guest, socket, how: _of(guest, socket).shutdown(how)),
    }
    for name in _NUMBERS:
        tcp[name] = _get_number(name)
        tcp[f"set-{name}"] = _set_number(name)
    for name in _TIMES:
        tcp[name] = _get_time(name)
        tcp[f"set-{name}"] = _set_time(name)
    found: dict[str, dict[str, Callable[..., Any]]] = {
        "instance-network": {"instance-network": lambda guest: guest.table.add(NETWORK, "network")},
        "network": {"network-error-code": lambda guest, error: None},
        "tcp-create-socket": {"create-tcp-socket": _coded(_create)},
        "udp-create-socket": {"create-udp-socket": lambda guest, family: _DENIED},
        "tcp": {f"[method]tcp-socket.{name}": function for name, function in tcp.items()},
        "udp": {
            **{f"[method]udp-socket.{name}": _never for name in _UDP},
            **{f"[method]incoming-datagram-stream.{name}": _never for name in ("receive", "subscribe")},
            **{f"[method]outgoing-datagram-stream.{name}": _never for name in ("check-send", "send", "subscribe")},
        },
        "ip-name-lookup": {
            "resolve-addresses": _coded(_resolve),
            "[method]resolve-address-stream.resolve-next-address": _coded(_next_address),
            "[method]resolve-address-stream.subscribe": lambda guest, stream: add_pollable(
                guest, guest.table.of(stream, Lookup).pollable()
            ),
        },
    }
    return {f"wasi:sockets/{name}": Interface(functions, NUMBERS) for name, functions in found.items()}


def _never(guest: Guest, *arguments: Any) -> Any:
    """No guest has what this is a call of."""
    raise GuestError("sockets: found a handle of something that nobody gave out")


def _not_begun(guest: Guest, socket: int) -> Case:
    return Case("err", "not-in-progress")


def _coded(function: Callable[..., Any]) -> Callable[..., Case]:
    def call(guest: Guest, *arguments: Any) -> Case:
        try:
            return Case("ok", function(guest, *arguments))
        except SocketError as error:
            return Case("err", error.code)

    return call


def _of(guest: Guest, number: int) -> TcpSocket:
    return guest.table.of(number, TcpSocket)


def _network(guest: Guest) -> Network:
    network: Network = guest.data.network
    return network


def _create(guest: Guest, family: str) -> Own:
    """A guest that was given no host has no sockets."""
    reach = _network(guest).reach
    if not reach.allowed:
        raise SocketError("access-denied")
    if sum(isinstance(item, TcpSocket) for item in guest.table.items()) >= _MAX_SOCKETS:
        raise SocketError("new-socket-limit")
    return guest.table.add(TCP_SOCKET, TcpSocket(family, reach, guest.data.stop))


def _start_connect(guest: Guest, socket: int, network: int, address: Case) -> None:
    _of(guest, socket).start_connect(*lifted(address))


def _finish_connect(guest: Guest, socket: int) -> tuple[Own, Own]:
    source, target = _of(guest, socket).finish_connect()
    return guest.table.add(INPUT_STREAM, Input(source)), guest.table.add(OUTPUT_STREAM, Output(target))


# -- options


def _set(guest: Guest, socket: int, name: str, value: int) -> None:
    _of(guest, socket).option(name, value)


def _get_number(name: str) -> Callable[..., Case]:
    return _coded(lambda guest, socket: min(_of(guest, socket).option(name), 255 if name == "hop-limit" else 1 << 31))


def _set_number(name: str) -> Callable[..., Case]:
    def call(guest: Guest, socket: int, value: int) -> None:
        if not value:
            raise SocketError("invalid-argument")
        _set(guest, socket, name, min(value, MOST[name]))

    return _coded(call)


def _get_time(name: str) -> Callable[..., Case]:
    return _coded(lambda guest, socket: _of(guest, socket).option(name) * _SECOND)


def _set_time(name: str) -> Callable[..., Case]:
    """In whole seconds, which is what the system has."""

    def call(guest: Guest, socket: int, value: int) -> None:
        if not value:
            raise SocketError("invalid-argument")
        _set(guest, socket, name, min(-(-value // _SECOND), 32767))

    return _coded(call)


# -- names


def _resolve(guest: Guest, network: int, name: str) -> Own:
    host = name.strip("[]").removesuffix(".").lower()
    if not host or len(host) > _MAX_NAME or "\0" in host:
        raise SocketError("invalid-argument")
    if parse_address(host) is None and not _network(guest).reach.names(host):
        raise SocketError("access-denied")
    return guest.table.add(ADDRESSES, _network(guest).look_up(host))


def _next_address(guest: Guest, stream: int) -> Case | None:
    address = guest.table.of(stream, Lookup).next()
    return None if address is None else Case(f"ipv{address.version}", parts(address))
