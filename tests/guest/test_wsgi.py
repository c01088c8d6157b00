"""WSGI as PEP 3333 has it: wsgiref's validator is the judge; and what becomes of apps that fail or lose their client."""

import io
from collections.abc import Iterable, Iterator
from typing import Any
from wsgiref.validate import validator

import pytest

from wherry.guest import wsgi
from wherry.guest.client import Answer, Client

PLAIN = [("Content-Type", "text/plain")]


def test_a_valid_app_in_a_valid_environment() -> None:
    """The validator raises where either side breaks the specification."""

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        start_response("200 OK", PLAIN)
        return [environ["PATH_INFO"].encode("latin-1"), b"|", environ["QUERY_STRING"].encode(), b"|", body]

    answer = Client(validator(app)).request("POST", "/caf%C3%A9/a%2Fb?q=%20&r", {"Content-Type": "text/plain"}, b"hello")
    assert (answer.status, answer.text) == (200, "/café/a/b|q=%20&r|hello")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("example.org:8080", ("example.org", "8080")),
        ("example.org", ("example.org", "80")),
        ("[::1]:81", ("[::1]", "81")),
        ("[::1]", ("[::1]", "80")),
        ("not a host:x", ("localhost", "80")),
        ("", ("localhost", "80")),
    ],
)
def test_the_server_is_who_the_client_asked_for(host: str, expected: tuple[str, str]) -> None:
    environ = environ_of([("Host", host)])
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == expected


def test_headers_become_variables() -> None:
    environ = environ_of(
        [("X-Two", "a"), ("x-two", "b"), ("Cookie", "a=1"), ("Cookie", "b=2"), ("X_Real_IP", "1.2.3.4"), ("Content-Type", "x/y")]
    )
    assert (environ["HTTP_X_TWO"], environ["HTTP_COOKIE"], environ["CONTENT_TYPE"]) == ("a, b", "a=1; b=2", "x/y")
    assert "HTTP_X_REAL_IP" not in environ
    assert "HTTP_CONTENT_TYPE" not in environ


def environ_of(headers: wsgi.Headers) -> dict[str, Any]:
    seen: dict[str, Any] = {}

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        seen.update(environ)
        start_response("204 No Content", [])
        return []

    wsgi.handle(app, wsgi.Request("GET", "/", headers), Answer())
    return seen


def test_the_head_goes_out_with_the_first_piece() -> None:
    seen: list[int] = []
    answer = Answer()

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", PLAIN)
        seen.append(answer.status)
        yield b""
        seen.append(answer.status)
        yield b"a"
        seen.append(answer.status)

    wsgi.handle(app, wsgi.Request("GET", "/"), answer)
    assert seen == [0, 0, 200]
    assert answer.body == b"a"


def test_write_and_start_response_again_with_an_error() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        import sys

        start_response("200 OK", PLAIN)
        try:
            raise ValueError("late")
        except ValueError:
            write = start_response("503 Unavailable", PLAIN, sys.exc_info())
        write(b"one ")
        return [b"two"]

    answer = Client(app).get("/")
    assert (answer.status, answer.text) == (503, "one two")


def test_no_body_for_head() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "3")])
        return [b"abc"]

    answer = Client(app).request("HEAD", "/")
    assert (answer.status, answer.headers, answer.body) == (200, {"content-length": "3"}, b"")


def failing(place: str) -> Any:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if place == "no head":
            return [b"x"]
        if place == "status":
            start_response("fine", PLAIN)
        if place == "header":
            start_response("200 OK", [("X-A", "a\r\nX-B: b")])
        if place == "twice":
            start_response("200 OK", PLAIN)
            start_response("200 OK", PLAIN)
        raise ValueError("before")

    return app


@pytest.mark.parametrize("place", ["raised", "no head", "status", "header", "twice"])
def test_an_app_that_fails_before_it_began_is_answered_for(place: str) -> None:
    errors, answer = io.StringIO(), Answer()
    wsgi.handle(failing(place), wsgi.Request("GET", "/"), answer, errors)
    assert (answer.status, answer.text) == (500, "Internal Server Error\n")
    assert "Traceback" in errors.getvalue()


def test_half_an_answer_is_not_passed_off_as_whole() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", PLAIN)
        yield b"half"
        raise ValueError("after")

    answer = Answer()
    with pytest.raises(ValueError, match="after"):
        wsgi.handle(app, wsgi.Request("GET", "/"), answer)
    assert answer.body == b"half"


def test_an_app_is_closed_whatever_happens() -> None:
    closed: list[str] = []

    class Chunks:
        def __init__(self, name: str) -> None:
            self.name = name
            self.left = [b"a", b"b"]

        def __iter__(self) -> "Chunks":
            return self

        def __next__(self) -> bytes:
            if self.name == "raises":
                raise ValueError
            if not self.left:
                raise StopIteration
            return self.left.pop()

        def close(self) -> None:
            closed.append(f"{self.name} {len(self.left)}")
            raise OSError("closing")  # changes nothing

    class Leaving(Answer):
        def write(self, chunk: bytes) -> bool:
            return False

    for name, answer in (("whole", Answer()), ("raises", Answer()), ("left", Leaving())):

        def app(environ: dict[str, Any], start_response: Any, name: str = name) -> Iterable[bytes]:
            start_response("200 OK", PLAIN)
            return Chunks(name)

        wsgi.handle(app, wsgi.Request("GET", "/"), answer, io.StringIO())
    assert closed == ["whole 0", "raises 2", "left 1"]


def test_files_in_blocks() -> None:
    file = io.BytesIO(b"x" * 100_000)

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", PLAIN)
        chunks: Iterable[bytes] = environ["wsgi.file_wrapper"](file)
        return chunks

    answer = Client(app).get("/")
    assert [len(chunk) for chunk in answer.chunks] == [65_536, 34_464]
    assert file.closed


def test_forms() -> None:
    """bottle reads what the client sends."""
    from bottle import Bottle, request

    app = Bottle()

    @app.post("/")  # type: ignore[untyped-decorator]
    def form() -> str:
        upload = request.files.get("file")
        return f"{request.forms.getunicode('a')} {upload.filename if upload else None} {upload.file.read() if upload else None}"

    assert Client(app).post("/", {"a": "ü"}, {"file": ("n.wav", b"\r\n\0")}).text == "ü n.wav b'\\r\\n\\x00'"
    assert Client(app).post("/", {"a": "b c&d"}).text == "b c&d None None"
