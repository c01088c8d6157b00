"""Images from the command line: built, listed, saved, loaded, and run as `docker run` would run them."""

import io
import json
import os
import re
import shlex
import signal
import subprocess
import tarfile
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_commands import TEXT, WHERRY, Result, assert_refused, wherry
from tests.cli.test_docs import shell_lines
from tests.conftest import ROOT, build_guest
from tests.oci.registries import DockerRegistry, running
from wherry.engine.catalog import ModelFiles

PAGE = ROOT / "docs/images.md"
DOCKERFILE = """FROM scratch
WORKDIR /data
COPY kept.txt .
COPY files.wasm /files.wasm
ENV GREETING=hello
ENTRYPOINT ["/files.wasm", "args"]
CMD ["env", "GREETING"]
"""


class Cache:
    """A cache of its own, and a folder to build from."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.folder = top / "context"
        self.folder.mkdir()
        self.store = top / "cache/wherry/images"
        self.runs = top / "cache/wherry/rootfs/runs"
        (self.folder / "kept.txt").write_text("kept")
        (self.folder / "files.wasm").write_bytes(build_guest(ROOT / "tests/guests/deeds.c").read_bytes())

    def wherry(self, *arguments: str | Path, **environment: str) -> Result:
        return wherry(*arguments, XDG_CACHE_HOME=str(self.top / "cache"), **environment)

    def build(self, text: str = DOCKERFILE, *options: str, name: str = "app") -> str:
        (self.folder / "Dockerfile").write_text(text)
        result = self.wherry("build", "-t", name, *options, self.folder)
        assert result.returncode == 0, result
        return result.stdout.strip()

    def files(self) -> dict[Path, bytes]:
        """Every byte of the store and of the unpacked roots."""
        kept = [self.store / "blobs", self.top / "cache/wherry/rootfs/trees"]
        return {path: path.read_bytes() for folder in kept for path in folder.rglob("*") if path.is_file()}

    def run(self, *arguments: str | Path, **environment: str) -> list[str]:
        result = self.wherry("run", *arguments, **environment)
        assert (result.returncode, result.stderr) == (0, ""), result
        return result.stdout.splitlines()


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path)


# -- run


def test_entrypoint_command_and_variables_are_the_images(cache: Cache) -> None:
    """As docker has it: arguments replace CMD, --entrypoint both, -e adds and replaces."""
    cache.build()
    assert cache.run("app") == ["/files.wasm args env GREETING ", "hello"]
    assert cache.run("app", "env", "PWD") == ["/files.wasm args env PWD ", "/data"]
    assert cache.run("-e", "GREETING=hi", "-e", "MORE=x", "app", "env", "GREETING", "env", "MORE")[1:] == ["hi", "x"]
    assert cache.run("--entrypoint", "/files.wasm", "app", "args") == ["/files.wasm args "]
    assert cache.run("--entrypoint", "../files.wasm", "app", "args") == ["../files.wasm args "]
    assert cache.run("--rm", "--name", "x", "--platform", "wasip1/wasm", "--runtime", "io.containerd.wasmedge.v1", "app") != []


def test_the_root_is_the_guests_to_write_in_this_run_alone(cache: Cache) -> None:
    """What a guest writes, replaces and removes is there for it, and for nobody else; nothing of the run is left."""
    cache.build()
    cache.run("app")
    before = cache.files()
    deeds = "write /data/kept.txt spoilt cat /data/kept.txt write /new 1 cat /new rm /files.wasm cat /files.wasm"
    assert cache.run("app", *deeds.split())[1:] == ["spoilt", "1", "no /files.wasm"]
    assert cache.files() == before
    assert list(cache.runs.iterdir()) == []
    assert cache.run("app", "cat", "/data/kept.txt", "cat", "/new")[1:] == ["kept", "no /new"]
    lines = cache.run(
        "--read-only",
        "app",
        "write",
        "/data/kept.txt",
        "x",
        "write",
        "/new",
        "x",
        "rm",
        "/data/kept.txt",
        "cat",
        "/data/kept.txt",
    )
    assert lines[1:] == ["cannot write /data/kept.txt", "cannot write /new", "cannot remove /data/kept.txt", "kept"]
    assert cache.files() == before


def test_volumes_lie_over_the_root(cache: Cache, tmp_path: Path) -> None:
    cache.build()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/kept.txt").write_text("mine")
    assert cache.run("-v", f"{tmp_path}/mine:/data", "app", "cat", "/data/kept.txt", "write", "/data/out", "o")[1:] == ["mine"]
    assert (tmp_path / "mine/out").read_text() == "o"
    assert cache.run("-v", f"{tmp_path}/mine:/other:ro", "app", "cat", "/data/kept.txt", "write", "/other/x", "o")[1:] == [
        "kept",
        "cannot write /other/x",
    ]


def test_a_run_that_is_killed_leaves_nothing_for_long(cache: Cache) -> None:
    """SIGKILL while the guest runs: the next run sweeps its root, and the store is as it was."""
    (cache.folder / "loop.wasm").write_bytes(_forever())
    cache.build('FROM scratch\nCOPY loop.wasm /loop.wasm\nENTRYPOINT ["/loop.wasm"]\n', name="loop")
    cache.build()
    cache.run("app")
    before = cache.files()
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache.top / "cache")}
    running = subprocess.Popen([WHERRY, "run", "loop"], stdout=subprocess.PIPE, env=environment)
    assert running.stdout is not None and running.stdout.readline() == b"ready\n"
    assert len(list(cache.runs.iterdir())) == 2
    assert cache.wherry("prune").returncode == 0  # a root that runs stays
    running.send_signal(signal.SIGKILL)
    running.communicate()
    assert len(list(cache.runs.iterdir())) == 2
    assert cache.run("app", "cat", "/data/kept.txt")[1:] == ["kept"]
    assert list(cache.runs.iterdir()) == []
    assert before.items() <= cache.files().items()


def _forever() -> bytes:
    import wasmtime

    return bytes(
        wasmtime.wat2wasm("""(module
          (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
          (memory (export "memory") 1) (data (i32.const 8) "ready\\n")
          (func (export "_start")
            (i32.store (i32.const 0) (i32.const 8)) (i32.store (i32.const 4) (i32.const 6))
            (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 20)))
            (loop $again (br $again))))""")
    )


def test_settings_of_the_image_and_who_wins(cache: Cache) -> None:
    """Label, then variable, then option."""
    (cache.folder / "loop.wasm").write_bytes(_forever())
    text = 'FROM scratch\nCOPY loop.wasm /loop.wasm\nLABEL wherry.timeout=0.5\nENTRYPOINT ["/loop.wasm"]\n'
    cache.build(text, name="loop")
    for options, said in (
        ((), "0.5 s"),
        (("-e", "WHERRY_TIMEOUT=0.4"), "0.4 s"),
        (("-e", "WHERRY_TIMEOUT=9", "--timeout", "0.3"), "0.3 s"),
    ):
        result = cache.wherry("run", *options, "loop")
        assert result.returncode == 6 and f"ran for {said}" in result.stderr, result
    wrong = cache.wherry("run", "-e", "WHERRY_MEMORY=lots", "loop")
    assert_refused(wrong, 2, '"lots"', hint=False)


def test_an_images_preload_cannot_name_files_of_the_host(cache: Cache, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    preload = f"default:Burn:CPU:{tmp_path}/secret:{tmp_path}/secret:/data/kept.txt"
    cache.build(DOCKERFILE + f"LABEL wherry.preload={preload}\n")
    told = cache.wherry("run", "app")  # a guest that asks for it gets ModelNotFound
    assert told.returncode == 0 and f'found no file "{tmp_path}/secret" in the guest\'s folders' in told.stderr
    cache.build(DOCKERFILE + "LABEL wherry.preload=default:Burn:CPU:/data/kept.txt:/data/kept.txt:/../../../../etc/hostname\n")
    assert re.search(r"found no file .*hostname", cache.wherry("run", "app").stderr)
    cache.build(DOCKERFILE + "LABEL wherry.preload=default:Burn:CPU:/data/kept.txt:/data/kept.txt:/data/kept.txt\n")
    assert cache.wherry("run", "app").returncode == 0


def test_what_cannot_be_run_is_told(cache: Cache) -> None:
    assert_refused(cache.wherry("run", "--pull", "never", "nobody"), 4, '"nobody:latest"')
    assert_refused(cache.wherry("run", "--pull", "never", "No Body"), 2, "No Body", hint=False)
    cache.build()
    assert_refused(cache.wherry("run", "--entrypoint", "/none.wasm", "app"), 4, '"/none.wasm"', hint=False)
    assert_refused(cache.wherry("run", "--entrypoint", "/data/kept.txt", "app"), 3, "6b657074", hint=False)
    assert_refused(cache.wherry("run", "--entrypoint", "/../../../../bin/sh", "app"), 4, "bin/sh", hint=False)


def test_a_damaged_layer_is_told_and_mended_by_another_build(cache: Cache) -> None:
    cache.build()
    blob = max((cache.store / "blobs/sha256").iterdir(), key=lambda path: path.stat().st_size)
    blob.chmod(0o644)
    blob.write_bytes(blob.read_bytes()[:-1] + b"!")
    assert_refused(cache.wherry("run", "app"), 3, blob.name)
    assert_refused(cache.wherry("run", "app"), 4, blob.name)
    cache.build()
    assert cache.run("app")


def test_a_wasm_artifact_is_run_as_it_is(cache: Cache) -> None:
    result = cache.wherry("build", "-t", "tool:1", cache.folder / "files.wasm")
    assert result.returncode == 0
    assert cache.run("tool:1", "args", "env", "HOME") == ["tool:1 args env HOME ", "(none)"]
    said = json.loads(cache.wherry("inspect", "tool:1").stdout)
    assert said["artifact"] == "application/vnd.wasm.config.v0+json" and said["digest"] == result.stdout.strip()
    assert cache.wherry("build", "-t", "x", "-f", "y", cache.folder / "files.wasm").returncode == 2


def test_an_image_is_fetched_where_the_store_has_none(cache: Cache, tmp_path: Path) -> None:
    """As `docker run` does: built, pushed, removed, run."""
    with running(DockerRegistry(tmp_path / "registry")) as registry:
        name = f"localhost:{registry.port}/team/app:1"
        digest = cache.build(name=name)
        assert cache.wherry("push", name).returncode == 0
        cache.wherry("rm", name)
        cache.wherry("prune")
        assert_refused(cache.wherry("run", "--pull", "never", name), 4, name)
        result = cache.wherry("run", name)
        assert result.returncode == 0 and result.stdout.splitlines()[1] == "hello", result
        assert result.stderr.startswith(f"fetching {name}\n")
        assert json.loads(cache.wherry("inspect", name).stdout)["digest"] == digest
        assert cache.wherry("run", "--pull", "always", name).stderr.startswith("fetching")
    assert cache.run(name)[1] == "hello"  # the registry is gone, the image is here


@pytest.mark.skipif(os.geteuid() != 0 and not os.environ.get("CI"), reason="a small file system needs root")
def test_a_full_disk_is_told_with_what_to_do(cache: Cache) -> None:
    (cache.folder / "large").write_bytes(os.urandom(4 << 20))
    (cache.folder / "Dockerfile").write_text(DOCKERFILE + "COPY large /large\n")
    small = cache.top / "small"
    small.mkdir()
    words = f"mount -t tmpfs -o size=3m none {small} && exec '{WHERRY}' build -t app '{cache.folder}'"
    environment = {**os.environ, "XDG_CACHE_HOME": str(small)}
    command = ["unshare", "-m", "sh", "-c", words]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert result.returncode == 1
    assert re.search(r"^wherry: .*/images/incoming: the disk is full\nhint: .*wherry prune", result.stderr, re.M), result


# -- the store


def test_an_image_is_listed_inspected_named_and_removed(cache: Cache) -> None:
    digest = cache.build(DOCKERFILE + "EXPOSE 80\nLABEL a=b wherry.memory=64m\n")
    assert cache.wherry("tag", "app", "localhost:5000/team/app:2").returncode == 0
    rows = json.loads(cache.wherry("images", "--json").stdout)
    assert [row["name"] for row in rows] == ["app:latest", "localhost:5000/team/app:2"]
    assert {row["digest"] for row in rows} == {digest}
    assert rows[0]["platforms"] == ["wasi/wasm", "wasip1/wasm", "linux/amd64"]
    assert digest[7:19] in cache.wherry("images").stdout
    said = json.loads(cache.wherry("inspect", digest[7:19]).stdout)
    assert (said["entrypoint"], said["cmd"], said["workingDir"]) == (["/files.wasm", "args"], ["env", "GREETING"], "/data")
    assert said["exposedPorts"] == ["80/tcp"] and said["labels"]["a"] == "b" and said["run"] == {"memory": "64m"}
    assert said["env"] == ["WHERRY_MEMORY=64m", "GREETING=hello"]
    assert json.loads(cache.wherry("inspect", "--platform", "linux/amd64", "app").stdout)["platform"] == "linux/amd64"
    assert json.loads(cache.wherry("inspect", "--raw", "app").stdout)["schemaVersion"] == 2
    assert_refused(cache.wherry("inspect", "--platform", "linux/s390x", "app"), 4, "linux/s390x")
    assert cache.wherry("rm", "app").stdout == "app:latest\n"
    assert cache.wherry("prune").stdout.startswith("0 files")
    assert cache.wherry("rm", digest).returncode == 0
    assert cache.wherry("prune").stdout.startswith("10 files")
    assert_refused(cache.wherry("rm", "app"), 4, "app:latest")
    assert cache.wherry("images").stdout.split() == ["NAME", "DIGEST", "SIZE", "PLATFORMS"]


def test_saved_and_loaded(cache: Cache, tmp_path: Path) -> None:
    digest = cache.build()
    assert cache.wherry("save", "-o", tmp_path / "app.tar", "app").returncode == 0
    assert cache.wherry("save", "--layout", tmp_path / "layout", "app").returncode == 0
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache.top / "cache")}
    piped = subprocess.run([WHERRY, "save", "app"], capture_output=True, check=True, env=environment).stdout
    assert piped == (tmp_path / "app.tar").read_bytes()
    with tarfile.open(fileobj=io.BytesIO(piped)) as tar:
        assert "manifest.json" in tar.getnames()
    other = {"XDG_CACHE_HOME": str(tmp_path / "other")}
    for source in (tmp_path / "app.tar", tmp_path / "layout"):
        assert wherry("load", "-t", "b:1", "-i", source, **other).stdout == f"b:1 {digest}\n"
    given = subprocess.run([WHERRY, "load"], input=piped, capture_output=True, check=True, env=os.environ | other)
    assert given.stdout.decode() == f"app:latest {digest}\n"
    assert wherry("run", "app", **other).stdout.startswith("/files.wasm")
    assert_refused(wherry("load", "-i", tmp_path / "none", **other), 4, "none", hint=False)
    assert_refused(wherry("load", "-i", cache.folder / "kept.txt", **other), 3, "kept.txt", hint=False)
    assert_refused(wherry("save", "nothing", **other), 4, "nothing")
    assert_refused(wherry("save", "-o", "x", "--layout", "y", "app", **other), 2, "--layout", hint=False)
    assert list(tmp_path.glob(".app.tar-*")) == []


def test_building_tells_what_it_does(cache: Cache) -> None:
    (cache.folder / "Dockerfile").write_text(DOCKERFILE)
    result = cache.wherry("build", "-t", "app", cache.folder)
    assert [line.split("  ")[0] for line in result.stderr.splitlines()[:-1]] == ["layer 1/3", "layer 2/3", "layer 3/3"]
    assert result.stderr.splitlines()[-1] == f"app:latest is {result.stdout.strip()}"
    quiet = cache.wherry("build", "-q", cache.folder)
    assert (quiet.stdout, quiet.stderr) == (result.stdout, "")
    assert cache.build(DOCKERFILE, "--compression", "zstd") != quiet.stdout.strip()
    assert_refused(cache.wherry("build", "--build-arg", "X", cache.folder), 2, "--build-arg", hint=False)
    (cache.folder / "Dockerfile").write_text(DOCKERFILE + "RUN ls\n")
    assert_refused(cache.wherry("build", cache.folder), 2, "Dockerfile:8: RUN", hint=False)


# -- the page


@pytest.fixture
def checkout(transcribe_guest: Path, tiny_en_files: ModelFiles, tmp_path: Path) -> Path:
    """A checkout as the page's reader has it after `make setup`."""
    for name in ("src", "apps"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "build/guests").mkdir(parents=True)
    (tmp_path / "build/guests/transcribe.wasm").write_bytes(transcribe_guest.read_bytes())
    (tmp_path / ".cache/wherry/models").mkdir(parents=True)
    (tmp_path / ".cache/wherry/models/whisper-tiny.en").symlink_to(tiny_en_files.weights.parent)
    return tmp_path


