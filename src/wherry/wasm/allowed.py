"""Hosts that a guest may reach."""

import re
from dataclasses import dataclass

from wherry.errors import InputError

_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")


@dataclass(frozen=True)
class AllowedHost:
    """A host by its name or address. port: None for any."""

    name: str
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> "AllowedHost":
        """HOST[:PORT], an IPv6 address in brackets. Raises InputError."""
        name, port = split_authority(text)
        if not name:
            raise InputError(f'--allow-net: found "{text}", expected HOST or HOST:PORT')
        return cls(name, port)


def split_authority(text: str) -> tuple[str, int | None]:
    """-> host, without brackets, and port; no host where it is none."""
    found = _AUTHORITY.fullmatch(text)
    if found is None or (found[2] and not 0 < int(found[2]) < 65536):
        return "", None
    return found[1].strip("[]").lower(), int(found[2]) if found[2] else None
