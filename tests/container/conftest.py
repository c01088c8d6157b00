"""Engines for the tests: started once for all test processes, ended when the last of them is done."""

import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import ROOT, build_guest
from tests.container import engines, packages
from tests.container.engines import NAME, Engine
from tests.container.images import LINUX, write_image

STATE = Path(tempfile.gettempdir()) / "wherry-engines"  # sockets want a short path
PREFIX = STATE / "prefix"
CDI = STATE / "cdi"


def require_root() -> None:
    """Engines need root: where it is not allowed, the test says what it left out, and fails where CI is set."""
    missing = [] if os.geteuid() == 0 else ["root"]
    missing += [name for name in ("apt-get", "dpkg-deb", "ip", "nsenter", "iptables") if shutil.which(name) is None]
    if missing:
        words = f"left out: real engines, which want {', '.join(missing)}"
        if os.environ.get("CI"):
            pytest.fail(words)
        pytest.skip(words)


@contextmanager
def shared(name: str, start: Callable[[], int], end: Callable[[int], None]) -> Iterator[None]:
    """Start something once for all test processes, and end it with the last. What a killed run left is ended first.

    Each user holds a lock on `NAME.users` as long as it uses it; whoever gets the only one may start and end.
    """
    STATE.mkdir(exist_ok=True, mode=0o755)
    pid_file = STATE / f"{name}.pid"
    with (STATE / f"{name}.lock").open("w") as lock, (STATE / f"{name}.users").open("w") as users:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if pid_file.exists():
                end(int(pid_file.read_text()))
            pid_file.write_text(str(start()))
        except BlockingIOError:
            pass  # another process uses it already
        fcntl.flock(users, fcntl.LOCK_SH)
        fcntl.flock(lock, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                end(int(pid_file.read_text()))
                pid_file.unlink()
            except BlockingIOError:
                pass


@pytest.fixture(scope="session")
def probe_guest() -> Path:
    return build_guest(ROOT / "tests/guests/probe.c")


@pytest.fixture(scope="session")
def archives(probe_guest: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Images: a guest, the same for linux alone (classic image stores), and a program of the host's own that is no guest."""
    folder = tmp_path_factory.mktemp("images")
    wasm = probe_guest.read_bytes()
    config = {"Entrypoint": ["/probe.wasm"], "Env": ["PATH=/bin"], "Cmd": ["show"]}
    files = {"/probe.wasm": wasm, "/other": wasm, "/etc/note": b"a note\n"}
    static = Path("/sbin/ldconfig").read_bytes()  # a static program on every Debian
    return [
        write_image(folder / "probe.tar", "probe:latest", files, config),
        write_image(
            folder / "static.tar", "static:latest", {"/program": static}, {"Entrypoint": ["/program", "--version"]}, LINUX
        ),
    ]


@pytest.fixture(scope="session")
def cdi_spec() -> Path:
    """The folder with this host's CDI spec, as `wherry cdi generate` writes it."""
    CDI.mkdir(parents=True, exist_ok=True)
    with (STATE / "cdi.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        command = [engines.WHERRY, "cdi", "generate", "--output", CDI / "wherry.json"]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
    return CDI


@contextmanager
def _docker(
    name: str, suite: tuple[str, tuple[str, ...]], config: dict[str, object], flags: list[str], device: list[str], *more: str
) -> Iterator[Engine]:
    """A Docker daemon with our runtime; `more` is for its installation."""
    require_root()
    here = packages.unpack(*suite)
    lower = engines.lower_runtime()
    folder = STATE / name
    namespace = f"wherry-{name}"
    command = [str(here / "usr/bin/docker"), "--host", f"unix://{folder}/docker.sock"]
    engine = Engine(name, command, flags, {"HOME": str(folder), "PATH": "/usr/bin:/bin"}, namespace, device=device)

    def start() -> int:
        shutil.rmtree(folder, ignore_errors=True)
        file = engines.write_docker_config(folder, config)
        engines.install_runtime("docker", STATE / f"prefix-{name}", file, lower, *more)
        engines.network(namespace)
        programs = [*engines.programs_of(here), lower.parent]
        process = engines.spawn(["dockerd", "--config-file", str(file)], folder / "log", programs, namespace)
        for _ in range(600):
            if engine("version").returncode == 0:
                return process
            time.sleep(0.05)
        raise AssertionError((folder / "log").read_text())

    with shared(name, start, lambda process: engines.stop(process, namespace)):
        yield engine


@pytest.fixture(scope="session")
def docker26(archives: list[Path], cdi_spec: Path) -> Iterator[Engine]:
    """Docker 26.1 of Debian 13, with containerd's image store and CDI: the published line works as it stands."""
    flags = [f"--runtime={NAME}", "--platform=wasi/wasm"]
    device = ["--device=docker.com/gpu=lavapipe"]
    with _docker(
        "docker26", packages.DOCKER_26, {"cdi-spec-dirs": [str(cdi_spec)]}, flags, device, "--containerd-images"
    ) as engine:
        for archive in archives:
            engine("load", "-i", archive, check=True)
        yield engine


@pytest.fixture(scope="session")
def docker20(archives: list[Path], cdi_spec: Path) -> Iterator[Engine]:
    """Docker 20.10 of Debian 12: no wasi/wasm platform, and no CDI, so the runtime itself gives the device."""
    flags = [f"--runtime={NAME}"]
    device = ["-v", "/dev/null:/var/run/cdi-devices/docker.com/gpu=lavapipe"]
    more = ["--device-requests", "mounts", "--cdi-folder", str(cdi_spec)]
    with _docker("docker20", packages.DOCKER_20, {}, flags, device, *more) as engine:
        for archive in archives:
            engine("load", "-i", archive, check=True)
        yield engine
