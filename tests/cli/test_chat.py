"""`wherry chat` as a user has it: one answer, lines from a pipe, and a terminal."""

import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.cli.test_commands import WHERRY, assert_refused, wherry
from wherry.engine.catalog import default_cache, find_model
from wherry.engine.language import load_language
from wherry.errors import InputError

MODEL = "smollm2-135m-instruct"
RATE = r"\[\d+ tokens read in [\d.]+ s, then [\d.]+ tokens/s\]"


@pytest.fixture(scope="module", autouse=True)
def model() -> None:
    find_model(MODEL, default_cache())  # fetched before anything waits for it


class Terminal:
    def __init__(self, descriptor: int, process: subprocess.Popen[bytes]) -> None:
        self._descriptor, self._process, self._seen = descriptor, process, ""

    def until(self, pattern: str, seconds: float = 60.0) -> str:
        """What came up to and with `pattern`."""
        end = time.monotonic() + seconds
        while not (found := re.search(pattern, self._seen)):
            ready, _, _ = select.select([self._descriptor], [], [], max(end - time.monotonic(), 0))
            assert ready, f"found {self._seen!r}, expected {pattern}"
            try:
                self._seen += os.read(self._descriptor, 4096).decode(errors="replace")
            except OSError as error:  # the program has ended
                raise AssertionError(f"found {self._seen!r}, expected {pattern}") from error
        text, self._seen = self._seen[: found.end()], self._seen[found.end() :]
        return text

    def type(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def ended(self) -> int:
        return self._process.wait(60)


@contextmanager
def terminal(*arguments: str) -> Iterator[Terminal]:
    ours, theirs = pty.openpty()
    command = [WHERRY, "chat", MODEL, "--device", "cpu", *arguments]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "dumb"})
    os.close(theirs)
    try:
        yield Terminal(ours, process)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_one_answer() -> None:
    result = wherry("chat", MODEL, "--device", "cpu", "--raw", "The capital of France is", "--max-tokens", "8")
    assert result.returncode == 0 and "Paris" in result.stdout
    assert re.search(RATE, result.stderr)
    short = wherry("chat", MODEL, "--device", "cpu", "--raw", "The capital of France is", "--max-tokens", "1")
    assert short.returncode == 0 and "tokens read" in short.stderr and "tokens/s" not in short.stderr, (
        "of one token there is no rate"
    )


def test_a_model_that_is_not_there() -> None:
    assert_refused(wherry("chat", "/no/such.gguf", "Hello"), 4, "/no/such.gguf")


def test_a_cache_that_cannot_be() -> None:
    result = wherry("chat", MODEL, "Hello", XDG_CACHE_HOME="/proc/nope")
    assert_refused(result, 1, "/proc/nope")
    assert "hint: models, images and compiled guests are kept in /proc/nope/wherry; XDG_CACHE_HOME names" in result.stderr


def piped(data: bytes, *arguments: str) -> "subprocess.CompletedProcess[str]":
    result = subprocess.run(
        [WHERRY, "chat", MODEL, "--device", "cpu", "--max-tokens", "2", *arguments],
        input=data, capture_output=True, timeout=300, check=False,
    )  # fmt: skip
    return subprocess.CompletedProcess(result.args, result.returncode, result.stdout.decode(), result.stderr.decode())


def test_a_pipe_is_one_message_and_is_read_after_a_prompt() -> None:
    read = {}
    for name, data, arguments in (
        ("pipe", b"My name is Bob.\n\n/help\n", ()),
        ("prompt", b"", ("My name is Bob.\n\n/help",)),
        ("both", b"/help\n", ("My name is Bob.",)),
        ("raw", b"/help", ("--raw", "My name is Bob.")),
    ):
        result = piped(data, *arguments)
        (count,) = re.findall(r"\[(\d+) tokens read", result.stderr)
        assert result.returncode == 0 and result.stdout.strip()
        read[name] = int(count)
    assert read["pipe"] == read["prompt"] == read["both"] > read["raw"] + 10


def test_a_pipe_that_is_no_message_is_refused() -> None:
    assert_refused(piped(b"\xff\xfe"), 2, "stdin", hint=False)
    assert_refused(piped(b" \n"), 2, "found nothing on stdin")
    assert_refused(piped(b"", "--raw"), 2, "--raw needs a PROMPT")


def interrupted_answer(screen: Terminal) -> str:
    """What came after a message of two lines and Ctrl-C amid its answer, to the figures."""
    screen.type("Count from one to a hundred, \\\n")
    screen.until(r"\.\.\. ")
    screen.type("in digits.\n")
    screen.until(r"in digits\.\s+")
    screen.until(r"\d{2}")
    screen.interrupt()
    return screen.until(RATE)


def test_a_terminal() -> None:
    with terminal("--max-tokens", "3000") as screen:
        screen.until(rf"{MODEL} on cpu.*/help, Ctrl-D ends")
        screen.until("> ")
        screen.type("/help\n")
        assert "/new" in screen.until("(?s)Ctrl-C stops an answer.*\n> ")
        screen.type("/nonsense\n")
        screen.until("/nonsense: found no such command")
        screen.until("\n> ")
        left = interrupted_answer(screen)
        assert len(left) < 2000, "3,000 tokens were asked for"
        first = re.search(r"\[(\d+) tokens read", left)
        screen.until("> ")
        screen.type("/new\n")
        screen.until("begins anew")
        screen.until("> ")
        again = re.search(r"\[(\d+) tokens read", interrupted_answer(screen))
        assert first and again and first[1] == again[1], "nothing of the conversation is left"
        screen.until("> ")
        screen.type("/exit\n")
        assert screen.ended() == 0


def test_a_model_without_a_template_is_refused_before_it_is_loaded() -> None:
    weights = find_model("gemma3-270m", default_cache()).weights
    with pytest.raises(InputError, match="found no chat template") as refused:
        load_language(weights, device="gpu:nowhere", for_chat=True)  # no device is looked for
    assert "--raw" in refused.value.hint
