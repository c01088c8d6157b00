"""Engines for the tests: started once for all test processes, ended when the last of them is done."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT, SAMPLE, build_guest
from tests.container import engines, packages, podmen
from tests.container.cri import Cri
from tests.container.engines import NAME, Engine
from tests.container.images import LINUX, WASM, write_image
from tests.container.state import CDI, PREFIX, STATE, TAG, require_root, shared, wait_until
from tests.weights.files import random_whisper
from wherry.engine.catalog import ModelFiles
from wherry.engine.convert import convert_whisper
from wherry.weights.burn_writer import write_burn

_END_OF_TEXT = 50256  # of the English vocabulary


@pytest.fixture(scope="session")
def probe_guest() -> Path:
    return build_guest(ROOT / "tests/guests/probe.c")


@pytest.fixture(scope="session")
def archives(probe_guest: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A guest for all platforms, a program that is none, and the guest for wasi/wasm alone: Podman takes an index's linux."""
    folder = tmp_path_factory.mktemp("images")
    wasm = probe_guest.read_bytes()
    config = {"Entrypoint": ["/probe.wasm"], "Env": ["PATH=/bin"], "Cmd": ["show"]}
    files = {"/probe.wasm": wasm, "/other": wasm, "/etc/note": b"a note\n"}
    static = Path("/sbin/ldconfig").read_bytes()  # a static program on every Debian
    program = {"Entrypoint": ["/program", "--version"]}
    return [
        write_image(folder / "probe.tar", "probe:latest", files, config),
        write_image(folder / "static.tar", "static:latest", {"/program": static}, program, LINUX),
        write_image(folder / "only.tar", "only:latest", files, config, WASM[:1]),
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
    name: str,
    suite: tuple[str, tuple[str, ...]],
    config: dict[str, object],
    archives: list[Path],
    flags: list[str],
    device: list[str],
    *more: str,
) -> Iterator[Engine]:
    """A Docker daemon with our runtime; `more` is for its installation."""
    require_root()
    here = packages.unpack(*suite)
    lower = engines.lower_runtime()
    folder = STATE / name
    prefix = STATE / "prefix-docker20" if name == "docker20" else PREFIX  # one prefix knows one Docker
    namespace = f"wherry-{TAG}-{name}"
    command = [str(here / "usr/bin/docker"), "--host", f"unix://{folder}/docker.sock"]
    engine = Engine(name, command, flags, {"HOME": str(folder), "PATH": "/usr/bin:/bin"}, namespace, device=device)

    def start() -> int:
        shutil.rmtree(folder, ignore_errors=True)
        file = engines.write_docker_config(folder, config)
        engines.install_runtime("docker", prefix, file, lower, *more)
        engines.network(namespace)
        programs = [*engines.programs_of(here), lower.parent]
        return engines.spawn(["dockerd", "--config-file", str(file)], folder / "log", programs, namespace)

    def prepare() -> None:
        wait_until(lambda: engine("version").returncode == 0, folder / "log")
        for archive in archives[:2]:
            engine("load", "-i", archive, check=True)

    def end(process: int) -> None:
        engines.stop(process, namespace)
        shutil.rmtree(folder, ignore_errors=True)

    with shared(name, start, prepare, end):
        yield engine


@pytest.fixture(scope="session")
def docker26(archives: list[Path], cdi_spec: Path) -> Iterator[Engine]:
    """Docker 26.1 of Debian 13, with containerd's image store and CDI: the published line works as it stands."""
    flags = [f"--runtime={NAME}", "--platform=wasi/wasm"]
    device = ["--device=docker.com/gpu=lavapipe"]
    with _docker(
        "docker26", packages.DOCKER_26, {"cdi-spec-dirs": [str(cdi_spec)]}, archives, flags, device, "--containerd-images"
    ) as engine:
        yield engine


@pytest.fixture(scope="session")
def docker20(archives: list[Path], cdi_spec: Path) -> Iterator[Engine]:
    """Docker 20.10 of Debian 12: no wasi/wasm platform, and no CDI, so the runtime itself gives the device."""
    flags = [f"--runtime={NAME}"]
    device = ["-v", "/dev/null:/var/run/cdi-devices/docker.com/gpu=lavapipe"]
    more = ["--device-requests", "mounts", "--cdi-folder", str(cdi_spec)]
    with _docker("docker20", packages.DOCKER_20, {}, archives, flags, device, *more) as engine:
        yield engine


@pytest.fixture(scope="session")
def podman(archives: list[Path], cdi_spec: Path) -> Iterator[Engine]:
    """Debian 12's Podman 4.3, as root, over runc."""
    with podmen.podman("podman", archives, cdi_spec, engines.lower_runtime()) as engine:
        yield engine


@pytest.fixture(scope="session")
def crun(archives: list[Path], cdi_spec: Path) -> Iterator[Engine]:
    """The same over crun, which is what Debian's Podman takes of itself."""
    with podmen.podman("crun", archives, cdi_spec, Path("/usr/bin/crun")) as engine:
        yield engine


@pytest.fixture(scope="session")
def rootless(archives: list[Path], cdi_spec: Path) -> Iterator[Engine]:
    """The same as a user without rights, of a runtime that the administrator has installed."""
    with podmen.podman("rootless", archives, cdi_spec, engines.lower_runtime(), user=podmen.USER) as engine:
        yield engine


