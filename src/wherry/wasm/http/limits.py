"""What one client may hold, so that there is room for others: connections, uploads, requests, threads that wait for it to read.

A client is an address (of IPv6 its /64, which is what one subscriber has), and a key where the server has several.
"""

import ipaddress
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Protocol

from wherry.errors import InputError
from wherry.wasm.http.refusal import RefusedError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_SLOW_SECONDS = 5.0  # that an answer has waited for its client to read, altogether


class Clients:
    """Tells clients apart. proxies: addresses and networks of those that ask for many. Raises InputError for what is none."""

    def __init__(self, proxies: Sequence[str]) -> None:
        self._proxies = [parse_network(text) for text in proxies]

    def address_of(self, peer: str, headers: Sequence[tuple[str, str]]) -> str:
        """The client's address: `peer`, or the last in X-Forwarded-For that no proxy of ours has."""
        hops = [hop.strip() for name, value in headers if name == "x-forwarded-for" for hop in value.split(",")]
        address = peer
        while hops and self.is_proxy(address):
            if _parse(hop := hops.pop()) is None:
                break  # what is no address names nobody
            address = hop
        return address

    def is_proxy(self, address: str) -> bool:
        parsed = _parse(address)
        return parsed is not None and any(parsed in network for network in self._proxies)

    def holder(self, address: str) -> str | None:
        """Under what an address is counted; None for a proxy, whose connections are many clients'."""
        parsed = _parse(address)
        if parsed is None or self.is_proxy(address):
            return None
        if isinstance(parsed, ipaddress.IPv6Address):
            return str(ipaddress.IPv6Network((parsed, 64), strict=False))
        return str(parsed)


class Shares:
    """Places that several have: `each` at most for one holder."""

    def __init__(self, each: int, what: str) -> None:
        self._each = each
        self._what = what
        self._held: Counter[str] = Counter()

    @contextmanager
    def hold(self, holders: Sequence[str]) -> Generator[None]:
        """Raises RefusedError where one of the holders has its share."""
        if any(self._held[holder] >= self._each for holder in holders):
            message = f"found {self._each} {self._what} of this client already, expected fewer at once"
            raise RefusedError(429, message, "too_many_requests", headers=[(b"retry-after", b"1")])
        self._held.update(holders)
        try:
            yield
        finally:
            self._held.subtract(holders)
            self._held += Counter()  # forgets who holds nothing


class Connection(Protocol):
    """idle_since: when a connection began to wait for a request, by the loop's clock; None while one is served."""

    @property
    def idle_since(self) -> float | None: ...
    def drop(self) -> None: ...


class Connections:
    """All that are open: at most `most`, `each` of one client. Where there is no room the longest idle one is dropped, of the
    client who has the most or has its share.
    """

    def __init__(self, most: int, each: int) -> None:
        self._most = most
        self._each = each
        self._open: dict[Connection, str | None] = {}

    def admit(self, connection: Connection, holder: str | None) -> bool:
        own = [each for each, who in self._open.items() if who == holder]
        room = holder is None or len(own) < self._each or self._drop_idle(own)
        if room and len(self._open) >= self._most:
            room = self._drop_idle(self._largest())
        if room:
            self._open[connection] = holder
        return room

    def forget(self, connection: Connection) -> None:
        self._open.pop(connection, None)

    def _largest(self) -> list[Connection]:
        """Idle connections of the holder who has the most of them."""
        idle = [(each, who) for each, who in self._open.items() if each.idle_since is not None]
        counts = Counter(who for _, who in idle)
        return [each for each, who in idle if counts[who] == max(counts.values())]

    def _drop_idle(self, connections: Sequence[Connection]) -> bool:
        idle = [(since, number) for number, each in enumerate(connections) if (since := each.idle_since) is not None]
        if not idle:
            return False
        oldest = connections[min(idle)[1]]
        self.forget(oldest)
        oldest.drop()
        return True


class Reader(Protocol):
    """A client that takes an answer. waited: seconds in which the answer waited for it to read."""

    @property
    def waited(self) -> float: ...
    @property
    def holders(self) -> Sequence[str]: ...
    def drop(self) -> None: ...


def drop_slow_readers(readers: Sequence[Reader], each: int) -> None:
    """Requests wait for a thread: end the slowest answers of whoever holds more than `each` threads by reading slowly."""
    slow = sorted((reader for reader in readers if reader.waited > _SLOW_SECONDS), key=lambda reader: reader.waited)
    held: Counter[str] = Counter()
    for reader in slow:
        held.update(reader.holders)
        if any(held[holder] > each for holder in reader.holders):
            reader.drop()


def _parse(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        parsed = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed


def parse_network(text: str, option: str = "proxies") -> Network:
    """Raises InputError."""
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise InputError(f'{option}: found "{text}", expected an address or a network such as 10.0.0.0/8') from error
