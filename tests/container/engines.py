"""Real engines, started on this machine beside whatever runs there: own folders, own network namespace, own sockets."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.container import packages
from wherry.container.install import current_runtime

WHERRY = Path(sys.executable).with_name("wherry")
NAME = "io.containerd.wasmedge.v1"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SECONDS = 240  # the longest that a command may take, on a machine with much else to do

Result = subprocess.CompletedProcess[str]


@dataclass
class Engine:
    """An engine by its command line. `flags` are what `run` needs to reach our runtime with a wasi/wasm image."""

    name: str
    command: list[str]
    flags: list[str]
    environment: dict[str, str]
    namespace: str
    images: str = ""  # what stands before an image's name
    device: list[str] = field(default_factory=list)  # asks for lavapipe
    folder: Path | None = None  # where it works: conmon leaves a file there

    def __call__(self, *arguments: str | Path, stdin: str = "", check: bool = False, seconds: float = _SECONDS) -> Result:
        result = subprocess.run(
            [*self.command, *map(str, arguments)],
            env=self.environment,
            cwd=self.folder,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert not check or result.returncode == 0, f"{' '.join(map(str, arguments))}: {result.stderr}"
        return result

    def run(
        self, image: str, *arguments: str | Path, flags: list[str] | None = None, stdin: str = "", seconds: float = _SECONDS
    ) -> Result:
        """`run --rm -i` in the foreground."""
        words = ["run", "--rm", "-i", *self.flags, *(flags or []), self.images + image, *arguments]
        return self(*words, stdin=stdin, seconds=seconds)

    @contextmanager
    def container(self, image: str, *arguments: str, flags: list[str] | None = None, line: str = "") -> Iterator[str]:
        """A container in the background, once its log has `line`."""
        name = f"t{os.getpid()}-{time.monotonic_ns()}"
        self("run", "-d", "--name", name, *self.flags, *(flags or []), self.images + image, *arguments, check=True)
        try:
            self.wait_for(name, line)
            yield name
        finally:
            self("rm", "-f", name)

    def wait_for(self, container: str, line: str, times: int = 1) -> None:
        """Wait until a container's log has a line, so many times."""
        for _ in range(1200):
            logs = self("logs", container)
            if (logs.stdout + logs.stderr).count(line) >= times:
                return
            assert self.state(container)["Running"], f"ended early: {logs.stdout}{logs.stderr}"
            time.sleep(0.05)
        raise AssertionError(f"no {line!r} in the log of {container}")

    def state(self, container: str) -> dict[str, object]:
        """Running, ExitCode, Pid and more."""
        data = json.loads(self("inspect", container, check=True).stdout)
        state: dict[str, object] = data[0]["State"]
        return state

    def inside(self, *command: str | Path) -> Result:
        """A program of the host in the engine's network."""
        words = ["nsenter", f"--net=/run/netns/{self.namespace}", *map(str, command)]
        return subprocess.run(words, capture_output=True, text=True, timeout=_SECONDS, check=False)

    def get(self, url: str) -> str:
        """The body of an HTTP answer, asked for in the engine's network."""
        code = f"import urllib.request; print(urllib.request.urlopen({url!r}, timeout=30).read().decode(), end='')"
        result = self.inside(sys.executable, "-c", code)
        assert result.returncode == 0, result.stderr
        return result.stdout


def seed(prefix: Path) -> None:
    """Let a prefix have the runtime that is composed already for this checkout: composing takes half a minute.

    The files are links, so nobody may write into a runtime; `wherry runtime install` looks whether it is current, as ever.
    """
    made = packages.FOLDER / "composed"
    packages.FOLDER.mkdir(parents=True, exist_ok=True)
    with (packages.FOLDER / "composed.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        manifest = current_runtime(made, lambda line: None)
        for other in (made / "runtimes").iterdir():
            if other.name != manifest.identity:
                shutil.rmtree(other)
        target = prefix / "runtimes" / manifest.identity
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            source = made / "runtimes" / manifest.identity
            linked = subprocess.run(["cp", "--archive", "--link", source, target], capture_output=True, check=False)
            if linked.returncode:  # another file system
                shutil.rmtree(target, ignore_errors=True)
                shutil.copytree(source, target, symlinks=True)


def install_runtime(engine: str, prefix: Path, config: Path, lower: Path, *more: str) -> str:
    """`wherry runtime install`, as an administrator types it -> what it said. One process at a time composes."""
    prefix.parent.mkdir(parents=True, exist_ok=True)
    with (prefix.parent / f"{prefix.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        seed(prefix)
        words = ["runtime", "install", "--engine", engine, "--prefix", prefix, "--config", config, "--oci-runtime", lower, *more]
        return subprocess.run([WHERRY, *words], capture_output=True, text=True, check=True, timeout=600).stdout


def write_docker_config(folder: Path, config: dict[str, object]) -> Path:
    """The configuration of a Docker daemon with all that it has in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "daemon.json"
    own = {
        "data-root": str(folder / "data"),
        "exec-root": str(folder / "exec"),
        "pidfile": str(folder / "docker.pid"),
        "hosts": [f"unix://{folder}/docker.sock"],
    }
    file.write_text(json.dumps({**own, **config}))
    return file


def spawn(command: list[str], log: Path, programs: list[Path], namespace: str) -> int:
    """A daemon in a network namespace, in a session of its own, with `programs` before the system's -> its process."""
    environment = {"PATH": ":".join([*(str(path) for path in programs), _PATH]), "HOME": "/root", "TMPDIR": "/tmp"}
    with log.open("ab") as output:
        process = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{namespace}", *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    return process.pid


def network(namespace: str) -> None:
    """A network namespace with a loopback and forwarding, which containers may publish ports in."""
    if not Path(f"/run/netns/{namespace}").exists():
        subprocess.run(["ip", "netns", "add", namespace], check=True)
    subprocess.run(["ip", "-n", namespace, "link", "set", "lo", "up"], check=True)
    enter = ["nsenter", f"--net=/run/netns/{namespace}", "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]
    subprocess.run(enter, check=True)


def stop(process: int, namespace: str) -> None:
    """End a daemon that `spawn` started, and its network."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(process, number)
            for _ in range(200):
                os.kill(process, 0)
                if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                    raise ProcessLookupError  # ended, and its parent has not asked yet
                time.sleep(0.05)
        except (ProcessLookupError, FileNotFoundError):
            break
    subprocess.run(["ip", "netns", "del", namespace], check=False, capture_output=True)


def lower_runtime() -> Path:
    """Debian 12's runc."""
    return packages.unpack(*packages.DOCKER_20) / "usr/sbin/runc"


def programs_of(suite: Path) -> list[Path]:
    return [suite / "usr/sbin", suite / "usr/bin"]
