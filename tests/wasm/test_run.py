"""`wherry run` where the guest cannot be woken: the process ends all the same, with its code and its reason."""

import os
import signal
import subprocess
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.wasm.wat import call, command
from wherry.engine.catalog import ModelFiles


def run(*arguments: object) -> "subprocess.Popen[str]":
    line = [sys.executable, "-m", "wherry", "run", *map(str, arguments)]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def opening_a_pipe(folder: Path) -> Path:
    """A guest that says so, then opens a named pipe that nobody writes to: the host's own call waits there."""
    (folder / "files").mkdir()
    os.mkfifo(folder / "files/pipe")
    extra = '(data (i32.const 96) "pipe") (data (i32.const 128) "\\88\\00\\00\\00\\06\\00\\00\\00ready\\n")'
    body = f"(drop {call('fd_write', 1, 128, 1, 0)}) (drop {call('path_open', 3, 0, 96, 4, 0, 2, 0, 0, 0)})"
    guest = folder / "guest.wasm"
    guest.write_bytes(command(body, "fd_write", "path_open", extra=extra))
    return guest


def test_the_deadline_ends_the_process_of_a_guest_that_hangs(tmp_path: Path) -> None:
    process = run("--timeout", "0.5", "--dir", f"{tmp_path}/files:/", opening_a_pipe(tmp_path))
    _, said = process.communicate(timeout=60)
    assert process.returncode == 6 and "left behind" in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_a_signal_ends_the_process_of_a_guest_that_hangs(tmp_path: Path, number: signal.Signals) -> None:
    process = run("--dir", f"{tmp_path}/files:/", opening_a_pipe(tmp_path))
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == 128 + number


def test_the_deadline_ends_the_process_of_a_guest_whose_model_computes(
    tmp_path: Path, transcribe_guest: Path, tiny_en_files: ModelFiles, sample: Any
) -> None:
    with wave.open(str(tmp_path / "speech.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes((np.tile(sample, 70) * 32767).round().astype(np.int16).tobytes())  # ten minutes
    files = ":".join(str(file) for file in (tiny_en_files.weights, tiny_en_files.config, tiny_en_files.tokenizer))
    flags = ("--device", "cpu", "--timeout", "6", "--dir", f"{tmp_path}:/", "--nn-preload", f"default:Burn:CPU:{files}:en")
    process = run(*flags, transcribe_guest, "/speech.wav")
    _, said = process.communicate(timeout=120)
    assert process.returncode == 6 and "ran for 6 s, which is its limit" in said
