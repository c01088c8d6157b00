"""Installation: configurations merged and restored, a runtime that stands alone, and what is told of updates."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.container.engines import WHERRY
from wherry.container import compose, engines, install, layout
from wherry.errors import FormatError, InputError, NotFoundError

PROGRAM = "/opt/wherry/bin/wherry-x"
NAME = "io.containerd.wasmedge.v1"


def merge(engine: str, text: str | None, name: str = NAME, *, images: bool = False) -> str:
    return engines.find_engine(engine, Path("config")).merge(text, engines.Registration(name, PROGRAM, images), Path("config"))


def remove(engine: str, text: str, name: str = NAME) -> str | None:
    return engines.find_engine(engine, Path("config")).remove(text, engines.Registration(name, PROGRAM), Path("config"))


# -- docker


def test_docker_keeps_what_it_has() -> None:
    old = {"log-driver": "local", "runtimes": {"nvidia": {"path": "nvidia-container-runtime"}}, "features": {"buildkit": True}}
    new = json.loads(merge("docker", json.dumps(old)))
    assert new == {
        **old,
        "runtimes": {**old["runtimes"], NAME: {"path": PROGRAM}},  # type: ignore[dict-item]
        "features": {"buildkit": True, "cdi": True},
    }
    assert json.loads(merge("docker", None)) == {"runtimes": {NAME: {"path": PROGRAM}}, "features": {"cdi": True}}
    assert merge("docker", merge("docker", None)) == merge("docker", None)


def test_docker_switches_its_image_store_only_when_asked() -> None:
    assert "containerd-snapshotter" not in merge("docker", None)
    assert json.loads(merge("docker", None, images=True))["features"]["containerd-snapshotter"] is True
    assert json.loads(merge("docker", '{"features": {"cdi": false}}'))["features"] == {"cdi": False}  # the administrator's word


def test_docker_after_an_edit_loses_only_our_entry() -> None:
    text = merge("docker", '{"runtimes": {"other": {"path": "/x"}}}')
    later = json.dumps({**json.loads(text), "debug": True})
    left = json.loads(remove("docker", later) or "")
    assert (left["runtimes"], left["debug"]) == ({"other": {"path": "/x"}}, True)


@pytest.mark.parametrize("text", ["{", "[]", '{"runtimes": []}', '{"features": 1}'])
def test_docker_configurations_that_are_none(text: str) -> None:
    with pytest.raises(FormatError, match="config"):
        merge("docker", text)


def test_a_name_that_is_anothers_is_not_taken() -> None:
    with pytest.raises(InputError, match="/other"):
        merge("docker", json.dumps({"runtimes": {NAME: {"path": "/other"}}}))
    with pytest.raises(InputError, match="/other"):
        merge("podman", f'[engine.runtimes]\n"{NAME}" = ["/other"]\n')
    table = f'version = 2\n[plugins."io.containerd.grpc.v1.cri".containerd.runtimes."{NAME}".options]\nBinaryName = "/other"\n'
    with pytest.raises(InputError, match="/other"):
        merge("containerd", table)


# -- podman and containerd

DEBIAN = """# the administrator's
version = 2

[plugins]
  [plugins."io.containerd.grpc.v1.cri"]
    [plugins."io.containerd.grpc.v1.cri".cni]
      bin_dir = "/usr/lib/cni"  # here
