"""schemathesis against an app's OpenAPI document."""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx2

from tests.apps.serving import Served
from tests.conftest import ROOT


def run(served: Served, app: str, folder: Path, *options: str) -> str:
    """What it said, where it found nothing. The document is the one that is served. A check of the app's schema_checks.py stands
    for positive_data_acceptance.
    """
    document = ROOT / "apps" / app / "openapi.json"
    answer = httpx2.get(f"{served.url}/openapi.json", headers={"Authorization": f"Bearer {served.key}"})
    assert answer.json() == json.loads(document.read_text(encoding="utf-8"))
    command = [sys.executable, "-m", "schemathesis.cli", "run", str(document), "--url", served.url]
    command += ["-H", f"Authorization: Bearer {served.key}", "--seed", "1", "--no-color", "--generation-database", "none"]
    command += ["--checks", "all", "--exclude-checks", "positive_data_acceptance", *options]
    environ = {**os.environ, "SCHEMATHESIS_HOOKS": f"tests.apps.{app}.schema_checks", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
