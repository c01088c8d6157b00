"""Whom a request is for and which site it comes from: `Host`, request targets and `Origin`, over real sockets and alone.

The rules are RFC 9112 (3.2), RFC 9110 (7.4, 15.5.20), RFC 6761 (6.3) and the Fetch standard's.
"""

import json
import socket
from pathlib import Path

import pytest

from tests.wasm.http.test_server import SECONDS, ask, echo, serving
from wherry.errors import InputError
from wherry.wasm.http.authority import Hosts, check_origin, is_loopback_address, split_target
from wherry.wasm.http.refusal import RefusedError


def exchange(address: tuple[str, int], request: str) -> bytes:
    """All that comes for a request, until the server closes the connection."""
    with socket.create_connection(address, SECONDS) as connection:
        connection.sendall(request.replace("|", "\r\n").encode("latin-1") + b"\r\n\r\n")
        with connection.makefile("rb") as file:
            return file.read()


# -- Host

OWN = ("localhost", "LOCALHOST:8080", "localhost.", "app.localhost:1", "127.0.0.1", "127.9.9.9:80", "[::1]:8080", "[0:0::1]",
       "[::ffff:127.0.0.1]", "localhost:")  # fmt: skip
FOREIGN = ("evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "192.168.1.5:8080",
           "0.0.0.0:8080", "[::]", "[2001:db8::1]", "2130706433", "0x7f.1", "127.1", "localhost..", "xlocalhost", "")  # fmt: skip


@pytest.mark.parametrize("host", OWN)
def test_loopback_names_reach_a_loopback_server(host: str) -> None:
    Hosts((), loopback=True).check(host, "127.0.0.1")


@pytest.mark.parametrize("host", FOREIGN)
def test_other_names_do_not_reach_a_loopback_server(host: str) -> None:
    with pytest.raises(RefusedError) as raised:
        Hosts((), loopback=True).check(host, "127.0.0.1")
    assert raised.value.status == 421


@pytest.mark.parametrize(
    "host", ["a b", "user@localhost", "localhost:http", "localhost/", "[::1", "::1", "localhost, evil.example"]
)
def test_what_is_no_authority_is_refused(host: str) -> None:
    for loopback in (True, False):
        with pytest.raises(RefusedError) as raised:
            Hosts((), loopback=loopback).check(host, "127.0.0.1")
        assert raised.value.status == 400


def test_names_of_the_user_are_added_and_turn_the_check_on() -> None:
    hosts = Hosts(("API.example.org", "*.apps.example", "bücher.example", "10.0.0.7", "::2"), loopback=False)
    for host in ("api.example.org:8443", "Api.Example.Org.", "a.b.apps.example", "xn--bcher-kva.example", "10.0.0.7:1", "[::2]"):
        hosts.check(host, "10.0.0.9")
    hosts.check("localhost:8080", "10.0.0.9")  # health checks from inside
    hosts.check("10.0.0.9:8080", "10.0.0.9")  # probes and scrapers of a cluster send the address itself
    for host in ("example.org", "apps.example", "10.0.0.8", "evil.example", ""):
        with pytest.raises(RefusedError) as raised:
            hosts.check(host, "10.0.0.9")
        assert raised.value.status == 421


def test_without_names_other_addresses_have_no_check() -> None:
    Hosts((), loopback=False).check("anything.example", "10.0.0.9")
    Hosts(("*",), loopback=True).check("anything.example", "127.0.0.1")


@pytest.mark.parametrize("name", ["", "https://a.example", "a.example:80", "a.example/", "a b", "*.", "a,b", "*.*", "[::1"])
def test_names_that_no_client_sends_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="--host"):
        Hosts((name,), loopback=False)


