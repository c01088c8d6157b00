"""Public registries as they answer, on a machine of their own: names that lead to a server here, TLS, and our commands.

    unshare --mount --net python -m tests.oci.public JOB

JOB is a JSON file: `store`, a folder with the images, `images` (repository, tag, digest), `certificate` and `key`, `commands`,
`busy`: Retry-After of the next manifests, answered 429. Prints JSON: `results` (exit code, stdout, stderr) and `requests`.
"""

import json
import re
import ssl
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.oci.registries import reply

# registry -> (where its tokens are, their service, where its blobs are)
REGISTRIES = {
    "registry-1.docker.io": ("https://auth.docker.io/token", "registry.docker.io", "production.cloudflare.docker.com"),
    "ghcr.io": ("https://ghcr.io/token", "ghcr.io", "pkg-containers.githubusercontent.com"),
    "quay.io": ("https://quay.io/v2/auth", "quay.io", "cdn01.quay.io"),
}
# This one knows no users, and sends everybody on for all that they ask.
ELSEWHERE, ARTIFACTS = "registry.k8s.io", "us-west2-docker.pkg.dev"
NAMES = [
    *REGISTRIES,
    *(urlsplit(realm).hostname or "" for realm, _, _ in REGISTRIES.values()),
    *(cdn for _, _, cdn in REGISTRIES.values()),
    ELSEWHERE,
    ARTIFACTS,
]
LIMIT = b'{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your unauthenticated pull rate limit."}]}'


class Public:
    """All of them behind one address."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.store = Path(job["store"])
        self.images: list[dict[str, str]] = job["images"]  # repository, tag, digest
        self.busy: list[str] = job["busy"]  # Retry-After of the next manifests
        self.requests: list[dict[str, str]] = []

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        host, url = handler.headers["Host"], urlsplit(handler.path)
        authorization = handler.headers.get("Authorization", "")
        self.requests.append({"host": host, "path": handler.path, "authorization": authorization})
        query = parse_qs(url.query)
        for registry, (realm, service, cdn) in REGISTRIES.items():
            if host == urlsplit(realm).hostname and url.path == urlsplit(realm).path:
                return self._token(handler, registry, service, query, authorization)
            if host == cdn:
                return self._cdn(handler, url.path, query, authorization)
            if host == registry:
                return self._registry(handler, url.path, realm, service, cdn, authorization)
        if host == ELSEWHERE:
            return reply(handler, 307, b"", {"Location": f"https://{ARTIFACTS}{handler.path}"})
        if host == ARTIFACTS:
            return self._contents(handler, url.path, None)
        return reply(handler, 404, b"")

    def _token(
        self, handler: BaseHTTPRequestHandler, registry: str, service: str, query: dict[str, list[str]], authorization: str
    ) -> None:
        """Anybody may pull what there is. ghcr.io refuses the rest here, the others give a token that is good for nothing."""
        if authorization:
            return reply(handler, 401, b'{"details":"incorrect username or password"}')
        scope = re.fullmatch(r"repository:(.+):pull", query.get("scope", [""])[0])
        if query.get("service") != [service] or scope is None:
            return reply(handler, 400, b"{}")
        known = any(image["repository"] == scope[1] for image in self.images)
        if registry == "ghcr.io" and not known:
            return reply(handler, 403, b'{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}')
        token = f"token-{scope[1]}" if known else "token-"
        said = {"token": token, "access_token": token, "expires_in": 300} if registry.endswith("docker.io") else {"token": token}
        return reply(handler, 200, json.dumps(said).encode())

    def _registry(
        self, handler: BaseHTTPRequestHandler, path: str, realm: str, service: str, cdn: str, authorization: str
    ) -> None:
        match = re.fullmatch(r"/v2/(.+)/(?:manifests|blobs|tags)/.+", path)
        if match is None or authorization != f"Bearer token-{match[1]}":
            scope = f',scope="repository:{match[1]}:pull"' if match else ""
            error = ',error="insufficient_scope"' if authorization else ""
            challenge = {"WWW-Authenticate": f'Bearer realm="{realm}",service="{service}"{scope}{error}'}
            return reply(handler, 401, b'{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}', challenge)
        if "/manifests/" in path and self.busy:
            return reply(handler, 429, LIMIT, {"Retry-After": self.busy.pop(0)})
        return self._contents(handler, path, cdn)

    def _contents(self, handler: BaseHTTPRequestHandler, path: str, cdn: str | None) -> None:
        repository, kind, name = re.fullmatch(r"/v2/(.+)/(manifests|blobs|tags)/(.+)", path).groups()  # type: ignore[union-attr]
        tags = [image["digest"] for image in self.images if (image["repository"], image["tag"]) == (repository, name)]
        digest = tags[0] if tags else name
        file = self.store / "blobs" / digest.replace(":", "/")
        if kind == "blobs" and cdn is not None:
            return reply(handler, 307, b"", {"Location": f"https://{cdn}/v2/{digest}/data?verify=1-a%2Fb%3D"})
        if kind == "tags" or not file.is_file():
            return reply(handler, 404, b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}')
        raw = file.read_bytes()
        media = json.loads(raw)["mediaType"] if kind == "manifests" else "application/octet-stream"
        return reply(
            handler, 200, raw, {"Content-Type": media, "Docker-Content-Digest": digest, "RateLimit-Remaining": "99;w=21600"}
        )

    def _cdn(self, handler: BaseHTTPRequestHandler, path: str, query: dict[str, list[str]], authorization: str) -> None:
        """The address is the permission; whoever sends another one is refused."""
        if authorization or query != {"verify": ["1-a/b="]}:
            return reply(handler, 400, b"<Error><Code>InvalidArgument</Code></Error>")
        return reply(handler, 200, (self.store / "blobs" / path.split("/")[2].replace(":", "/")).read_bytes())


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text())
    hosts = Path(job["folder"], "hosts")
    hosts.write_text("127.0.0.1 localhost\n" + "".join(f"127.0.0.1 {name}\n" for name in NAMES))
    for command in (["ip", "link", "set", "lo", "up"], ["mount", "--bind", hosts, "/etc/hosts"]):
        subprocess.run(command, check=True)
    public = Public(job)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            public.answer(self)

        do_HEAD = do_GET

        def log_message(self, format: str, *args: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(job["certificate"], job["key"])
    results = []
    with ThreadingHTTPServer(("127.0.0.1", 443), Handler) as server:
        server.daemon_threads = True
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        for command in job["commands"]:
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            results.append([done.returncode, done.stdout, done.stderr])
        server.shutdown()
    print(json.dumps({"results": results, "requests": public.requests}))


if __name__ == "__main__":
    main()
