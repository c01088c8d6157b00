"""Where a server may send us: to public addresses, and to such as it has itself.

Who answers a request chooses redirects, upload locations and token servers, and who owns a name chooses where it leads. So a
registry elsewhere could have us ask what only this machine or its network can reach. Addresses are looked at, not names.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable
from enum import Enum

from wherry.errors import DownloadError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
LookUp = Callable[[str], Awaitable[list[str]]]  # a host's addresses. Raises OSError where it has none.

_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # an IPv4 address within, to which a gateway leads


class Zone(Enum):
    PUBLIC = "public"
    PRIVATE = "private"
    LINK_LOCAL = "link-local"
    LOOPBACK = "loopback"


def zone_of(address: str) -> Zone:
    """Of an IPv4 or IPv6 address; one that wraps another is where that is. Raises ValueError where it is none."""
    return _zone(ipaddress.ip_address(address.partition("%")[0]))


def _zone(address: Address) -> Zone:
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        low = int(address) & 0xFFFFFFFF
        if inner is None and (address in _NAT64 or (int(address) >> 32 == 0 and low > 1)):  # ::127.0.0.1, as of old
            inner = ipaddress.IPv4Address(low)
        if inner is not None:
            return _zone(inner)
    if address.is_loopback or address.is_unspecified:
        return Zone.LOOPBACK
    if address.is_link_local:
        return Zone.LINK_LOCAL
    return Zone.PUBLIC if address.is_global and not address.is_multicast else Zone.PRIVATE


async def look_up(host: str) -> list[str]:
    """By the system, which reads `2130706433` and `0x7f.1` as addresses, too."""
    rows = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(row[4][0]) for row in rows]


class Boundary:
    """What the server `host` may send us to."""

    def __init__(self, host: str, *, look_up: LookUp = look_up) -> None:
        self._host = host
        self._look_up = look_up
        self._own: frozenset[Zone] | None = None  # its zones, when first asked for: later answers may be other ones

    async def check(self, host: str) -> None:
        """Before a request. A host without an address here passes: a proxy may know it, else connecting fails.

        Raises DownloadError where any of its addresses is neither public nor in a zone of the server's own.
        """
        try:
            addresses = await self._look_up(host)
        except OSError:
            return
        await self.check_addresses(host, addresses)

    async def check_addresses(self, host: str, addresses: Iterable[str]) -> None:
        """Those that a host has, or that a connection went to. Raises DownloadError."""
        for address in addresses:
            zone = zone_of(address)
            if zone is not Zone.PUBLIC and zone not in await self._own_zones():
                shown = host if host == address else f"{host} ({address})"
                raise DownloadError(
                    f"{self._host}: sends us to {shown}, a {zone.value} address, expected a public one",
                    hint="only a server that has such an address itself may; the redirect is wrong, or an attack",
                )

    async def _own_zones(self) -> frozenset[Zone]:
        if self._own is None:
            try:
                self._own = frozenset(zone_of(address) for address in await self._look_up(self._host))
            except OSError:
                self._own = frozenset()
        return self._own
