"""What a device's name promises: only `auto` may end on the CPU."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from wherry.engine.session import check_device, open_device
from wherry.errors import DeviceError, InputError


def no_gpu(wanted: str, profile: bool) -> tuple[Any, str]:
    raise DeviceError("found no GPU (adapters: none), expected one with a WebGPU driver")


@pytest.mark.parametrize(("device", "require_gpu"), [("gpu", False), ("gpu:0", False), ("gpu:llvm", False), ("auto", True)])
def test_a_gpu_that_is_not_there_is_no_cpu(device: str, require_gpu: bool) -> None:
    with pytest.raises(DeviceError):
        open_device(device, require_gpu, pytest.fail, open_gpu=no_gpu)


def test_auto_falls_back_with_one_line() -> None:
    lines: list[str] = []
    assert open_device("auto", False, lines.append, open_gpu=no_gpu)[1].startswith("cpu")
    assert len(lines) == 1


@pytest.mark.parametrize(("device", "require_gpu"), [("cpu", True), ("cuda", False), ("gpus", False), ("", False)])
def test_names_of_no_device_are_refused(device: str, require_gpu: bool) -> None:
    with pytest.raises(InputError):
        check_device(device, require_gpu)


@pytest.mark.parametrize("device", ["gpu:999", "gpu:an adapter that nobody has"])
def test_an_adapter_that_is_not_there_is_refused_before_a_model_loads(device: str) -> None:
    with pytest.raises(DeviceError):
        check_device(device, False)


@pytest.mark.parametrize("options", [["--device", "gpu:999"], ["--device", "nothing"], ["--device", "cpu", "--require-gpu"]])
def test_wherry_run_refuses_a_device_before_the_guest_starts(options: list[str], tmp_path: Path) -> None:
    module = tmp_path / "app.wasm"
    module.write_bytes(b"\0asm\1\0\0\0")  # empty: it would be refused later, and otherwise
    command = [sys.executable, "-m", "wherry", "run", *options, str(module)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "WHERRY_DEVICE": ""}, check=False)
    assert done.returncode in (2, 5) and "device" in done.stderr
