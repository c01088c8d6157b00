"""Where llvmlite is missing, numpy does everything: the same text, letter for letter (docs/decisions/0010)."""

import json
import subprocess
import sys
from pathlib import Path

from tests.conftest import SAMPLE
from wherry.engine.session import Whisper
from wherry.engine.transcript import TranscribeOptions

_TRANSCRIBE = """
import sys
sys.modules["llvmlite"] = None  # importing it is an ImportError from here on
from wherry.kernels.compiled import compiled
assert compiled() is None
from wherry.cli.main import main
main()
"""


def test_numpy_alone_hears_the_same(tiny_en: Whisper, tmp_path: Path) -> None:
    command = [sys.executable, "-c", _TRANSCRIBE, "transcribe", str(SAMPLE), "--device", "cpu", "--format", "json"]
    subprocess.run([*command, "--output-dir", str(tmp_path)], check=True)
    found = json.loads((tmp_path / "sample.json").read_text())
    expected = tiny_en.transcribe(SAMPLE, TranscribeOptions())
    assert found["text"].strip() == expected.text.strip()
    assert [segment["tokens"] for segment in found["segments"]] == [list(segment.tokens) for segment in expected.segments]
