"""What is edited in an OCI configuration, and what never is."""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wherry.container import bundle, layout, wrapper
from wherry.container.rootfs import Root
from wherry.errors import FormatError, InputError, NotFoundError

WASM = b"\0asm\1\0\0\0"


def config(folder: Path, args: list[str], **process: Any) -> dict[str, Any]:
    """A bundle whose root has /app.wasm and /plain (a module) and /program (none)."""
    root = folder / "rootfs"
    root.mkdir(exist_ok=True)
    for name, data in (("app.wasm", WASM), ("plain", WASM), ("program", b"\x7fELF")):
        (root / name).write_bytes(data)
    return {
        "ociVersion": "1.0.2",
        "process": {"args": args, "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 7, "gid": 8}, **process},
        "root": {"path": "rootfs", "readonly": True},
        "hostname": "box",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid"]},
            {"destination": "/data", "type": "bind", "source": "/srv", "options": ["rbind", "ro"]},
        ],
        "linux": {
            "seccomp": {"defaultAction": "SCMP_ACT_ERRNO"},
            "namespaces": [{"type": "pid"}],
            "resources": {"memory": {"limit": 1}},
        },
    }


def edited(folder: Path, data: dict[str, Any], **changes: Any) -> dict[str, Any]:
    path = folder / "config.json"
    path.write_text(json.dumps(data))
    wrapper.edit_container(str(path), settings_of(folder, **changes))
    result: dict[str, Any] = json.loads(path.read_text())
    return result


def settings_of(folder: Path, **changes: Any) -> wrapper.Settings:
    (folder / "modules").mkdir(exist_ok=True)
    values = {"runtime": "/opt/runtime", "loader": "ld.so", "modules": str(folder / "modules"), "lower": "/bin/false"}
    return wrapper.Settings(**{**values, "device_requests": "none", "spec_folders": (), **changes})


def test_a_module_is_run_by_the_runtime_and_all_else_stays(tmp_path: Path) -> None:
    before = config(tmp_path, ["/app.wasm", "a", "--b"])
    after = edited(tmp_path, copy.deepcopy(before))
    assert after["process"]["args"][-4:] == ["/app.wasm", "/app.wasm", "a", "--b"]
    assert after["process"]["args"][0] == f"{layout.RUNTIME}/lib/ld.so"
    added = after["mounts"][3:]
    assert [mount["destination"] for mount in added] == [layout.RUNTIME, layout.MODULES, layout.ROOT, layout.ROOT + "/data"]
    assert all("ro" in mount["options"] for mount in added)
    assert added[3] == {**before["mounts"][2], "destination": layout.ROOT + "/data"}
    del after["process"]["args"], before["process"]["args"], after["mounts"][3:]
    assert after == before


def test_a_writable_root_is_as_writable_for_the_guest(tmp_path: Path) -> None:
    data = config(tmp_path, ["/app.wasm"])
    data["root"]["readonly"] = False
    roots = [mount for mount in edited(tmp_path, data)["mounts"] if mount["destination"] == layout.ROOT]
    assert [(mount["source"], "ro" in mount["options"]) for mount in roots] == [(str(tmp_path / "rootfs"), False)]


@pytest.mark.parametrize("args", [["/program"], ["/nowhere"], ["program", "/app.wasm"], ["sh", "-c", "/app.wasm"], []])
def test_other_programs_are_untouched(tmp_path: Path, args: list[str]) -> None:
    data = config(tmp_path, args)
    text = json.dumps(data, indent=3)
    (tmp_path / "config.json").write_text(text)
    wrapper.edit_container(str(tmp_path / "config.json"), settings_of(tmp_path))
    assert (tmp_path / "config.json").read_text() == text


@pytest.mark.parametrize(
    ("args", "path"),
    [
        (["app.wasm"], "/app.wasm"),
        (["./app.wasm"], "/app.wasm"),
        (["/plain"], "/plain"),
        (["plain"], "/plain"),
        (["/sbin/docker-init", "--", "/app.wasm", "x"], "/app.wasm"),
        (["/dev/init", "--", "/app.wasm"], "/app.wasm"),
        (["/run/podman-init", "--", "/app.wasm"], "/app.wasm"),
    ],
)
def test_entrypoints_are_known_by_name_and_by_first_bytes(tmp_path: Path, args: list[str], path: str) -> None:
    after = edited(tmp_path, config(tmp_path, args))["process"]["args"]
    start = args.index("--") + 1 if "--" in args else 0
    assert after[:start] == args[:start]
    assert after[-len(args[start:]) - 1 :] == [path, *args[start:]]


