"""Where a server may send us. Expected are IANA's special-purpose registries and the forms of RFC 4291, 6052 and 3056."""

import asyncio

import pytest

from wherry.addresses import Boundary, Zone, look_up, zone_of
from wherry.errors import DownloadError


@pytest.mark.parametrize(
    ("address", "zone"),
    [
        ("93.184.216.34", Zone.PUBLIC),
        ("2606:2800:220:1::1", Zone.PUBLIC),
        ("64:ff9b::5db8:d822", Zone.PUBLIC),  # a public address behind NAT64
        ("127.0.0.1", Zone.LOOPBACK),
        ("127.8.8.8", Zone.LOOPBACK),
        ("0.0.0.0", Zone.LOOPBACK),
        ("::", Zone.LOOPBACK),
        ("::1", Zone.LOOPBACK),
        ("::ffff:127.0.0.1", Zone.LOOPBACK),
        ("::127.0.0.1", Zone.LOOPBACK),
        ("64:ff9b::7f00:1", Zone.LOOPBACK),
        ("2002:7f00:1::", Zone.LOOPBACK),
        ("10.0.0.1", Zone.PRIVATE),
        ("172.31.255.255", Zone.PRIVATE),
        ("192.168.1.1", Zone.PRIVATE),
        ("100.64.0.1", Zone.PRIVATE),
        ("224.0.0.1", Zone.PRIVATE),
        ("255.255.255.255", Zone.PRIVATE),
        ("::ffff:10.0.0.1", Zone.PRIVATE),
        ("64:ff9b::a00:1", Zone.PRIVATE),
        ("2002:a00:1::", Zone.PRIVATE),
        ("fd00::1", Zone.PRIVATE),
        ("ff02::1", Zone.PRIVATE),
        ("169.254.169.254", Zone.LINK_LOCAL),
        ("::ffff:169.254.169.254", Zone.LINK_LOCAL),
        ("fe80::1%eth0", Zone.LINK_LOCAL),
    ],
)
def test_the_zone_of_an_address(address: str, zone: Zone) -> None:
    assert zone_of(address) is zone


NAMES = {
    "registry.example": ["93.184.216.34"],
    "cdn.example": ["93.184.216.35", "2606:2800:220:1::1"],
    "inside.example": ["10.1.2.3"],
    "storage.inside.example": ["192.168.7.7"],
    "rebound.example": ["93.184.216.34", "127.0.0.1"],
    "metadata.example": ["169.254.169.254"],
    "localhost": ["::1", "127.0.0.1"],
}


def sent(server: str, target: str) -> str:
    """Why it is refused; nothing where it is not."""

    async def names(host: str) -> list[str]:
        if host not in NAMES:
            raise OSError("no such name")
        return NAMES[host]

    try:
        asyncio.run(Boundary(server, look_up=names).check(target))
    except DownloadError as error:
        return error.message
    return ""


def test_a_public_server_sends_to_public_addresses_alone() -> None:
    assert sent("registry.example", "cdn.example") == ""
    assert sent("registry.example", "nowhere.example") == ""  # a proxy may know it
    for target, address in (
        ("inside.example", "10.1.2.3"),
        ("rebound.example", "127.0.0.1"),
        ("metadata.example", "169.254.169.254"),
        ("localhost", "::1"),
    ):
        assert f"registry.example: sends us to {target} ({address})" in sent("registry.example", target)


def test_a_server_inside_sends_to_what_is_where_it_is() -> None:
    assert sent("inside.example", "storage.inside.example") == ""
    assert sent("inside.example", "cdn.example") == ""
    assert "loopback" in sent("inside.example", "localhost")
    assert "link-local" in sent("inside.example", "metadata.example")
    assert sent("localhost", "localhost") == ""
    assert "private" in sent("localhost", "inside.example")


def test_an_address_that_a_connection_has_is_looked_at_too() -> None:
    async def check() -> None:
        await Boundary("93.184.216.34").check_addresses("rebound.example", ["127.0.0.1"])

    with pytest.raises(DownloadError, match=r"rebound.example \(127.0.0.1\), a loopback address"):
        asyncio.run(check())


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "::1", "::ffff:7f00:1"])
def test_every_spelling_of_this_machine_is_this_machine(host: str) -> None:
    assert {zone_of(address) for address in asyncio.run(look_up(host))} == {Zone.LOOPBACK}
