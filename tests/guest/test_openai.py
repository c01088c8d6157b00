"""What apps share that answer as OpenAI does: errors in its shape, whatever raised them, and the files of a page."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from wherry.errors import FormatError, NotFoundError, OutOfMemoryError
from wherry.guest import openai
from wherry.guest.client import Client
from wherry.guest.page import Page


def raising(error: Exception) -> openai.Application:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        raise error

    return openai.answering(app)


@pytest.mark.parametrize(
    ("error", "status", "kind", "param", "code"),
    [
        (openai.ApiError(400, "n: found 0", param="n"), 400, "invalid_request_error", "n", None),
        (NotFoundError("no such model"), 404, "invalid_request_error", "model", "model_not_found"),
        (OutOfMemoryError("full"), 507, "server_error", None, None),
        (ZeroDivisionError("a secret of the app's"), 500, "server_error", None, None),
    ],
)
def test_what_an_app_raises_is_answered_for(error: Exception, status: int, kind: str, param: Any, code: Any) -> None:
    answer = Client(raising(error)).get("/")
    found = answer.json["error"]
    assert (answer.status, found["type"], found["param"], found["code"]) == (status, kind, param, code)
    assert "secret" not in found["message"]


def test_a_frameworks_own_page_of_an_error_is_replaced_and_closed() -> None:
    closed = []

    class Chunks(list[bytes]):
        def close(self) -> None:
            closed.append(True)

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        kind = "text/html" if environ["PATH_INFO"] == "/page" else "application/problem+json"
        start_response("405 Method Not Allowed", [("Content-Type", kind), ("Allow", "GET"), ("Content-Length", "6")])
        return Chunks([b"<html>"])

    client = Client(openai.answering(app))
    answer = client.get("/page")
    assert (answer.status, answer.headers["allow"], answer.headers["content-type"]) == (405, "GET", "application/json")
    assert answer.json["error"]["message"] == "GET /page: 405 Method Not Allowed"
    assert closed == [True]
    assert client.request("HEAD", "/page").body == b""
    assert client.get("/own").body == b"<html>"  # an error that the app wrote itself is its own


def test_events_are_those_of_the_standard() -> None:
    assert openai.event({"a": "ä\n"}) == b'data: {"a": "\\u00e4\\n"}\n\n'
    name, data, *rest = openai.event({"a": 1}, "error").decode().split("\n")
    assert (name, json.loads(data.removeprefix("data: ")), rest) == ("event: error", {"a": 1}, ["", ""])


def test_models_are_listed_and_found() -> None:
    assert [model["id"] for model in openai.model_list(["b", "a"])["data"]] == ["b", "a"]
    assert openai.model("a", ["b", "a"])["object"] == "model"
    with pytest.raises(openai.ApiError, match="expected one of b, a"):
        openai.model("c", ["b", "a"])


def test_a_page_has_its_own_files_over_those_that_all_share(tmp_path: Path) -> None:
    (tmp_path / "page").mkdir()
    for name, text in {"page/index.html": "hello", "page/icon.svg": "mine", "page/notes.bak": "x", "api.json": "{}"}.items():
        (tmp_path / name).write_text(text)
    page = Page(tmp_path / "page", tmp_path / "api.json")
    found = {name: page.find(name) for name in ("index.html", "icon.svg", "api.json", "base.css")}
    assert [answer and answer[0] for answer in list(found.values())[:3]] == [b"hello", b"mine", b"{}"]
    assert found["base.css"] and found["base.css"][1]["Content-Type"] == "text/css; charset=utf-8"
    assert found["index.html"] and "default-src 'none'" in found["index.html"][1]["Content-Security-Policy"]
    assert page.find("notes.bak") is page.find("../api.json") is page.find("nothing") is None


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("/tmp/wherry-app-x1/audio-3.wav: found no sound", "audio-3.wav: found no sound"),
        ("cannot read /home/u/.cache/wherry/models/a/model.gguf (17 bytes)", "cannot read model.gguf (17 bytes)"),
        ("json_schema: #/properties/a/not: no", "json_schema: #/properties/a/not: no"),
        ("see https://example.com/a/b", "see https://example.com/a/b"),
        ("file: found text/plain", "file: found text/plain"),
    ],
)
def test_folders_of_the_server_are_nothing_to_clients(said: str, told: str) -> None:
    assert openai.of_host(FormatError(said)).message == told
