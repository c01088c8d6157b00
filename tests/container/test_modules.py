"""Compiled modules: made once, in a container that sees nothing, and safe from who made them."""

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import wasmtime

from tests.container import engines
from tests.container.engines import Engine
from tests.container.state import PREFIX
from wherry.container import layout, modules
from wherry.container.compose import read_manifest
from wherry.errors import InputError
from wherry.wasm.module import load_module, new_engine


def padded(data: bytes, size: int = 1 << 20) -> bytes:
    """The same module with a custom section, so that it is worth compiling ahead."""
    name = b"\x07padding"
    content = name + bytes(size)
    length, out = len(content), bytearray()
    while length > 127:
        out.append(length & 127 | 128)
        length >>= 7
    return data + b"\0" + bytes([*out, length]) + content


@contextmanager
def opened(path: Path, data: bytes) -> Iterator[int]:
    path.write_bytes(data)
    handle = os.open(path, os.O_RDONLY)
    yield handle
    os.close(handle)


@pytest.fixture(scope="module")
def runtime(docker26: Engine) -> dict[str, str]:
    """What the wrapper's settings say of the composed runtime."""
    record = json.loads((PREFIX / "docker.installed.json").read_text())
    loader = read_manifest(Path(record["runtime"])).loader
    return {"runtime": record["runtime"], "loader": loader, "lower": str(engines.lower_runtime())}


SEVEN = padded(wasmtime.wat2wasm('(module (func (export "seven") (result i32) i32.const 7))'))


@pytest.mark.slow
def test_a_module_is_compiled_once_and_runs(runtime: dict[str, str], tmp_path: Path) -> None:
    """Ten at once make one; what they made is what wasmtime would have made, and is taken without compiling again."""

    def ask(number: int) -> str:
        with opened(tmp_path / f"{number}.wasm", SEVEN) as handle:
            return modules.folder_for(handle, str(tmp_path / "modules"), container={}, **runtime)

    with ThreadPoolExecutor(10) as pool:
        folders = set(pool.map(ask, range(10)))
    (folder,) = folders
    (made,) = Path(folder, "cwasm").iterdir()
    before = made.stat()
    assert (before.st_uid, before.st_mode & 0o777) == (0, 0o644)
    said: list[str] = []
    engine = new_engine()
    module = load_module(engine, tmp_path / "0.wasm", Path(folder), said.append)
    store = wasmtime.Store(engine)
    store.set_epoch_deadline(1)
    seven = wasmtime.Instance(store, module, []).exports(store)["seven"]
    assert isinstance(seven, wasmtime.Func)
    assert (seven(store), said) == (7, [])
    assert [(path.name, path.stat().st_ino) for path in Path(folder, "cwasm").iterdir()] == [(made.name, before.st_ino)]
    assert not list((tmp_path / "modules").rglob(".compiling-*"))


@pytest.mark.slow
def test_what_does_not_compile_leaves_nothing_and_is_told(runtime: dict[str, str], tmp_path: Path) -> None:
    with (
        opened(tmp_path / "bad.wasm", padded(b"\0asm\1\0\0\0") + b"\x63nonsense") as handle,
        pytest.raises(InputError, match="compiling failed"),
    ):
        modules.folder_for(handle, str(tmp_path / "modules"), container={}, **runtime)
    left = [path for path in (tmp_path / "modules").rglob("*") if path.is_dir()]
    assert left == [tmp_path / "modules" / Path(runtime["runtime"]).name]


