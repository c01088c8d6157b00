"""The published line: a guest, its model in the image, any GPU or none."""

import fcntl
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.container.engines import Engine
from tests.container.state import STATE

TEXT = "A ferry is a light boat that carries people and goods across a river."
PRELOAD = ["--env", "WASMEDGE_WASINN_PRELOAD=default:Burn:GPU:/tiny_en.mpk:/tiny_en.cfg:/tokenizer.json:en"]
ANY_GPU = {
    "docker26": ["--device=docker.com/gpu=webgpu"],
    "docker20": ["-v", "/dev/null:/var/run/cdi-devices/docker.com/gpu=webgpu"],
    "podman": ["--device=docker.com/gpu=webgpu"],
}


@pytest.fixture(params=["docker26", "docker20", "podman"])
def engine(request: pytest.FixtureRequest, speech_archive: Path) -> Engine:
    found: Engine = request.getfixturevalue(request.param)
    load(found, "speech", speech_archive)
    load(found, "small", speech_archive)
    return found


def load(engine: Engine, name: str, folder: Path) -> None:
    with (STATE / f"{engine.name}.load.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if engine("image", "inspect", engine.images + name).returncode:
            engine("load", "-i", folder / (f"{name}-only.tar" if engine.name == "podman" else f"{name}.tar"), check=True)


def test_the_published_line(engine: Engine) -> None:
    """`--device` is given as the engine's own form has it; on a machine without a GPU the CPU computes, and says so."""
    result = engine.run("speech", flags=[*ANY_GPU[engine.name], *PRELOAD])
    assert (result.returncode, TEXT in result.stdout) == (0, True), result


def test_no_device_and_hardly_any_rights(engine: Engine) -> None:
    flags = ["--user", "1234", "--read-only", "--cap-drop", "ALL", "--network", "none", "--memory", "1g"]
    result = engine.run("speech", flags=[*flags, *PRELOAD, "-e", "WHERRY_DEVICE=cpu"])
    assert (result.returncode, TEXT in result.stdout) == (0, True), result


def test_a_gpu_is_there_only_for_who_asked(engine: Engine) -> None:
    result = engine.run("speech", flags=[*PRELOAD, "-e", "WHERRY_DEVICE=gpu:llvmpipe"])
    assert result.returncode != 0
    assert "llvmpipe" in result.stderr or "graphics library" in result.stderr


@pytest.mark.slow
def test_containers_share_one_adapter(engine: Engine, shaders: list[str]) -> None:
    """A driver for the CPU here, since CI has no other; its libraries come into the container with the device.

    Ten under one engine: each compiles all shaders, which two cores take two minutes for. The others share the code under test.
    """
    count = 10 if engine.name == "docker26" else 2
    flags = [*engine.device, *PRELOAD, *shaders, "-e", "WHERRY_DEVICE=gpu:llvmpipe"]
    with ThreadPoolExecutor(count) as pool:
        results = list(pool.map(lambda _: engine.run("small", flags=flags, seconds=900), range(count)))
    said = "transcribe.wasm: audio: nobody speaks in it\n"  # as a model of random weights hears it
    assert [(result.returncode, result.stdout, result.stderr) for result in results] == [(0, "\n", said)] * count, results