def test_a_rebound_name_reaches_nothing(tmp_path: Path) -> None:
    """Neither the app nor the host's own addresses nor a preflight, with and without a key."""
    with serving(echo, tmp_path, keys=("k",), origins=("*",)) as (_, address, _):
        for method, target in [("GET", "/"), ("POST", "/v1/x"), ("GET", "/healthz"), ("GET", "/metrics"), ("OPTIONS", "/v1/x")]:
            response, data = ask(
                address, method, target, Host="evil.example:8080", Origin="http://evil.example:8080", Authorization="Bearer k",
                Access_Control_Request_Method="POST", Sec_Fetch_Site="same-origin",
            )  # fmt: skip
            assert response.status == 421
            assert json.loads(data)["error"]["code"] == "host_not_allowed"
            assert "access-control-allow-origin" not in response.headers
        assert ask(address, Authorization="Bearer k")[0].status == 200


@pytest.mark.parametrize(
    ("head", "status"),
    [("GET / HTTP/1.1|", 400), ("GET / HTTP/1.1|Host: localhost|Host: localhost", 400), ("GET / HTTP/1.0|", 421),
     ("GET / HTTP/1.1|Host:", 421), ("GET / HTTP/1.0|Host: localhost", 200)],
)  # fmt: skip
def test_missing_and_doubled_hosts(head: str, status: int, tmp_path: Path) -> None:
    with serving(echo, tmp_path) as (_, address, _):
        assert exchange(address, head + "|Connection: close").startswith(b"HTTP/1.1 %d" % status)


# -- request targets


@pytest.mark.parametrize(
    ("target", "expected"),
    [("/a?b", ("/a?b", None)), ("//a/b", ("//a/b", None)), ("http://other.example/abs?q", ("/abs?q", "other.example")),
     ("HTTPS://a:1", ("/", "a:1")), ("http://a?q=http://b/", ("/?q=http://b/", "a")),
     ("http://[::1]:80//x", ("//x", "[::1]:80"))],
)  # fmt: skip
def test_urls_are_targets_too(target: str, expected: tuple[str, str | None]) -> None:
    assert split_target("GET", target) == expected


def test_a_question_to_the_server_itself() -> None:
    assert split_target("OPTIONS", "*") == ("*", None)
    assert split_target("OPTIONS", "http://a") == ("*", "a")


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [("GET", "*", 400), ("GET", "a", 400), ("GET", "ftp://a/b", 400), ("GET", "http:///b", 400), ("GET", "http://u@a/b", 400),
     ("GET", "http://a/b#c", 400), ("CONNECT", "a:80", 405), ("GET", "http:/a", 400)],
)  # fmt: skip
def test_targets_that_no_server_has(method: str, target: str, status: int) -> None:
    with pytest.raises(RefusedError) as raised:
        split_target(method, target)
    assert raised.value.status == status


def test_the_authority_of_a_url_stands_for_host(tmp_path: Path) -> None:
    """RFC 9112, 3.2.2: a server ignores Host then. The app finds the path, and the URL's authority as Host."""
    with serving(echo, tmp_path, hosts=("other.example",)) as (_, address, _):
        data = exchange(address, "GET http://other.example/abs?q HTTP/1.1|Host: evil.example|Connection: close")
        assert data.startswith(b"HTTP/1.1 200") and b'["GET", "/abs?q"' in data and b'"host": "other.example"' in data
        data = exchange(address, "GET http://evil.example/abs HTTP/1.1|Host: localhost|Connection: close")
        assert data.startswith(b"HTTP/1.1 421")
        assert exchange(address, "GET http://localhost/healthz HTTP/1.1|Host: x|Connection: close").endswith(b"ok\n")
        assert exchange(address, "CONNECT localhost:80 HTTP/1.1|Host: localhost:80").startswith(b"HTTP/1.1 405")


# -- two lengths


@pytest.mark.parametrize(
    "first", ["Content-Length: 5|Transfer-Encoding: chunked", "Transfer-Encoding: chunked|Content-Length: 0"]
)
def test_two_lengths_close_the_connection(first: str, tmp_path: Path) -> None:
    """RFC 9112, 6.1: what follows may have been smuggled, and is no request."""
    with serving(echo, tmp_path) as (_, address, log):
        head = f"POST /v1/x HTTP/1.1|Host: localhost|{first}||0||GET /healthz HTTP/1.1|Host: localhost"
        answers = exchange(address, head)
    assert answers.startswith(b"HTTP/1.1 400") and answers.count(b"HTTP/1.1 ") == 1
    assert [done.status for done in log] == [400]


