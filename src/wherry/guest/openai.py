"""What apps have in common that answer as OpenAI's API does: errors, lists of models, events.

site = Bottle(catchall=False)       # or any other WSGI app that lets exceptions through
app = openai.answering(site)
"""

import json
import re
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from wherry.errors import NotFoundError, WherryError
from wherry.guest.wsgi import Application

Headers = list[tuple[str, str]]
# Of absolute paths: where this server keeps its files is nothing to clients.
_FOLDERS = re.compile(r"(?<![\w.:/#\"'])/(?:[^\s/:\"']+/)+")
_MAX_HEADER = 1000  # characters of one
_REASONS = {status.value: status.phrase for status in HTTPStatus}
EVENT_HEADERS = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


class ApiError(Exception):
    """param: the field that is to blame, None for none. code: OpenAI's word for it, where it has one."""

    def __init__(self, status: int, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code

    def fields(self) -> dict[str, Any]:
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def body(self) -> bytes:
        return json.dumps(self.fields()).encode()


def of_host(error: WherryError) -> ApiError:
    """What the host refused."""
    message = _FOLDERS.sub("", error.message)
    if isinstance(error, NotFoundError):
        return ApiError(error.http_status, message, param="model", code="model_not_found")
    return ApiError(error.http_status, message)


def answering(app: Application, explain: Callable[[WherryError], ApiError] = of_host) -> Application:
    """`app` with its errors in OpenAI's shape, those too that it raises and those that its framework answers with a page.

    explain: what the host refused, for whoever sent the request
    """

    def call(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        pages: list[tuple[ApiError, Headers]] = []

        def start(status: str, headers: Headers, exc_info: Any = None) -> Any:
            named = {name.lower(): value for name, value in headers}
            if int(status[:3]) < 400 or not named.get("content-type", "").startswith("text/html"):
                return start_response(status, headers, *([exc_info] if exc_info else []))
            others = [(name, value) for name, value in headers if not name.lower().startswith("content-")]
            pages.append((ApiError(int(status[:3]), f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}: {status}"), others))
            return lambda chunk: None

        refusal, headers = ApiError(500, "The server failed."), Headers()
        try:
            chunks = app(environ, start)
            if not pages:
                return chunks
            if (close := getattr(chunks, "close", None)) is not None:
                close()
            refusal, headers = pages[0]
        except ApiError as error:
            refusal = error
        except WherryError as error:
            refusal = explain(error)
        except Exception:  # noqa: BLE001 (the app's own fault: its log has it, its clients need not)
            traceback.print_exc(file=environ["wsgi.errors"])
        body = refusal.body()
        ours = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response(f"{refusal.status} {_REASONS.get(refusal.status, 'Error')}", [*headers, *ours])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    return call


def model_list(names: Iterable[str]) -> dict[str, Any]:
    """The answer of /v1/models."""
    return {"object": "list", "data": [_model(name) for name in names]}


def model(name: str, names: Sequence[str]) -> dict[str, Any]:
    """The answer of /v1/models/NAME. Raises ApiError."""
    if name not in names:
        raise unknown_model(name, names)
    return _model(name)


def unknown_model(name: str, names: Sequence[str]) -> ApiError:
    message = f"The model '{name}' does not exist: expected one of {', '.join(names)}"
    return ApiError(404, message, param="model", code="model_not_found")


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "wherry"}


def event(data: Mapping[str, Any], name: str = "") -> bytes:
    """A server-sent event."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data)}\n\n".encode()


def ignored_header(names: Iterable[str]) -> dict[str, str]:
    """Names the fields of a request that had no effect; nothing where there are none."""
    text = ", ".join(names)[:_MAX_HEADER]
    return {"Wherry-Ignored": "".join(letter if " " <= letter <= "~" else "?" for letter in text)} if text else {}


def device_header(device: str) -> dict[str, str]:
    """Says what a model ran on, for people."""
    return {"Wherry-Device": device.encode("ascii", "replace").decode()}
