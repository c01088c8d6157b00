"""docs/containers.md, executed: each engine's section on an empty machine of its own, command by command."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.container import engines, packages
from tests.container.state import once, require_root
from wherry.container import layout
from wherry.engine.catalog import ModelFiles

PAGE = (ROOT / "docs/containers.md").read_text()
SECTIONS = {
    title: re.findall(r"^```console\n(.*?)^```", body, re.MULTILINE | re.DOTALL)
    for title, body in re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
}
# Folders of the system that the commands write to: in a mount namespace of its own, each is empty at first.
_OWN = (
    "/etc/cdi", "/etc/docker", "/etc/containerd", "/etc/containers/containers.conf.d", "/usr/local/lib/wherry", "/var/lib/docker",
    "/var/lib/containerd", "/var/lib/containers", "/opt/containerd",
)  # fmt: skip
_MACHINE = """#!/bin/sh
# An empty machine: $1 holds its folders and programs, $2 is its script.
set -e
mount --make-rprivate /
for folder in {folders}; do
  mkdir -p "$folder" "$1$folder"
  mount --bind "$1$folder" "$folder"
done
mount -t tmpfs tmpfs /run
ip link set lo up
exec "$2"
"""
_SUDO = '#!/bin/sh\nexec "$@"\n'
_SYSTEMCTL = """#!/bin/sh
# `systemctl restart NAME`, for a machine without systemd: end the daemon, start it, wait until it answers.
set -e
[ "$1" = restart ]
case $2 in
  docker) daemon=dockerd ask="docker version" ;;
  containerd) daemon=containerd ask="ctr version" ;;
esac
if [ -e "/run/$daemon.test" ]; then
  process=$(cat "/run/$daemon.test")
  kill "$process"
  while kill -0 "$process" 2>/dev/null; do sleep 0.05; done
fi
$daemon >"$MACHINE/$daemon.log" 2>&1 &
echo $! >"/run/$daemon.test"
tries=0
until $ask >/dev/null 2>&1; do
  tries=$((tries + 1))
  [ $tries -lt 600 ] || { cat "$MACHINE/$daemon.log" >&2; exit 1; }
  sleep 0.05
done
"""


def commands(title: str) -> list[tuple[str, list[str]]]:
    """(command, what it prints) of a section."""
    return commands_of(SECTIONS[title])


def commands_of(blocks: list[str]) -> list[tuple[str, list[str]]]:
    found: list[tuple[str, list[str]]] = []
    for block in blocks:
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return found


def machine(folder: Path, programs: list[Path], lines: list[str], first: str, last: str, home: Path) -> str:
    """Run commands in namespaces of their own -> what they printed. One that fails ends them."""
    shims = folder / "programs"
    shims.mkdir()
    script = [f"#!/bin/sh\nset -ex\nexport MACHINE={folder}\ncd {home}\ntrap {shlex.quote(last)} EXIT\n{first}"]
    script += lines
    texts = {
        "sudo": _SUDO,
        "systemctl": _SYSTEMCTL,
        "machine": _MACHINE.format(folders=" ".join(_OWN)),
        "script": "\n".join(script) + "\n",
    }
    for name, text in texts.items():
        (shims / name).write_text(text)
        (shims / name).chmod(0o755)
    environment = {
        **{name: value for name, value in os.environ.items() if name in ("PYTHONPATH", "CI")},
        "HOME": str(home),
        "PATH": ":".join(map(str, [shims, *programs, engines.WHERRY.parent])) + ":/usr/sbin:/usr/bin:/sbin:/bin",
        "XDG_CACHE_HOME": str(home / ".cache"),
    }
    words = ["unshare", "--mount", "--net", shims / "machine", folder, shims / "script"]
    result = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="session")
def home(tiny_en_files: ModelFiles, transcribe_guest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's home after the section "An image"; the model's download is the machine's own."""

    def make(home: Path) -> None:
        models = home / ".cache/wherry/models"
        models.mkdir(parents=True)
        (models / "whisper-tiny.en").symlink_to(tiny_en_files.weights.parent)
        for name in ("build", "src"):  # the page speaks of the checkout's files
            (home / name).symlink_to(ROOT / name)
        environment = {
            **os.environ,
            "HOME": str(home),
            "XDG_CACHE_HOME": str(home / ".cache"),
            "PATH": f"{engines.WHERRY.parent}:{os.environ['PATH']}",
        }
        for command, _ in commands("An image"):
            words = ["sh", "-c", command]
            result = subprocess.run(words, cwd=home, env=environment, capture_output=True, text=True, timeout=240, check=False)
            assert result.returncode == 0, f"{command}: {result.stderr}"

    return once(tmp_path_factory, "home", make)


