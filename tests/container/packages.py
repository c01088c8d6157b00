"""Debian's packages of an engine, unpacked beside the machine's own: two Dockers at once, and nothing of the system changes."""

import fcntl
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.conftest import ROOT

FOLDER = ROOT / "build/engines"
DOCKER_26 = ("trixie", ("docker.io", "containerd", "docker-cli", "tini"))
DOCKER_20 = ("bookworm", ("docker.io", "containerd", "runc", "tini"))
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def unpack(suite: str, names: tuple[str, ...]) -> Path:
    """The folder with a suite's packages; downloaded once, for all test processes."""
    target = FOLDER / suite
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / f"{suite}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        listed = target / "packages"
        if listed.is_file() and listed.read_text() == " ".join(names):
            return target
        shutil.rmtree(target, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix="wherry-apt-") as scratch:
            _download(Path(scratch), suite, names)
            for package in Path(scratch).glob("*.deb"):
                subprocess.run(["dpkg-deb", "-x", package, target], check=True)
        listed.write_text(" ".join(names))
    return target


def _download(scratch: Path, suite: str, names: tuple[str, ...]) -> None:
    """With lists and a state of its own, so that the machine's package manager knows nothing of it."""
    for folder in ("lists/partial", "cache/archives/partial", "sources", "preferences"):
        (scratch / folder).mkdir(parents=True)
    (scratch / "status").write_text("")
    source = f"Types: deb\nURIs: {_mirror()}\nSuites: {suite}\nComponents: main\nSigned-By: {_KEYRING}\n"
    (scratch / "sources/suite.sources").write_text(source)
    options = {
        "Dir::Etc::SourceList": "/dev/null",
        "Dir::Etc::SourceParts": scratch / "sources",
        "Dir::Etc::PreferencesParts": scratch / "preferences",
        "Dir::State::Lists": scratch / "lists",
        "Dir::State::status": scratch / "status",
        "Dir::Cache": scratch / "cache",
        "APT::Sandbox::User": "root",
    }
    apt = ["apt-get", "-qq", *(word for name, value in options.items() for word in ("-o", f"{name}={value}"))]
    subprocess.run([*apt, "update"], cwd=scratch, check=True, capture_output=True)
    subprocess.run([*apt, "download", *names], cwd=scratch, check=True, capture_output=True)


def _mirror() -> str:
    """The mirror that this machine uses already."""
    for file in (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list")):
        for line in file.read_text().splitlines() if file.is_file() else []:
            words = line.split()
            if len(words) > 1 and words[0] == "URIs:":
                return words[1]
            if len(words) > 2 and words[0] == "deb":
                return next(word for word in words[1:] if "://" in word)
    raise FileNotFoundError("no mirror in /etc/apt")


def install(*names: str) -> None:
    """What must be in the system itself: Podman looks for its files in fixed places."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = subprocess.run(
            ["dpkg-query", "-W", "-f", "${db:Status-Abbrev}\n", *names], capture_output=True, text=True, check=False
        )
        if known.returncode == 0 and all(line.startswith("ii") for line in known.stdout.splitlines()):
            return
        subprocess.run(["apt-get", "update", "-qq"], check=True, capture_output=True)
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *names]
        subprocess.run(
            command,
            check=True,
            capture_output=True,
            env={"DEBIAN_FRONTEND": "noninteractive", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        )
