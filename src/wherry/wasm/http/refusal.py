"""What the host answers itself, in the shape of OpenAI's errors."""

import json
from collections.abc import Sequence

Headers = Sequence[tuple[bytes, bytes]]


class RefusedError(Exception):
    """code: a word for programs. headers: besides those of the body. closes: whether the connection ends with the answer."""

    def __init__(self, status: int, message: str, code: str, *, headers: Headers = (), closes: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = tuple(headers)
        self.closes = closes

    def body(self) -> bytes:
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        return json.dumps({"error": {"message": str(self), "type": kind, "param": None, "code": self.code}}).encode()


def busy() -> RefusedError:
    message = "found every place in the queue taken, expected a free one"
    return RefusedError(503, message, "busy", headers=[(b"retry-after", b"1")])


def without_key(browser: bool) -> RefusedError:
    """browser: a person asks for a page, and can be asked for the key."""
    how = b'Basic realm="The key is the password", charset="UTF-8"' if browser else b"Bearer"
    message = "Incorrect API key provided: expected one of this server's in the header `Authorization: Bearer KEY`."
    return RefusedError(401, message, "invalid_api_key", headers=[(b"www-authenticate", how)])


def two_lengths() -> RefusedError:
    """Two readers of one request may each believe another length: what follows it could be smuggled (RFC 9112, 6.1)."""
    message = "found Content-Length beside Transfer-Encoding, expected one of them"
    return RefusedError(400, message, "bad_request", closes=True)


def wrong_method(method: str) -> RefusedError:
    return RefusedError(405, f"found {method}, expected GET", "method_not_allowed", headers=[(b"allow", b"GET, HEAD")])
