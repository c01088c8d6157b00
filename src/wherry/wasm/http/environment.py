"""How a server is set up by whoever starts it: variables of the environment, as a container is given them."""

import re
from collections.abc import Mapping
from dataclasses import replace

from wherry.errors import InputError
from wherry.wasm.http.authority import parse_name
from wherry.wasm.http.limits import parse_network
from wherry.wasm.http.options import ServerOptions

_MAX_REQUESTS = 256
_ORIGIN = re.compile(r"\*|null|[A-Za-z][A-Za-z0-9+.-]*://[^/\s?#@]+")


def read_options(environ: Mapping[str, str], options: ServerOptions) -> ServerOptions:
    """`options` with what the environment says; names of hosts and a key for metrics that are there win over it.

    Raises InputError naming the variable.

    WHERRY_API_KEYS         keys, one of which each request must bring; without it everybody may ask
    WHERRY_METRICS_KEY      a key that opens /metrics alone, which then takes no other
    WHERRY_ALLOW_ORIGINS    sites whose pages may ask, as https://example.org, or *; without it none but the app's own
    WHERRY_ALLOW_HOSTS      names under which clients reach the server, besides the loopback names; * for all
    WHERRY_TRUSTED_PROXIES  addresses and networks of proxies whose X-Forwarded-For names the client
    WHERRY_REQUESTS         requests answered at once, 1 to 256
    All but the second and the last are lists separated by commas or white space.
    """
    keys, origins = _listed(environ, "WHERRY_API_KEYS"), _listed(environ, "WHERRY_ALLOW_ORIGINS")
    metrics_key = options.metrics_key or _one(environ, "WHERRY_METRICS_KEY")
    for name, values in (("WHERRY_API_KEYS", keys), ("WHERRY_METRICS_KEY", (metrics_key or "",))):
        if not all(key.isascii() and key.isprintable() for key in values):
            raise InputError(f"{name}: found characters that no header can carry, expected printable ASCII")
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise InputError(f'WHERRY_ALLOW_ORIGINS: found "{origin}", expected an origin such as https://example.org, or *')
    hosts, proxies = _listed(environ, "WHERRY_ALLOW_HOSTS"), _listed(environ, "WHERRY_TRUSTED_PROXIES")
    for name in hosts:
        parse_name(name, "WHERRY_ALLOW_HOSTS")
    for network in proxies:
        parse_network(network, "WHERRY_TRUSTED_PROXIES")
    threads = environ.get("WHERRY_REQUESTS", str(options.threads))
    if not (threads.isascii() and threads.isdecimal() and 1 <= int(threads[:9]) <= _MAX_REQUESTS):
        raise InputError(f'WHERRY_REQUESTS: found "{threads}", expected 1 to {_MAX_REQUESTS}')
    found = replace(options, keys=keys, metrics_key=metrics_key, origins=origins, proxies=proxies, threads=int(threads))
    return replace(found, hosts=options.hosts or hosts)


def _one(environ: Mapping[str, str], name: str) -> str | None:
    if name in environ and not environ[name].strip():
        raise InputError(f"{name}: found nothing in it, expected a key", hint=f"unset {name} if it is not wanted")
    return environ.get(name, "").strip() or None


def _listed(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    """A variable that is there and empty opens nothing by mistake: it is refused."""
    if name not in environ:
        return ()
    values = tuple(environ[name].replace(",", " ").split())
    if not values:
        raise InputError(f"{name}: found nothing in it, expected a list", hint=f"unset {name} if it is not wanted")
    return values
