"""The socket that the server listens at."""

import os
import socket

from wherry.errors import InputError


def bound(host: str, port: int) -> socket.socket:
    """Raises InputError where the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named, or asyncio takes it for no TCP and lets each piece of an answer wait 40 ms for the client's word on the one before.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise InputError(
            f"{host}:{port}: {error.strerror}", hint="another program may listen there: choose another port"
        ) from error
    return listening
