"""apps/speech does what its OpenAPI document says: schemathesis makes up requests, right ones and wrong ones."""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from tests.apps.serving import Served
from tests.conftest import ROOT


def test_the_document_is_served(served: Served) -> None:
    answer = httpx2.get(f"{served.url}/openapi.json", headers={"Authorization": f"Bearer {served.key}"})
    assert answer.json() == json.loads((ROOT / "apps/speech/openapi.json").read_text(encoding="utf-8"))


@pytest.mark.slow
def test_schemathesis_finds_nothing(served: Served, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "schemathesis.cli", "run", str(ROOT / "apps/speech/openapi.json"), "--url", served.url]
    command += ["-H", f"Authorization: Bearer {served.key}", "--max-examples", "8", "--seed", "1", "--no-color"]
    # A check of schema_checks.py stands for the one that is left out.
    command += ["--checks", "all", "--exclude-checks", "positive_data_acceptance", "--generation-database", "none"]
    environ = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.apps.speech.schema_checks", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 selected / 4 total" in done.stdout
