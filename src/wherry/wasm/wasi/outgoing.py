"""wasi:http/outgoing-handler: what a guest asks of the hosts that it was allowed to ask."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wherry.wasm.allowed import split_authority
from wherry.wasm.component import Guest
from wherry.wasm.values import Case, Own
from wherry.wasm.wasi.bodies import IncomingBody, OutgoingBody
from wherry.wasm.wasi.fields import Fields, add_fields
from wherry.wasm.wasi.io import add_pollable
from wherry.wasm.wasi.network import Asked, Fetch, Network, RequestBody, port_of
from wherry.wasm.wasi.resources import (
    FUTURE_INCOMING_RESPONSE,
    INCOMING_BODY,
    INCOMING_RESPONSE,
    OUTGOING_BODY,
    OUTGOING_REQUEST,
    REQUEST_OPTIONS,
)
from wherry.wasm.wasi.streams import Pollable

_OK, _ERR, _GET = Case("ok"), Case("err"), Case("get")
_TIMES = ("connect-timeout", "first-byte-timeout", "between-bytes-timeout")
_METHOD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
_TARGET = re.compile(r"[!-~]{1,16384}")


@dataclass
class OutgoingRequest:
    headers: Fields
    method: Case = _GET
    target: str | None = None
    scheme: Case | None = None
    authority: str | None = None
    body: RequestBody | None = None


class RequestOptions:
    """Nanoseconds by name; what is not set is not limited by them."""

    def __init__(self) -> None:
        self.times: dict[str, int | None] = dict.fromkeys(_TIMES)

    def seconds(self, *names: str) -> float | None:
        found = [time / 1e9 for name in names if (time := self.times[name]) is not None]
        return min(max(found), 1e6) if found else None


@dataclass
class FutureResponse:
    fetch: Fetch
    told: bool = False

    def close(self) -> None:
        if not self.told:
            self.fetch.close()


@dataclass
class IncomingResponse:
    status: int
    headers: Fields
    fetch: Fetch
    taken: bool = False

    def close(self) -> None:
        if not self.taken:
            self.fetch.close()


def functions() -> dict[str, Callable[..., Any]]:
    found: dict[str, Callable[..., Any]] = {
        "[constructor]outgoing-request": _new,
        "[method]outgoing-request.body": _body,
        "[method]outgoing-request.headers": lambda guest, request: add_fields(
            guest, guest.table.of(request, OutgoingRequest).headers.copy(fixed=True)
        ),
        "[constructor]request-options": lambda guest: guest.table.add(REQUEST_OPTIONS, RequestOptions()),
        "[method]future-incoming-response.subscribe": _subscribe,
        "[method]future-incoming-response.get": _get_response,
        "[method]incoming-response.status": lambda guest, response: guest.table.of(response, IncomingResponse).status,
        "[method]incoming-response.headers": lambda guest, response: add_fields(
            guest, guest.table.of(response, IncomingResponse).headers.copy(fixed=True)
        ),
        "[method]incoming-response.consume": _consume,
    }
    checks: dict[str, tuple[str, Callable[[Any], bool]]] = {
        "method": ("method", lambda method: method.tag != "other" or bool(_METHOD.fullmatch(method.value))),
        "path-with-query": ("target", lambda target: target is None or bool(_TARGET.fullmatch(target))),
        "scheme": ("scheme", lambda scheme: True),
        "authority": ("authority", lambda authority: authority is None or bool(split_authority(authority)[0])),
    }
    for name, (attribute, check) in checks.items():
        found[f"[method]outgoing-request.{name}"] = _get(attribute)
        found[f"[method]outgoing-request.set-{name}"] = _set(attribute, check)
    for name in _TIMES:
        found[f"[method]request-options.{name}"] = _get_time(name)
        found[f"[method]request-options.set-{name}"] = _set_time(name)
    return found


def handle(guest: Guest, number: int, options: int | None) -> Case:
    request = guest.table.take_of(number, OutgoingRequest)
    times = guest.table.take_of(options, RequestOptions) if options is not None else RequestOptions()
    scheme = request.scheme.tag if request.scheme is not None else "HTTPS"
    host, port = split_authority(request.authority or "")
    if scheme == "other" or not host:
        return Case("err", Case("HTTP-request-URI-invalid"))
    network: Network = guest.data.network
    asked = Asked(
        method=request.method.value if request.method.tag == "other" else request.method.tag.upper(),
        scheme=scheme,
        host=host,
        port=port_of(scheme, port),
        target=request.target or "/",
        headers=request.headers.entries,
        body=request.body,
        connect_seconds=times.seconds("connect-timeout"),
        read_seconds=times.seconds("first-byte-timeout", "between-bytes-timeout"),
    )
    fetch = network.ask(asked)
    if isinstance(fetch, Case):
        return Case("err", fetch)
    return Case("ok", guest.table.add(FUTURE_INCOMING_RESPONSE, FutureResponse(fetch)))


# -- the request


def _new(guest: Guest, headers: int) -> Own:
    return guest.table.add(OUTGOING_REQUEST, OutgoingRequest(guest.table.take_of(headers, Fields)))


def _body(guest: Guest, number: int) -> Case:
    request = guest.table.of(number, OutgoingRequest)
    if request.body is not None:
        return _ERR
    request.body = RequestBody(request.headers.length())
    return Case("ok", guest.table.add(OUTGOING_BODY, OutgoingBody(request.body)))


def _get(attribute: str) -> Callable[..., Any]:
    return lambda guest, request: getattr(guest.table.of(request, OutgoingRequest), attribute)


def _set(attribute: str, check: Callable[[Any], bool]) -> Callable[..., Any]:
    def call(guest: Guest, request: int, value: Any) -> Case:
        found = guest.table.of(request, OutgoingRequest)
        if not check(value):
            return _ERR
        setattr(found, attribute, value)
        return _OK

    return call


def _get_time(name: str) -> Callable[..., Any]:
    return lambda guest, options: guest.table.of(options, RequestOptions).times[name]


def _set_time(name: str) -> Callable[..., Any]:
    def call(guest: Guest, options: int, value: int | None) -> Case:
        guest.table.of(options, RequestOptions).times[name] = value
        return _OK

    return call


# -- the answer


def _subscribe(guest: Guest, number: int) -> Own:
    fetch = guest.table.of(number, FutureResponse).fetch
    return add_pollable(guest, Pollable(lambda: fetch.outcome is not None))


def _get_response(guest: Guest, number: int) -> Case | None:
    """Nothing yet, or a result that is given once, of a result that is an error or the answer."""
    future = guest.table.of(number, FutureResponse)
    outcome = future.fetch.outcome
    if outcome is None:
        return None
    if future.told:
        return _ERR
    future.told = True
    if outcome.tag == "err":
        return Case("ok", outcome)
    status, headers = outcome.value
    response = IncomingResponse(status, Fields(headers, fixed=True), future.fetch)
    return Case("ok", Case("ok", guest.table.add(INCOMING_RESPONSE, response)))


def _consume(guest: Guest, number: int) -> Case:
    response = guest.table.of(number, IncomingResponse)
    if response.taken:
        return _ERR
    response.taken = True
    return Case("ok", guest.table.add(INCOMING_BODY, IncomingBody(lambda: response.fetch)))