def page_block(kind: str) -> str:
    return PAGE.read_text().split(f"```{kind}\n")[1].split("```")[0]


@pytest.mark.slow
def test_the_pages_commands_run(checkout: Path) -> None:
    """From nothing to a transcript; the image is at most 45 MB to pull."""
    here: dict[str, Any] = {"cwd": checkout, "XDG_CACHE_HOME": str(checkout / ".cache")}
    heard, bytes_of = 0, {}
    for line in shell_lines(PAGE):
        arguments = [argument.replace("~", str(checkout)) for argument in shlex.split(line)[1:]]
        result = wherry(*arguments, **here)
        assert result.returncode == 0, (line, result)
        heard += TEXT in result.stdout
        if arguments[0] == "build":
            bytes_of = {row["name"]: row["bytes"] for row in json.loads(wherry("images", "--json", **here).stdout)}
    assert heard == 1
    assert 20e6 < bytes_of["transcribe:latest"] <= 45e6


@pytest.mark.slow
def test_the_pages_project_is_the_dockerfile(checkout: Path) -> None:
    model = checkout / "build/model"
    model.mkdir()
    for name in ("tiny_en.safetensors", "tiny_en.cfg", "tokenizer.json"):
        (model / name).write_text(name)
    text = page_block("toml")
    assert tomllib.loads(text)["name"] == "transcribe"
    (checkout / "build/wherry.toml").write_text(text)
    here: dict[str, Any] = {"cwd": checkout, "XDG_CACHE_HOME": str(checkout / ".cache")}
    said = []
    for arguments in (["build"], ["-f", "apps/transcribe/Dockerfile", "-t", "transcribe", "build"]):
        result = wherry("build", *arguments, **here)
        assert result.returncode == 0, result
        found = json.loads(wherry("inspect", "transcribe", **here).stdout)
        said.append([found[name] for name in ("layers", "entrypoint", "cmd", "env", "workingDir", "labels", "run")])
    assert said[0] == said[1]


def test_a_build_has_all_its_names_or_none(cache: Cache) -> None:
    (cache.folder / "Dockerfile").write_text(DOCKERFILE)
    result = cache.wherry("build", "-t", "a:1", "-t", "localhost:5000/b:2", "-t", "a:1", cache.folder)
    assert result.returncode == 0 and "a:1 is" in result.stderr and "b:2 is" in result.stderr
    listed = json.loads(cache.wherry("images", "--json").stdout)
    assert {row["name"]: row["digest"] for row in listed} == dict.fromkeys(["a:1", "localhost:5000/b:2"], result.stdout.strip())
    (cache.folder / "app.py").write_text("this would not compile (")
    (cache.folder / "Dockerfile").unlink()
    for wrong, words in (("UPPER", "expected a-z"), ("a:b:c", "found"), (f"x@sha256:{'1' * 64}", "without a digest")):
        refused = cache.wherry("build", "-t", "good", "-t", wrong, cache.folder)
        assert refused.returncode == 2 and words in refused.stderr and "compil" not in refused.stderr
    (cache.folder / "wherry.toml").write_text('name = "No Name"')
    assert "expected a-z" in cache.wherry("build", cache.folder).stderr
