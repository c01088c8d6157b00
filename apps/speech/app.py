"""Speech to text as OpenAI serves it, and a page to use it from."""

from pathlib import Path
from typing import Any

from bottle import Bottle, HTTPError, HTTPResponse, request

from api import answers
from api.asked import asked
from api.errors import of_host
from api.form import read_form
from wherry.guest import openai, speech
from wherry.guest.page import Page, public

_HERE = Path(__file__).parent
_PAGE = Page(_HERE / "page", _HERE / "openapi.json")

site = Bottle(catchall=False)
app = public(openai.answering(site, of_host), *_PAGE.paths)


@site.post("/v1/audio/transcriptions")
def transcriptions() -> HTTPResponse:
    return _answer("transcribe")


@site.post("/v1/audio/translations")
def translations() -> HTTPResponse:
    return _answer("translate")


def _answer(task: str) -> HTTPResponse:
    with read_form(request.environ) as form:
        wanted = asked(form, task)
        stream = wanted.model.stream(wanted.file, wanted.options)  # the recording has been read then
    headers = openai.device_header(wanted.model.device) | openai.ignored_header(wanted.ignored)
    if wanted.stream:
        return HTTPResponse(answers.events(wanted, stream), 200, headers | openai.EVENT_HEADERS)
    kind, text = answers.whole(wanted, stream)
    return HTTPResponse(text.encode(), 200, headers | {"Content-Type": kind})


@site.get("/v1/models")
def models() -> dict[str, Any]:
    return openai.model_list(speech.names())


@site.get("/v1/models/<name:path>")
def model(name: str) -> dict[str, Any]:
    return openai.model(name, speech.names())


@site.get("/")
@site.get("/<name>")
def file(name: str = "index.html") -> HTTPResponse:
    found = _PAGE.find(name)
    if found is None:
        raise HTTPError(404)
    return HTTPResponse(found[0], 200, found[1])