def test_the_page_has_a_section_for_each_engine() -> None:
    assert [title for title in SECTIONS if commands(title)] == ["An image", "Docker", "Docker 20.10", "Podman", "containerd"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("title", "first", "last"),
    [
        ("Docker", "systemctl restart docker", "kill $(cat /run/dockerd.test)"),
        ("Docker 20.10", "systemctl restart docker", "kill $(cat /run/dockerd.test)"),
        ("Podman", "", "podman rm -fa >&2"),
        ("containerd", "systemctl restart containerd", "kill $(cat /run/containerd.test)"),
    ],
)
def test_every_command_of_the_page_runs(title: str, first: str, last: str, home: Path, tmp_path: Path) -> None:
    require_root()
    suite = packages.unpack(*(packages.DOCKER_20 if title == "Docker 20.10" else packages.DOCKER_26))
    if title == "Podman":
        packages.install("podman", "netavark", "aardvark-dns", "crun", "catatonit")
        folder = tmp_path / "etc/containers/containers.conf.d"
        folder.mkdir(parents=True)
        (folder / "machine.conf").write_text(
            '[containers]\ndefault_ulimits = ["nofile=1024:4096", "nproc=1024:4096"]\n[engine]\ncgroup_manager = "cgroupfs"\n'
        )
    if title != "Docker":  # composed once on an empty machine, then given to the others
        engines.seed(tmp_path / "usr/local/lib/wherry")
    lines = [command for command, _ in commands(title)]
    printed = machine(tmp_path, [*engines.programs_of(suite), engines.lower_runtime().parent], lines, first, last, home)
    for command, lines in commands(title):
        for line in lines:
            assert line in printed, f"{command}: {printed}"
    if title == "Docker":
        assert "is again what it was" in printed


def test_variables_and_mounts_of_the_page_are_those_of_the_code() -> None:
    source = "".join(path.read_text() for path in (ROOT / "src/wherry").rglob("*.py"))
    for name in re.findall(r"((?:WHERRY|WASMEDGE|CDI)_[A-Z_]+)", PAGE):
        assert name in source, name
    mounts = set(re.findall(r"^\| `(/\.wherry/\w+)`", PAGE, re.MULTILINE))
    assert mounts == {layout.RUNTIME, layout.CACHE, layout.ROOT, layout.GPU}


@pytest.mark.parametrize(
    ("name", "flags", "words"),
    [
        ("docker26", ["--runtime=nobody"], "unknown or invalid runtime name"),
        ("docker20", ["--runtime=nobody"], "Unknown runtime specified"),
        (  # where it may, it asks the registry first
            "docker20",
            [f"--runtime={engines.NAME}", "--platform=wasi/wasm", "--pull=never"],
            "does not match the specified platform",
        ),
        (
            "docker26",
            [f"--runtime={engines.NAME}", "--device=docker.com/gpu=other"],
            "unresolvable CDI devices docker.com/gpu=other",
        ),
        (
            "podman",
            [f"--runtime={engines.NAME}", "--device=docker.com/gpu=other"],
            "unresolvable CDI devices docker.com/gpu=other",
        ),
        ("docker20", [f"--runtime={engines.NAME}", "-e", "CDI_DEVICES=docker.com/gpu=webgpu"], "it is not allowed here"),
    ],
)
def test_what_the_page_says_of_errors_is_what_is_said(
    request: pytest.FixtureRequest, name: str, flags: list[str], words: str
) -> None:
    engine: engines.Engine = request.getfixturevalue(name)
    result = engine("run", "--rm", *flags, engine.images + "probe", "exit", "0")
    assert result.returncode != 0
    assert words in result.stderr
    assert words.removesuffix("other") in PAGE
