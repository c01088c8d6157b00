"""Speech to text as OpenAI serves it, and a page to use it from."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bottle import Bottle, HTTPError, HTTPResponse, request

from api import answers
from api.asked import asked
from api.errors import ApiError, of_host
from api.form import read_form
from wherry.errors import WherryError
from wherry.guest import speech

_HERE = Path(__file__).parent
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
# Read now: inside the sandbox there are no files but the requests'.
_FILES = {f"/{path.name}": (path.read_bytes(), _TYPES[path.suffix]) for path in sorted((_HERE / "page").iterdir())}
_FILES["/openapi.json"] = ((_HERE / "openapi.json").read_bytes(), "application/json")
_PAGE_HEADERS = {
    # Nothing of the page's comes from elsewhere, and nothing that it hears goes there.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "media-src blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


class Api(Bottle):
    def default_error_handler(self, res: HTTPError) -> bytes:
        """What bottle answers itself: no such address, no such method."""
        res.content_type = "application/json"
        return ApiError(res.status_code, f"{request.method} {request.path}: {res.status_line}").body()


app = Api()


def answering(handler: Callable[..., Any]) -> Callable[..., Any]:
    """What goes wrong becomes an answer in OpenAI's shape."""

    def call(*arguments: Any, **named: Any) -> Any:
        try:
            return handler(*arguments, **named)
        except ApiError as error:
            return HTTPResponse(error.body(), error.status, {"Content-Type": "application/json"})
        except WherryError as error:
            return HTTPResponse(of_host(error).body(), error.http_status, {"Content-Type": "application/json"})

    return call


app.install(answering)


@app.post("/v1/audio/transcriptions")
def transcriptions() -> HTTPResponse:
    return _answer("transcribe")


@app.post("/v1/audio/translations")
def translations() -> HTTPResponse:
    return _answer("translate")


def _answer(task: str) -> HTTPResponse:
    with read_form(request.environ) as form:
        wanted = asked(form, task)
        stream = wanted.model.stream(wanted.file, wanted.options)  # the recording has been read then
    headers = {"Wherry-Device": wanted.model.device.encode("ascii", "replace").decode()}
    if wanted.stream:
        headers |= {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        return HTTPResponse(_encoded(answers.events(wanted, stream)), 200, headers)
    kind, text = answers.whole(wanted, stream)
    return HTTPResponse(text.encode(), 200, headers | {"Content-Type": kind})


def _encoded(pieces: Iterator[str]) -> Iterator[bytes]:
    for piece in pieces:
        yield piece.encode()


@app.get("/v1/models")
def models() -> dict[str, Any]:
    return {"object": "list", "data": [_model(name) for name in speech.names()]}


@app.get("/v1/models/<name:path>")
def model(name: str) -> dict[str, Any]:
    if name not in speech.names():
        raise ApiError(404, f"The model '{name}' does not exist", param="model", code="model_not_found")
    return _model(name)


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "wherry"}


@app.get("/")
@app.get("/<name>")
def file(name: str = "index.html") -> HTTPResponse:
    if f"/{name}" not in _FILES:
        raise HTTPError(404)
    data, kind = _FILES[f"/{name}"]
    return HTTPResponse(data, 200, {"Content-Type": f"{kind}; charset=utf-8"} | _PAGE_HEADERS)
