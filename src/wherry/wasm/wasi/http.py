"""wasi:http: requests that come in and their answers. `outgoing.py` is what a guest asks of others."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wherry.errors import GuestError
from wherry.wasm.component import Guest, Interface
from wherry.wasm.http.exchange import Request
from wherry.wasm.values import Case, Own
from wherry.wasm.wasi import fields, outgoing
from wherry.wasm.wasi.bodies import IncomingBody, OutgoingBody
from wherry.wasm.wasi.fields import Fields, add_fields
from wherry.wasm.wasi.handling import Handling, ResponseBody
from wherry.wasm.wasi.io import Input, Output, add_pollable
from wherry.wasm.wasi.resources import (
    FUTURE_TRAILERS,
    INCOMING_BODY,
    INCOMING_REQUEST,
    INPUT_STREAM,
    NUMBERS,
    OUTGOING_BODY,
    OUTGOING_RESPONSE,
    OUTPUT_STREAM,
    RESPONSE_OUTPARAM,
)
from wherry.wasm.wasi.streams import ClosedError, FailedError, Nothing, Pollable, always

_OK, _ERR = Case("ok"), Case("err")
_METHODS = ("get", "head", "post", "put", "delete", "connect", "options", "trace", "patch")


@dataclass
class IncomingRequest:
    request: Request
    taken: bool = False


class FutureTrailers:
    """There are none, at once."""

    told = False


@dataclass
class Outparam:
    """Where an answer goes; it is used once."""

    handling: Handling


@dataclass
class OutgoingResponse:
    headers: Fields
    status: int = 200
    body: ResponseBody | None = None


@dataclass
class _BodyFile:
    """A request's body, as the server has kept it."""

    path: Path
    file: Any = field(init=False)

    def __post_init__(self) -> None:
        self.file = self.path.open("rb", buffering=0)

    def read(self, size: int) -> bytes:
        data: bytes = self.file.read(size)
        if size and not data:
            raise ClosedError
        return data

    def pollable(self) -> Pollable:
        return Pollable(always)

    def close(self) -> None:
        self.file.close()


def add_request(guest: Guest, handling: Handling) -> tuple[Own, Own]:
    """The two arguments of `handle`."""
    request = guest.table.add(INCOMING_REQUEST, IncomingRequest(handling.exchange.request))
    return request, guest.table.add(RESPONSE_OUTPARAM, Outparam(handling))


def interfaces() -> dict[str, Interface]:
    types: dict[str, Callable[..., Any]] = {
        **fields.functions(),
        "http-error-code": lambda guest, error: guest.table.of(error, FailedError).http,
        "[method]incoming-request.method": lambda guest, request: _method(_request(guest, request).method),
        "[method]incoming-request.path-with-query": lambda guest, request: _request(guest, request).target,
        "[method]incoming-request.scheme": lambda guest, request: Case(_request(guest, request).scheme.upper()),
        "[method]incoming-request.authority": lambda guest, request: _authority(_request(guest, request)),
        "[method]incoming-request.headers": _request_headers,
        "[method]incoming-request.consume": _consume,
        "[method]incoming-body.stream": _body_stream,
        "[static]incoming-body.finish": _finish_incoming,
        "[method]future-trailers.subscribe": lambda guest, trailers: add_pollable(guest, Pollable(always)),
        "[method]future-trailers.get": _trailers,
        "[static]response-outparam.set": _answer,
        "[method]response-outparam.send-informational": _inform,
        "[constructor]outgoing-response": _new_response,
        "[method]outgoing-response.status-code": lambda guest, response: guest.table.of(response, OutgoingResponse).status,
        "[method]outgoing-response.set-status-code": _set_status,
        "[method]outgoing-response.headers": lambda guest, response: add_fields(
            guest, guest.table.of(response, OutgoingResponse).headers.copy(fixed=True)
        ),
        "[method]outgoing-response.body": _response_body,
        "[method]outgoing-body.write": _body_output,
        "[static]outgoing-body.finish": _finish_outgoing,
        **outgoing.functions(),
    }
    return {
        "wasi:http/types": Interface(types, NUMBERS),
        "wasi:http/outgoing-handler": Interface({"handle": outgoing.handle}, NUMBERS),
    }


# -- the request


def _request(guest: Guest, number: int) -> Request:
    return guest.table.of(number, IncomingRequest).request


