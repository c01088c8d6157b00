"""Real guests, compiled from C: what they may do, and what they may not."""

import socket
import struct
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import SAMPLE
from tests.wasm.graphs import find_echo
from wherry.engine.session import Whisper
from wherry.engine.transcript import TranscribeOptions
from wherry.errors import GuestError, StoppedError
from wherry.wasm.host import Guest, GuestOptions, Mount
from wherry.wasm.network_policy import EVERYTHING, NetworkPolicy
from wherry.wasm.nn.backend import BurnSpeech
from wherry.wasm.nn.graph import SharedGraphs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "guest").mkdir()
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "guest/link").symlink_to(tmp_path / "secret")
    return tmp_path / "guest"


def run_hostile(guest: Path, what: str, folder: Path, **options: Any) -> int:
    given = GuestOptions(argv=["hostile", what], mounts=[Mount(folder, "/", writable=False)], **options)
    return Guest(guest, given, find_echo).run()


# What wasi-nn and preview1 say of each, from reference tables of their errnos.
ERRNOS = {
    "unknown graph": 8,
    "name outside memory": 3,
    "endless name": 1,
    "result outside memory": 3,
    "bytes as model": 6,
    "unknown context": 1,
    "unknown graph handle": 1,
    "graph used after unload": 1,
    "context used after end": 1,
    "compute without input": 1,
    "output without compute": 1,
    "tensor outside memory": 3,
    "data outside memory": 3,
    "huge dims": 1,
    "lying dims": 1,
    "wrong type": 1,
    "index too large": 7,
    "overlapping regions": 0,
    "output over itself": 0,
    "accept on nothing": 8,
    "unknown family": 5,
    "socket result outside memory": 21,
    "bind outside memory": 21,
    "receive with wild iovecs": 21,
    "poll nothing": 28,
    "poll too much": 28,
    "write outside memory": 21,
    "log outside memory": 0,
    "many sockets": 33,
    "many contexts": 7,
}


@pytest.mark.parametrize(("what", "errno"), ERRNOS.items())
def test_bad_calls_get_their_errno(hostile_guest: Path, folder: Path, what: str, errno: int) -> None:
    assert run_hostile(hostile_guest, what, folder) == (64 + errno if errno else 0)


@pytest.mark.parametrize("what", ["trap", "null call", "wild read", "recursion"])
def test_a_trap_ends_the_guest_alone(hostile_guest: Path, folder: Path, what: str) -> None:
    with pytest.raises(GuestError, match="trapped"):
        run_hostile(hostile_guest, what, folder)


@pytest.mark.parametrize("what", ["loop", "sleep", "accept forever"])
def test_the_deadline_ends_what_never_ends(hostile_guest: Path, folder: Path, what: str) -> None:
    with pytest.raises(GuestError, match="limit"):
        run_hostile(hostile_guest, what, folder, timeout=0.5, network=EVERYTHING)


@pytest.mark.parametrize("what", ["loop", "sleep", "accept forever"])
def test_stop_ends_a_guest_from_another_thread(hostile_guest: Path, folder: Path, what: str) -> None:
    options = GuestOptions(argv=["hostile", what], mounts=[Mount(folder, "/")], network=EVERYTHING)
    guest = Guest(hostile_guest, options, find_echo)
    timer = threading.Timer(0.3, guest.stop)
    timer.start()
    with pytest.raises(StoppedError):
        guest.run()


def test_memory_stays_under_its_limit(hostile_guest: Path, folder: Path) -> None:
    assert run_hostile(hostile_guest, "memory", folder, memory_bytes=32 << 20) == 0


def test_a_guest_that_needs_more_than_its_limit_is_told_so(hostile_guest: Path, folder: Path) -> None:
    with pytest.raises(GuestError, match="memory"):
        run_hostile(hostile_guest, "memory", folder, memory_bytes=65536)


@pytest.mark.parametrize("what", ["escape", "write read-only"])
def test_files_outside_its_folders_are_out_of_reach(hostile_guest: Path, folder: Path, what: str) -> None:
    assert run_hostile(hostile_guest, what, folder) == 0
    assert [file.name for file in folder.iterdir()] == ["link"]


def test_many_guests_in_parallel_each_keep_their_own_fate(hostile_guest: Path, folder: Path) -> None:
    """wasmtime-py keeps a host function's exception in one variable of the module: no guest may get another's."""

    def fate(i: int) -> object:
        what = ["unknown graph", "trap", "wrong type", "recursion"][i % 4]
        try:
            return run_hostile(hostile_guest, what, folder)
        except GuestError as error:
            return error.message.split(": ")[-1]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(fate, range(64)))
    assert found == [72, "unreachable", 65, "memory out of bounds"] * 16


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(guest: Path, find: Any, *arguments: str) -> Iterator[tuple[str, Guest]]:
    """The server guest on a free port of this machine, its own port mapped as `-p` does."""
    port = free_port()
    options = GuestOptions(argv=["server", "80", *arguments], network=NetworkPolicy({80: ("127.0.0.1", port)}, outgoing=False))
    running = Guest(guest, options, find)
    outcome: list[BaseException] = []

    def work() -> None:
        try:
            running.run()
        except StoppedError as error:
            outcome.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}/", running
    finally:
        running.stop()
        thread.join(30)
    assert not thread.is_alive()
    assert outcome, "the server ended by itself"


def post(url: str, samples: "np.ndarray[Any, np.dtype[np.float32]]") -> str:
    with urllib.request.urlopen(urllib.request.Request(url, samples.astype("<f4").tobytes()), timeout=60) as answer:
        return str(answer.read().decode())


@pytest.mark.parametrize("way", ["blocking", "polling"])
def test_a_server_guest_answers_many_clients_at_once(server_guest: Path, way: str) -> None:
    with served(server_guest, find_echo, way) as (url, _), ThreadPoolExecutor(10) as pool:
        sizes = range(1, 20_000, 100)  # 200 requests, ten at a time
        answers = list(pool.map(lambda n: post(url, np.ones(n, np.float32)), sizes))
    assert answers == [f"{n} samples, sum {n}" for n in sizes]


def test_a_server_guest_survives_rude_clients(server_guest: Path) -> None:
    with served(server_guest, find_echo, "polling") as (url, _):
        port = int(url.rsplit(":", 1)[1].strip("/"))
        for data in (b"", b"GET", b"POST / HTTP/1.1\r\nContent-Length: 999999\r\n\r\nhalf"):
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(data)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, not a goodbye
        assert post(url, np.ones(3, np.float32)) == "3 samples, sum 3"


def test_only_published_ports_can_be_served(server_guest: Path, capfd: pytest.CaptureFixture[str]) -> None:
    options = GuestOptions(argv=["server", "81"], network=NetworkPolicy({80: ("127.0.0.1", 0)}))
    assert Guest(server_guest, options, find_echo).run() == 1
    assert "bind: 2" in capfd.readouterr().err  # EACCES


def test_a_guest_transcribes_by_name(
    transcribe_guest: Path, tiny_en: Whisper, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "speech.wav").write_bytes(SAMPLE.read_bytes())
    shared = SharedGraphs(lambda name: BurnSpeech(tiny_en, TranscribeOptions(temperature=(0.0,))))
    options = GuestOptions(argv=["transcribe", "/speech.wav"], mounts=[Mount(tmp_path, "/", writable=False)])
    assert Guest(transcribe_guest, options, shared.find).run() == 0
    assert "any processor." in capfd.readouterr().out
