"""Components of other toolchains as an image's entrypoint: a wasi:cli command, and a wasi:http handler."""

import fcntl
import sys
from pathlib import Path

import pytest

from tests.container.engines import Engine
from tests.container.images import WASM, write_image
from tests.container.state import STATE
from tests.wasm.wasi.conftest import CACHE, build_command, build_js


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


@pytest.mark.slow
def test_a_handler_is_served_by_a_container(podman: Engine, tmp_path: Path) -> None:
    config = {"Entrypoint": ["/handler.wasm"], "ExposedPorts": {"8080/tcp": {}}}
    archive = write_image(
        CACHE / "handler.tar", "handler:latest", {"/handler.wasm": build_js(tmp_path).read_bytes()}, config, WASM[:1]
    )
    podman("load", "-i", archive, check=True)
    flags = ["-p", "18081:8080", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL"]
    with podman.container("handler", flags=flags, line="http://127.0.0.1:8080/"):
        ask = (
            "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], b'over', timeout=60).read().decode(), end='')"
        )
        echoed = podman.inside(sys.executable, "-c", ask, "http://127.0.0.1:18081/echo?a")
        assert echoed.stdout == "over", echoed