def _method(name: str) -> Case:
    return Case(name.lower()) if name.lower() in _METHODS and name.isupper() else Case("other", name)


def _authority(request: Request) -> str | None:
    """`Host` is that of a URL as request target, too: the server has seen to it."""
    return next((value for name, value in request.headers if name.lower() == "host"), None)


def _request_headers(guest: Guest, number: int) -> Own:
    entries = [(name, value.encode("latin-1")) for name, value in _request(guest, number).headers]
    return add_fields(guest, Fields(entries, fixed=True))


def _consume(guest: Guest, number: int) -> Case:
    found = guest.table.of(number, IncomingRequest)
    if found.taken:
        return _ERR
    found.taken = True
    path = found.request.body
    body = IncomingBody(Nothing if path is None else lambda: _BodyFile(path))
    return Case("ok", guest.table.add(INCOMING_BODY, body))


def _body_stream(guest: Guest, number: int) -> Case:
    body = guest.table.of(number, IncomingBody)
    if body.taken:
        return _ERR
    body.taken = True
    return Case("ok", guest.table.add(INPUT_STREAM, Input(body.open())))


def _finish_incoming(guest: Guest, number: int) -> Own:
    guest.table.take_of(number, IncomingBody)
    return guest.table.add(FUTURE_TRAILERS, FutureTrailers())


def _trailers(guest: Guest, number: int) -> Case:
    """Some: a result that is given once, of a result that is an error or the trailers, if there are any."""
    trailers = guest.table.of(number, FutureTrailers)
    told, trailers.told = trailers.told, True
    return _ERR if told else Case("ok", Case("ok", None))


# -- the answer


def _new_response(guest: Guest, headers: int) -> Own:
    return guest.table.add(OUTGOING_RESPONSE, OutgoingResponse(guest.table.take_of(headers, Fields)))


def _set_status(guest: Guest, number: int, status: int) -> Case:
    if not 200 <= status <= 599:
        return _ERR
    guest.table.of(number, OutgoingResponse).status = status
    return _OK


def _response_body(guest: Guest, number: int) -> Case:
    response = guest.table.of(number, OutgoingResponse)
    if response.body is not None:
        return _ERR
    handling: Handling | None = guest.data.handling
    response.body = ResponseBody(handling.output_bytes if handling is not None else 0, response.headers.length())
    return Case("ok", guest.table.add(OUTGOING_BODY, OutgoingBody(response.body)))


def _inform(guest: Guest, param: int, status: int, headers: int) -> Case:
    """The server in front sends no such heads."""
    guest.table.take_of(headers, Fields)
    return Case("err", Case("internal-error", "heads before the answer's are not sent"))


def _answer(guest: Guest, param: int, response: Case) -> None:
    exchange = guest.table.take_of(param, Outparam).handling.exchange
    if response.tag == "err":
        exchange.end(GuestError(f"the answer: found the guest's error {_told(response.value)}"))
        return
    found = guest.table.take_of(response.value, OutgoingResponse)
    headers = [(name, value.decode("latin-1")) for name, value in found.headers.entries]
    exchange.start(found.status, headers)
    if found.body is not None:
        found.body.send(exchange)
    else:
        exchange.end()


def _told(error: Case) -> str:
    return f"{error.tag} {error.value}"[:300] if error.value is not None else error.tag


def _body_output(guest: Guest, number: int) -> Case:
    body = guest.table.of(number, OutgoingBody)
    if body.taken:
        return _ERR
    body.taken = True
    return Case("ok", guest.table.add(OUTPUT_STREAM, Output(BodyOutput(body.sink))))


@dataclass
class BodyOutput:
    """A body's stream: its end is not the body's, which is finished by itself."""

    sink: Any

    def room(self) -> int:
        return int(self.sink.room())

    def write(self, data: bytes) -> None:
        self.sink.write(data)

    def flushed(self) -> bool:
        return bool(self.sink.flushed())

    def pollable(self) -> Pollable:
        found: Pollable = self.sink.pollable()
        return found


def _finish_outgoing(guest: Guest, number: int, trailers: int | None) -> Case:
    body = guest.table.take_of(number, OutgoingBody)
    if trailers is not None and guest.table.take_of(trailers, Fields).entries:
        body.close()
        return Case("err", Case("internal-error", "trailers are not sent"))
    size = body.sink.finish()
    return _OK if size is None else Case("err", Case("HTTP-response-body-size", size))
