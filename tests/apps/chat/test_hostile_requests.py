"""Requests that are made to take long: answered at once or ended, while others are answered as ever."""

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.apps.serving import Served

_PATTERNS = {"type": "string", "allOf": [{"pattern": f".*a.{{{count}}}"} for count in range(16)]}
_CONTEXT = "maximum context length"
_TOO_MUCH = "found a grammar that takes more than"


def _form(schema: Any) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}}


def _chat(text: str = "hi", **more: Any) -> tuple[str, dict[str, Any]]:
    return "/v1/chat/completions", {"messages": [{"role": "user", "content": text}], "max_tokens": 3, **more}


_REQUESTS = {
    "patterns": (*_chat(**_form(_PATTERNS)), _TOO_MUCH),
    "patterns of a property": (*_chat(**_form({"type": "object", "properties": {"a": _PATTERNS}})), _TOO_MUCH),
    "a divisor of six digits": (*_chat(**_form({"type": "integer", "multipleOf": 999983})), _TOO_MUCH),
    "one word": (*_chat("a" * 7_900_000), _CONTEXT),
    "white space": (*_chat(" " * 7_000_000), _CONTEXT),
    "one word that may fit": (*_chat("ab" * 150_000), _CONTEXT),
    "a text to go on with": ("/v1/completions", {"prompt": "z" * 7_000_000, "max_tokens": 1}, _CONTEXT),
    "a response's input": ("/v1/responses", {"input": "z" * 7_000_000, "max_output_tokens": 1}, _CONTEXT),
}


@pytest.mark.parametrize("name", _REQUESTS)
def test_a_request_made_to_take_long_is_refused_while_others_are_answered(name: str, served: Served) -> None:
    path, body, words = _REQUESTS[name]
    with _health(served) as waits:
        status, data = _ask(served, "POST", path, json.dumps(body).encode())
    assert (status, words in data.decode()) == (400, True), data[:300]
    assert max(waits) < 1, f"/healthz took {max(waits):.1f} s"


def test_texts_for_vectors_that_cannot_be_read_are_refused_at_once(served: Served) -> None:
    with _health(served) as waits:
        for text in ("q" * 7_000_000, "a b " * 1_500_000):
            status, data = _ask(served, "POST", "/v1/embeddings", json.dumps({"input": text}).encode())
            assert status in (400, 413) and b"bytes" in data, data[:300]
    assert max(waits) < 1


def _ask(served: Served, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(served.url).netloc, timeout=120)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {served.key}"}
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


@contextmanager
def _health(served: Served) -> Iterator[list[float]]:
    """Seconds of each request for /healthz meanwhile."""
    ended, waits = threading.Event(), [0.0]

    def ask() -> None:
        while not ended.wait(0.05):
            begun = time.monotonic()
            assert _ask(served, "GET", "/healthz")[0] == 200
            waits.append(time.monotonic() - begun)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield waits
    finally:
        ended.set()
        asking.join()
