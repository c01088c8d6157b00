"""A registry by the letter of the distribution specification that takes uploads up where they were torn.

docker-registry 2.8 does not: it keeps an upload's length in an address that a torn request does not bring.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

from tests.oci.registries import reply, serving


@dataclass
class SpecRegistry:
    """Manifests are only kept. Tags come in pages of two."""

    chunk_least: int = 0  # OCI-Chunk-Min-Length
    chunk_most: int = 1 << 40  # larger requests are refused with 413
    takes_chunks: bool = True
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, bytes] = field(default_factory=dict)
    offsets: list[int] = field(default_factory=list)  # where each PATCH began
    statuses: int = 0  # questions how far an upload is
    tags: list[str] = field(default_factory=list)
    port: int = 0
    _uploads: list[bytearray] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @contextmanager
    def serving(self) -> Iterator["SpecRegistry"]:
        registry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                registry._answer(self)

            do_HEAD = do_POST = do_PUT = do_PATCH = do_GET

            def log_message(self, format: str, *args: object) -> None:
                pass

        with serving(Handler) as self.port:
            yield self

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        path, length = urlsplit(handler.path), int(handler.headers.get("Content-Length", "0"))
        question, last = parse_qs(path.query), path.path.rpartition("/")[2]
        match handler.command, path.path.split("/")[3]:
            case "GET", "tags":
                self._list_tags(handler, question)
            case "HEAD", "blobs":
                reply(handler, 200 if last in self.blobs else 404, b"")
            case "POST", _:
                self._uploads.append(bytearray())
                least = {"OCI-Chunk-Min-Length": str(self.chunk_least)} if self.chunk_least else {}
                reply(handler, 202, b"", {"Location": f"/v2/app/blobs/uploads/{len(self._uploads) - 1}", **least})
            case (("PATCH" | "PUT"), "blobs") if length > self.chunk_most:
                handler.rfile.read(length)
                reply(handler, 413, b"")
            case "PATCH", _ if not self.takes_chunks:
                handler.rfile.read(length)
                reply(handler, 405, b'{"errors":[{"code":"UNSUPPORTED","message":"no chunks"}]}')
            case "PATCH", _:
                self._patch(handler, int(last), length)
            case "GET", "blobs":
                self.statuses += 1
                reply(handler, 204, b"", self._range(int(last)))
            case "PUT", "blobs":
                upload = self._uploads[int(last)]
                upload += handler.rfile.read(length)
                digest = "sha256:" + hashlib.sha256(upload).hexdigest()
                if question["digest"] == [digest]:
                    self.blobs[digest] = bytes(upload)
                reply(handler, 201 if digest in self.blobs else 400, b"", {"Location": "/"})
            case "PUT", "manifests":
                self.manifests[last] = handler.rfile.read(length)
                reply(handler, 201, b"", {"Location": "/"})
            case _:
                reply(handler, 404, b"")

    def _patch(self, handler: BaseHTTPRequestHandler, number: int, length: int) -> None:
        said = re.fullmatch(r"(\d+)-(\d+)", handler.headers["Content-Range"])
        assert said is not None and int(said[2]) - int(said[1]) + 1 == length
        self.offsets.append(int(said[1]))
        upload = self._uploads[number]
        if int(said[1]) != len(upload):
            handler.rfile.read(length)
            reply(handler, 416, b"", self._range(number))
            return
        left = length
        while left and (piece := handler.rfile.read1(min(left, 1 << 16))):  # type: ignore[attr-defined]
            upload += piece  # what came is kept, whatever follows
            left -= len(piece)
        if not left:
            reply(handler, 202, b"", self._range(number))

    def _range(self, number: int) -> dict[str, str]:
        last = max(0, len(self._uploads[number]) - 1)
        return {"Location": f"/v2/app/blobs/uploads/{number}", "Range": f"0-{last}"}

    def _list_tags(self, handler: BaseHTTPRequestHandler, question: dict[str, list[str]]) -> None:
        begin = int(question.get("from", ["0"])[0])
        more = {"Link": f'</v2/app/tags/list?from={begin + 2}>; rel="next"'} if begin + 2 < len(self.tags) else {}
        reply(handler, 200, json.dumps({"name": "app", "tags": self.tags[begin : begin + 2]}).encode(), more)