"""


@pytest.mark.parametrize("version", [2, 3])
def test_containerd_learns_a_handler_and_keeps_the_one_that_it_had_built_in(version: int) -> None:
    """A file that names any runtime replaces the built-in table, and containerd does not start without its default."""
    plugin = {2: "io.containerd.grpc.v1.cri", 3: "io.containerd.cri.v1.runtime"}[version]
    new = tomllib.loads(merge("containerd", f"version = {version}\n", "wherry"))
    cri = new["plugins"][plugin]
    assert cri["containerd"]["runtimes"] == {
        "runc": {"runtime_type": "io.containerd.runc.v2"},
        "wherry": {
            "runtime_type": "io.containerd.runc.v2",
            "pod_annotations": ["cdi.k8s.io/*"],
            "options": {"BinaryName": PROGRAM},
        },
    }
    assert cri.get("enable_cdi") == {2: True, 3: None}[version]  # version 3 has it on


def test_the_example_is_what_is_merged() -> None:
    example = (ROOT / "examples/kubernetes/containerd.toml").read_text()
    program = "/usr/local/lib/wherry/bin/wherry-containerd"
    merged = engines.find_engine("containerd").merge(None, engines.Registration("wherry", program), Path("config"))
    assert tomllib.loads(example) == tomllib.loads(merged)


def test_containerds_file_keeps_its_comments_and_order() -> None:
    new = merge("containerd", DEBIAN, "wherry")
    assert [line for line in DEBIAN.splitlines() if line not in new.splitlines()] == []
    assert tomllib.loads(new)["plugins"]["io.containerd.grpc.v1.cri"]["enable_cdi"] is True
    assert tomllib.loads(new)["plugins"]["io.containerd.grpc.v1.cri"]["cni"] == {"bin_dir": "/usr/lib/cni"}
    assert (remove("containerd", new, "wherry") or "").rstrip("\n") == DEBIAN.rstrip("\n")
    default = 'version = 2\n[plugins."io.containerd.grpc.v1.cri".containerd]\ndefault_runtime_name = "kata"\n'
    runtimes = tomllib.loads(merge("containerd", default, "wherry"))["plugins"]["io.containerd.grpc.v1.cri"]["containerd"][
        "runtimes"
    ]
    assert set(runtimes) == {"kata", "wherry"}


@pytest.mark.parametrize("text", ["version = 1\n", "[plugins]\n"])
def test_containerds_first_form_wants_migration(text: str) -> None:
    with pytest.raises(InputError, match="version") as caught:
        merge("containerd", text, "wherry")
    assert "config migrate" in caught.value.hint


def test_a_form_that_cannot_be_edited_is_left_alone_with_the_lines_to_add() -> None:
    inline = 'version = 2\nplugins = {"io.containerd.grpc.v1.cri" = {enable_cdi = true}}\n'
    with pytest.raises(InputError, match="merged") as caught:
        merge("containerd", inline, "wherry")
    assert PROGRAM in caught.value.hint
    with pytest.raises(FormatError, match="no TOML"):
        merge("containerd", "version = ", "wherry")


def test_podman_has_a_file_of_its_own_or_shares_one() -> None:
    alone = merge("podman", None)
    assert tomllib.loads(alone) == {"engine": {"runtimes": {NAME: [PROGRAM]}}}
    assert remove("podman", alone) is None
    old = '[engine]\ncgroup_manager = "cgroupfs"\n[engine.runtimes]\ncrun = ["/usr/bin/crun"]\n'
    new = merge("podman", old)
    assert tomllib.loads(new)["engine"] == {
        "cgroup_manager": "cgroupfs",
        "runtimes": {"crun": ["/usr/bin/crun"], NAME: [PROGRAM]},
    }
    assert remove("podman", new) == old


def test_engines_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert engines.find_engine("docker", root=False).config == tmp_path / "docker/daemon.json"
    assert engines.find_engine("podman", root=False).config == tmp_path / "containers/containers.conf.d/50-wherry.conf"
    assert engines.find_engine("docker", root=True).config == Path("/etc/docker/daemon.json")
    with pytest.raises(InputError, match="rkt"):
        engines.find_engine("rkt")


# -- the whole, with a folder instead of a system


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation for Docker and Podman below `prefix`, with their configurations beside it."""
    folder = tmp_path_factory.mktemp("system")
    (folder / "daemon.json").write_text(json.dumps({"pidfile": f"{folder}/docker.pid"}))
    said = wherry("install", "--engine", "docker", "--config", folder / "daemon.json", prefix=folder / "prefix")
    assert "composed" in said.stdout and "dockerd is not running" in said.stdout, said
    said = wherry("install", "--engine", "podman", "--config", folder / "podman.conf", prefix=folder / "prefix")
    assert "is current" in said.stdout, said
    return folder / "prefix"


def wherry(*arguments: str | Path, prefix: Path) -> subprocess.CompletedProcess[str]:
    command, *rest = arguments
    more = ["--oci-runtime", "/bin/true"] if command == "install" else []
    words = [WHERRY, "runtime", command, "--prefix", prefix, *more, *rest]
    return subprocess.run(words, capture_output=True, text=True, timeout=600, check=False)


@pytest.mark.slow
def test_a_dry_run_changes_nothing(tmp_path: Path) -> None:
    config = tmp_path / "daemon.json"
    config.write_text("{}")
    said = wherry("install", "--engine", "docker", "--config", config, "--dry-run", prefix=tmp_path / "prefix")
    assert (said.returncode, config.read_text(), (tmp_path / "prefix").exists()) == (0, "{}", False)
    assert f'+        "{NAME}"' in said.stdout


@pytest.mark.slow
def test_the_runtime_stands_alone(prefix: Path, tmp_path: Path) -> None:
    """In a root of its own, with nothing else in it, as any user: everything that a run imports is there."""
    record = json.loads((prefix / "docker.installed.json").read_text())
    runtime = Path(record["runtime"])
    manifest = compose.read_manifest(runtime)
    imports = "import av, llvmlite.binding, numpy, tokenizers, wasmtime, wgpu, wherry.cli.run, wherry.wasm.nn.backend"
    packages = f"{layout.RUNTIME}/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    code = f"import sys; sys.path.append({packages!r}); {imports}; print('all')"
    if os.geteuid():
        pytest.skip("left out: a root of its own wants root")
    root = tmp_path / "root"
    (root / ".wherry/runtime").mkdir(parents=True)
    command = layout.python_command(layout.RUNTIME, manifest.loader, layout.RUNTIME + "/lib")
    script = (
        'mount --bind "$1" "$2/.wherry/runtime" && shift && root=$1 && shift && exec chroot --userspec=1234:1234 "$root" "$@"'
    )
    words = ["unshare", "--mount", "sh", "-c", script, "sh", str(runtime), str(root), *command, "-c", code]
    result = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert (result.stdout, result.returncode) == ("all\n", 0), result.stderr
    assert {path.name for path in (root / ".wherry").iterdir()} == {"runtime"}


