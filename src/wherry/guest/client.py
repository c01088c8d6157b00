"""Requests to an app without a server, for its tests.

client = Client(app)
answer = client.post("/shout", files={"file": ("a.wav", sound)})
assert (answer.status, answer.text) == (200, "HELLO.")
"""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from wherry.guest import wsgi

_BOUNDARY = "wherry-boundary-7d1f4a"


@dataclass
class Answer:
    """What the app answered: `headers` by lower-case name, `chunks` as it wrote them."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    chunks: list[bytes] = field(default_factory=list)

    def start(self, status: int, headers: wsgi.Headers) -> None:
        self.status = status
        self.headers = {name.lower(): value for name, value in headers}

    def write(self, chunk: bytes) -> bool:
        self.chunks.append(chunk)
        return True

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Client:
    """An app's only client; what the app raises and does not answer for is answered for with 500, as in the sandbox."""

    app: wsgi.Application

    def get(self, target: str, headers: Mapping[str, str] | None = None) -> Answer:
        return self.request("GET", target, headers)

    def post(
        self,
        target: str,
        fields: Mapping[str, str] | None = None,
        files: Mapping[str, tuple[str, bytes]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """A form: with `files` (field -> name and bytes) as multipart/form-data, else URL-encoded."""
        if files:
            kind, body = multipart(fields or {}, files)
        else:
            kind, body = "application/x-www-form-urlencoded", urlencode(fields or {}).encode()
        return self.request("POST", target, {"Content-Type": kind, **(headers or {})}, body)

    def request(self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Answer:
        answer = Answer()
        given = [("Host", "localhost"), *(headers or {}).items()]
        wsgi.handle(self.app, wsgi.Request(method, target, given, io.BytesIO(body), len(body)), answer)
        return answer


def multipart(fields: Mapping[str, str], files: Mapping[str, tuple[str, bytes]]) -> tuple[str, bytes]:
    """A form's content type and body."""
    parts = [(f'name="{name}"', value.encode()) for name, value in fields.items()]
    parts += [(f'name="{name}"; filename="{file}"', data) for name, (file, data) in files.items()]
    body = b"".join(
        b"--%b\r\nContent-Disposition: form-data; %b\r\n\r\n%b\r\n" % (_BOUNDARY.encode(), head.encode(), data)
        for head, data in parts
    )
    return f"multipart/form-data; boundary={_BOUNDARY}", body + b"--%b--\r\n" % _BOUNDARY.encode()
