"""What the network of a core module may do: nothing, unless whoever runs it says so.

Every call that would reach, serve or look up something asks `NetworkAccess` first. A refusal is an errno for the guest and
one line for whoever reads the log, which names the option that allows it.
"""

import errno
import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from wherry.wasm.wasi.reach import Address, Reach, parse_address

_MAX_REPORTS = 8  # lines about refusals in the log of one guest


@dataclass(frozen=True)
class NetworkPolicy:
    """published   the guest's TCP ports -> (host address, host port); None: no word of it
    outgoing       connections, datagrams and look-ups to everywhere
    listening      every address and port of the host's, not only published ones
    """

    published: Mapping[int, tuple[str, int]] | None = None
    outgoing: bool = False
    listening: bool = False


EVERYTHING = NetworkPolicy(outgoing=True, listening=True)


@dataclass
class NetworkAccess:
    """The decisions for one guest. `reach` holds the hosts that it was given one by one."""

    policy: NetworkPolicy
    reach: Reach = field(default_factory=lambda: Reach(()))
    report: Callable[[str], None] = lambda line: None
    _reported: set[str] = field(default_factory=set)

    def admits(self, host: str, port: int) -> bool:
        """Whether a numeric address may be reached."""
        return self.policy.outgoing or self.reach.admits(_unmapped(host), port)

    def may_connect(self, host: str, port: int) -> bool:
        """`admits`, and a refusal is reported."""
        if self.admits(host, port):
            return True
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._refuse(f"a connection to {where}", f"--allow-net {where}")
        return False

    def may_look_up(self, name: str) -> bool:
        if self.policy.outgoing or self.reach.names(name):
            return True
        self._refuse(f"a look-up of {name[:255]!r}", f"--allow-net {name}" if name.isprintable() else "--network host")
        return False

    def may_use_any_local_port(self) -> bool:
        """Whether a socket may have a local port of the host's choice, as clients want one: who may reach something."""
        if self.policy.outgoing or self.policy.listening or self.reach.allowed:
            return True
        self._refuse("a local port", "--network host")
        return False

    def may_listen_anywhere(self, what: str) -> bool:
        """Whether the guest may serve at addresses that are not published. what: for the report."""
        if self.policy.listening:
            return True
        self._refuse(what, "--network host")
        return False

    def published(self, port: int) -> tuple[str, int] | None:
        """The host's (address, port) of one of the guest's TCP ports. None: as the guest wrote it, if it may.

        Raises PermissionError where it may not.
        """
        if (address := (self.policy.published or {}).get(port)) is not None:
            return address
        if not self.policy.listening:
            self._refuse(f"listening on port {port}", f"-p {port}:{port}")
            raise PermissionError(errno.EACCES, "not allowed")
        return None

    def _refuse(self, what: str, option: str) -> None:
        line = f"network: {what} is not allowed; {option} allows it"
        if line not in self._reported and len(self._reported) < _MAX_REPORTS:
            self._reported.add(line)
            self.report(line)


def _unmapped(host: str) -> Address:
    """An IPv4 address that is written as IPv6's is that IPv4 address: the host's network takes it for the same."""
    address = parse_address(host)
    if address is None:
        raise ValueError(f"{host}: found no address")
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
