"""Where a guest is served, and what its image says of that: an image opens nothing by itself."""

from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

from wherry.errors import InputError

# Variables of the server before an app, which no app reads.
OF_THE_SERVER = (
    "WHERRY_API_KEYS",
    "WHERRY_METRICS_KEY",
    "WHERRY_ALLOW_ORIGINS",
    "WHERRY_ALLOW_HOSTS",
    "WHERRY_TRUSTED_PROXIES",
    "WHERRY_REQUESTS",
)
_GRANTS = ("WHERRY_ALLOW_ORIGINS", "WHERRY_ALLOW_HOSTS", "WHERRY_TRUSTED_PROXIES")
_EVERY_INTERFACE = "0.0.0.0"
_LOOPBACK = "127.0.0.1"


def published_ports(options: Sequence[str], label: Sequence[str]) -> dict[int, tuple[str, int]] | None:
    """The guest's ports -> (host address, host port); None where nobody names one.

    options: of `--publish`, on all interfaces unless they name one, as docker has it. label: the image's, which wait for this
    machine alone, whatever address they name. Raises InputError.
    """
    if options:
        return dict(_port(text, "--publish", _EVERY_INTERFACE) for text in options)
    if label:
        ports = (_port(text, "label wherry.publish", _LOOPBACK) for text in label)
        return {guest: (_LOOPBACK, host) for guest, (_, host) in ports}
    return None


def without_grants(variables: Mapping[str, str], say: Callable[[str], None]) -> dict[str, str]:
    """An image's variables but for those that would open the server to others: whoever runs it gives these."""
    for name in _GRANTS:
        if name in variables:
            say(f"the image asks for {name}, which it is not given: -e {name}={variables[name]} would")
    return {name: value for name, value in variables.items() if name not in _GRANTS}


def of_server(requests: int | None, given: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """What the server before an app is told over what its image says: whoever runs it says who may ask, for a key of the image's
    own is one that its author knows. requests: the image's word, from wherever it is.
    """
    found = {} if requests is None else {"WHERRY_REQUESTS": str(requests)}
    return found | {name: where[name] for where in (environ, given) for name in OF_THE_SERVER if name in where}


def refuse_arguments(target: str, arguments: Sequence[str]) -> NoReturn:
    """Raises InputError: a web app takes no arguments, so an option there was meant for `wherry run`."""
    raise InputError(
        f'{target}: found "{arguments[0]}" after it, expected nothing: a web app takes no arguments',
        hint=f"options of wherry run come before the image: wherry run {' '.join(arguments)} {target}",
    )


def _port(text: str, option: str, default: str) -> tuple[int, tuple[str, int]]:
    rest = text.split(":")
    address = ":".join(rest[:-2]).removeprefix("[").removesuffix("]")
    try:
        host, guest = int(rest[-2]) if len(rest) > 1 else int(rest[0]), int(rest[-1].removesuffix("/tcp"))
    except ValueError as error:
        raise InputError(f'{option}: found "{text}", expected [IP:]HOST:GUEST port numbers') from error
    if not (0 <= host <= 65535 and 0 < guest <= 65535):
        raise InputError(f'{option}: found "{text}", expected ports from 1 to 65535')
    return guest, (address or default, host)
