"""The demo, under load: a server guest with the imports of LlamaEdge's whisper-api-server, run by `wherry run`.

That program itself is not ours to ship; it was tried the same way by hand.
"""

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import wave
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wasmtime

from tests.conftest import AUDIO, ROOT, SAMPLE, build_guest
from tests.wasm.test_guests import free_port
from wherry.audio.decode import decode_audio
from wherry.engine.catalog import ModelFiles

# What whisper-api-server.wasm of June 2024 (LlamaEdge/whisper-api-server at 6d773f4) imports, and with how many parameters.
IMPORTS = {
    "wasi_ephemeral_nn": {
        "load_by_name": 3, "init_execution_context": 2, "set_input": 3, "compute": 1, "get_output": 5,
    },
    "wasi_snapshot_preview1": {
        "sock_setsockopt": 5, "sock_open": 3, "sock_send": 5, "sock_recv": 6, "sock_bind": 3, "sock_listen": 2, "sock_accept": 2,
        "sock_shutdown": 2, "sock_getlocaladdr": 4, "sock_getpeeraddr": 4, "poll_oneoff": 4, "random_get": 2, "args_get": 2,
        "args_sizes_get": 2, "clock_time_get": 3, "fd_read": 4, "fd_write": 4, "path_create_directory": 3,
        "path_filestat_get": 5, "path_open": 9, "sched_yield": 0, "environ_get": 2, "environ_sizes_get": 2, "fd_close": 1,
        "fd_fdstat_get": 2, "fd_fdstat_set_flags": 2, "fd_prestat_get": 2, "fd_prestat_dir_name": 3, "proc_exit": 1,
    },
}  # fmt: skip
# What the sample's voice was given to read (tests/references/sample.py).
TEXT = "A ferry is a light boat that carries people and goods across a river. This one carries small programs to any processor."
RECORDINGS = ("jfk/jfk.wav", "leopard/test_en.flac", "librivox/sense_and_sensibility_01_austen_64kb-0930.flac")


@pytest.fixture(scope="session")
def speech_server() -> Path:
    return build_guest(ROOT / "tests/guests/speech_server.c")


def test_it_has_the_imports_of_the_published_server(speech_server: Path) -> None:
    module = wasmtime.Module(wasmtime.Engine(), speech_server.read_bytes())
    found = {(item.module, item.name, len(item.type.params)) for item in module.imports}
    wanted = {(module, name, count) for module, names in IMPORTS.items() for name, count in names.items()}
    assert wanted <= found


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, tiny_en_files: ModelFiles) -> Path:
    """The demo image's files: Burn weights in full precision, their configuration, a tokenizer."""
    folder = tmp_path_factory.mktemp("root")
    wherry("convert", tiny_en_files.weights, folder / "tiny_en.mpk")
    return folder


def wherry(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "wherry", *map(str, arguments)], check=True, capture_output=True)


@pytest.fixture
def serving(speech_server: Path, root: Path) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """The process, and where it answers."""
    port = free_port()
    preload = "default:Burn:GPU:/tiny_en.mpk:/tiny_en.cfg:/tokenizer.json:en"
    flags = ["--device", "cpu", "--dir", f"{root}:/", "--nn-preload", preload, "-p", f"127.0.0.1:{port}:8080", "--memory", "256m"]
    command = [sys.executable, "-m", "wherry", "run", *flags, str(speech_server)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None and "on 8080" in process.stdout.readline()
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def upload(url: str, name: str, data: bytes) -> str:
    boundary = "a-boundary-that-is-in-no-recording"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: audio/wav\r\n\r\n'
    body = head.encode() + data + f"\r\n--{boundary}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    with urllib.request.urlopen(urllib.request.Request(f"{url}/v1/audio/transcriptions", body, headers), timeout=600) as answer:
        return str(json.load(answer)["text"])


def recordings(reference: dict[str, Any]) -> dict[str, tuple[bytes, str]]:
    """Name -> 16 kHz wav, and what openai-whisper hears; the sample's text is what was spoken."""
    found = {"sample.wav": (SAMPLE.read_bytes(), " " + TEXT)}
    for path in RECORDINGS if AUDIO.is_dir() else ():
        out = io.BytesIO()
        with wave.open(out, "wb") as file:
            file.setparams((1, 2, 16_000, 0, "NONE", ""))
            file.writeframes((decode_audio(AUDIO / path) * 32767).round().astype(np.int16).tobytes())
        found[f"{Path(path).stem}.wav"] = out.getvalue(), reference["recordings"][path]["greedy"]["text"]
    return found


def resident(process: "subprocess.Popen[str]") -> int:
    """KiB."""
    shown = subprocess.run(["ps", "-o", "rss=", "-p", str(process.pid)], capture_output=True, text=True, check=True)
    return int(shown.stdout)


@pytest.mark.slow
def test_ten_clients_at_a_time_get_the_right_text_in_level_memory(
    serving: tuple["subprocess.Popen[str]", str], reference: dict[str, Any]
) -> None:
    process, url = serving
    clips = list(recordings(reference).items())
    memory: dict[int, int] = {}
    counted = threading.Lock()
    done: list[str] = []

    def one(i: int) -> tuple[str, str]:
        name, (data, expected) = clips[i % len(clips)]
        heard = upload(url, name, data)
        with counted:
            done.append(name)
            memory[len(done)] = resident(process)
        return heard, expected

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(one, range(24)))
    for heard, expected in answers:
        assert heard == expected
    assert memory[24] <= memory[12] * 1.02  # by the twelfth each place in the guest has had its largest upload
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 128 + signal.SIGTERM


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_a_signal_ends_the_server_while_it_computes(
    serving: tuple["subprocess.Popen[str]", str], sample: Any, number: signal.Signals
) -> None:
    process, url = serving
    long = io.BytesIO()
    with wave.open(long, "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes((np.tile(sample, 70) * 32767).round().astype(np.int16).tobytes())  # ten minutes

    def ask() -> None:
        with contextlib.suppress(OSError):  # it goes away
            upload(url, "long.wav", long.getvalue())

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    wait_for_upload(url)
    process.send_signal(number)
    assert process.wait(60) == 128 + number
    for thread in threads:
        thread.join()


def wait_for_upload(url: str) -> None:
    """Until the server no longer answers at once: it has an upload and computes."""
    for _ in range(600):
        try:
            urllib.request.urlopen(f"{url}/echo", timeout=0.5).read()
        except TimeoutError:
            return
        except urllib.error.URLError as error:
            if isinstance(error.reason, TimeoutError):
                return
            raise
        time.sleep(0.05)
    raise AssertionError("it never began to compute")


def test_bad_requests_do_not_end_the_server(serving: tuple["subprocess.Popen[str]", str]) -> None:
    process, url = serving
    for name, data in (("empty.wav", b""), ("noise.wav", os.urandom(5000)), ("text.wav", b"RIFF" * 20)):
        with pytest.raises(urllib.error.HTTPError, match="500"):
            upload(url, name, data)
    with pytest.raises(urllib.error.HTTPError, match=re.escape("404")):
        urllib.request.urlopen(f"{url}/none", timeout=60)
    assert upload(url, "sample.wav", SAMPLE.read_bytes()) == " " + TEXT
    assert process.poll() is None
