"""wasi:io: errors, polling and streams."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from wherry.errors import GuestError
from wherry.wasm.component import Function, Guest, Interface
from wherry.wasm.values import Case, Own
from wherry.wasm.wasi.resources import ERROR, NUMBERS, POLLABLE
from wherry.wasm.wasi.streams import PIECE_BYTES, ClosedError, FailedError, Pollable, wait

_MAX_AT_ONCE = 4096  # bytes of blocking-write-and-flush, by its contract; pollables of a poll, by ours
_OK = Case("ok")


@dataclass(frozen=True)
class Input:
    """A guest's handle of a stream to read from."""

    stream: Any

    def close(self) -> None:
        _close(self.stream)


@dataclass
class Output:
    """And of one to write to. permitted: bytes that the last check-write allowed, and that are left of them."""

    stream: Any
    permitted: int = 0

    def close(self) -> None:
        _close(self.stream)


def _close(stream: Any) -> None:
    if (close := getattr(stream, "close", None)) is not None:
        close()


def add_pollable(guest: Guest, pollable: Pollable) -> Own:
    return guest.table.add(POLLABLE, pollable)


def wait_for(guest: Guest, pollables: list[Pollable]) -> list[int]:
    return wait(pollables, guest.data.stop, guest.check)


def interfaces() -> dict[str, Interface]:
    error = {"[method]error.to-debug-string": lambda guest, error: str(guest.table.of(error, FailedError))[:1000]}
    poll: dict[str, Function] = {
        "[method]pollable.ready": lambda guest, pollable: guest.table.of(pollable, Pollable).ready(),
        "[method]pollable.block": _block,
        "poll": _poll,
    }
    streams = {
        "[method]input-stream.read": _failing(_read),
        "[method]input-stream.blocking-read": _failing(_blocking_read),
        "[method]input-stream.skip": _failing(lambda guest, stream, size: len(_read(guest, stream, size))),
        "[method]input-stream.blocking-skip": _failing(lambda guest, stream, size: len(_blocking_read(guest, stream, size))),
        "[method]input-stream.subscribe": _subscribe_input,
        "[method]output-stream.check-write": _failing(_check_write),
        "[method]output-stream.write": _failing(_write),
        "[method]output-stream.blocking-write-and-flush": _failing(_blocking_write),
        "[method]output-stream.flush": _failing(_flush),
        "[method]output-stream.blocking-flush": _failing(_blocking_flush),
        "[method]output-stream.subscribe": _subscribe_output,
        "[method]output-stream.write-zeroes": _failing(lambda guest, stream, size: _write(guest, stream, _zeroes(size))),
        "[method]output-stream.blocking-write-zeroes-and-flush": _failing(
            lambda guest, stream, size: _blocking_write(guest, stream, _zeroes(size))
        ),
        "[method]output-stream.splice": _failing(_splice),
        "[method]output-stream.blocking-splice": _failing(_blocking_splice),
    }
    found: dict[str, dict[str, Function]] = {"error": error, "poll": poll, "streams": streams}
    return {f"wasi:io/{name}": Interface(functions, NUMBERS) for name, functions in found.items()}


def _failing(function: Callable[..., Any]) -> Callable[..., Any]:
    """A stream's end and its failure are results; what a contract forbids ends the guest."""

    def call(guest: Guest, *arguments: Any) -> Case:
        try:
            value = function(guest, *arguments)
        except ClosedError:
            return Case("err", Case("closed"))
        except FailedError as error:
            return Case("err", Case("last-operation-failed", guest.table.add(ERROR, error)))
        return _OK if value is None else Case("ok", value)

    return call


# -- polling


def _block(guest: Guest, pollable: int) -> None:
    wait_for(guest, [guest.table.of(pollable, Pollable)])


def _poll(guest: Guest, pollables: Sequence[int]) -> list[int]:
    if not 0 < len(pollables) <= _MAX_AT_ONCE:
        raise GuestError(f"poll: found {len(pollables)} pollables, expected 1 to {_MAX_AT_ONCE}")
    return wait_for(guest, [guest.table.of(pollable, Pollable) for pollable in pollables])


# -- reading


def _read(guest: Guest, stream: int, size: int) -> bytes:
    data: bytes = guest.table.of(stream, Input).stream.read(min(size, PIECE_BYTES))
    return data


def _blocking_read(guest: Guest, stream: int, size: int) -> bytes:
    source = guest.table.of(stream, Input).stream
    while True:
        data: bytes = source.read(min(size, PIECE_BYTES))
        if data or not size:
            return data
        wait_for(guest, [source.pollable()])


def _subscribe_input(guest: Guest, stream: int) -> Own:
    return add_pollable(guest, guest.table.of(stream, Input).stream.pollable())


# -- writing


def _check_write(guest: Guest, stream: int) -> int:
    output = guest.table.of(stream, Output)
    output.permitted = min(output.stream.room(), PIECE_BYTES)
    return output.permitted


def _write(guest: Guest, stream: int, data: bytes) -> None:
    output = guest.table.of(stream, Output)
    if len(data) > output.permitted:
        raise GuestError(f"output-stream: found {len(data)} bytes, expected at most the {output.permitted} that were permitted")
    output.permitted -= len(data)
    output.stream.write(data)


def _blocking_write(guest: Guest, stream: int, data: bytes) -> None:
    if len(data) > _MAX_AT_ONCE:
        raise GuestError(f"output-stream: found {len(data)} bytes, expected at most {_MAX_AT_ONCE} at once")
    output = guest.table.of(stream, Output)
    output.permitted = 0
    while data:
        while not (room := output.stream.room()):
            wait_for(guest, [output.stream.pollable()])
        output.stream.write(data[:room])
        data = data[room:]
    _blocking_flush(guest, stream)


def _flush(guest: Guest, stream: int) -> None:
    guest.table.of(stream, Output).stream.flushed()


def _blocking_flush(guest: Guest, stream: int) -> None:
    output = guest.table.of(stream, Output).stream
    while not output.flushed():
        wait_for(guest, [output.pollable()])


def _subscribe_output(guest: Guest, stream: int) -> Own:
    return add_pollable(guest, guest.table.of(stream, Output).stream.pollable())


def _zeroes(size: int) -> bytes:
    if size > PIECE_BYTES:
        raise GuestError(f"output-stream: found {size} zeroes, expected at most {PIECE_BYTES}")
    return bytes(size)


def _splice(guest: Guest, target: int, source: int, size: int) -> int:
    output = guest.table.of(target, Output)
    data: bytes = guest.table.of(source, Input).stream.read(min(size, PIECE_BYTES, output.stream.room()))
    output.stream.write(data)
    return len(data)


def _blocking_splice(guest: Guest, target: int, source: int, size: int) -> int:
    output = guest.table.of(target, Output).stream
    while not output.room():
        wait_for(guest, [output.pollable()])
    data = _blocking_read(guest, source, min(size, output.room()))
    output.write(data)
    return len(data)
