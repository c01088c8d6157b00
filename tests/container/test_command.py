"""A wasi:cli command of another toolchain as an image's entrypoint."""

import fcntl

import pytest

from tests.container.engines import Engine
from tests.container.images import write_image
from tests.container.state import STATE
from tests.wasm.wasi.conftest import CACHE, build_command


@pytest.mark.slow
def test_a_component_is_a_containers_process(docker26: Engine) -> None:
    component = build_command()
    config = {"Entrypoint": ["/command.wasm"], "Env": ["GREETING=from the image"]}
    archive = write_image(CACHE / "command.tar", "command:latest", {"/command.wasm": component.read_bytes()}, config)
    with (STATE / f"{docker26.name}.load.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        docker26("load", "-i", archive, check=True)
    found = docker26.run("command", "greet", "you", stdin="one\n")
    words, heard = found.stdout.splitlines()[:4], found.stdout.splitlines()[-1]
    assert (words[:3], words[3].startswith("from the image"), heard) == (["/command.wasm", "greet", "you"], True, "heard one")
    assert (found.returncode, found.stderr) == (1, "to stderr\n")
    denied = docker26.run("command", "read", "../../etc/passwd", "/proc/1/environ")
    assert denied.returncode == 0 and "root" not in denied.stdout and "PATH" not in denied.stdout, denied
