"""What a guest may reach: a Python app's sockets over real ones, names that lead inside, outgoing TLS."""

import ipaddress
import json
import os
import socket
import threading
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.wasm.web import Web, serving
from wherry.wasm.allowed import AllowedHost
from wherry.wasm.wasi.reach import ProhibitedError, Reach, _public


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[tuple[int, bytes]]:
    """Listens, hears until the other end has said all, and sends bytes -> its port and the bytes."""
    data = os.urandom(400_000)

    def answer() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                while connection.recv(1 << 16):
                    pass
                connection.sendall(data)

    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        threading.Thread(target=answer, daemon=True).start()
        yield listening.getsockname()[1], data
        listening.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def granted(web_component: Path, elsewhere: tuple[int, bytes], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    allowed = [AllowedHost.parse(f"127.0.0.1:{elsewhere[0]}"), AllowedHost("localhost")]
    with serving(web_component, tmp_path_factory.mktemp("bodies"), allowed=allowed, clock_step=1_000_000) as found:
        yield found


def reach(web: Web, *attempts: tuple[str, str, int]) -> Any:
    response, data = web.ask("POST", "/reach", json.dumps(attempts).encode())
    assert response.status == 200, data
    return json.loads(data)["found"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_python_app_talks_to_a_host_that_it_was_given(granted: Web, elsewhere: tuple[int, bytes], host: str) -> None:
    port, data = elsewhere
    response, answer = granted.ask("GET", f"/fetch?{quote(json.dumps([host, port]))}")
    assert response.status == 200, answer
    assert json.loads(answer) == {"from": "127.0.0.1", "sum": zlib.crc32(data), "size": len(data)}


def test_nothing_else_is_reached(granted: Web, elsewhere: tuple[int, bytes]) -> None:
    """Other ports, other hosts, their names; nothing listens, nothing goes by UDP."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        found = reach(
            granted, ("connect", "127.0.0.1", port), ("connect", "127.0.0.2", elsewhere[0]), ("connect", "10.0.0.1", 80),
            ("connect", "::1", elsewhere[0]), ("look up", "example.org", 80), ("listen", "127.0.0.1", 0),
            ("datagram", "127.0.0.1", port), ("connect", "0.0.0.0", elsewhere[0]),
        )  # fmt: skip
        assert all(isinstance(each, str) and "Error" in each for each in found), found
        listening.settimeout(0.05)
        with pytest.raises(TimeoutError):
            listening.accept()


def test_a_name_does_not_lead_inside(web_component: Path, elsewhere: tuple[int, bytes], tmp_path: Path) -> None:
    """`localhost` is a name whose owner says 127.0.0.1, which was not given."""
    with serving(web_component, tmp_path, allowed=[AllowedHost("localhost")]) as web:
        found = reach(web, ("connect", "localhost", elsewhere[0]), ("look up", "localhost", 80))
        assert all(isinstance(each, str) for each in found)
        assert any("127.0.0.1 would allow it" in line for line in web.log)


def test_who_was_given_nothing_has_no_sockets(web_component: Path, elsewhere: tuple[int, bytes], tmp_path: Path) -> None:
    with serving(web_component, tmp_path, clock_step=1_000_000) as web:
        assert all(isinstance(each, str) for each in reach(web, ("connect", "127.0.0.1", elsewhere[0])))


def test_coarse_clocks_of_a_python_app(granted: Web) -> None:
    found = json.loads(granted.ask("GET", "/clock")[1])["found"]
    assert all(number % 1_000_000 == 0 for row in found for number in row)


def test_an_app_with_a_network_is_the_same_app(granted: Web) -> None:
    body = bytes(range(256)) * 1000
    assert granted.ask("POST", "/echo", body)[1] == body
    assert granted.ask("POST", "/stream?sum", body)[1].split()[1] == b"%d" % zlib.crc32(body)


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("93.184.216.34", True), ("2606:2800:220:1::1", True), ("127.0.0.1", False), ("10.1.2.3", False), ("172.16.0.1", False),
        ("192.168.1.1", False), ("169.254.169.254", False), ("100.64.0.1", False), ("0.0.0.0", False), ("224.0.0.1", False),
        ("255.255.255.255", False), ("::1", False), ("::", False), ("fe80::1", False), ("fc00::1", False), ("ff02::1", False),
        ("::ffff:127.0.0.1", False), ("::ffff:10.0.0.1", False), ("64:ff9b::7f00:1", False), ("64:ff9b::a00:1", False),
        ("2002:7f00:1::", False), ("2002:a00:1::1", False), ("::7f00:1", False),
    ],
)  # fmt: skip
def test_public_addresses(text: str, public: bool) -> None:
    assert _public(ipaddress.ip_address(text)) is public


def test_a_port_of_an_address_is_not_another_of_a_name() -> None:
    port = 4321
    assert Reach([AllowedHost("localhost"), AllowedHost("127.0.0.1", port)]).look_up("localhost", port)
    with pytest.raises(ProhibitedError, match="expected a public address"):
        Reach([AllowedHost("localhost"), AllowedHost("127.0.0.1", port)]).look_up("localhost", port + 1)
    inside = Reach([AllowedHost("localhost"), AllowedHost("127.0.0.1", port)])
    inside.look_up("localhost")
    assert inside.admits(ipaddress.ip_address("127.0.0.1"), port)
    assert not inside.admits(ipaddress.ip_address("127.0.0.1"), port + 1)
