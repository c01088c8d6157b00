"""OpenAI's npm client, and calls of it by a script."""

import fcntl
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

VERSION = "7.57.0"


def modules() -> Path:
    """The folder with the client in it, installed once for all test processes."""
    if shutil.which("npm") is None:
        assert "CI" not in os.environ, "found no npm, expected Node.js with it (.ci/run)"
        pytest.skip("needs Node.js with npm")
    folder = ROOT / "build/npm-openai"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        package = folder / "node_modules/openai/package.json"
        if not package.is_file() or json.loads(package.read_text())["version"] != VERSION:
            command = ["npm", "install", "--prefix", ".", "--no-save", "--no-audit", "--no-fund", f"openai@{VERSION}"]
            subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


def call(script: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """The results of every call that the script makes, by name."""
    command = ["node", str(script), str(modules()), json.dumps(asked)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    results: dict[str, Any] = json.loads(done.stdout)
    return results
