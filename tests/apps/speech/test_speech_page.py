"""docs/speech.md, executed: its curl, Python and JavaScript against the app, with the sample for `talk.mp3`."""

import contextlib
import io
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.apps.npm import modules
from tests.apps.serving import Served
from tests.apps.speech.test_openai_python import SAMPLE_TEXT
from tests.conftest import ROOT, SAMPLE

PAGE = (ROOT / "docs/speech.md").read_text()


def block(language: str, served: Served, recording: Path) -> str:
    """The page's only block in a language, against this server."""
    (text,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    text = text.replace("http://127.0.0.1:8080", served.url).replace("talk.mp3", str(recording))
    return text.replace("any, unless WHERRY_API_KEYS names some", served.key)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return Path(shutil.copy(SAMPLE, tmp_path / "talk.wav"))


@pytest.mark.slow
def test_the_pages_curl_transcribes(served: Served, recording: Path) -> None:
    command = [*shlex.split(block("bash", served, recording)), "-H", f"Authorization: Bearer {served.key}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.stdout == f"{SAMPLE_TEXT}\n"


@pytest.mark.slow
def test_the_pages_python_transcribes(served: Served, recording: Path) -> None:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(block("python", served, recording), "docs/speech.md", "exec"), {})
    assert " ".join(line[8:].strip() for line in printed.getvalue().splitlines()) == SAMPLE_TEXT


@pytest.mark.slow
def test_the_pages_javascript_transcribes(served: Served, recording: Path) -> None:
    script = modules() / "speech-page.mjs"
    script.write_text(block("js", served, recording))
    done = subprocess.run(["node", str(script)], capture_output=True, text=True, timeout=120)
    assert (done.stdout.strip(), done.stderr) == (SAMPLE_TEXT, "")