# -- Origin

PERMITTED = [
    ("http://localhost:8080", "localhost:8080", ()),
    ("http://127.0.0.1", "127.0.0.1:80", ()),
    ("https://api.example.org", "api.example.org", ()),  # TLS ends at a proxy
    ("https://api.example.org", "api.example.org:443", ()),
    ("http://[::1]:8080", "[::1]:8080", ()),
    ("https://api.example.org", "127.0.0.1:8080", ("api.example.org",)),  # a proxy that sends its own Host
    ("https://a.apps.example:8443", "127.0.0.1:8080", ("*.apps.example",)),
]
REFUSED = [
    ("http://evil.example", "localhost:8080", ()),
    ("http://localhost:3000", "localhost:8080", ()),
    ("http://127.0.0.1:8080", "localhost:8080", ()),
    ("null", "localhost:8080", ()),
    ("", "localhost:8080", ()),
    ("http://localhost", "localhost:8080", ()),
    ("http://evil.example", "192.168.1.5:8080", ()),
    ("http://localhost:8080.evil.example", "localhost:8080", ()),
    ("http://localhost:8080 http://evil.example", "localhost:8080", ()),
    ("chrome-extension://abc", "localhost:8080", ()),
    ("https://evil.example", "127.0.0.1:8080", ("api.example.org",)),
    ("https://evil.example", "127.0.0.1:8080", ("*",)),
]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "PURGE"])
@pytest.mark.parametrize("fetch_site", [None, "same-origin", "none", "Cross-Site"])
def test_a_foreign_origin_changes_nothing(method: str, fetch_site: str | None) -> None:
    site = [] if fetch_site is None else [("sec-fetch-site", fetch_site)]
    for origin, host, names in REFUSED:
        with pytest.raises(RefusedError) as raised:
            check_origin(method, [("origin", origin), *site], host, Hosts(names, loopback=False), ())
        assert raised.value.status == 403
    for origin, host, names in PERMITTED if fetch_site != "Cross-Site" else []:
        check_origin(method, [("origin", origin), *site], host, Hosts(names, loopback=False), ())


def test_programs_send_no_origin_and_safe_methods_pass() -> None:
    hosts = Hosts((), loopback=True)
    check_origin("POST", [], "localhost", hosts, ())
    for method in ("GET", "HEAD", "OPTIONS"):
        check_origin(method, [("origin", "http://evil.example")], "localhost", hosts, ())


def test_two_origins_and_doubled_fetch_sites_are_foreign() -> None:
    hosts = Hosts((), loopback=True)
    for headers in (
        [("origin", "http://localhost"), ("origin", "http://evil.example")],
        [("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")],
    ):
        with pytest.raises(RefusedError):
            check_origin("POST", headers, "localhost", hosts, ())


def test_origins_that_the_user_allows_pass() -> None:
    hosts = Hosts((), loopback=True)
    for origin in ("https://a.example", "chrome-extension://abc", "null"):
        headers = [("origin", origin), ("sec-fetch-site", "cross-site")]
        check_origin("POST", headers, "localhost", hosts, (origin,))
        check_origin("POST", headers, "localhost", hosts, ("*",))
        with pytest.raises(RefusedError):
            check_origin("POST", headers, "localhost", hosts, ("https://b.example",))


def test_a_form_of_another_site_is_refused_without_fetch_metadata(tmp_path: Path) -> None:
    with serving(echo, tmp_path) as (_, address, _):
        response, data = ask(address, "POST", body=b"x", Origin="http://evil.example")
        assert (response.status, json.loads(data)["error"]["code"]) == (403, "origin_not_allowed")
        own = f"http://127.0.0.1:{address[1]}"
        assert ask(address, "POST", body=b"x", Origin=own)[0].status == 200


def test_which_addresses_are_loopback() -> None:
    for address in ("127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"):
        assert is_loopback_address(address)
    for address in ("0.0.0.0", "::", "10.0.0.1", "::ffff:10.0.0.1", "fe80::1%eth0"):
        assert not is_loopback_address(address)
