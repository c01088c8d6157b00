"""What the tests of images share: other programs that know images, and images that Wherry did not make."""

import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from wherry.oci import image
from wherry.oci.digest import Digest
from wherry.oci.fields import to_json
from wherry.oci.image import Descriptor, Manifest
from wherry.oci.reference import Reference
from wherry.oci.store import Store

if TYPE_CHECKING:
    from tests.oci.registries import DockerRegistry


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "images")


@pytest.fixture
def in_memory(tmp_path: Path) -> Iterator[Path]:
    """A folder for tests that kill a process hundreds of times: what a disk costs there is waiting for it, not proof."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else tmp_path) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[DockerRegistry]":
    """A real one, for the tests of one process, each with repositories of its own. Everybody may do everything."""
    from tests.oci.registries import DockerRegistry, running

    with running(DockerRegistry(tmp_path_factory.mktemp("registry"))) as started:
        yield started


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[DockerRegistry]":
    """As `registry`, for one user with a password alone."""
    from tests.oci.registries import DockerRegistry, htpasswd, running

    folder = tmp_path_factory.mktemp("guarded")
    with running(DockerRegistry(folder, auth=htpasswd(folder))) as started:
        yield started


def program(name: str) -> str:
    """A program of Debian's: installed where root allows. Without it the test is skipped, and fails where CI is set."""
    if shutil.which(name) is None and os.geteuid() == 0 and shutil.which("apt-get"):
        with Path("/tmp/wherry-apt.lock").open("w") as lock:
            subprocess.run(["flock", str(lock.fileno())], pass_fds=[lock.fileno()], check=True)
            if shutil.which(name) is None:
                command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", name]
                environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
                subprocess.run(command, env=environment, capture_output=True, check=False)
    if shutil.which(name) is None:
        if os.environ.get("CI"):
            pytest.fail(f"{name} is not installed")
        pytest.skip(f"{name} is not installed")
    return name


def run(*command: str | Path) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done
    return done.stdout


def plain_tar(files: Mapping[str, bytes | str | None]) -> bytes:
    """name -> content, a symbolic link's target, or None for a folder."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            if content is None:
                info.type = tarfile.DIRTYPE
            elif isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
            else:
                info.size = len(content)
            tar.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
    return out.getvalue()


def add_image(
    store: Store,
    layers: Sequence[bytes],
    *,
    name: str = "app",
    config: Mapping[str, object] | None = None,
    diff_ids: Sequence[bytes] = (),
) -> Manifest:
    """An image of these layers, made without Wherry's builder. `diff_ids` are the plain tars where the layers are not."""
    said = {
        "os": "wasi",
        "architecture": "wasm",
        "config": dict(config or {"Entrypoint": ["/app.wasm"]}),
        "rootfs": {"type": "layers", "diff_ids": [str(Digest.of_bytes(layer)) for layer in diff_ids or layers]},
    }
    raw = to_json(said)
    kinds = [image.OCI_LAYER_GZIP if layer.startswith(b"\x1f\x8b") else image.OCI_LAYER for layer in layers]
    blobs = [Descriptor.of(kind, layer) for kind, layer in zip(kinds, layers, strict=True)]
    manifest = Manifest.build(Descriptor.of(image.OCI_CONFIG, raw), blobs)
    with store.hold():
        for blob in (raw, *layers, manifest.raw):
            store.put_bytes(blob)
        store.tag(Reference.parse(name), manifest.descriptor)
    return manifest


_KILLED = """
import os, signal, sys
CHANGES = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod",
           "fcntl.flock", "tempfile.mkstemp", "tempfile.mkdtemp", "shutil.copyfile", "shutil.rmtree")
def child(step, top):
    left = step
    def audit(event, arguments):
        nonlocal left
        left -= event in CHANGES
        if left == 0 and event in CHANGES:
            os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(audit)
    try:
        work(Path(top))
        os._exit(0)
    except BaseException as error:
        print(repr(error), file=sys.stderr, flush=True)
        os._exit(1)
for line in sys.stdin:
    step, top = line.rstrip().split(" ", 1)
    pid = os.fork()
    if pid == 0:
        child(int(step), top)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


class Killable:
    """A process that does `work(top: Path)`, as `program` defines it, in a child that is killed at a file operation."""

    def __init__(self, program: str) -> None:
        text = textwrap.dedent(program) + _KILLED
        self._process = subprocess.Popen([sys.executable, "-c", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def work(self, top: Path, step: int = 0) -> bool:
        """Do it, killed just before the `step`th operation; 0 and a step after the last: not killed. -> whether it was done."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{step} {top}\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        assert code in (0, -signal.SIGKILL)
        return code == 0

    def __enter__(self) -> "Killable":
        return self

    def __exit__(self, *error: object) -> None:
        self._process.communicate()
