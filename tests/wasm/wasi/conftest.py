"""Components of other toolchains: JavaScript by componentize-js, C by wasi-libc and the adapter from preview1."""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, build_guest
from wherry.wasm import wasi
from wherry.wasm.module import compile_into

VERSION = "0.23.0"
CACHE = ROOT / "build/components"
GUESTS = ROOT / "tests/guests"
_WIT = "0.2.10"  # which componentize-js's engine exports its handler as


def compiler() -> Path:
    """The folder with componentize-js in it, installed once for all test processes."""
    if shutil.which("npm") is None:
        assert "CI" not in os.environ, "found no npm, expected Node.js with it (.ci/run)"
        pytest.skip("needs Node.js with npm")
    folder = CACHE / "npm"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        package = folder / "node_modules/@bytecodealliance/componentize-js/package.json"
        if not package.is_file() or json.loads(package.read_text())["version"] != VERSION:
            wanted = f"@bytecodealliance/componentize-js@{VERSION}"
            command = ["npm", "install", "--prefix", ".", "--no-save", "--no-audit", "--no-fund", wanted]
            subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


def contracts(folder: Path, version: str) -> None:
    """WASI's files beside ours, as packages of a version."""
    for file in (Path(wasi.__file__).parent / "wit").glob("*.wit"):
        place = folder / "deps" / file.stem / file.name
        place.parent.mkdir(parents=True)
        place.write_text(file.read_text().replace("@0.2.12", f"@{version}"))
    shutil.copytree(ROOT / "src/wherry/wasm/wit/deps/wasi-nn", folder / "deps/wasi-nn")


@pytest.fixture(scope="session")
def js_component(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_js(tmp_path_factory.mktemp("js"))


def build_js(stage: Path) -> Path:
    """tests/guests/js, compiled once for all test processes, to machine code too."""
    modules = compiler()
    source = GUESTS / "js"
    key = hashlib.sha256(VERSION.encode() + b"".join(path.read_bytes() for path in sorted(source.iterdir()))).hexdigest()[:20]
    target = CACHE / f"js-{key}.wasm"
    with (CACHE / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_file():
            contracts(stage / "wit", _WIT)
            shutil.copy(source / "app.wit", stage / "wit")
            for name in ("app.js", "build.mjs"):
                shutil.copy(source / name, stage)
            (stage / "node_modules").symlink_to(modules / "node_modules")
            subprocess.run(["node", "build.mjs", "wit", str(target)], cwd=stage, check=True)
        compile_into(target, CACHE)
    return target


@pytest.fixture(scope="session")
def command_component() -> Path:
    return build_command()


def build_command() -> Path:
    """tests/guests/command.c: wasi-libc, and the adapter from preview1 that wasmtime's project publishes."""
    adapter = compiler() / "node_modules/@bytecodealliance/jco/lib/wasi_snapshot_preview1.command.wasm"
    core = build_guest(GUESTS / "command.c")
    target = core.with_name("command-component.wasm")
    with (CACHE / ".command-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_file() or target.stat().st_mtime < core.stat().st_mtime:
            tools = Path(sys.executable).with_name("wasm-tools")
            adapted = ["--adapt", f"wasi_snapshot_preview1={adapter}"]
            subprocess.run([str(tools), "component", "new", str(core), *adapted, "-o", str(target)], check=True)
    return target
