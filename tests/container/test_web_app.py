"""A web app as an image: its component compiled once on the host, served inside the container, with its model."""

import fcntl
import json
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, SAMPLE
from tests.container.engines import Engine
from tests.container.images import WASM, write_image
from tests.container.state import STATE
from wherry.engine.catalog import ModelFiles
from wherry.engine.convert import convert_whisper

TEXT = "A ferry is a light boat that carries people and goods across a river."
_ASK = """
import sys, urllib.request
body = open(sys.argv[2], "rb").read() if len(sys.argv) > 2 else None
print(urllib.request.urlopen(urllib.request.Request(sys.argv[1], body), timeout=120).read().decode(), end="")
"""


@pytest.fixture(scope="session")
def web_archives(web_component: Path, tiny_en_files: ModelFiles) -> Path:
    """`web.tar` and, for wasi/wasm alone, `web-only.tar`."""
    folder = ROOT / "build/engines/web"
    (folder / "model").mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        weights = folder / "model/model.safetensors"
        if not weights.with_suffix(".cfg").exists():
            convert_whisper(tiny_en_files.weights, weights, "q8_0")
        files = {f"/model/{file.name}": file.read_bytes() for file in weights.parent.iterdir()}
        files["/app.wasm"] = web_component.read_bytes()
        preload = "tiny:Burn:AUTO:/model/model.safetensors:/model/model.cfg:/model/tokenizer.json"
        config = {
            "Entrypoint": ["/app.wasm"],
            "Env": ["greeting=from the image", f"WASMEDGE_WASINN_PRELOAD={preload}", "WHERRY_DEVICE=cpu"],
            "ExposedPorts": {"8080/tcp": {}},
        }
        write_image(folder / "web.tar", "web:latest", files, config)
        write_image(folder / "web-only.tar", "web:latest", files, config, WASM[:1])
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", ["docker26", "podman"])
def test_an_app_answers_in_a_container(name: str, request: pytest.FixtureRequest, web_archives: Path) -> None:
    engine: Engine = request.getfixturevalue(name)
    with (STATE / f"{engine.name}.load.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        engine("load", "-i", web_archives / ("web-only.tar" if engine.name == "podman" else "web.tar"), check=True)
    flags = ["-p", "18080:8080", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "-e", "greeting=from the user"]
    with engine.container("web", flags=flags, line="http://127.0.0.1:8080/"):
        url = "http://127.0.0.1:18080"
        counted = engine.inside(sys.executable, "-c", _ASK, f"{url}/count")
        assert json.loads(counted.stdout)["setting"] == "from the user", counted
        heard = engine.inside(sys.executable, "-c", _ASK, f"{url}/speech", SAMPLE)
        assert TEXT in json.loads(heard.stdout)["text"], heard
