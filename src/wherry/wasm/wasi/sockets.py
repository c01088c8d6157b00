"""wasi:sockets: all of its calls are there, and each that would reach a network is refused."""

from collections.abc import Callable
from typing import Any

from wherry.errors import GuestError
from wherry.wasm.component import Guest, Interface
from wherry.wasm.values import Case
from wherry.wasm.wasi.resources import NETWORK, NUMBERS

_DENIED = Case("err", "access-denied")
_TCP = (
    "start-bind", "finish-bind", "start-connect", "finish-connect", "start-listen", "finish-listen", "accept", "local-address",
    "remote-address", "is-listening", "address-family", "set-listen-backlog-size", "keep-alive-enabled",
    "set-keep-alive-enabled", "keep-alive-idle-time", "set-keep-alive-idle-time", "keep-alive-interval",
    "set-keep-alive-interval", "keep-alive-count", "set-keep-alive-count", "hop-limit", "set-hop-limit", "receive-buffer-size",
    "set-receive-buffer-size", "send-buffer-size", "set-send-buffer-size", "subscribe", "shutdown",
)  # fmt: skip
_UDP = (
    "start-bind", "finish-bind", "stream", "local-address", "remote-address", "address-family", "unicast-hop-limit",
    "set-unicast-hop-limit", "receive-buffer-size", "set-receive-buffer-size", "send-buffer-size", "set-send-buffer-size",
    "subscribe",
)  # fmt: skip


def interfaces() -> dict[str, Interface]:
    found: dict[str, dict[str, Callable[..., Any]]] = {
        "instance-network": {"instance-network": lambda guest: guest.table.add(NETWORK, "network")},
        "network": {"network-error-code": lambda guest, error: None},
        "tcp-create-socket": {"create-tcp-socket": lambda guest, family: _DENIED},
        "udp-create-socket": {"create-udp-socket": lambda guest, family: _DENIED},
        "tcp": {f"[method]tcp-socket.{name}": _never for name in _TCP},
        "udp": {
            **{f"[method]udp-socket.{name}": _never for name in _UDP},
            **{f"[method]incoming-datagram-stream.{name}": _never for name in ("receive", "subscribe")},
            **{f"[method]outgoing-datagram-stream.{name}": _never for name in ("check-send", "send", "subscribe")},
        },
        "ip-name-lookup": {
            "resolve-addresses": lambda guest, network, name: _DENIED,
            **{f"[method]resolve-address-stream.{name}": _never for name in ("resolve-next-address", "subscribe")},
        },
    }
    return {f"wasi:sockets/{name}": Interface(functions, NUMBERS) for name, functions in found.items()}


def _never(guest: Guest, *arguments: Any) -> Any:
    """No guest has what this is a call of."""
    raise GuestError("sockets: found a handle of something that nobody gave out")
