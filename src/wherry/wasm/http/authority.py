"""The server that a request is for, and the site that it comes from: request target, `Host`, `Origin`.

A page whose name leads to this address though it is not ours (DNS rebinding) has that name in `Host`; a page of another site
has its own in `Origin`. Neither header can be set by the page.
"""

import ipaddress
import re
from collections.abc import Sequence

from wherry.errors import InputError
from wherry.wasm.http.refusal import RefusedError

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # RFC 9110, 9.2.1
_ABSOLUTE = re.compile(r"https?://([^/?#]*)([^?#]*)(\?[^#]*)?", re.IGNORECASE)
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{0,5}))?")
_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?")
_PORTS = {"http": "80", "https": "443"}
_MAX_QUOTED = 300  # characters of a header that an error repeats


def split_target(method: str, target: str) -> tuple[str, str | None]:
    """A request target (RFC 9112, 3.2) -> path with query, and the authority where the target names it.

    Raises RefusedError for a target of no form that a server has.
    """
    if method == "CONNECT":
        raise RefusedError(
            405, "found CONNECT, expected a request for this server: it is no proxy", "method_not_allowed", closes=True
        )
    if target.startswith("/") or (target == "*" and method == "OPTIONS"):
        return target, None
    match = _ABSOLUTE.fullmatch(target)
    if match is None:
        raise _malformed("request target", target, "a path such as /v1/models, or a URL")
    if _AUTHORITY.fullmatch(match[1]) is None:
        raise _malformed("request target", target, "http://HOST[:PORT]/PATH")
    path, query = match[2], match[3] or ""
    if not path and not query and method == "OPTIONS":
        return "*", match[1]
    return (path or "/") + query, match[1]


class Hosts:
    """The names that this server answers to. With a check, these are the loopback names, `names`, and the address itself.

    names: of `--host`; "*.example.org" is every name below example.org, "*" every name. Raises InputError for what is no name.
    """

    def __init__(self, names: Sequence[str], *, loopback: bool) -> None:
        """loopback: whether the server listens on a loopback address, where the check is always on."""
        self._names = {parse_name(name) for name in names}
        self._checks = (loopback or bool(names)) and "*" not in self._names

    def check(self, authority: str | None, local_address: str | None) -> None:
        """authority: `Host`, or that of the target. local_address: where the connection arrived.

        Raises RefusedError: 400 for what is no authority, 421 for a name that is not ours.
        """
        match = _AUTHORITY.fullmatch(authority or "")
        if match is None and authority:
            raise _malformed("Host", authority, "HOST[:PORT]")
        if not self._checks:
            return
        name = _normal(match[1]) if match else ""
        if not (name and (_is_loopback(name) or self._has(name) or _same_address(name, local_address))):
            raise RefusedError(
                421,
                f'Host: found "{(authority or "")[:_MAX_QUOTED]}", expected a name of this server, such as localhost; '
                "`--host NAME` (or WHERRY_ALLOW_HOSTS) adds one",
                "host_not_allowed",
            )

    def is_own_origin(self, origin: str, authority: str | None) -> bool:
        """Whether a page of `origin` is one that this server sent: under the name that the request has, or one of `--host`,
        which a proxy may have replaced.
        """
        page = _ORIGIN.fullmatch(origin.lower())
        if page is None:
            return False
        name = _normal(page[2])
        if "*" not in self._names and self._has(name):
            return True
        own = _AUTHORITY.fullmatch(authority or "")
        default = _PORTS.get(page[1], "")
        return own is not None and (_normal(own[1]), own[2] or default) == (name, page[3] or default)

    def _has(self, name: str) -> bool:
        if name in self._names:
            return True
        labels = name.split(".")
        return any("*." + ".".join(labels[start:]) in self._names for start in range(1, len(labels)))


def is_loopback_address(address: str) -> bool:
    """Whether only this machine reaches a server that listens there."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    return (getattr(parsed, "ipv4_mapped", None) or parsed).is_loopback


def check_origin(
    method: str, headers: Sequence[tuple[str, str]], authority: str | None, hosts: Hosts, allowed: Sequence[str]
) -> None:
    """Refuse what a page of another site sends, for browsers add its visitor's rights. Safe methods change nothing, and their
    answers stay closed to such pages.

    allowed: origins that may, "*" for all. Raises RefusedError.
    """
    if method in SAFE_METHODS or "*" in allowed:
        return
    origins = [value for name, value in headers if name == "origin"]
    permitted = {origin.lower() for origin in allowed}
    if origins and all(origin.lower() in permitted for origin in origins):
        return
    sites = {value.strip().lower() for name, value in headers if name == "sec-fetch-site"}
    if not all(hosts.is_own_origin(origin, authority) for origin in origins) or sites & {"cross-site", "same-site"}:
        raise RefusedError(
            403,
            "found a request that a page of another site sent, expected its origin among those that this server allows",
            "origin_not_allowed",
        )


def parse_name(text: str, option: str = "--host") -> str:
    """A name of `--host` as browsers send it: lower case, international names encoded. Raises InputError."""
    if text == "*":
        return text
    star, rest = ("*.", text[2:]) if text.startswith("*.") else ("", text)
    try:
        ascii_name = rest if rest.isascii() else rest.encode("idna").decode()
    except UnicodeError:
        ascii_name = ""
    if ":" in ascii_name and not ascii_name.startswith("["):
        ascii_name = f"[{ascii_name}]"  # an IPv6 address without brackets; a name with a port fails below
    match = _AUTHORITY.fullmatch(ascii_name)
    if match is None or match[2] is not None or not _normal(match[1]):
        raise InputError(
            f'{option}: found "{text}", expected a name without scheme and port, such as api.example.org',
            hint="the name is the one that clients have in their URLs; every port is meant",
        )
    return star + _normal(match[1])


def _normal(host: str) -> str:
    """Without the dot of the root, addresses in their short form; empty for an address that is none."""
    if host.startswith("["):
        try:
            return f"[{ipaddress.IPv6Address(host[1:-1])}]"
        except ValueError:
            return ""
    return host.lower().removesuffix(".")


def _is_loopback(name: str) -> bool:
    """localhost and what is below it leads nowhere else (RFC 6761, 6.3)."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = _address(name)
    return address is not None and is_loopback_address(str(address))


def _same_address(name: str, local_address: str | None) -> bool:
    """An address cannot be rebound: probes and scrapers of a cluster send it."""
    address = _address(name)
    return address is not None and local_address is not None and address == _address(local_address)


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        parsed = ipaddress.ip_address(name.strip("[]").partition("%")[0])
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed


def _malformed(what: str, found: str, expected: str) -> RefusedError:
    return RefusedError(400, f'{what}: found "{found[:_MAX_QUOTED]}", expected {expected}', "bad_request", closes=True)
