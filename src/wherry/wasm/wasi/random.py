"""wasi:random: the host's, in all its interfaces."""

import os

from wherry.errors import GuestError
from wherry.wasm.component import Function, Guest, Interface

_MAX_BYTES = 1 << 20  # a list of so many bytes takes a tenth of a second to pass


def interfaces() -> dict[str, Interface]:
    found: dict[str, dict[str, Function]] = {
        "random": {"get-random-bytes": _bytes, "get-random-u64": _number},
        "insecure": {"get-insecure-random-bytes": _bytes, "get-insecure-random-u64": _number},
        "insecure-seed": {"insecure-seed": lambda guest: (_number(guest), _number(guest))},
    }
    return {f"wasi:random/{name}": Interface(functions) for name, functions in found.items()}


def _bytes(guest: Guest, size: int) -> bytes:
    if size > _MAX_BYTES:
        raise GuestError(f"random: found {size} bytes asked for, expected at most {_MAX_BYTES} at once")
    return os.urandom(size)


def _number(guest: Guest) -> int:
    return int.from_bytes(os.urandom(8), "little")
