"""docs/apps.md, executed from its first command to its last, on an empty machine with Docker."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT, SAMPLE
from tests.container import engines, packages
from tests.container.state import require_root
from tests.container.test_guide import commands_of, machine
from wherry.engine.catalog import ModelFiles

PAGE = (ROOT / "docs/apps.md").read_text()
COMMANDS = commands_of(re.findall(r"^```console\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))


@pytest.fixture
def home(tiny_en_files: ModelFiles, tmp_path: Path) -> Path:
    """A user's home with a recording. The machine has no network, so what is downloaded has been: a model, the app's bottle."""
    home = tmp_path / "home"
    models = home / ".cache/wherry/models"
    models.mkdir(parents=True)
    (models / "whisper-tiny.en").symlink_to(tiny_en_files.weights.parent)
    shutil.copy(SAMPLE, home / "hello.wav")
    environment = {**os.environ, "XDG_CACHE_HOME": str(home / ".cache")}
    for words in (["new", "app/shout"], ["build", "app/shout", "-t", "before"]):
        command = [engines.WHERRY, *words]
        done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
    return home


@pytest.mark.slow
def test_every_command_of_the_page_runs(home: Path, tmp_path: Path) -> None:
    require_root()
    suite = packages.unpack(*packages.DOCKER_26)
    folder = tmp_path / "machine"
    folder.mkdir()
    engines.seed(folder / "usr/local/lib/wherry")
    programs = [*engines.programs_of(suite), engines.lower_runtime().parent]
    ended = "kill $(cat /run/dockerd.test) $(jobs -p)"
    printed = machine(folder, programs, [command for command, _ in COMMANDS], "systemctl restart docker", ended, home)
    at = 0
    for command, lines in COMMANDS:
        for line in lines:
            found = printed.find(f"{line}\n", at)
            assert found >= 0, f"{command}: {printed[at:]}"
            at = found + len(line)


def test_what_the_page_names_is_there() -> None:
    source = "".join(path.read_text() for path in (ROOT / "src/wherry").rglob("*.py"))
    for name in re.findall(r"WHERRY_[A-Z_]+", PAGE):
        assert name in source, name
    for modules in re.findall(r"^\| ((?:`[a-z]+`(?:, )?)+) \|", PAGE, re.MULTILINE):
        for name in re.findall(r"`(\w+)`", modules):
            assert (ROOT / f"src/wherry/guest/{name}.py").is_file(), name
