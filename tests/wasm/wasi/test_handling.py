"""Heads and bodies of answers, as a guest may get them wrong."""

import asyncio

import pytest

from wherry.errors import GuestError
from wherry.wasm.http.exchange import Exchange, Request
from wherry.wasm.wasi.fields import Fields
from wherry.wasm.wasi.handling import ResponseBody
from wherry.wasm.wasi.streams import ClosedError, FailedError, LogOutput


@pytest.fixture
def exchange() -> Exchange:
    request = Request("id", "GET", "/", [], None, 0, "http", "")
    found = Exchange(request, asyncio.new_event_loop())
    found.start(200, [])
    return found


@pytest.mark.parametrize("entries", [[("a", b"x" * 70_000)], [("a", b"")] * 2000, [("name", b"x" * 1000)] * 100])
def test_a_flood_of_headers_ends_the_guest(entries: list[tuple[str, bytes]]) -> None:
    with pytest.raises(GuestError, match="headers: found"):
        Fields().replace(entries)


def test_an_answer_has_a_limit(exchange: Exchange) -> None:
    body = ResponseBody(100, None)
    body.write(bytes(60))
    body.send(exchange)
    with pytest.raises(GuestError, match="found more than 100 bytes"):
        body.write(bytes(60))


def test_what_comes_before_the_head_waits(exchange: Exchange) -> None:
    body = ResponseBody(1 << 30, None)
    room = body.room()
    body.write(bytes(room))
    assert body.room() == 0 and not body.pollable().ready()
    assert body.finish() is None and not exchange.ended
    body.send(exchange)
    assert exchange.ended and exchange.error is None


def test_a_body_is_as_long_as_its_head_says(exchange: Exchange) -> None:
    short = ResponseBody(1 << 30, 5)
    short.send(exchange)
    short.write(b"123")
    assert short.finish() == 3
    assert isinstance(exchange.error, GuestError) and "expected the 5 of content-length" in exchange.error.message
    with pytest.raises(FailedError, match="more than the 5 bytes"):
        ResponseBody(1 << 30, 5).write(b"123456")


def test_a_body_that_is_let_go_is_not_whole(exchange: Exchange) -> None:
    body = ResponseBody(1 << 30, None)
    body.send(exchange)
    body.close()
    assert isinstance(exchange.error, GuestError) and "never finished" in exchange.error.message


def test_nobody_reads_after_the_client_has_left(exchange: Exchange) -> None:
    body = ResponseBody(1 << 30, None)
    body.send(exchange)
    exchange.hang_up()
    assert body.room() > 0  # it need not wait to hear so
    with pytest.raises(ClosedError):
        body.write(b"x")


def test_what_a_guest_prints_is_lines_within_limits() -> None:
    said: list[str] = []
    output = LogOutput(said.append, 50)
    for piece in (b"one\ntw", b"o\n\x1b[31mred", b" \xff half"):
        output.write(piece)
    output.end()
    assert said == ["one", "two", "\ufffd[31mred \ufffd half"]
    output.write(bytes(30) + b"\n")
    output.write(b"more\n" * 1000)
    assert len(said) == 5 and "the rest is dropped" in said[-1]