@pytest.mark.slow
def test_the_compiler_has_no_rights_and_no_network(runtime: dict[str, str], tmp_path: Path) -> None:
    """Its configuration, run with another program, which says what it can do."""
    for part in ("rootfs", "input", "output"):
        (tmp_path / part).mkdir()
    os.chown(tmp_path / "output", 65534, 65534)
    config = modules._config(str(tmp_path), runtime["runtime"], runtime["loader"], {}, 65534)
    code = (
        "import os\n"
        "status = dict(line.split(':\\t', 1) for line in open('/proc/self/status') if ':\\t' in line)\n"
        "print(os.getuid(), status['CapEff'].strip(), status['CapBnd'].strip(), status['NoNewPrivs'].strip())\n"
        "print(sorted(os.listdir('/')), len(open('/proc/net/dev').readlines()))\n"
        "for path in ('/x', '/.wherry/runtime/x', '/input/x', '/output/x'):\n"
        "    try: open(path, 'w'); print(path)\n"
        "    except OSError: pass\n"
    )
    python = layout.python_command(layout.RUNTIME, runtime["loader"], f"{layout.RUNTIME}/lib")
    config["process"]["args"] = [*python, "-c", code]
    (tmp_path / "config.json").write_text(json.dumps(config))
    command = [runtime["lower"], "--root", str(tmp_path / "state"), "run", "--bundle", str(tmp_path), f"probe-{os.getpid()}"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.stdout.splitlines() == [
        "65534 0000000000000000 0000000000000000 1",
        "['.wherry', 'dev', 'input', 'output', 'proc'] 3",  # two lines of titles, and the loopback
        "/output/x",
    ], result.stderr


@pytest.mark.parametrize("size", [100, 300 << 20])
def test_small_and_unknown_and_huge_modules_get_an_empty_folder(tmp_path: Path, size: int) -> None:
    with (tmp_path / "a.wasm").open("wb") as file:
        file.truncate(size)
    handle = os.open(tmp_path / "a.wasm", os.O_RDONLY)
    for given in (handle, None):
        folder = modules.folder_for(given, str(tmp_path / "modules"), "/r", "ld.so", "/bin/false", {})
        assert list(Path(folder).iterdir()) == []
    os.close(handle)


@pytest.mark.parametrize("what", ["link", "pipe", "folder", "nothing"])
def test_only_files_are_taken_from_a_compiler_that_was_taken_over(tmp_path: Path, what: str) -> None:
    (tmp_path / "output/cwasm").mkdir(parents=True)
    target = tmp_path / "output/cwasm/x.cwasm"
    match what:
        case "link":
            target.symlink_to("/etc/shadow")
        case "pipe":
            os.mkfifo(target)
        case "folder":
            target.mkdir()
    done: list[BaseException | None] = []

    def keep() -> None:
        try:
            modules._keep(str(tmp_path / "output"), str(tmp_path / "kept"))
            done.append(None)
        except (InputError, OSError) as error:
            done.append(error)

    thread = threading.Thread(target=keep, daemon=True)
    thread.start()
    thread.join(30)
    assert done and done[0] is not None
    assert not (tmp_path / "kept").exists()


def test_the_oldest_go_first(tmp_path: Path) -> None:
    for i in range(4):
        folder = tmp_path / "id" / f"{i}"
        (folder / "cwasm").mkdir(parents=True)
        with (folder / "cwasm/x").open("wb") as file:
            file.truncate(3 << 30)
        os.utime(folder, (i, i))
    modules._make_room(str(tmp_path), keep=str(tmp_path / "id/0"))
    assert sorted(path.name for path in (tmp_path / "id").iterdir()) == ["0", "3"]


def test_a_container_cannot_write_where_its_code_comes_from(docker26: Engine) -> None:
    """As root in a writable container: the folder is mounted read-only, and the guest does not see it."""
    with docker26.container("probe", "wait", line="waiting") as name:
        process = docker26.state(name)["Pid"]
        code = "open('/.wherry/cache/wherry/cwasm/x', 'w')"
        enter = ["nsenter", f"--mount=/proc/{process}/ns/mnt", f"--root=/proc/{process}/root"]
        mounts = Path(f"/proc/{process}/mountinfo").read_text()
        python = layout.python_command(layout.RUNTIME, "ld-linux-x86-64.so.2", f"{layout.RUNTIME}/lib")
        result = subprocess.run([*enter, *python, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert "Read-only file system" in result.stderr
    line = next(line.split() for line in mounts.splitlines() if line.split()[4] == layout.MODULES)
    assert {"ro", "nosuid", "nodev", "noexec"} <= set(line[5].split(","))


def test_settings_hold_what_the_compiler_is_told() -> None:
    """The container's own filter and labels confine the compiler too."""
    given: dict[str, Any] = {
        "linux": {"seccomp": {"defaultAction": "SCMP_ACT_ERRNO"}, "mountLabel": "m", "devices": [1]},
        "process": {"apparmorProfile": "docker-default", "selinuxLabel": "s", "capabilities": {"effective": ["CAP_SYS_ADMIN"]}},
    }
    config = modules._config("/work", "/runtime", "ld.so", given, 65534)
    assert config["linux"]["seccomp"] == given["linux"]["seccomp"]
    assert (config["process"]["apparmorProfile"], config["process"]["selinuxLabel"]) == ("docker-default", "s")
    assert config["process"]["capabilities"] == {} and "devices" not in config["linux"]
    writable = [mount["destination"] for mount in config["mounts"] if mount["type"] == "bind" and "ro" not in mount["options"]]
    assert writable == ["/output"]
