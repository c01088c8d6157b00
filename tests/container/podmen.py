"""Debian 12's Podman, with storage and settings of its own: as root over runc or crun, and as a user without rights."""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.container import engines, packages
from tests.container.engines import NAME, Engine
from tests.container.state import PREFIX, STATE, TAG, require_root, shared

USER = 12345  # nobody's
_LIMITS = 'default_ulimits = ["nofile=1024:4096", "nproc=1024:4096"]'  # Podman's own want CAP_SYS_RESOURCE
# crun wants one version of control groups, so the second of a machine that has both is out of sight. Podman 4.3 looks for CDI
# specs in fixed places: each machine has its own there, for two specs of one device cancel each other.
_MACHINE = """
mount --make-rshared /
mount --bind "$1" /var/run/cdi
for unified in /sys/fs/cgroup/unified; do [ ! -d $unified ] || umount $unified; done
echo ready
exec sleep 1000000
"""


@contextmanager
def podman(name: str, archives: list[Path], cdi_spec: Path, lower: Path, user: int = 0) -> Iterator[Engine]:
    """`lower` is runc or crun. The engine's namespaces are held by a process that sleeps."""
    require_root()
    packages.install("podman", "netavark", "aardvark-dns", "crun", "catatonit")
    folder, namespace = STATE / name, f"wherry-{TAG}-{name}"
    home = folder / "home"
    prefix = PREFIX if name == "podman" else STATE / f"prefix-{name}"  # one prefix knows one Podman
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(folder / "run"),
        "CONTAINERS_CONF": str(folder / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
    }
    become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user else []
    flags = [f"--runtime={NAME}", "--platform=wasi/wasm", *(["--network=host"] if user else [])]
    engine = Engine(name, [], flags, environment, namespace, "localhost/", ["--device=docker.com/gpu=lavapipe"], folder=folder)

    def enter(holder: int) -> None:
        engine.command = ["nsenter", f"--target={holder}", "--mount", "--net", *become, "podman"]

    def start() -> int:
        shutil.rmtree(folder, ignore_errors=True)
        home.mkdir(parents=True)
        (folder / "run").mkdir(mode=0o700)
        (folder / "containers.conf").write_text(
            f'[containers]\n{_LIMITS}\n\n[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n\n'
            f'[network]\nnetwork_backend = "netavark"\nnetwork_config_dir = "{folder}/networks"\n'
        )
        (folder / "storage.conf").write_text(
            f'[storage]\ndriver = "overlay"\nrunroot = "{folder}/run/storage"\ngraphroot = "{folder}/graph"\n'
        )
        engines.install_runtime("podman", prefix, folder / "containers.conf", lower)
        for path in (folder, *folder.rglob("*")):
            os.chown(path, user, user)
        engines.network(namespace)
        Path("/var/run/cdi").mkdir(exist_ok=True)
        command = ["unshare", "--mount", "sh", "-ec", _MACHINE, "machine", str(cdi_spec)]
        return engines.spawn(command, folder / "machine.log", [], namespace)

    def prepare() -> None:
        while "ready" not in (folder / "machine.log").read_text():
            time.sleep(0.02)
        enter(int((STATE / f"{name}.pid").read_text()))
        archive = shutil.copy(archives[2], folder / "only.tar")  # where the user may read it
        engine("load", "-i", archive, check=True)
        engine("tag", "only", "probe", check=True)
        static = shutil.copy(archives[1], folder / "static.tar")
        engine("load", "-i", static, check=True)
        engine("tag", "docker.io/library/static", "localhost/static", check=True)

    def end(process: int) -> None:
        enter(process)
        engine("rm", "-fa")
        pause = folder / "run/libpod/tmp/pause.pid"  # holds a rootless Podman's own namespace
        if user and pause.exists():
            os.kill(int(pause.read_text()), signal.SIGKILL)
        engines.stop(process, namespace)
        shutil.rmtree(folder, ignore_errors=True)

    with shared(name, start, prepare, end):
        enter(int((STATE / f"{name}.pid").read_text()))
        yield engine
