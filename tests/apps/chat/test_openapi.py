"""apps/chat does what its OpenAPI document says: schemathesis makes up requests, right ones and wrong ones."""

from pathlib import Path

import httpx2
import pytest

from tests.apps import schemas
from tests.apps.serving import Served


@pytest.mark.slow
def test_schemathesis_finds_nothing(served: Served, tmp_path: Path) -> None:
    said = schemas.run(served, "chat", tmp_path, "--phases", "fuzzing", "--max-examples", "12")
    assert "6 selected / 6 total" in said


def ask(served: Served, body: bytes, kind: str = "application/json") -> httpx2.Response:
    headers = {"Authorization": f"Bearer {served.key}", "Content-Type": kind}
    return httpx2.post(f"{served.url}/v1/chat/completions", content=body, headers=headers, timeout=60)


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"{", "application/json", 400, "invalid_json"),
        (b"[]", "application/json", 400, "invalid_json"),
        (b'{"temperature": NaN}', "application/json", 400, "invalid_json"),
        (b"\xff\xfe", "application/json", 400, "invalid_json"),
        (b"[" * 100_000, "application/json", 400, "invalid_json"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "application/json", 400, "invalid_json"),
        (b'{"n": ' + b"9" * 5000 + b"}", "application/json", 400, "invalid_json"),
        (b'{"messages": [{"role": "user", "content": "\\ud800"}]}', "application/json", 400, "invalid_value"),
        (b'{"messages": "' + bytes(9 << 20) + b'"}', "application/json", 413, "request_too_large"),
        (b"{}", "text/plain", 415, "unsupported_media_type"),
    ],
)
def test_bodies_that_are_no_requests(body: bytes, kind: str, status: int, code: str, served: Served) -> None:
    answer = ask(served, body, kind)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
