"""The protocol, where registries differ or lie: redirects, answers too long, too slow or too many, uploads of every kind."""

import asyncio
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from socketserver import BaseRequestHandler, TCPServer
from typing import Any

import pytest

from tests.oci.images import MANIFEST, blobs, descriptor, noise, put, put_image, put_json, same_blobs
from tests.oci.registries import DockerRegistry, Fault, Proxy, Request, certificate, running
from tests.oci.spec_registry import SpecRegistry
from tests.oci.test_auth import logged_in
from tests.oci.test_transfer import at
from wherry.errors import DownloadError, FormatError, NotFoundError, WherryError
from wherry.oci.connection import Connection, Patience
from wherry.oci.docker_config import DockerConfig
from wherry.oci.reference import Reference
from wherry.oci.registry import Registry, pull_scopes
from wherry.oci.store import Store
from wherry.oci.transfer import Transfers, pull, push

NOBODY = DockerConfig(Path("/nonexistent/config.json"))


class Sleeps:
    """A clock that does not run: `patience.sleep` writes down what it was asked for."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)

    def patience(self, **options: Any) -> Patience:
        return Patience(**{"connect": 5, "silence": 5, "answer": 10, **options}, sleep=self)


def transfers(tmp_path: Path, name: str = "store", config: DockerConfig = NOBODY, **patience: Any) -> Transfers:
    return Transfers(Store(tmp_path / name), config, Sleeps().patience(**patience))


def first(count: int, wanted: Callable[[Request], bool], fault: Fault) -> Callable[[Request], Fault | None]:
    """The fault for the first requests that are wanted."""
    left = count

    def decide(request: Request) -> Fault | None:
        nonlocal left
        if left and wanted(request):
            left -= 1
            return fault
        return None

    return decide


def gets_blob(request: Request) -> bool:
    return request.method == "GET" and "/blobs/sha256" in request.path


# -- redirects


def test_a_redirect_to_another_host_goes_without_credentials(tmp_path: Path, guarded: DockerRegistry) -> None:
    """The storage behind a registry gets no password; the registry itself does, also after a redirect."""
    config = logged_in(tmp_path, guarded.host)
    with Proxy(guarded.host).serving() as storage, Proxy(guarded.host).serving() as proxy:
        name = at(proxy, tmp_path)
        config = logged_in(tmp_path, proxy.host)
        work = transfers(tmp_path, config=config)
        put_image(work.store, str(name))
        push(name, work)

        def send_away(request: Request) -> Fault | None:
            if gets_blob(request) and "moved" not in request.path:
                return Fault(status=307, headers={"Location": f"{request.path}?moved=1"})
            if gets_blob(request):
                return Fault(status=302, headers={"Location": f"http://localhost:{storage.port}{request.path}"})
            return None

        proxy.faults = send_away
        storage.faults = lambda request: Fault(status=401, headers={"WWW-Authenticate": 'Basic realm="give"'})
        with pytest.raises(DownloadError, match="found status 401"):
            pull(name, transfers(tmp_path, "other", config))
        assert storage.requests and not any("Authorization" in request.headers for request in storage.requests)
        assert all("Authorization" in request.headers for request in proxy.requests if "moved" in request.path)


def test_a_redirected_blob_arrives(tmp_path: Path, registry: DockerRegistry) -> None:
    with Proxy(registry.host).serving() as storage, Proxy(registry.host).serving() as proxy:
        name = at(proxy, tmp_path)
        work, other = transfers(tmp_path), transfers(tmp_path, "other")
        put_image(work.store, str(name))
        push(name, work)
        away = f"http://127.0.0.1:{storage.port}"
        proxy.faults = lambda request: (
            Fault(status=307, headers={"Location": away + request.path}) if gets_blob(request) else None
        )
        pull(name, other)
        assert same_blobs(work.store.root, other.store.root) and storage.count("GET", "/blobs/") == proxy.count("GET", "/blobs/")


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("http://registry.example/blob", "sends us to http://registry.example, expected https"),
        ("file:///etc/passwd", "expected https"),
        ("http://127.0.0.1:port/", "Location: found"),
        ("LOOP", "more than 5 redirects"),
    ],
)
def test_redirects_that_are_not_followed(tmp_path: Path, registry: DockerRegistry, location: str, words: str) -> None:
    with Proxy(registry.host).serving() as proxy:
        proxy.faults = lambda request: (
            Fault(status=307, headers={"Location": request.path if location == "LOOP" else location})
            if request.path.startswith("/v2/")
            else None
        )
        with pytest.raises(DownloadError) as caught:
            pull(at(proxy, tmp_path), transfers(tmp_path))
        assert words in caught.value.message


def test_a_token_server_without_tls_elsewhere_gets_no_password(tmp_path: Path, registry: DockerRegistry) -> None:
    with Proxy(registry.host).serving() as proxy:
        challenge = {"WWW-Authenticate": 'Bearer realm="http://tokens.example/token",service="s"'}
        proxy.faults = lambda request: Fault(status=401, headers=challenge)
        with pytest.raises(DownloadError, match=r"sends us to http://tokens\.example, expected https"):
            pull(at(proxy, tmp_path), transfers(tmp_path, config=logged_in(tmp_path, proxy.host)))


def test_a_token_is_not_posted_to_another_host(tmp_path: Path, registry: DockerRegistry) -> None:
    with Proxy(registry.host).serving() as elsewhere, Proxy(registry.host).serving() as proxy:
        challenge = {"WWW-Authenticate": f'Bearer realm="http://{proxy.host}/token",service="s"'}
        away = {"Location": f"http://{elsewhere.host}/token"}
        proxy.faults = lambda request: (
            Fault(status=307, headers=away) if request.path.startswith("/token") else Fault(status=401, headers=challenge)
        )
        config = tmp_path / "config.json"
        config.write_text(json.dumps({"auths": {proxy.host: {"identitytoken": "secret"}}}))
        with pytest.raises(DownloadError, match=r"POST /token: found a redirect to 127\.0\.0\.1, expected none"):
            pull(at(proxy, tmp_path), transfers(tmp_path, config=DockerConfig(config)))
        assert proxy.count("POST", "/token") == 1 and elsewhere.requests == []


def test_an_upload_to_another_host_goes_without_credentials(tmp_path: Path, guarded: DockerRegistry) -> None:
    with Proxy(guarded.host).serving() as storage, Proxy(guarded.host).serving() as proxy:
        config = logged_in(tmp_path, proxy.host)
        name = at(proxy, tmp_path)
        work = transfers(tmp_path, config=config)
        put_image(work.store, str(name), platforms=("wasi/wasm",))
        away = {"Location": f"http://localhost:{storage.port}/upload?signature=secret"}
        proxy.faults = lambda request: Fault(status=202, headers=away) if request.method == "POST" and asked(request) else None
        storage.faults = lambda request: Fault(status=403, body=b"no")
        with pytest.raises(DownloadError) as caught:
            push(name, work)
        assert "found status 403: no" in caught.value.message and "secret" not in str(caught.value)
        assert storage.requests and not any("Authorization" in request.headers for request in storage.requests)
        assert "signature=secret" in storage.requests[0].path and "digest=sha256" in storage.requests[0].path


def asked(request: Request) -> bool:
    """After the challenge: the registry would know us."""
    return "Authorization" in request.headers


# -- TLS


def test_a_registry_with_a_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """https is spoken with a local registry that can; its certificate is checked."""
    cert, key = certificate(tmp_path)
    tls = f"  tls: {{certificate: {cert}, key: {key}}}\n"
    with running(DockerRegistry(tmp_path / "registry", tls=tls)) as registry:
        work, other = transfers(tmp_path), transfers(tmp_path, "other")
        name = Reference.parse(f"{registry.host}/app")
        put_image(work.store, str(name))
        with pytest.raises(DownloadError) as caught:
            push(name, work)
        assert "its certificate is not trusted" in caught.value.message and "SSL_CERT_FILE" in caught.value.hint
        monkeypatch.setenv("SSL_CERT_FILE", str(cert))
        push(name, work)
        pull(name, other)
        assert same_blobs(work.store.root, other.store.root)


def test_a_proxy_is_asked_for_others_and_not_for_this_machine(
    tmp_path: Path, registry: DockerRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[bytes] = []

    class Listener(BaseRequestHandler):
        def handle(self) -> None:
            heard.append(self.request.recv(1000).split(b"\r\n")[0])

    with TCPServer(("127.0.0.1", 0), Listener) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{server.server_address[1]}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        with pytest.raises(NotFoundError):
            pull(at(registry, tmp_path), transfers(tmp_path))
        assert heard == []
        with pytest.raises(DownloadError):
            pull(Reference.parse("registry.example/app"), transfers(tmp_path, attempts=1))
        server.shutdown()
    assert heard == [b"CONNECT registry.example:443 HTTP/1.1"]


# -- patience


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_may_go_away_is_tried_again(tmp_path: Path, registry: DockerRegistry, status: int) -> None:
    sleeps = Sleeps()
    with Proxy(registry.host).serving() as proxy:
        name = at(proxy, tmp_path)
        work = Transfers(Store(tmp_path / "store"), NOBODY, sleeps.patience(pause=0.5))
        put_image(work.store, str(name))
        proxy.faults = first(3, lambda request: request.method == "PUT" and "manifests" in request.path, Fault(status=status))
        push(name, work)
    assert len(sleeps.seconds) == 3
    assert all(0.25 * 2**i <= pause <= 0.5 * 2**i for i, pause in enumerate(sleeps.seconds))


def test_retry_after_is_obeyed(tmp_path: Path, registry: DockerRegistry) -> None:
    sleeps = Sleeps()
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    after = iter(["17", date, "nonsense"])

    def busy(request: Request) -> Fault | None:
        said = next(after, None) if request.path.startswith("/v2/") else None
        return Fault(status=429, headers={"Retry-After": said}) if said else None

    with Proxy(registry.host, busy).serving() as proxy, pytest.raises(NotFoundError):
        pull(at(proxy, tmp_path), Transfers(Store(tmp_path / "store"), NOBODY, sleeps.patience(pause=0.01)))
    assert sleeps.seconds[0] == 17 and 20 < sleeps.seconds[1] <= 30 and sleeps.seconds[2] < 1


def test_an_hour_is_not_waited(tmp_path: Path, registry: DockerRegistry) -> None:
    busy = Fault(
        status=429, headers={"Retry-After": "3600"}, body=b'{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}'
    )
    with Proxy(registry.host, lambda request: busy).serving() as proxy, pytest.raises(DownloadError) as caught:
        pull(at(proxy, tmp_path), transfers(tmp_path))
    assert "found status 429: TOOMANYREQUESTS slow down" in caught.value.message
    assert "try again in 3600 s" in caught.value.hint


def test_in_the_end_it_gives_up(tmp_path: Path, registry: DockerRegistry) -> None:
    sleeps = Sleeps()
    with Proxy(registry.host, lambda request: Fault(status=503, body=b"<html>\x1b[31m")).serving() as proxy:
        with pytest.raises(DownloadError) as caught:
            pull(at(proxy, tmp_path), Transfers(Store(tmp_path / "store"), NOBODY, sleeps.patience(attempts=4)))
        assert len(proxy.requests) == 4 and len(sleeps.seconds) == 3
    assert "found status 503: <html> [31m" in caught.value.message and caught.value.hint


@pytest.mark.parametrize(("method", "move"), [("GET", pull), ("HEAD", push), ("POST", push), ("PATCH", push), ("PUT", push)])
def test_silence_ends(tmp_path: Path, registry: DockerRegistry, method: str, move: Callable[..., object]) -> None:
    with Proxy(registry.host).serving() as proxy:
        name = at(proxy, tmp_path)
        work = transfers(tmp_path, silence=0.2, attempts=2)
        put_image(work.store, str(name), size=17 << 20 if method == "PATCH" else 1000)
        proxy.faults = lambda request: Fault(hang=True) if request.method == method else None
        with pytest.raises(DownloadError, match="no byte within 0 s"):
            move(name, work)


def test_a_trickle_ends(tmp_path: Path, registry: DockerRegistry) -> None:
    """A byte now and then is no silence; it is too slow all the same."""
    with Proxy(registry.host).serving() as proxy:
        name = at(proxy, tmp_path)
        work = transfers(tmp_path)
        put_image(work.store, str(name))
        push(name, work)
        for part, words in (("/blobs/", "bytes came in"), ("/manifests/", "no answer within 0 s")):
            proxy.faults = lambda request, part=part: (
                Fault(drip=0.02) if request.method == "GET" and part in request.path else None
            )
            with pytest.raises(DownloadError, match=words):
                pull(name, transfers(tmp_path, f"other{len(words)}", window=0.2, answer=0.5, attempts=2))


# -- answers too long, too strange


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        (Fault(status=200, body=b" " * (4 << 20) + b"{}"), DownloadError, "found more than 4194304 bytes"),
        (Fault(status=200, body=b"<html>"), FormatError, "found no JSON"),
        (Fault(status=200, body=b"[]"), FormatError, "found a list, expected an object"),
        (Fault(status=200, body=b'{"schemaVersion": 1}'), FormatError, "schema 1"),
        (Fault(status=200, body=b"{}", headers={"Docker-Content-Digest": "md5:1"}), FormatError, "Docker-Content-Digest"),
        (Fault(status=200, body=b"{}", headers={"Docker-Content-Digest": "sha256:" + "0" * 64}), DownloadError, "found digest"),
        (Fault(status=418, body=b"\xff"), DownloadError, "found status 418"),
        (Fault(status=401), DownloadError, "WWW-Authenticate: found nothing"),
        (Fault(status=401, headers={"WWW-Authenticate": "Digest realm=x"}), DownloadError, "found digest, expected"),
        (Fault(status=401, headers={"WWW-Authenticate": "Bearer realm=x"}), DownloadError, 'realm: found "x"'),
        (Fault(status=403, body=b'{"errors":[{"code":"DENIED","message":"no"}]}'), DownloadError, "found status 403: DENIED no"),
        (Fault(status=200, body=b"not gzip at all", headers={"Content-Encoding": "gzip"}), DownloadError, "expected HTTP"),
    ],
)
def test_answers_that_are_none(
    tmp_path: Path, registry: DockerRegistry, fault: Fault, error: type[WherryError], words: str
) -> None:
    with Proxy(registry.host, lambda request: fault).serving() as proxy, pytest.raises(error) as caught:
        pull(at(proxy, tmp_path), transfers(tmp_path, attempts=2))
    assert words in caught.value.message and proxy.host in caught.value.message


def test_a_manifest_larger_than_its_entry_says(tmp_path: Path, registry: DockerRegistry) -> None:
    """An index may lie about the size of what it names."""
    work = transfers(tmp_path)
    name = at(registry, tmp_path)
    parts = put_image(work.store, "parts")
    push_name = Reference.parse(str(name))
    work.store.tag(push_name, descriptor(parts["index"]))
    push(push_name, work)
    with Proxy(registry.host).serving() as proxy:
        index = json.loads(work.store.read(descriptor(parts["index"]).digest))
        index["manifests"][0]["size"] -= 1
        raw = json.dumps(index).encode()
        proxy.faults = lambda request: (
            Fault(status=200, body=raw, headers={"Content-Type": index["mediaType"]})
            if request.path.endswith("/manifests/1")
            else None
        )
        with pytest.raises(FormatError, match=r"found \d+ bytes, expected"):
            pull(at(proxy, tmp_path), transfers(tmp_path, "other"))


def test_tags_come_in_pages() -> None:
    async def ask(host: str) -> list[str]:
        async with Connection(host, NOBODY, Sleeps().patience()) as connection:
            return await Registry(connection, "app", pull_scopes("app")).tags()

    with SpecRegistry(tags=["1", "2", "3", "4", "5"]).serving() as spec:
        assert asyncio.run(ask(spec.host)) == ["1", "2", "3", "4", "5"]


# -- uploads to registries of other kinds


def image_of(store: Store, size: int) -> tuple[Reference, Any]:
    """One blob worth chunks, under a name to be given a host."""
    config = put_json(store, {}, "application/vnd.oci.empty.v1+json")
    blob = put(store, noise("chunks", size), "application/octet-stream")
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "a/b", "config": config, "layers": [blob]}
    return Reference.parse("app"), descriptor(put_json(store, manifest, MANIFEST))


def send(tmp_path: Path, host: str, size: int = 40 << 20) -> dict[str, bytes]:
    """Push it to a registry -> what should be there."""
    work = transfers(tmp_path)
    _, manifest = image_of(work.store, size)
    name = Reference.parse(f"{host}/app:1")
    work.store.tag(name, manifest)
    push(name, work)
    return {digest: raw for digest, raw in blobs(work.store.root).items() if digest != str(manifest.digest)}


def test_a_torn_chunk_goes_on_where_it_was_torn(tmp_path: Path) -> None:
    torn = Fault(reset_request=5_000_000)
    with SpecRegistry().serving() as spec, Proxy(spec.host).serving() as proxy:
        proxy.faults = first(2, lambda request: request.method == "PATCH", torn)
        assert send(tmp_path, proxy.host) == spec.blobs
        assert spec.statuses >= 2 and 0 < sorted(spec.offsets)[1] <= 5_000_000
        assert proxy.count("POST", "") == 2  # one upload for each blob, none begun anew


def test_a_lost_answer_to_a_chunk(tmp_path: Path) -> None:
    with SpecRegistry().serving() as spec, Proxy(spec.host).serving() as proxy:
        proxy.faults = first(1, lambda request: request.method == "PATCH", Fault(lose_answer=True))
        assert send(tmp_path, proxy.host) == spec.blobs
        assert spec.offsets == [0, 16 << 20, 32 << 20]  # nothing was sent twice


def test_a_registry_that_takes_no_chunks(tmp_path: Path) -> None:
    with SpecRegistry(takes_chunks=False).serving() as spec:
        assert send(tmp_path, spec.host) == spec.blobs


def test_a_registry_that_wants_large_chunks(tmp_path: Path) -> None:
    with SpecRegistry(chunk_least=30 << 20).serving() as spec:
        assert send(tmp_path, spec.host) == spec.blobs
        assert spec.offsets == [0, 30 << 20]


def test_a_proxy_that_takes_small_requests_only(tmp_path: Path) -> None:
    with SpecRegistry(chunk_most=1 << 20).serving() as spec:
        assert send(tmp_path, spec.host, size=3 << 20) == spec.blobs
        assert len(spec.offsets) >= 3
    with SpecRegistry(chunk_most=1 << 10).serving() as spec, pytest.raises(DownloadError) as caught:
        send(tmp_path, spec.host, size=3 << 20)
    assert "found status 413" in caught.value.message and "client_max_body_size" in caught.value.hint
