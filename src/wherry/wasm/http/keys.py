"""API keys: who may ask, where the server was given any."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence


class Keys:
    """Every key is compared with what a client sent, in a time that tells nothing of either: digests have one length."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._digests = [hashlib.sha256(key.encode()).digest() for key in keys]

    def __len__(self) -> int:
        return len(self._digests)

    def find(self, authorization: Sequence[str]) -> int | None:
        """The number of the key that a request has, None without one.

        authorization: the values of that header: one, `Bearer KEY`, or `Basic` with the key as password, which is how a
        browser sends what a person typed.
        """
        digest = hashlib.sha256(_key(authorization[0] if len(authorization) == 1 else "")).digest()
        matches = [number for number, own in enumerate(self._digests) if hmac.compare_digest(digest, own)]
        return matches[0] if matches else None


def _key(header: str) -> bytes:
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip().encode()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value.strip(), validate=True).partition(b":")[2]
        except (binascii.Error, ValueError):
            return b""
    return b""