@pytest.mark.slow
def test_status_tells_what_an_update_made_stale(prefix: Path) -> None:
    assert wherry("status", prefix=prefix).returncode == 0
    record = json.loads((prefix / "docker.installed.json").read_text())
    manifest = Path(record["runtime"]) / "manifest.json"
    good = manifest.read_text()
    data = json.loads(good)
    glibc = next(file for file in data["files"] if file["path"] == "lib/libc.so.6")
    glibc["sha256"] = "0" * 64
    data["packages"]["numpy"] = "1.0"
    data["files"].append({**glibc, "path": "lib/gone.so", "source": "/usr/lib/gone.so"})
    manifest.write_text(json.dumps(data))
    try:
        said = wherry("status", prefix=prefix)
        told = json.loads(wherry("status", "--json", prefix=prefix).stdout)
    finally:
        manifest.write_text(good)
    assert said.returncode == 1
    for words in (
        f"{glibc['source']} has changed",
        "/usr/lib/gone.so is gone",
        "numpy is",
        "wherry runtime install --engine docker",
    ):
        assert words in said.stdout
    assert len(told[0]["problems"]) == 3
    config = Path(record["config"])
    text = config.read_text()
    config.write_text("{}")
    assert "does not name" in wherry("status", prefix=prefix).stdout
    config.write_text(text)


@pytest.mark.slow
def test_uninstall_restores_what_was(prefix: Path, tmp_path: Path) -> None:
    shutil.copytree(prefix, tmp_path / "prefix", symlinks=True)
    for engine in ("docker", "podman"):
        file = tmp_path / "prefix" / f"{engine}.installed.json"
        record = json.loads(file.read_text())
        shutil.copy(record["config"], tmp_path / f"{engine}.conf")
        file.write_text(
            json.dumps({**record, "config": str(tmp_path / f"{engine}.conf"), "program": str(tmp_path / "prefix/bin/x")})
        )
    said = wherry("uninstall", "--engine", "docker", prefix=tmp_path / "prefix")
    assert (tmp_path / "docker.conf").read_text() == json.loads((prefix / "docker.installed.json").read_text())["before"]
    assert "again what it was" in said.stdout
    assert (tmp_path / "prefix/runtimes").exists()  # Podman uses it
    edited = tmp_path / "podman.conf"
    edited.write_text('[engine]\nevents_logger = "file"\n\n' + edited.read_text())
    assert "edited since" in wherry("uninstall", "--engine", "podman", prefix=tmp_path / "prefix").stdout
    assert edited.read_text() == '[engine]\nevents_logger = "file"\n\n'
    missing = wherry("uninstall", "--engine", "podman", prefix=tmp_path / "prefix")
    assert (missing.returncode, "nothing installed" in missing.stderr) == (4, True)


@pytest.mark.parametrize("name", ["dockerd", "something"])
def test_dockerd_is_told_to_reload_and_nobody_else(tmp_path: Path, name: str) -> None:
    """A file with some process's number is no reason to signal that process. SIGHUP ends this one, which shows it."""
    shutil.copy("/bin/sleep", tmp_path / name)
    process = subprocess.Popen([tmp_path / name, "60"])
    (tmp_path / "docker.pid").write_text(str(process.pid))
    said: list[str] = []
    try:
        while Path(f"/proc/{process.pid}/comm").read_text() != f"{name}\n":
            pass  # it is between fork and exec
        config = json.dumps({"pidfile": str(tmp_path / "docker.pid")})
        install.take_notice(engines.find_engine("docker", tmp_path / "daemon.json"), config, said.append)
        if name == "dockerd":
            assert (process.wait(60), "sent SIGHUP" in said[0]) == (-signal.SIGHUP, True)
        else:
            assert (process.poll(), "not running" in said[0]) == (None, True)
    finally:
        process.kill()
        process.wait()


def test_nothing_installed_is_told(tmp_path: Path) -> None:
    said = wherry("status", prefix=tmp_path)
    assert (said.returncode, "found no runtime" in said.stderr) == (4, True)
    with pytest.raises(NotFoundError):
        compose.read_manifest(tmp_path)
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(FormatError):
        compose.read_manifest(tmp_path)
    (tmp_path / "docker.installed.json").write_text("{}")
    assert wherry("status", prefix=tmp_path).returncode == 3
