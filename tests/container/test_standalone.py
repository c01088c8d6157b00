"""Images that carry the runtime: engines run them as any other, with nothing installed and no flag."""

import fcntl
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import SAMPLE
from tests.container.engines import WHERRY, Engine, Result, lower_runtime, seed
from tests.container.state import STATE, once
from wherry.container.view import guest_folders
from wherry.engine.catalog import ModelFiles
from wherry.engine.convert import convert_whisper
from wherry.errors import NotFoundError

Plain = Callable[..., Result]


@pytest.fixture(scope="session")
def archive(
    tmp_path_factory: pytest.TempPathFactory, probe_guest: Path, transcribe_guest: Path, tiny_en_files: ModelFiles
) -> Path:
    """Two images of `wherry build --standalone`, saved: a probe, and speech with its model at the root."""

    def make(top: Path) -> None:
        app, talk = top / "app", top / "talk"
        (app / "data").mkdir(parents=True)
        talk.mkdir()
        (app / "probe.wasm").write_bytes(probe_guest.read_bytes())
        (app / "note").write_text("a note")
        (app / "data/inside").write_text("inside")
        (app / "Dockerfile").write_text(
            "FROM scratch\nCOPY probe.wasm note /\nCOPY data /data\nENV A=image\n"
            'ENTRYPOINT ["/probe.wasm"]\nCMD ["show", "from the image"]\n'
        )
        convert_whisper(tiny_en_files.weights, talk / "tiny_en.safetensors", "q8_0")
        (talk / "transcribe.wasm").write_bytes(transcribe_guest.read_bytes())
        (talk / "sample.wav").write_bytes(SAMPLE.read_bytes())
        (talk / "Dockerfile").write_text(
            "FROM scratch\nCOPY tiny_en.safetensors tiny_en.cfg tokenizer.json /\nCOPY transcribe.wasm sample.wav /\n"
            "LABEL wherry.preload=default:Burn:CPU:/tiny_en.safetensors:/tiny_en.cfg:/tokenizer.json:en\n"
            'ENTRYPOINT ["/transcribe.wasm", "/sample.wav"]\n'
        )
        seed(top / "cache/wherry/standalone")
        environment = {"XDG_CACHE_HOME": str(top / "cache"), "PATH": "/usr/bin:/bin", "HOME": str(top)}
        for words in (
            ["build", "--standalone", "-t", "alone", app],
            ["build", "--standalone", "-t", "talk", talk],
            ["save", "-o", top / "images.tar", "alone", "talk"],
        ):
            subprocess.run([WHERRY, *words], env=environment, check=True, capture_output=True)

    return once(tmp_path_factory, "standalone", make) / "images.tar"


@pytest.fixture(params=["docker20", "docker26", "podman"])
def engine(request: pytest.FixtureRequest, archive: Path) -> Engine:
    found: Engine = request.getfixturevalue(request.param)
    with (STATE / f"{found.name}.standalone.lock").open("w") as lock:  # half a gigabyte: once for all tests
        fcntl.flock(lock, fcntl.LOCK_EX)
        if found("image", "inspect", found.images + "alone").returncode:
            found("load", "-i", archive, check=True)
    return found


@pytest.fixture
def plain(engine: Engine) -> Plain:
    """`run IMAGE` without any of the flags that reach our runtime."""
    prefix = engine.images  # of several images in one archive Podman takes docker's names for its own
    platform = ["--platform=linux/amd64"] if engine.name == "docker26" else []  # its store has the whole index
    # Podman's own default, crun, wants a machine with one version of cgroups.
    below = ["--runtime", str(lower_runtime())] if engine.name == "podman" else []

    def run(*arguments: str, image: str = "alone", flags: tuple[str, ...] = ()) -> Result:
        return engine(*below, "run", "--rm", *platform, *flags, prefix + image, *arguments)

    return run


def lines(text: str, word: str) -> list[str]:
    return [line.removeprefix(word + " ") for line in text.splitlines() if line.startswith(word + " ")]


@pytest.mark.slow
def test_a_plain_run_is_enough(plain: Plain) -> None:
    result = plain(flags=("-e", "B=c"))
    assert result.returncode == 0, result.stderr
    assert lines(result.stdout, "argument") == ["/probe.wasm", "show", "from the image"]
    assert {"A=image", "B=c"} <= set(lines(result.stdout, "variable"))


@pytest.mark.slow
def test_the_guest_has_the_images_files_and_volumes_and_no_proc(plain: Plain, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    tmp_path.chmod(0o755)
    for path, found in (("/note", "a note"), ("/data/inside", "inside"), ("/volume/mine", "mine")):
        assert plain("read", path, flags=("-v", f"{tmp_path}:/volume")).stdout == found
    assert {"probe.wasm", "note", "data"} <= set(plain("list", "/").stdout.split())
    for folder in ("/proc", "/sys", "/dev", "/.wherry"):
        assert plain("list", folder).stdout == "", folder
    assert plain("read", "/proc/self/mem").returncode == 1
    assert plain("read", "/data/../proc/self/mem").returncode == 1


@pytest.mark.slow
def test_restrictions_and_exit_codes(plain: Plain) -> None:
    strict = ("--user", "1234", "--read-only", "--cap-drop", "ALL", "--network", "none", "--security-opt", "no-new-privileges")
    assert plain("read", "/note", flags=strict).stdout == "a note"
    assert plain("exit", "42").returncode == 42
    assert plain("trap").returncode == 6


@pytest.mark.slow
def test_speech_without_anything_installed(plain: Plain) -> None:
    """The model lies at the root and is too large for the guest's view of it: the preload finds it."""
    result = plain(image="talk")
    assert "A ferry is a light boat" in result.stdout, result


def test_the_view_of_a_root(tmp_path: Path) -> None:
    root, memory = tmp_path / "root", tmp_path / "shm"
    for name in ("proc/self", "sys", "dev", ".wherry/runtime", "data/deep", "etc"):
        (root / name).mkdir(parents=True)
    memory.mkdir()
    (root / "app.wasm").write_bytes(b"\0asm")
    (root / "data/file").write_text("x")
    (root / "large").write_bytes(bytes(17 << 20))
    (root / "link").symlink_to("/proc")
    for i in range(4):
        (root / f"middle{i}").write_bytes(bytes(15 << 20))
    with guest_folders(root, memory) as folders:
        assert [(name, path) for path, name in folders[1:]] == [("/data", root / "data"), ("/etc", root / "etc")]
        top = folders[0][0]
        assert folders[0][1] == "/" and top.parent == memory
        assert sorted(path.name for path in top.iterdir()) == ["app.wasm", "data", "etc", "middle0", "middle1", "middle2"]
        assert list((top / "data").iterdir()) == []
    assert list(memory.iterdir()) == []
    with pytest.raises(NotFoundError, match="shared memory"), guest_folders(root, tmp_path / "none"):
        pass
