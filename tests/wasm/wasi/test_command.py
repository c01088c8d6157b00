"""wherry run on a command of C, wasi-libc and wasmtime's adapter: its terminal, its files, its end."""

import errno
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import wasmtime.component

from tests.cli.test_closed_streams import closed
from tests.wasm.wasi.conftest import CACHE
from tests.wasm.wat import call, command

WHERRY = [sys.executable, "-m", "wherry"]


def wherry(component: Path, *arguments: str, flags: tuple[str, ...] = (), stdin: str = "") -> "subprocess.CompletedProcess[str]":
    command = [*WHERRY, "run", *flags, str(component), *arguments]
    environment = {**os.environ, "XDG_CACHE_HOME": str(CACHE), "HOME": "/nowhere"}
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120, env=environment)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder to give, with links that lead out of it, and what must not be read."""
    (tmp_path / "secret").write_text("not for you")
    given = tmp_path / "given"
    (given / "inner").mkdir(parents=True)
    (given / "old").write_text("plain")
    (given / "inner/file").write_text("within")
    for name, target in {
        "out": "../secret", "absolute": str(tmp_path / "secret"), "up": "..", "passwd": "/etc/passwd", "loop": "loop",
        "in": "inner/file", "inner/back": "../old", "inner/far": "../../secret",
    }.items():  # fmt: skip
        (given / name).symlink_to(target)
    return given


def test_a_command_has_its_words_variables_streams_and_code(command_component: Path) -> None:
    found = wherry(command_component, "greet", "größe", flags=("--env", "GREETING=hi"), stdin="one\ntwo\n")
    assert found.stdout == f"{command_component.name}\ngreet\ngröße\nhi alone\nheard one\nheard two\n"
    assert (found.returncode, found.stderr) == (1, "to stderr\n")  # the adapter asks for success or failure alone


def test_a_command_reads_the_end_of_a_closed_stdin(command_component: Path) -> None:
    found = closed("<&-", "run", command_component, "greet")
    assert found.returncode == 1 and found.stdout.endswith("alone\n"), found


LATIN = b"caf\xe9.wav"


def run_in_bytes(*words: bytes | str | Path) -> "subprocess.CompletedProcess[bytes]":
    environment = {**os.environb, b"XDG_CACHE_HOME": os.fsencode(CACHE), b"GREETING": LATIN}
    argv: list[bytes] = [os.fsencode(word) for word in (*WHERRY, "run", *words)]
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, env=environment)


@pytest.mark.parametrize("variable", [b"GREETING=" + LATIN, b"GREETING"], ids=["given", "copied"])
def test_a_core_module_gets_arguments_and_variables_as_bytes(command_component: Path, variable: bytes) -> None:
    found = run_in_bytes("--env", variable, command_component.with_name("command.wasm"), "greet", LATIN, b"\xff", "größe")
    assert (
        found.stdout == b"command.wasm\ngreet\n" + LATIN + "\n\xff\n".encode("latin-1") + "größe\n".encode() + LATIN + b" alone\n"
    )


def test_a_core_module_is_run_in_and_from_folders_of_any_name(command_component: Path, tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(LATIN)
    folder.mkdir()
    (folder / "old").write_text("plain")
    module = shutil.copy(command_component.with_name("command.wasm"), folder / os.fsdecode(b"\xff.wasm"))
    found = run_in_bytes("--dir", f"{folder}:/data", module, "read", "/data/old")
    assert (found.returncode, found.stdout) == (0, b"/data/old: plain\n")
    component = run_in_bytes("-v", f"{folder}:/data:ro", command_component, "read", "/data/old")
    assert (component.returncode, component.stdout) == (0, b"/data/old: plain\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((b"COMPONENT", b"greet", LATIN), b"argument 2: found 'caf\\udce9.wav'"),
        ((b"-e", b"X=\xff", b"COMPONENT", b"greet"), b"variable 'X'"),
        ((b"-e", b"\xff=x", b"COMPONENT", b"greet"), b"variable '\\udcff'"),
        ((b"--dir", b"/tmp:/\xff", b"COMPONENT", b"greet"), b"--dir: found '/\\udcff'"),
        ((b"--nn-preload", LATIN, b"COMPONENT", b"greet"), b"preload: found"),
    ],
)
def test_what_is_no_unicode_is_refused_in_one_line(command_component: Path, words: tuple[bytes, ...], said: bytes) -> None:
    found = run_in_bytes(*(command_component if word == b"COMPONENT" else word for word in words))
    assert found.returncode == 2 and said in found.stderr.splitlines()[0], found
    assert len(found.stderr.splitlines()) <= 2


@pytest.mark.parametrize(
    "words", [["new"], ["chat", "smollm2-135m-instruct"], ["chat", "smollm2-135m-instruct", "hi", "--system"]]
)
def test_a_command_that_wants_text_says_so_of_other_bytes(tmp_path: Path, words: list[str]) -> None:
    argv: list[bytes] = [os.fsencode(word) for word in (*WHERRY, *words)]
    found = subprocess.run([*argv, LATIN], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, cwd=tmp_path)
    assert found.returncode == 2 and b"'caf\\udce9.wav', expected UTF-8" in found.stderr.splitlines()[0], found
    assert not list(tmp_path.iterdir())


def test_paths_stay_within_the_folder(command_component: Path, folder: Path) -> None:
    allowed = {"/data/old": "plain", "/data/in": "within", "/data/inner/../old": "plain", "/data/inner/back": "plain"}
    denied = (
        "out",
        "absolute",
        "passwd",
        "up/secret",
        "inner/far",
        "../secret",
        "inner/../../secret",
        "loop",
        "old/..",
        "missing",
    )
    asked = [*allowed, *(f"/data/{name}" for name in denied), "/etc/passwd", "../../etc/passwd", "/proc/self/environ"]
    found = wherry(command_component, "read", *asked, flags=("--dir", f"{folder}:/data"))
    assert found.returncode == 0, found.stderr
    answers = dict(line.split(": ", 1) for line in found.stdout.splitlines())
    assert {path: answers[path] for path in allowed} == allowed
    errors = {os.strerror(number) for number in (errno.EPERM, errno.ENOENT, errno.ELOOP, errno.ENOTDIR)}
    errors |= {"Symbolic link loop", "Capabilities insufficient", "Bad file descriptor"}  # as wasi-libc says them
    assert {answers[path] for path in asked if path not in allowed} <= errors


def test_what_a_command_changes_is_changed(command_component: Path, folder: Path) -> None:
    found = wherry(command_component, "change", flags=("--dir", f"{folder}:/data"))
    assert set(found.stdout.splitlines()) == {
        *(f"{step} ok" for step in ["create", "write", "close", "append", "folder", "rename", "remove", "stat"]),
        "size 12",
    }
    assert (folder / "folder/moved").read_text() == "written+more"
    assert not (folder / "old").exists() and not (folder / "new").exists()


def wasmtimes_own(component: Path, folder: Path, *arguments: str) -> str:
    """What a component prints on the WASI 0.2 that wasmtime itself brings."""
    engine = wasmtime.Engine()
    linker, store, wasi = wasmtime.component.Linker(engine), wasmtime.Store(engine), wasmtime.WasiConfig()
    out = folder.parent / "wasmtimes-own.txt"
    wasi.argv, wasi.stdout_file = ["command.wasm", *arguments], str(out)
    wasi.preopen_dir(str(folder), "/data")
    linker.add_wasip2()
    store.set_wasi(wasi)
    instance = linker.instantiate(store, wasmtime.component.Component(engine, component.read_bytes()))
    entry = re.findall(rb"wasi:cli/run@[0-9.]+", component.read_bytes())[-1].decode()
    run = instance.get_func(store, instance.get_export_index(store, "run", instance.get_export_index(store, entry)))
    assert run is not None
    run(store)
    return out.read_text()


def test_paths_with_slashes_and_dots_mean_what_they_do_to_wasmtime(command_component: Path, tmp_path: Path) -> None:
    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
    expected = wasmtimes_own(command_component, tmp_path / "theirs", "slashes").splitlines()
    found = wherry(command_component, "slashes", flags=("--dir", f"{tmp_path / 'ours'}:/data"))
    assert len(expected) > 50 and found.stdout.splitlines() == expected


def test_a_folder_to_read_only_cannot_be_changed(command_component: Path, folder: Path) -> None:
    before = sorted(path.name for path in folder.rglob("*"))
    found = wherry(command_component, "change", flags=("--dir", f"{folder}:/data:ro"))
    assert [line for line in found.stdout.splitlines() if line.startswith(("create", "folder", "remove"))] == [
        f"{step} Read-only file system" for step in ("create", "folder", "remove")
    ]
    assert sorted(path.name for path in folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("what", "flags", "said"),
    [
        ("spin", ("--timeout", "0.5"), "ran for 0.5 s"),
        ("sleep", ("--timeout", "0.5"), "ran for 0.5 s"),
        ("recurse", (), ""),
    ],
)
def test_a_command_without_end_is_ended(command_component: Path, what: str, flags: tuple[str, ...], said: str) -> None:
    found = wherry(command_component, what, flags=flags)
    assert found.returncode == 6, found.stderr
    assert said in found.stderr and "Traceback" not in found.stderr


def test_a_signal_ends_a_command_that_reads(command_component: Path) -> None:
    environment = {**os.environ, "XDG_CACHE_HOME": str(CACHE)}
    command = [*WHERRY, "run", str(command_component), "flood"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.read(200)  # it runs
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM


def test_files_and_memory_have_limits(command_component: Path, folder: Path) -> None:
    opened = wherry(command_component, "open", flags=("--dir", f"{folder}:/data")).stdout.split(maxsplit=1)
    assert 100 < int(opened[0]) < 256  # the adapter has no more
    grown = wherry(command_component, "grow", flags=("--memory", "32m"))
    assert 8 <= int(grown.stdout) <= 32  # its allocator asks for twice as much each time


@pytest.mark.parametrize("kind", ["component", "core module"])
def test_a_clock_can_be_coarse(command_component: Path, kind: str) -> None:
    guest = command_component if kind == "component" else command_component.with_name("command.wasm")
    wall, monotonic, slept = wherry(guest, "clock", flags=("--coarse-clock",)).stdout.splitlines()
    assert abs(int(wall.split()[0]) - time.time()) < 120
    assert [int(line.split()[-1]) % 1_000_000 for line in (wall, monotonic, slept)] == [0, 0, 0]
    assert int(slept) >= 1_000_000
    fine = wherry(guest, "clock").stdout.splitlines()
    assert any(int(line.split()[-1]) % 1_000_000 for line in fine)


def test_the_network_of_this_machine_is_for_core_modules(command_component: Path) -> None:
    found = wherry(command_component, "greet", flags=("--network", "host"))
    assert found.returncode == 2 and "--network host: found a component" in found.stderr and "--allow-net" in found.stderr
    both = wherry(command_component, "greet", flags=("--network", "none", "--allow-net", "localhost"))
    assert both.returncode == 2 and "--network none" in both.stderr


@pytest.mark.parametrize(
    ("flags", "code"), [((), 3), (("--network", "none"), 3), (("--network", "host"), 7), (("--allow-net",), 7)]
)
def test_a_core_module_reaches_what_the_command_line_gives(tmp_path: Path, flags: tuple[str, ...], code: int) -> None:
    """Its exit code is 7 once it is connected to a server of this machine, 3 where it may not."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        given = (*flags, f"127.0.0.1:{port}") if flags == ("--allow-net",) else flags
        connect = f"(if {call('sock_connect', 1024, 100, port)} (then (call $exit (i32.const 3))))"
        body = f"(drop {call('sock_open', 1, 2, 300)}) {connect}"
        address = r'(data (i32.const 100) "\6c\00\00\00\04\00\00\00\7f\00\00\01")'
        module = tmp_path / "client.wasm"
        module.write_bytes(command(f"{body} (call $exit (i32.const 7))", "sock_open", "sock_connect", extra=address))
        found = wherry(module, flags=given)
    assert found.returncode == code, found.stderr
    assert (f"--allow-net 127.0.0.1:{port} allows it" in found.stderr) == (code == 3)
