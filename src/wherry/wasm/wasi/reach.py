"""Which addresses a guest may reach: those that it was given, and what the names that it was given stand for, as far as that is
public.

Whoever owns a name says where it leads, and may say another thing each time. So a name is looked up by the host, what it finds is
looked at, and the connection goes to just that. A private, loopback or link-local address is reached by its own grant alone.
"""

import ipaddress
import socket
from collections.abc import Callable, Sequence

from wherry.wasm.allowed import AllowedHost

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_MAX_FOUND = 32  # addresses of a name
_THROUGH_IPV4 = ipaddress.ip_network("64:ff9b::/96")  # and its kind: an IPv4 address within, which a gateway would lead to


class ProhibitedError(OSError):
    """A name leads only to where no name may."""


class Reach:
    """One guest's. `found` names are remembered: a guest connects to addresses."""

    def __init__(self, allowed: Sequence[AllowedHost], say: Callable[[str], None] = lambda line: None) -> None:
        self.allowed = tuple(allowed)
        self._say = say
        self._found: dict[Address, set[str]] = {}

    def names(self, host: str) -> bool:
        """Whether a host was given, at any port."""
        return any(_same(each.name, host) for each in self.allowed)

    def allows(self, host: str, port: int) -> bool:
        return any(_same(each.name, host) and each.port in (None, port) for each in self.allowed)

    def admits(self, address: Address, port: int) -> bool:
        """Whether a guest may connect there: by the address's own grant, or by a name's that led there for it."""
        if self.allows(str(address), port):
            return True
        return any(self.allows(name, port) for name in self._found.get(address, ()))

    def look_up(self, host: str, port: int | None = None) -> list[Address]:
        """The addresses of a host that was given; port: None for any. Raises ProhibitedError, and OSError where it has none."""
        if (own := parse_address(host)) is not None:
            return [own]
        rows = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(ipaddress.ip_address(str(row[4][0]).partition("%")[0]) for row in rows))[:_MAX_FOUND]
        kept = [each for each in addresses if _public(each) or self._given(each, port)]
        if not kept:
            found = ", ".join(map(str, addresses))
            self._say(f"network: {host}: found {found}, which is not public; --allow-net {addresses[0]} would allow it")
            raise ProhibitedError(f"{host}: found {found}, expected a public address")
        for each in filter(_public, kept):  # the others have their own grants
            self._found.setdefault(each, set()).add(host)
        return kept

    def _given(self, address: Address, port: int | None) -> bool:
        return self.names(str(address)) if port is None else self.allows(str(address), port)

    def connect(self, host: str, port: int, seconds: float) -> socket.socket:
        """To a host that was given, at the first of its addresses that answers. Raises OSError."""
        error: OSError = ConnectionRefusedError()
        for address in self.look_up(host, port):
            try:
                return socket.create_connection((str(address), port), seconds)
            except OSError as found:
                error = found
        raise error

    def failed(self, url: str, error: BaseException) -> None:
        """For the log: a guest hears a code alone."""
        self._say(f"network: {url}: {error}")


def parse_address(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _same(given: str, host: str) -> bool:
    if given == host.lower():
        return True
    address = parse_address(given)
    return address is not None and address == parse_address(host)


def _public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is None and address in _THROUGH_IPV4:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return _public(inner)
    return address.is_global and not address.is_multicast and not address.is_reserved
