"""Reading from a socket until an answer is complete."""

import socket
from collections.abc import Callable


def receive_until(connection: socket.socket, is_complete: Callable[[bytes], bool], received: bytes = b"") -> bytes:
    """More of what the peer sends -> all that was received. Fails where the peer closes before it is complete."""
    while not is_complete(received):
        data = connection.recv(1 << 16)
        assert data, f"the peer closed after {received!r}"
        received += data
    return received


def has(part: bytes, *, after: bytes = b"") -> Callable[[bytes], bool]:
    """Whether `part` stands in the data, behind the first `after`."""
    return lambda data: part in (data.partition(after)[2] if after else data)
