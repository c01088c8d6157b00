"""The clients of soak.py: each sends one request in its own way and checks what comes back."""

import json
import random
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

KEY = "sk-soak"
TEXT = "A ferry is a light boat that carries people and goods across a river. This one carries small programs to any processor."
SOUND = (Path(__file__).parents[1] / "src/wherry/cli/sample.wav").read_bytes()
_PATH = "/v1/audio/transcriptions"
_ADDRESSES = 8  # that the clients come from: what one address may have at once is limited
_BOUNDARY = "soak-7f3a"
WAIT_SECONDS = 900.0  # of a machine that does much else, a whole queue may want that


class WrongError(Exception):
    """An answer that is not the one that was due."""


@dataclass(frozen=True)
class Answer:
    """status 0: the client left before there was one."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def retry_after(self) -> float:
        if "retry-after" not in self.headers:
            raise WrongError("503 without Retry-After")
        return float(self.headers["retry-after"])


LEFT = Answer(0)


@dataclass(frozen=True)
class Site:
    host: str
    port: int

    @classmethod
    def parse(cls, url: str) -> "Site":
        host, _, port = url.removeprefix("http://").rstrip("/").rpartition(":")
        return cls(host, int(port))

    @contextmanager
    def connection(self) -> Iterator[socket.socket]:
        source = (f"127.0.0.{random.randint(1, _ADDRESSES)}", 0)
        with socket.create_connection((self.host, self.port), WAIT_SECONDS, source) as connection:
            yield connection

    def ask(self, head: bytes, body: bytes = b"") -> Answer:
        with self.connection() as connection:
            connection.sendall(head + body)
            return read(connection)

    def get(self, path: str) -> Answer:
        return self.ask(head("GET", path))

    def expect_text(self) -> None:
        answer = json.loads(self.ask(*form({"response_format": "json"})).body)
        if answer.get("text") != TEXT:
            raise WrongError(f"the sample: found {answer}")


def head(method: str, path: str, *lines: str, key: str = KEY) -> bytes:
    said = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", f"Authorization: Bearer {key}", *lines]
    return ("\r\n".join(said) + "\r\n\r\n").encode()


def form(fields: dict[str, str], sound: bytes | None = SOUND, *, key: str = KEY) -> tuple[bytes, bytes]:
    """A request's head and its body."""
    parts = [f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n'.encode() for n, v in fields.items()]
    if sound is not None:
        parts.append(f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'.encode())
        parts += [sound, b"\r\n"]
    body = b"".join(parts) + f"--{_BOUNDARY}--\r\n".encode()
    lines = (f"Content-Type: multipart/form-data; boundary={_BOUNDARY}", f"Content-Length: {len(body)}")
    return head("POST", _PATH, *lines, key=key), body


def read(connection: socket.socket, pause: float = 0.0) -> Answer:
    """The whole answer: every one of these connections closes after it. A body that is not whole is wrong."""
    data = b""
    while piece := connection.recv(256 if pause else 1 << 16):
        data += piece
        time.sleep(pause)
    start, _, rest = data.partition(b"\r\n\r\n")
    status, *lines = start.decode("latin-1").split("\r\n")
    if not status.startswith("HTTP/1.1 "):
        raise WrongError(f"found {data[:100]!r}, expected an answer")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body, whole = chunks(rest)
    else:
        body, whole = rest, len(rest) == int(headers.get("content-length", 0))
    if not whole:
        raise WrongError(f"{status}: found {len(body)} bytes of an answer that broke off")
    return Answer(int(status.split()[1]), body, headers)


def chunks(data: bytes) -> tuple[bytes, bool]:
    body = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        if (length := int(size, 16)) == 0:
            return body, True
        body, data = body + data[:length], data[length + 2 :]
    return body, False


def heard(format: str, answer: Answer) -> Answer:
    """Raises WrongError unless the answer is the sample's text in `format`, or 503."""
    if answer.status == 503:
        return answer
    text = answer.body.decode()
    found = {
        "json": lambda: json.loads(text)["text"],
        "verbose_json": lambda: "".join(segment["text"] for segment in json.loads(text)["segments"]).strip(),
        "text": lambda: text.removesuffix("\n"),
        "srt": lambda: " ".join(line for line in text.splitlines() if line and not line.isdigit() and "-->" not in line),
        "vtt": lambda: " ".join(line for line in text.splitlines()[1:] if line and "-->" not in line),
        "stream": lambda: json.loads(text.strip().split("\n\n")[-1].removeprefix("data: "))["text"],
    }[format]
    if answer.status != 200 or found() != TEXT:
        raise WrongError(f"{format}: found {answer.status} {text[:300]!r}")
    return answer


def good(site: Site, draw: random.Random) -> Answer:
    format = draw.choice(["json", "verbose_json", "text", "srt", "vtt", "stream"])
    return heard(format, site.ask(*form(wanted(format))))


def wanted(format: str) -> dict[str, str]:
    return {"stream": "true"} if format == "stream" else {"response_format": format}


def bad(status: int, code: str, request: Callable[[], tuple[bytes, bytes]]) -> Callable[[Site, random.Random], Answer]:
    def ask(site: Site, draw: random.Random) -> Answer:
        answer = site.ask(*request())
        if answer.status != 503 and (answer.status != status or json.loads(answer.body)["error"]["code"] != (code or None)):
            raise WrongError(f"found {answer.status} {answer.body[:200]!r}, expected {status} {code}")
        return answer

    return ask


def slow_sender(site: Site, draw: random.Random) -> Answer:
    start, body = form({"response_format": "json"})
    with site.connection() as connection:
        connection.sendall(start)
        for at in range(0, len(body), 32_768):
            connection.sendall(body[at : at + 32_768])
            time.sleep(draw.uniform(0, 0.6))
        return heard("json", read(connection))


def slow_reader(site: Site, draw: random.Random) -> Answer:
    with site.connection() as connection:
        connection.sendall(b"".join(form({"response_format": "verbose_json"})))
        return heard("verbose_json", read(connection, 0.1))


def leaves_amid_its_body(site: Site, draw: random.Random) -> Answer:
    start, body = form({})
    with site.connection() as connection:
        connection.sendall(start + body[: draw.randrange(len(body))])
        time.sleep(draw.uniform(0, 0.5))
    return LEFT


def leaves_before_the_answer(site: Site, draw: random.Random) -> Answer:
    with site.connection() as connection:
        connection.sendall(b"".join(form(wanted(draw.choice(["json", "stream"])))))
        time.sleep(draw.uniform(0, 3))
    return LEFT


def leaves_amid_the_answer(site: Site, draw: random.Random) -> Answer:
    with site.connection() as connection:
        connection.sendall(b"".join(form({"stream": "true"})))
        connection.recv(64)
    return LEFT


def sends_no_http(site: Site, draw: random.Random) -> Answer:
    with site.connection() as connection:
        connection.sendall(draw.randbytes(300) + b"\r\n\r\n")
        connection.settimeout(60)
        connection.recv(100)
    return LEFT


# What is sent -> how often beside the others, and how.
KINDS: dict[str, tuple[float, Callable[[Site, random.Random], Answer]]] = {
    "good": (8, good),
    "good, sent slowly": (2, slow_sender),
    "good, read slowly": (1, slow_reader),
    "no file": (4, bad(400, "", lambda: form({"model": "whisper-1"}, None))),
    "an empty file": (4, bad(400, "empty_file", lambda: form({}, b""))),
    "a text file": (4, bad(400, "invalid_audio", lambda: form({}, b"Call me Ishmael. " * 500))),
    "an unknown model": (4, bad(404, "model_not_found", lambda: form({"model": "gpt-5"}))),
    "an unknown format": (4, bad(400, "", lambda: form({"response_format": "docx"}))),
    "a wrong key": (4, bad(401, "invalid_api_key", lambda: form({}, key="sk-wrong"))),
    "26 MB": (0.5, bad(413, "file_too_large", lambda: form({}, bytes(27_000_000)))),
    "an unknown address": (4, bad(404, "", lambda: (head("GET", "/v1/nothing"), b""))),
    "left amid its body": (4, leaves_amid_its_body),
    "left before the answer": (4, leaves_before_the_answer),
    "left amid the answer": (2, leaves_amid_the_answer),
    "no HTTP": (2, sends_no_http),
}
