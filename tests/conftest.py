"""What several tests need: the model, recordings with their reference transcripts, built guests."""

import fcntl
import gzip
import json
import os
import subprocess
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

# Two test processes share two cores: more BLAS threads than that only wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from wherry.engine.catalog import ModelFiles, default_cache, find_model
from wherry.engine.session import Whisper, load_whisper

# A busy machine is no reason to fail.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")

ROOT = Path(__file__).parents[1]
AUDIO = ROOT.parent / "shared" / "audio"  # real recordings, where they are at hand
SAMPLE = ROOT / "src/wherry/cli/sample.wav"


@pytest.fixture(scope="session")
def tiny_en_files() -> ModelFiles:
    return find_model("whisper-tiny.en", default_cache())


@pytest.fixture(scope="session")
def tiny_en(tiny_en_files: ModelFiles) -> Whisper:
    return load_whisper(tiny_en_files.weights, tokenizer=tiny_en_files.tokenizer, device="cpu")


@pytest.fixture(scope="session")
def reference() -> dict[str, Any]:
    """What openai-whisper said: made by tests/references/openai_whisper.py."""
    data: dict[str, Any] = json.loads(gzip.decompress((ROOT / "tests/fixtures/openai_whisper_tiny_en.json.gz").read_bytes()))
    return data


@pytest.fixture(scope="session")
def sample() -> "np.ndarray[Any, np.dtype[np.float32]]":
    with wave.open(str(SAMPLE)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768


def build_guest(source: Path) -> Path:
    """Compile a C guest once for all test processes; the stack is small, or each guest would start with 16 MiB."""
    out = ROOT / "build/guests" / (source.stem + ".wasm")
    out.parent.mkdir(parents=True, exist_ok=True)
    with (out.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not out.is_file() or out.stat().st_mtime < source.stat().st_mtime:
            command = [sys.executable, "-m", "ziglang", "cc", "--target=wasm32-wasi", "-O1", "-Wl,-z,stack-size=65536"]
            subprocess.run([*command, "-o", str(out), str(source)], check=True)
    return out


@pytest.fixture(scope="session")
def transcribe_guest() -> Path:
    return build_guest(ROOT / "apps/transcribe/transcribe.c")


@pytest.fixture(scope="session")
def hostile_guest() -> Path:
    return build_guest(ROOT / "tests/guests/hostile.c")


@pytest.fixture(scope="session")
def server_guest() -> Path:
    return build_guest(ROOT / "tests/guests/server.c")


@pytest.fixture(scope="session")
def web_component() -> Path:
    """The suite's web app, compiled."""
    from tests.wasm.web import build_app

    return build_app(ROOT / "tests/guests/web")
