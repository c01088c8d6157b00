"""wasi:http/outgoing-handler: what a guest asks of others."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wherry.errors import GuestError
from wherry.wasm.component import Guest
from wherry.wasm.values import Case, Own
from wherry.wasm.wasi.fields import Fields, add_fields
from wherry.wasm.wasi.resources import OUTGOING_REQUEST, REQUEST_OPTIONS

_OK, _ERR, _GET = Case("ok"), Case("err"), Case("get")
_TIMES = ("connect-timeout", "first-byte-timeout", "between-bytes-timeout")


@dataclass
class OutgoingRequest:
    headers: Fields
    method: Case = _GET
    target: str | None = None
    scheme: Case | None = None
    authority: str | None = None
    taken: bool = False


class RequestOptions:
    """Nanoseconds by name; what is not set is not limited by them."""

    def __init__(self) -> None:
        self.times: dict[str, int | None] = dict.fromkeys(_TIMES)


def functions() -> dict[str, Callable[..., Any]]:
    found: dict[str, Callable[..., Any]] = {
        "[constructor]outgoing-request": _new,
        "[method]outgoing-request.body": _body,
        "[method]outgoing-request.headers": lambda guest, request: add_fields(
            guest, guest.table.of(request, OutgoingRequest).headers.copy(fixed=True)
        ),
        "[constructor]request-options": lambda guest: guest.table.add(REQUEST_OPTIONS, RequestOptions()),
    }
    for name, attribute in (
        ("method", "method"), ("path-with-query", "target"), ("scheme", "scheme"), ("authority", "authority"),
    ):  # fmt: skip
        found[f"[method]outgoing-request.{name}"] = _get(attribute)
        found[f"[method]outgoing-request.set-{name}"] = _set(attribute)
    for name in _TIMES:
        found[f"[method]request-options.{name}"] = _get_time(name)
        found[f"[method]request-options.set-{name}"] = _set_time(name)
    for name in ("status", "headers", "consume"):
        found[f"[method]incoming-response.{name}"] = _none_there
    for name in ("subscribe", "get"):
        found[f"[method]future-incoming-response.{name}"] = _none_there
    return found


def handle(guest: Guest, request: int, options: int | None) -> Case:
    """Nobody may be asked."""
    guest.table.take_of(request, OutgoingRequest)
    if options is not None:
        guest.table.take_of(options, RequestOptions)
    return Case("err", Case("HTTP-request-denied"))


def _new(guest: Guest, headers: int) -> Own:
    return guest.table.add(OUTGOING_REQUEST, OutgoingRequest(guest.table.take_of(headers, Fields)))


def _body(guest: Guest, number: int) -> Case:
    return _ERR


def _get(attribute: str) -> Callable[..., Any]:
    return lambda guest, request: getattr(guest.table.of(request, OutgoingRequest), attribute)


def _set(attribute: str) -> Callable[..., Any]:
    def call(guest: Guest, request: int, value: Any) -> Case:
        setattr(guest.table.of(request, OutgoingRequest), attribute, value)
        return _OK

    return call


def _get_time(name: str) -> Callable[..., Any]:
    return lambda guest, options: guest.table.of(options, RequestOptions).times[name]


def _set_time(name: str) -> Callable[..., Any]:
    def call(guest: Guest, options: int, value: int | None) -> Case:
        guest.table.of(options, RequestOptions).times[name] = value
        return _OK

    return call


def _none_there(guest: Guest, *arguments: Any) -> Any:
    raise GuestError("http: found a handle of an answer that nobody gave")
