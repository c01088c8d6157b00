"""A server that answers as Hugging Face's hub does: the API's list, small files, large ones from another place, tokens."""

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = 1000  # bytes from which on a file lies elsewhere, as those of Git LFS do


@dataclass
class Hub:
    """One repository. `asked`: methods, paths and ranges of requests. `cuts`: how many of the next large answers break off."""

    repository: str
    files: dict[str, bytes]
    token: str | None = None
    gated: bool = False
    cuts: int = 0
    lies: Mapping[str, str] = field(default_factory=dict)  # files -> digests that the API states of them
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    strangers: int = 0  # requests elsewhere that brought a token
    url: str = ""

    @property
    def elsewhere(self) -> str:
        """Another host by its name."""
        return self.url.replace("127.0.0.1", "localhost") + "/elsewhere"

    def listed(self) -> dict[str, Any]:
        siblings: list[dict[str, Any]] = []
        for name, data in self.files.items():
            each: dict[str, Any] = {"rfilename": name, "size": len(data), "blobId": self.blob(name)}
            if len(data) >= LARGE:
                each["lfs"] = {"sha256": self.sha256(name), "size": len(data), "pointerSize": 130}
            siblings.append(each)
        return {"_id": "1", "id": self.repository, "sha": COMMIT, "private": False, "siblings": siblings, "tags": []}

    def sha256(self, name: str) -> str:
        return self.lies.get(name) or hashlib.sha256(self.files[name]).hexdigest()

    def blob(self, name: str) -> str:
        data = self.files[name]
        return self.lies.get(name) or hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _answer(self, *, body: bool) -> None:
        hub, path = self.hub, self.path.partition("?")[0]
        hub.asked.append((self.command, path, self.headers.get("Range")))
        if path.startswith("/elsewhere/"):
            name = path.removeprefix("/elsewhere/")
            hub.strangers += "Authorization" in self.headers
            self._send_file(hub.files[name], f'"{hub.sha256(name)}"', body, cut=True)
            return
        if hub.token is not None and self.headers.get("Authorization") != f"Bearer {hub.token}":
            code = "GatedRepo" if hub.gated else "RepoNotFound"
            self._send(403 if hub.gated else 401, {"X-Error-Code": code, "X-Error-Message": "no"}, b"{}", body)
            return
        for revision in ("main", "v1", COMMIT):
            if path == f"/api/models/{hub.repository}/revision/{revision}":
                self._send(200, {"Content-Type": "application/json"}, json.dumps(hub.listed()).encode(), body)
                return
        if path.startswith(f"/api/models/{hub.repository}/"):
            self._send(404, {"X-Error-Code": "RevisionNotFound"}, b"{}", body)
            return
        name = path.removeprefix(f"/{hub.repository}/resolve/{COMMIT}/")
        if name == path or name not in hub.files:
            self._send(404, {"X-Error-Code": "RepoNotFound"}, b"{}", body)
        elif len(hub.files[name]) >= LARGE:
            size = str(len(hub.files[name]))
            head = {"X-Repo-Commit": COMMIT, "X-Linked-Etag": f'"{hub.sha256(name)}"', "X-Linked-Size": size}
            self._send(302, {**head, "Location": f"{hub.elsewhere}/{name}"}, b"", body)
        else:
            self._send(200, {"X-Repo-Commit": COMMIT, "ETag": f'"{hub.blob(name)}"'}, hub.files[name], body)

    def _send_file(self, data: bytes, etag: str, body: bool, *, cut: bool) -> None:
        begin = int(self.headers["Range"].removeprefix("bytes=").split("-")[0]) if "Range" in self.headers else 0
        head = {"ETag": etag, "Accept-Ranges": "bytes", "Content-Length": str(len(data) - begin), "Connection": "close"}
        if begin:
            head["Content-Range"] = f"bytes {begin}-{len(data) - 1}/{len(data)}"
        self.send_response(206 if begin else 200)
        for name, value in head.items():
            self.send_header(name, value)
        self.end_headers()
        if not body:
            return
        if cut and self.hub.cuts > 0:
            self.hub.cuts -= 1
            self.wfile.write(data[begin : begin + (len(data) - begin) // 2])
            self.close_connection = True
            return
        self.wfile.write(data[begin:])

    def _send(self, status: int, head: Mapping[str, str], data: bytes, body: bool) -> None:
        self.send_response(status)
        for name, value in {**head, "Content-Length": str(len(data)), "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(data)


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