@pytest.fixture(scope="session")
def shaders(speech_archive: Path) -> list[str]:
    """Flags that give what Mesa has compiled already: for a driver that computes on the CPU that is most of the work."""
    folder = packages.FOLDER / "shaders"
    model = speech_archive / "small/tiny_en.mpk"
    words = ["transcribe", "--device", "gpu:llvmpipe", "--language", "en", "--model", model, SAMPLE]
    with (packages.FOLDER / "shaders.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            new = folder.with_suffix(".new")
            shutil.rmtree(new, ignore_errors=True)
            environment = {**os.environ, "MESA_SHADER_CACHE_DIR": str(new)}
            subprocess.run([engines.WHERRY, *words], env=environment, check=True, capture_output=True, timeout=600)
            new.rename(folder)
    return ["-v", f"{folder}:/shaders", "-e", "MESA_SHADER_CACHE_DIR=/shaders"]


@dataclass(frozen=True)
class Containerd:
    """A containerd by ctr(1) and by the CRI. `program` is our runtime's, `handler` its name to Kubernetes."""

    ctr: list[str]
    cri: Cri
    program: Path
    handler: str
    namespace: str


@pytest.fixture(scope="session")
def containerd(archives: list[Path], cdi_spec: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containerd]:
    """Debian 13's containerd 1.7, which knows our runtime as the handler `wherry`."""
    require_root()
    here = packages.unpack(*packages.DOCKER_26)
    lower = engines.lower_runtime()
    folder, prefix, namespace = STATE / "containerd", PREFIX, f"wherry-{TAG}-containerd"
    socket = folder / "containerd.sock"
    ctr = [str(here / "usr/bin/ctr"), "--address", str(socket)]

    def start() -> int:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        config = folder / "config.toml"
        config.write_text(
            f'version = 2\nroot = "{folder}/root"\nstate = "{folder}/state"\n\n[grpc]\n  address = "{socket}"\n\n'
            '[plugins]\n  [plugins."io.containerd.grpc.v1.cri"]\n    sandbox_image = "docker.io/library/pause:latest"\n'
            f'    restrict_oom_score_adj = true\n    cdi_spec_dirs = ["{cdi_spec}"]\n'
        )
        engines.install_runtime("containerd", prefix, config, lower, "--device-requests", "all", "--cdi-folder", str(cdi_spec))
        engines.network(namespace)
        programs = [*engines.programs_of(here), lower.parent]
        return engines.spawn(["containerd", "--config", str(config)], folder / "log", programs, namespace)

    def prepare() -> None:
        wait_until(lambda: subprocess.run([*ctr, "version"], capture_output=True, check=False).returncode == 0, folder / "log")
        for archive in (*archives[:2], _pause_image(folder)):
            command = [*ctr, "--namespace", "k8s.io", "images", "import", "--all-platforms", str(archive)]
            subprocess.run(command, check=True, capture_output=True, timeout=120)

    def end(process: int) -> None:
        engines.stop(process, namespace)
        shutil.rmtree(folder, ignore_errors=True)

    with shared("containerd", start, prepare, end):
        yield Containerd(ctr, Cri(socket), prefix / "bin/wherry-containerd", "wherry", namespace)


def _pause_image(folder: Path) -> Path:
    """What holds a pod's namespaces: a program that waits."""
    source, program = folder / "pause.c", folder / "pause"
    source.write_text("#include <unistd.h>\nint main(void) { for (;;) pause(); }\n")
    command = [sys.executable, "-m", "ziglang", "cc", "--target=x86_64-linux-musl", "-static", "-o", str(program), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    return write_image(folder / "pause.tar", "pause:latest", {"/pause": program.read_bytes()}, {"Entrypoint": ["/pause"]}, LINUX)


@pytest.fixture(scope="session")
def speech_archive(transcribe_guest: Path, tiny_en_files: ModelFiles) -> Path:
    """`speech.tar`: a guest, tiny.en in Burn's form, its configuration and tokenizer, and a recording.

    `small.tar`: the same with a network of one small layer that hears nothing, for drivers that compute on the CPU. Each is there
    as `*-only.tar` too, for wasi/wasm alone.
    """
    folder = ROOT / "build/engines/speech"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "speech.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name, write in (("speech", convert_whisper), ("small", _write_small)):
            model = folder / name / "tiny_en.mpk"
            model.parent.mkdir(exist_ok=True)
            if not model.with_suffix(".cfg").exists():
                write(tiny_en_files.weights, model, "burn")
            files = {f"/{file.name}": file.read_bytes() for file in model.parent.iterdir()}
            files |= {"/transcribe.wasm": transcribe_guest.read_bytes(), "/sample.wav": SAMPLE.read_bytes()}
            config = {"Entrypoint": ["/transcribe.wasm"], "Cmd": ["/sample.wav"], "Env": ["PATH=/bin"]}
            write_image(folder / f"{name}.tar", f"{name}:latest", files, config)
            write_image(folder / f"{name}-only.tar", f"{name}:latest", files, config, WASM[:1])
    return folder


def _write_small(published: Path, target: Path, form: str) -> None:
    """Every kernel runs, over few numbers; the end of the text is the most likely token wherever it is allowed."""
    dims = {"n_mels": 80, "n_audio_ctx": 1500, "n_vocab": 51864, "n_text_ctx": 448}
    dims |= {f"n_{side}_{what}": n for side in ("audio", "text") for what, n in (("state", 64), ("head", 1), ("layer", 1))}
    tensors = random_whisper(dims)
    tensors["decoder.ln.weight"][:] = 0
    tensors["decoder.ln.bias"][:] = np.eye(64)[0]
    tensors["decoder.token_embedding.weight"][:, 0] = 0
    tensors["decoder.token_embedding.weight"][_END_OF_TEXT, 0] = 40
    write_burn(target, tensors, dims)
    shutil.copy(published.with_name("tokenizer.json"), target.with_name("tokenizer.json"))
