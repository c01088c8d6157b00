"""Outgoing HTTPS of a component, against servers whose certificates an authority of the test signed."""

import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.wasm.wasi.conftest import CACHE
from tests.wasm.wasi.test_http import SECONDS, _Elsewhere
from tests.wasm.web import Web
from wherry.errors import NotFoundError
from wherry.wasm.allowed import AllowedHost
from wherry.wasm.component import Compiled
from wherry.wasm.http.access import Served
from wherry.wasm.http.options import ServerOptions
from wherry.wasm.http.server import Server
from wherry.wasm.nn.graph import Graph
from wherry.wasm.pool import AppOptions
from wherry.wasm.wasi.proxy import HttpApp

# Name -> whom the certificate is for, and the days that it is good for.
CERTIFICATES = {"good": ("localhost", 2), "other": ("elsewhere.example", 2), "expired": ("localhost", -1)}


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ca.pem, and NAME.pem with the key and certificate of each."""
    folder = tmp_path_factory.mktemp("authority")
    new = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl(folder, *new, "-x509", "-days", "2", "-subj", "/CN=Test CA", "-keyout", "ca.key", "-out", "ca.pem")
    for name, (host, days) in CERTIFICATES.items():
        openssl(folder, *new, "-subj", f"/CN={host}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        (folder / f"{name}.ext").write_text(f"subjectAltName=DNS:{host}\n")
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", f"{name}.ext", "-days", str(days))
        openssl(folder, "x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.crt")
        (folder / f"{name}.pem").write_text((folder / f"{name}.key").read_text() + (folder / f"{name}.crt").read_text())
    return folder


@pytest.fixture(scope="module")
def ports(authority: Path) -> Iterator[dict[str, int]]:
    """Of a server for each certificate."""
    with ExitStack() as stack:
        found = {}
        for name in CERTIFICATES:
            server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), _Elsewhere))
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(authority / f"{name}.pem")
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
            server.daemon_threads, server.block_on_close = True, False
            server.handle_error = lambda request, address: None  # type: ignore[method-assign]  # a client that refuses it
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.shutdown)
            found[name] = server.server_port
        yield found


@pytest.fixture(scope="module")
def web(js_component: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    def find(name: str) -> Graph:
        raise NotFoundError(f'graph "{name}": found no such name')

    log: list[str] = []
    done: list[Served] = []
    allowed = [AllowedHost("localhost"), AllowedHost("127.0.0.1")]
    app = HttpApp(Compiled(js_component, CACHE), AppOptions(timeout=SECONDS, allowed=allowed), find, say=log.append)
    server = Server(app, ServerOptions(port=0), tmp_path_factory.mktemp("bodies"), done.append)
    with server.running() as url:
        host, port = url.removeprefix("http://").split(":")
        yield Web(app, (host, int(port)), log, done)
    app.close()


def test_a_certificate_of_a_known_authority(
    web: Web, authority: Path, ports: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))
    response, data = web.ask("GET", f"/fetch?url=https://localhost:{ports['good']}/a")
    assert (response.status, data.decode()) == (203, f"GET /a localhost:{ports['good']}")


@pytest.mark.parametrize(
    ("name", "host", "why"),
    [
        ("other", "localhost", "certificate is not valid for 'localhost'"),
        ("good", "127.0.0.1", "certificate is not valid for '127.0.0.1'"),
        ("expired", "localhost", "certificate has expired"),
    ],
)
def test_certificates_of_others_and_of_yesterday(
    web: Web, authority: Path, ports: dict[str, int], monkeypatch: pytest.MonkeyPatch, name: str, host: str, why: str
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))
    response, _ = web.ask("GET", f"/fetch?url=https://{host}:{ports[name]}/")
    assert response.status == 502
    assert f"network: https://{host}:{ports[name]}: " in web.log[-1] and why in web.log[-1]


def test_an_authority_that_nobody_knows(web: Web, ports: dict[str, int]) -> None:
    response, _ = web.ask("GET", f"/fetch?url=https://localhost:{ports['good']}/")
    assert response.status == 502
    assert "unable to get local issuer certificate" in web.log[-1]