def test_a_module_is_found_in_the_working_folder_then_in_path(tmp_path: Path) -> None:
    data = config(tmp_path, ["tool"], cwd="/work", env=["PATH=/none:/tools"])
    for name in ("work", "tools"):
        (tmp_path / "rootfs" / name).mkdir()
    (tmp_path / "rootfs/tools/tool").write_bytes(WASM)
    assert edited(tmp_path, copy.deepcopy(data))["process"]["args"][-2] == "/tools/tool"
    (tmp_path / "rootfs/work/tool").write_bytes(WASM)
    assert edited(tmp_path, data)["process"]["args"][-2] == "/work/tool"


def test_a_module_that_is_not_there_is_told_in_the_engines_words(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no such file or directory"):
        edited(tmp_path, config(tmp_path, ["/gone.wasm"]))


def test_a_module_under_a_mount_is_read_where_it_lies(tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    (tmp_path / "given/tool").write_bytes(WASM)
    data = config(tmp_path, ["/data/tool"])
    data["mounts"][2]["source"] = str(tmp_path / "given")
    assert edited(tmp_path, data)["process"]["args"][-2] == "/data/tool"
    unknown = config(tmp_path, ["/dev/shm/late.wasm"])  # a tmpfs: who knows what will be there
    assert edited(tmp_path, unknown)["process"]["args"][-2] == "/dev/shm/late.wasm"


# -- the root of a container whose maker is not trusted


def test_links_stay_inside_the_root(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(WASM)
    root = tmp_path / "root"
    root.mkdir()
    (root / "up").symlink_to("../secret")
    (root / "absolute").symlink_to(tmp_path / "secret")
    (root / "folder").symlink_to("..")
    (root / "loop").symlink_to("loop")
    (root / "etc").mkdir()
    (root / "etc/real").write_bytes(WASM)
    (root / "good").symlink_to("/etc/real")
    found = Root(str(root), [])
    for path in ("/up", "/absolute", "/folder/secret", "/../secret", "/loop"):
        with pytest.raises(OSError):
            found.open(path)
    handle = found.open("/good")
    assert handle is not None
    os.close(handle)
    assert found.resolve("/folder/etc") == "/etc"


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    """A pipe would hang whoever opens it; a device might do anything."""
    os.mkfifo(tmp_path / "app.wasm")
    (tmp_path / "folder.wasm").mkdir()
    for path in ("/app.wasm", "/folder.wasm"):
        with pytest.raises(OSError):
            Root(str(tmp_path), []).open(path)


NAMES = st.sampled_from(["a", "b", "..", ".", "link", "out", "/", ""])


@given(parts=st.lists(NAMES, max_size=8), target=st.lists(NAMES, min_size=1, max_size=5))
@settings(max_examples=200, deadline=None)
def test_no_path_leads_out(tmp_path_factory: pytest.TempPathFactory, parts: list[str], target: list[str]) -> None:
    """Against the kernel's own view: chroot(2) into the root, in effect `realpath` relative to it."""
    root = tmp_path_factory.mktemp("root")
    (root / "a/b").mkdir(parents=True)
    (root / "a/link").symlink_to("/".join(target) or "a")
    try:
        resolved = Root(str(root), []).resolve("/".join(["a", *parts]))
    except OSError:
        return
    assert resolved.startswith("/") and ".." not in resolved.split("/")
    assert (root / resolved.lstrip("/")).resolve().is_relative_to(root.resolve()) or not (root / resolved.lstrip("/")).exists()


# -- the command line


@pytest.mark.parametrize(
    ("argv", "command", "expected"),
    [
        (
            ["--root", "/run/x", "--log", "/l", "--log-format", "json", "create", "--bundle", "/b", "id"],
            "create",
            {"--bundle": "/b"},
        ),
        (["--log=/l", "create", "-b", "/b", "--pid-file=/p", "id"], "create", {"--bundle": "/b"}),
        (["--systemd-cgroup", "--debug", "run", "--detach", "--bundle=/b", "id"], "run", {"--bundle": "/b"}),
        (["exec", "-d", "--process", "/p.json", "--pid-file", "/f", "id"], "exec", {"--process": "/p.json"}),
        (["exec", "-p", "/p.json", "id"], "exec", {"--process": "/p.json"}),
        (["--root", "create", "state", "id"], "state", {}),
        (["kill", "create", "9"], "kill", {}),
    ],
)
def test_command_lines(argv: list[str], command: str, expected: dict[str, str]) -> None:
    call = wrapper.parse(argv)
    assert call.command == command
    assert {key: value for key, value in call.options.items() if key in ("--bundle", "--process")} == expected
    if command in ("create", "run", "exec"):
        assert argv[call.rest] == "id"
    if "/l" in " ".join(argv):
        assert call.log == "/l"


def program(folder: Path, *argv: str, lower: str = "/bin/echo") -> subprocess.CompletedProcess[str]:
    """The wrapper as a program."""
    data = settings_of(folder, lower=lower)._asdict()
    (folder / "settings.json").write_text(json.dumps(data))
    command = [sys.executable, "-m", "wherry.container.wrapper", str(folder / "settings.json"), *argv]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=folder)


def test_everything_else_reaches_the_runtime_below_word_by_word(tmp_path: Path) -> None:
    words = ["--root", "/x", "state", "--format", "{a b}", "id"]
    assert program(tmp_path, *words).stdout == " ".join(words) + "\n"
    (tmp_path / "config.json").write_text(json.dumps(config(tmp_path, ["/app.wasm"])))
    assert program(tmp_path, "run", "id").stdout == "run id\n"  # the bundle is where it was started
    assert layout.RUNTIME in (tmp_path / "config.json").read_text()


def test_errors_are_said_where_engines_look(tmp_path: Path) -> None:
    log = tmp_path / "log.json"
    log.write_text("")
    (tmp_path / "config.json").write_text(json.dumps(config(tmp_path, ["/gone.wasm"])))
    for bundle_folder, words in ((tmp_path, "/gone.wasm"), (tmp_path / "nowhere", "config.json: found no such file")):
        result = program(tmp_path, "--log", str(log), "--log-format", "json", "create", "--bundle", str(bundle_folder), "id")
        last = json.loads(log.read_text().splitlines()[-1])
        assert result.returncode == 1
        assert last["level"] == "error" and words in last["msg"] and last["time"]
        assert words in result.stderr and "Traceback" not in result.stderr


@pytest.mark.parametrize("text", ["", "[]", "{", '{"process": {}}'])
def test_a_broken_configuration_is_the_engines_or_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    result = program(tmp_path, "create", "--bundle", str(tmp_path), "id")
    assert "Traceback" not in result.stderr
    assert (result.returncode == 0) == (text == '{"process": {}}')


def test_the_wrapper_imports_little(tmp_path: Path) -> None:
    """It is started with every container; these alone would double its time."""
    code = "import sys; import wherry.container.wrapper; print(*sys.modules)"
    source = Path(wrapper.__file__).parents[2]
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.append({str(source)!r}); {code}"]
    loaded = set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert not loaded & {"pathlib", "dataclasses", "inspect", "subprocess", "tempfile", "click", "numpy", "hashlib", "logging"}


# -- devices for engines without CDI

SPEC = {
    "cdiVersion": "0.5.0",
    "kind": "docker.com/gpu",
    "devices": [
        {
            "name": "webgpu",
            "containerEdits": {
                "mounts": [{"hostPath": "/etc/hostname", "containerPath": "/.wherry/gpu/lib/x", "options": ["ro"]}],
                "deviceNodes": [{"path": "/dev/gpu", "hostPath": "/dev/null", "fileMode": 0o666, "permissions": "rw"}],
            },
        }
    ],
}
ASKING = {
    "mount": {"mounts": [{"destination": "/var/run/cdi-devices/docker.com/gpu=webgpu", "type": "bind", "source": "/dev/null"}]},
    "variable": {"env": ["CDI_DEVICES=docker.com/gpu=webgpu"]},
    "annotation": {"annotations": {"cdi.k8s.io/wherry": "docker.com/gpu=webgpu"}},
}


def asking(folder: Path, way: str, name: str = "docker.com/gpu=webgpu") -> dict[str, Any]:
    data = config(folder, ["/app.wasm"])
    text = json.dumps(ASKING[way]).replace("docker.com/gpu=webgpu", name)
    added = json.loads(text)
    data["mounts"] += added.get("mounts", [])
    data["process"]["env"] += added.get("env", [])
    data["annotations"] = added.get("annotations", {})
    (folder / "cdi").mkdir(exist_ok=True)
    (folder / "cdi/wherry.json").write_text(json.dumps(SPEC))
    return data


@pytest.mark.parametrize(
    ("way", "allowed", "given"),
    [
        ("mount", "mounts", True), ("mount", "all", True), ("mount", "none", False), ("variable", "all", True),
        ("variable", "mounts", False), ("variable", "none", False), ("annotation", "all", True), ("annotation", "mounts", False),
    ],
)  # fmt: skip
def test_a_device_is_given_only_as_the_administrator_allows(tmp_path: Path, way: str, allowed: str, given: bool) -> None:
    data = asking(tmp_path, way)
    options = {"device_requests": allowed, "spec_folders": (str(tmp_path / "cdi"),)}
    if not given:
        with pytest.raises(InputError, match="not allowed") as caught:
            edited(tmp_path, data, **options)
        assert "--device-requests" in caught.value.hint
        return
    after = edited(tmp_path, data, **options)
    assert [m["source"] for m in after["mounts"] if m["destination"] == "/.wherry/gpu/lib/x"] == ["/etc/hostname"]
    assert not [m for m in after["mounts"] if "cdi-devices" in m["destination"]]
    assert after["linux"]["devices"] == [
        {"path": "/dev/gpu", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666, "uid": 0, "gid": 0}
    ]
    rule = {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "rw"}
    assert after["linux"]["resources"]["devices"] == [rule]


def test_what_the_engine_has_given_already_is_neither_doubled_nor_refused(tmp_path: Path) -> None:
    options = {"spec_folders": (str(tmp_path / "cdi"),)}
    given = edited(tmp_path, asking(tmp_path, "annotation"), device_requests="all", **options)
    again = config(tmp_path, ["/app.wasm"])
    again |= {"annotations": given["annotations"], "linux": given["linux"]}
    again["mounts"] += [m for m in given["mounts"] if m["destination"] == "/.wherry/gpu/lib/x"]
    after = edited(tmp_path, again, device_requests="none", **options)
    assert len([m for m in after["mounts"] if m["destination"] == "/.wherry/gpu/lib/x"]) == 1
    assert len(after["linux"]["devices"]) == 1


def test_other_kinds_are_refused_and_other_annotations_are_not_ours(tmp_path: Path) -> None:
    options = {"device_requests": "all", "spec_folders": (str(tmp_path / "cdi"),)}
    for way in ("mount", "variable"):
        with pytest.raises(InputError, match=r"nvidia.com/gpu=0.*docker.com/gpu"):
            edited(tmp_path, asking(tmp_path, way, "nvidia.com/gpu=0"), **options)
    assert "devices" not in edited(tmp_path, asking(tmp_path, "annotation", "nvidia.com/gpu=0"), **options)["linux"]


def test_a_device_without_a_spec_and_a_broken_spec_are_told(tmp_path: Path) -> None:
    options = {"device_requests": "all", "spec_folders": (str(tmp_path / "cdi"), str(tmp_path / "none"))}
    with pytest.raises(NotFoundError, match=r"docker\.com/gpu=other"):
        edited(tmp_path, asking(tmp_path, "mount", "docker.com/gpu=other"), **options)
    data = asking(tmp_path, "mount")
    hooked = copy.deepcopy(SPEC)
    hooked["devices"][0]["containerEdits"]["hooks"] = [{"hookName": "createRuntime", "path": "/bin/sh"}]  # type: ignore[index]
    for text, words in (("{", "no JSON"), ("[]", "list"), (json.dumps(hooked), "hooks")):
        (tmp_path / "cdi/wherry.json").write_text(text)
        with pytest.raises(FormatError, match=words):
            edited(tmp_path, copy.deepcopy(data), **options)


def test_a_process_of_exec_is_edited_like_the_first(tmp_path: Path) -> None:
    data = config(tmp_path, ["/app.wasm"])
    path = tmp_path / "process.json"
    root = Root(str(tmp_path / "rootfs"), [])
    path.write_text(json.dumps({**data["process"], "args": ["/plain", "x"], "terminal": True}))
    path.chmod(0o640)
    wrapper.edit_process(str(path), root, settings_of(tmp_path))
    after = json.loads(path.read_text())
    assert after["args"][-3:] == ["/plain", "/plain", "x"]
    assert (after["terminal"], after["user"], path.stat().st_mode & 0o777) == (True, {"uid": 7, "gid": 8}, 0o640)
    call = wrapper.parse(argv := ["exec", "--cwd", "/", "id", "/app.wasm", "-x"])
    assert wrapper.edit_words(argv, call, root, settings_of(tmp_path))[-3:] == ["/app.wasm", "/app.wasm", "-x"]
    other = ["exec", "id", "/program"]
    assert wrapper.edit_words(other, wrapper.parse(other), root, settings_of(tmp_path)) == other


def test_find_module_wants_no_more_than_a_process() -> None:
    assert bundle.find_module({}, Root("/nowhere", [])) is None
