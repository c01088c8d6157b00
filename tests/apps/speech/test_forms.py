"""Forms as real clients write them, as bytes on a socket: names in any encoding, compressed bodies, half-closed connections."""

import gzip
import json
import socket
import zlib

import pytest

from tests.apps.serving import Served
from tests.apps.speech.test_openai_python import SAMPLE_TEXT
from tests.conftest import SAMPLE

AUDIO = SAMPLE.read_bytes()
_SECONDS = 120.0


def form(head: bytes, data: bytes = AUDIO, kind: bytes = b"") -> bytes:
    """head: the rest of the recording's Content-Disposition."""
    lines = b"Content-Disposition: form-data; " + head + (b"\r\nContent-Type: " + kind if kind else b"")
    return (
        b'--BB\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n--BB\r\n'
        + lines
        + b"\r\n\r\n"
        + data
        + b"\r\n--BB--\r\n"
    )


def post(served: Served, body: bytes, *headers: str, half_closes: bool = False) -> tuple[int, dict[str, object]]:
    host, _, port = served.url.removeprefix("http://").rpartition(":")
    lines = [
        "POST /v1/audio/transcriptions HTTP/1.1", f"Host: localhost:{port}", "Connection: close",
        f"Authorization: Bearer {served.key}",
        "Content-Type: multipart/form-data; boundary=BB", f"Content-Length: {len(body)}", *headers,
    ]  # fmt: skip
    with socket.create_connection((host, int(port)), _SECONDS) as connection:
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        if half_closes:
            connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as file:
            head, _, answer = file.read().partition(b"\r\n\r\n")
    while head.startswith(b"HTTP/1.1 100"):
        head, _, answer = answer.partition(b"\r\n\r\n")
    if b"chunked" in head:
        answer = b"".join(answer.split(b"\r\n")[1::2])
    return int(head.split()[1]), json.loads(answer)


@pytest.mark.parametrize(
    "name",
    [b'filename="' + "Grüße.flac".encode("cp1252") + b'"',
     b"filename*=UTF-8''Gr%C3%BC%C3%9Fe.wav",
     b'filename="' + "予定表".encode("shift_jis") + b'"', b'filename="a.wav"; filename*=x-unknown\'\'%FF%FE',
     b'filename="\xff\xfe\x00a"'],
    ids=["windows-1252", "rfc-5987", "shift-jis", "unknown-charset", "utf-16"],
)  # fmt: skip
def test_a_file_name_may_be_in_any_encoding(name: bytes, served: Served) -> None:
    status, answer = post(served, form(b'name="file"; ' + name))
    assert (status, answer["text"]) == (200, SAMPLE_TEXT)


@pytest.mark.parametrize(
    ("head", "kind"),
    [(b'name="audio_file"; filename="a.wav"', b"audio/wav"), (b'name="audio"; filename="a.wav"', b""), (b'name="data"', b""),
     (b'name="file[]"; filename="a.wav"', b"audio/wav"),
     (b"name=\"upload\"; filename*=UTF-8''a.wav", b"application/octet-stream")],
)  # fmt: skip
def test_a_recording_under_another_name_is_told_where_it_belongs(head: bytes, kind: bytes, served: Served) -> None:
    status, answer = post(served, form(head, kind=kind))
    error = answer["error"]
    assert isinstance(error, dict)
    assert (status, error["param"]) == (400, "file")
    assert "in the field `file`" in error["message"] and "UTF-8" not in error["message"]


def test_a_short_recording_without_a_file_name_is_no_text(served: Served) -> None:
    status, answer = post(served, form(b'name="audio"', AUDIO[:2000] + b"\xff"))
    assert status == 400 and "in the field `file`" in str(answer["error"])


def test_text_may_come_as_a_file(served: Served) -> None:
    """As `curl -F prompt=@words.txt` sends it."""
    words = (
        b'--BB\r\nContent-Disposition: form-data; name="prompt"; filename="w.txt"\r\nContent-Type: text/plain\r\n\r\nferry\r\n'
    )
    status, answer = post(served, words + form(b'name="file"; filename="a.wav"'))
    assert (status, answer["text"]) == (200, SAMPLE_TEXT)


@pytest.mark.parametrize(("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_compressed_form_is_read(encoding: str, compress: object, served: Served) -> None:
    assert callable(compress)
    body = compress(form(b'name="file"; filename="a.wav"'))
    status, answer = post(served, body, f"Content-Encoding: {encoding}")
    assert (status, answer["text"]) == (200, SAMPLE_TEXT)


def test_a_compression_that_nobody_reads_is_named(served: Served) -> None:
    status, answer = post(served, form(b'name="file"; filename="a.wav"'), "Content-Encoding: br")
    assert status == 415 and "gzip" in str(answer["error"])


def test_a_client_that_closes_its_side_gets_its_transcript(served: Served) -> None:
    status, answer = post(served, form(b'name="file"; filename="a.wav"'), half_closes=True)
    assert (status, answer["text"]) == (200, SAMPLE_TEXT)
