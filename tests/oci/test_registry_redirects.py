"""Wherever a registry sends us, it is not to addresses that only this machine or its network can reach.

The registry is on this machine, so it may send us here, and to public addresses, and nowhere else.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.oci.images import put_image
from tests.oci.registries import DockerRegistry, Fault, Proxy, Request
from tests.oci.test_auth import logged_in
from tests.oci.test_registry import NOBODY, gets_blob, transfers
from tests.oci.test_transfer import at
from wherry.addresses import Boundary
from wherry.errors import DownloadError
from wherry.oci.connection import Connection, Patience, _Connected
from wherry.oci.transfer import pull, push

INSIDE = [
    "https://10.0.0.1",
    "https://169.254.169.254",
    "https://[fe80::1]",
    "https://[fd00::1]:8443",
    "https://[::ffff:10.0.0.1]",
    "https://[64:ff9b::a9fe:a9fe]",
    "https://167772161",  # 10.0.0.1
    "https://0xa000001",
    "https://192.168.257",
]


def to(place: str, wanted: Callable[[Request], bool]) -> Callable[[Request], Fault | None]:
    return lambda request: Fault(status=307, headers={"Location": f"{place}/x"}) if wanted(request) else None


@pytest.mark.parametrize("place", INSIDE)
def test_no_redirect_leads_inside(tmp_path: Path, registry: DockerRegistry, place: str) -> None:
    with Proxy(registry.host).serving() as proxy:
        proxy.faults = to(place, lambda request: "/manifests/" in request.path)
        with pytest.raises(DownloadError, match=r"sends us to .*address, expected a public one"):
            pull(at(proxy, tmp_path), transfers(tmp_path))


def test_no_blob_upload_or_token_server_leads_inside(tmp_path: Path, registry: DockerRegistry) -> None:
    with Proxy(registry.host).serving() as proxy:
        name = at(proxy, tmp_path)
        work = transfers(tmp_path, config=logged_in(tmp_path, proxy.host))
        put_image(work.store, str(name))
        cases: list[tuple[Callable[[Request], Fault | None], Callable[[], Any]]] = [
            (to(INSIDE[0], gets_blob), lambda: pull(name, transfers(tmp_path, "other"))),
            (
                lambda request: Fault(status=202, headers={"Location": INSIDE[1] + "/up"}) if request.method == "POST" else None,
                lambda: push(name, work),
            ),
            (
                lambda request: Fault(status=401, headers={"WWW-Authenticate": f'Bearer realm="{INSIDE[2]}/token"'}),
                lambda: pull(name, work),
            ),
        ]
        push(name, work)
        put_image(work.store, str(name), seed=1)  # something new to push
        for fault, transfer in cases:
            proxy.faults = fault
            with pytest.raises(DownloadError, match=r"sends us to .*address, expected a public one"):
                transfer()


def test_the_next_page_of_tags_is_not_inside(tmp_path: Path, registry: DockerRegistry) -> None:
    from wherry.oci.registry import Registry, pull_scopes

    async def tags(host: str) -> list[str]:
        async with Connection(host, NOBODY, Patience()) as connection:
            return await Registry(connection, "app", pull_scopes("app")).tags()

    with Proxy(registry.host).serving() as proxy:
        link = {"Link": f'<{INSIDE[0]}/v2/app/tags/list?last=a>; rel="next"'}
        proxy.faults = lambda request: Fault(status=200, headers=link, body=b'{"name":"app","tags":["a"]}')
        with pytest.raises(DownloadError, match=r"sends us to 10\.0\.0\.1, a private address"):
            asyncio.run(tags(proxy.host))


class _Stream:
    def __init__(self, address: str) -> None:
        self.address = address
        self.closed = False

    def get_extra_info(self, name: str) -> tuple[str, int]:
        assert name == "server_addr"
        return self.address, 443

    async def aclose(self) -> None:
        self.closed = True


def test_a_connection_that_led_elsewhere_is_closed_unused() -> None:
    """A name that had a public address when we looked, and another when we connected."""

    async def connect(host: str, address: str) -> _Stream:
        watch = _Connected(Boundary("93.184.216.34"), "rebound.example")
        stream = _Stream(address)
        await watch("connection.connect_tcp.started", {"host": host})
        try:
            await watch("connection.connect_tcp.complete", {"return_value": stream})
        except DownloadError:
            assert stream.closed
        return stream

    assert asyncio.run(connect("rebound.example", "127.0.0.1")).closed
    assert not asyncio.run(connect("rebound.example", "93.184.216.34")).closed
    assert not asyncio.run(connect("proxy.inside", "10.0.0.1")).closed  # the user's own proxy
