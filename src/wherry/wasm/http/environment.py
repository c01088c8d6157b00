"""How a server is set up by whoever starts it: variables of the environment, as a container is given them."""

import re
from collections.abc import Mapping
from dataclasses import replace

from wherry.errors import InputError
from wherry.wasm.http.server import ServerOptions

_MOST_REQUESTS = 256
_ORIGIN = re.compile(r"\*|https?://[^/\s?#@]+")


def read_options(environ: Mapping[str, str], options: ServerOptions) -> ServerOptions:
    """`options` with what the environment says. Raises InputError naming the variable.

    WHERRY_API_KEYS        keys, one of which each request must bring; without it everybody may ask
    WHERRY_ALLOW_ORIGINS   sites whose pages may ask, as https://example.org, or *; without it none but the app's own
    WHERRY_REQUESTS        requests answered at once, 1 to 256
    The first two are lists separated by commas or white space.
    """
    keys, origins = _listed(environ, "WHERRY_API_KEYS"), _listed(environ, "WHERRY_ALLOW_ORIGINS")
    if not all(key.isascii() and key.isprintable() for key in keys):
        raise InputError("WHERRY_API_KEYS: found characters that no header can carry, expected printable ASCII")
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise InputError(f'WHERRY_ALLOW_ORIGINS: found "{origin}", expected an origin such as https://example.org, or *')
    threads = environ.get("WHERRY_REQUESTS", str(options.threads))
    if not (threads.isascii() and threads.isdecimal() and 1 <= int(threads[:9]) <= _MOST_REQUESTS):
        raise InputError(f'WHERRY_REQUESTS: found "{threads}", expected 1 to {_MOST_REQUESTS}')
    return replace(options, keys=keys, origins=origins, threads=int(threads))


def _listed(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    """A variable that is there and empty opens nothing by mistake: it is refused."""
    if name not in environ:
        return ()
    found = tuple(environ[name].replace(",", " ").split())
    if not found:
        raise InputError(f"{name}: found nothing in it, expected a list", hint=f"unset {name} if it is not wanted")
    return found
