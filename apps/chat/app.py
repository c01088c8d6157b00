"""Language models as OpenAI serves them, and a page to talk with them."""

import json
from pathlib import Path
from typing import Any

from bottle import Bottle, HTTPError, HTTPResponse, request

from api import chat as chat_api
from api import completions as completions_api
from api import embeddings as embeddings_api
from api import responses as responses_api
from api.body import read_object
from api.errors import of_host
from api.fields import Fields
from wherry.guest import chat, embeddings, openai
from wherry.guest.page import Page, public

_HERE = Path(__file__).parent
_PAGE = Page(_HERE / "page", _HERE / "openapi.json")

site = Bottle(catchall=False)
app = public(openai.answering(site, of_host), *_PAGE.paths)


@site.post("/v1/chat/completions")
def chat_completions() -> HTTPResponse:
    return _answer(chat_api)


@site.post("/v1/completions")
def completions() -> HTTPResponse:
    return _answer(completions_api)


@site.post("/v1/responses")
def responses() -> HTTPResponse:
    return _answer(responses_api)


def _answer(api: Any) -> HTTPResponse:
    fields = Fields(read_object(request.environ))
    wanted = api.asked(fields)
    headers = _headers(fields, wanted.model.device)
    if wanted.stream:
        return HTTPResponse(api.events(wanted), 200, headers | openai.EVENT_HEADERS)
    return _whole(api.whole(wanted), headers)


def _headers(fields: Fields, device: str) -> dict[str, str]:
    """What the answer was computed on, and which fields of the request had no effect."""
    return openai.device_header(device) | openai.ignored_header(fields.ignored)


@site.post("/v1/embeddings")
def embed() -> HTTPResponse:
    fields = Fields(read_object(request.environ))
    answer, device = embeddings_api.answer(fields)
    return _whole(answer, _headers(fields, device))


def _whole(answer: dict[str, Any], headers: dict[str, str]) -> HTTPResponse:
    return HTTPResponse(json.dumps(answer).encode(), 200, headers | {"Content-Type": "application/json"})


@site.get("/v1/models")
def models() -> dict[str, Any]:
    found = openai.model_list(_names())
    return found | {"data": [_able(model) for model in found["data"]]}


@site.get("/v1/models/<name:path>")
def model(name: str) -> dict[str, Any]:
    return _able(openai.model(name, _names()))


def _names() -> list[str]:
    """The language models, the default first, and those that make vectors alone."""
    return list(dict.fromkeys([*chat.names(), *embeddings.names()]))


def _able(model: dict[str, Any]) -> dict[str, Any]:
    """OpenAI's names say what a model is for; ours are anybody's."""
    able = {"chat": chat.names(), "embeddings": embeddings.names()}
    return model | {"capabilities": [what for what, names in able.items() if model["id"] in names]}


@site.get("/")
@site.get("/<name>")
def file(name: str = "index.html") -> HTTPResponse:
    found = _PAGE.find(name)
    if found is None:
        raise HTTPError(404)
    return HTTPResponse(found[0], 200, found[1])
