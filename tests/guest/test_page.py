"""An app's page: what anybody may read, and the description of its API for people. The API's contract is its openapi.json."""

import json
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from wherry.errors import GuestError
from wherry.guest import page, upload
from wherry.guest.reference import reference_page
from wherry.wasm.app import checked_paths


def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    return []


class Text(HTMLParser):
    """The words of a page, and its elements."""

    def __init__(self) -> None:
        super().__init__()
        self.words = ""
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_data(self, data: str) -> None:
        self.words += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def read(html: bytes) -> Text:
    found = Text()
    found.feed(html.decode())
    return found


def properties(api: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[str]:
    if "$ref" in schema:
        schema = api["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    yield from schema.get("properties", {})


@pytest.mark.parametrize("name", ["speech", "chat"])
def test_people_read_every_address_and_field(name: str) -> None:
    api = json.loads((ROOT / "apps" / name / "openapi.json").read_text())
    found = read(reference_page(api))
    words = found.words
    for path, item in api["paths"].items():
        for method, operation in item.items():
            assert f"{method.upper()} {path}" in words and operation["summary"] in words
            for body in operation.get("requestBody", {}).get("content", {}).values():
                for field in properties(api, body["schema"]):
                    assert field in words
            for status in operation["responses"]:
                assert status in words
    assert not [tag for tag, attributes in found.tags if tag == "script" or "style" in attributes]
    links = {attributes["href"] for tag, attributes in found.tags if tag == "a"}
    anchors = {f"#{attributes['id']}" for tag, attributes in found.tags if tag == "section"}
    assert links == anchors | {"openapi.json"}


def test_words_of_a_description_are_no_html() -> None:
    api = {
        "info": {"title": "<b>", "description": "a & b"},
        "paths": {"/a<b>": {"get": {"summary": "<script>alert(1)</script>", "responses": {"200": {"description": '"<i>"'}}}}},
    }
    html = reference_page(api)
    assert b"<script" not in html and b"<i>" not in html and b"a &amp; b" in html


def test_the_files_of_a_page_are_public(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<p>")
    (tmp_path / "secret.key").write_text("no file of a page")
    own = page.Page(tmp_path, ROOT / "apps/speech/openapi.json")
    assert {"/", "/index.html", "/base.css", "/key.js", "/openapi.json", "/docs"} <= set(own.paths)
    assert "/secret.key" not in own.paths
    found = own.find("docs")
    assert found is not None and found[1]["Content-Type"] == "text/html; charset=utf-8"


def test_what_is_said_of_an_app_adds_up() -> None:
    wrapped = page.public(upload.streams(page.public(app, "/a"), "/files/*", most=10), "/b")
    assert page.public_paths(wrapped) == ("/b", "/a") and upload.addresses(wrapped) == (("/files/*", 10),)
    assert page.public_paths(app) == () and upload.addresses(app) == ()


@pytest.mark.parametrize("path", ["", "a", "/a*", "/a b", "/a?b", "/a#b"])
def test_a_public_path_is_one_path(path: str) -> None:
    with pytest.raises(ValueError, match=r"page\.public"):
        page.public(app, path)
    with pytest.raises(GuestError):
        checked_paths([path])


def test_a_component_has_so_many_public_paths() -> None:
    assert checked_paths(["/", "/a%20b.css"]) == {"/", "/a%20b.css"}
    with pytest.raises(GuestError):
        checked_paths(["/"] * 1001)
