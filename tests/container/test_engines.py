"""Guests in real engines: what the issue's list asks of each."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.container.engines import Engine

ENGINES = ["docker26", "docker20", "podman"]


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    found: Engine = request.getfixturevalue(request.param)
    return found


def lines(text: str, word: str) -> list[str]:
    return [line.removeprefix(word + " ") for line in text.splitlines() if line.startswith(word + " ")]


def test_a_guest_gets_its_arguments_and_variables(engine: Engine) -> None:
    result = engine.run("probe", "show", "two words", flags=["-e", "A=b c"])
    assert result.returncode == 0, result.stderr
    assert lines(result.stdout, "argument") == ["/probe.wasm", "show", "two words"]
    assert "A=b c" in lines(result.stdout, "variable")
    assert result.stderr == "" or "platform" in result.stderr  # podman's warning


def test_variables_that_steer_a_program_are_the_guests_and_steer_nothing(engine: Engine) -> None:
    """glibc's loader says of a preload that it cannot find; Python of a home without its library that it cannot start."""
    steering = ["LD_PRELOAD=/evil.so", "LD_DEBUG=libs", "PYTHONHOME=/evil", "VK_DRIVER_FILES=/evil.json"]
    flags = [word for text in steering for word in ("-e", text)]
    result = engine.run("probe", "show", flags=flags)
    assert result.returncode == 0, result.stderr
    assert set(steering) <= set(lines(result.stdout, "variable"))
    assert "evil" not in result.stderr and "calling init" not in result.stderr
    with engine.container("probe", "wait", line="waiting") as name:
        inside = engine("exec", "-e", "LD_PRELOAD=/evil.so", name, "/probe.wasm", "show")
        assert "LD_PRELOAD=/evil.so" in lines(inside.stdout, "variable") and "evil" not in inside.stderr, inside


@pytest.mark.parametrize("code", [0, 1, 42])
def test_exit_codes(engine: Engine, code: int) -> None:
    assert engine.run("probe", "exit", str(code)).returncode == code


def test_a_trap_is_told(engine: Engine) -> None:
    result = engine.run("probe", "trap")
    assert result.returncode == 6
    assert "the guest trapped" in result.stderr


def test_input_and_output(engine: Engine) -> None:
    assert engine.run("probe", "read", "/etc/note").stdout == "a note\n"
    result = engine.run("probe", "write", "/new", stdin="from outside")
    assert (result.returncode, result.stderr.strip()) in ((0, ""), (0, result.stderr.strip()))


def test_the_guest_sees_its_files_and_nothing_of_the_machine(engine: Engine) -> None:
    """Neither the interpreter that confines it, nor /proc, which would let it reach out of its own memory."""
    listed = set(engine.run("probe", "list", "/").stdout.split())
    assert {"probe.wasm", "other", "etc"} <= listed
    for folder in ("/proc", "/sys", "/.wherry/runtime", "/.wherry/root", "/.wherry/cache/wherry"):
        assert engine.run("probe", "list", folder).stdout == "", folder
    assert engine.run("probe", "read", "/dev/null").returncode == 1
    assert engine.run("probe", "read", "/proc/self/mem").returncode == 1


def test_logs_stop_and_start_again(engine: Engine) -> None:
    with engine.container("probe", "wait", line="waiting") as name:
        engine("stop", "-t", "60", name, check=True)
        assert engine.state(name)["ExitCode"] == 143  # SIGTERM reached it: not killed after a minute
        engine("start", name, check=True)
        engine.wait_for(name, "waiting", times=2)
        engine("restart", "-t", "60", name, check=True)
        engine.wait_for(name, "waiting", times=3)
        engine("kill", name, check=True)
        for _ in range(200):
            if not engine.state(name)["Running"]:
                break
            time.sleep(0.05)
        assert engine.state(name)["ExitCode"] == 137


@pytest.mark.parametrize("number", ["INT", "HUP", "QUIT"])
def test_other_signals_end_it_too(engine: Engine, number: str) -> None:
    """The first process of a container has no default action for any signal."""
    with engine.container("probe", "wait", line="waiting") as name:
        engine("kill", "--signal", number, name, check=True)
        assert int(engine("wait", name, check=True).stdout) == 128 + {"INT": 2, "HUP": 1, "QUIT": 3}[number]


def test_exec_starts_another_guest(engine: Engine) -> None:
    with engine.container("probe", "wait", line="waiting") as name:
        result = engine("exec", "-e", "X=y", name, "/probe.wasm", "show", "inside")
        assert lines(result.stdout, "argument") == ["/probe.wasm", "show", "inside"], result.stderr
        assert "X=y" in lines(result.stdout, "variable")
        assert engine("exec", name, "/probe.wasm", "exit", "9").returncode == 9
        assert engine("exec", name, "/other", "exit", "3").returncode == 3  # known by its first bytes
        assert engine("exec", name, "/bin/sh").returncode in (126, 127)  # there is none
        assert engine.state(name)["Running"]


def test_a_published_port_answers(engine: Engine) -> None:
    with engine.container("probe", "serve", "8000", flags=["-p", "18000:8000"], line="serving"):
        assert engine.get("http://127.0.0.1:18000/") == "probe\n"


def test_volumes_keep_their_rights(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "given").write_text("from the host")
    read_only, writable = ["-v", f"{tmp_path}:/data:ro"], ["-v", f"{tmp_path}:/data"]
    assert engine.run("probe", "read", "/data/given", flags=read_only).stdout == "from the host"
    assert engine.run("probe", "write", "/data/new", stdin="x", flags=read_only).returncode == 1
    assert not (tmp_path / "new").exists()
    assert engine.run("probe", "write", "/data/new", stdin="written", flags=writable).returncode == 0
    assert (tmp_path / "new").read_text() == "written"


def test_a_tmpfs_is_writable_where_the_root_is_not(engine: Engine) -> None:
    flags = ["--read-only", "--tmpfs", "/scratch"]
    assert engine.run("probe", "write", "/scratch/new", stdin="x", flags=flags).returncode == 0
    assert engine.run("probe", "write", "/new", stdin="x", flags=flags).returncode == 1
    assert engine.run("probe", "write", "/new", stdin="x").returncode == 0


def test_what_the_user_forbade_stays_forbidden(engine: Engine) -> None:
    """Everything at once, read back from the kernel's own account of the process."""
    flags = [
        "--user",
        "1234:1235",
        "--read-only",
        "--cap-drop",
        "ALL",
        "--security-opt",
        "no-new-privileges",
        "--network",
        "none",
    ]
    with engine.container("probe", "wait", flags=[*flags, "--memory", "256m"], line="waiting") as name:
        process = Path(f"/proc/{engine.state(name)['Pid']}")
        status = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines() if ":\t" in line)
        assert status["Uid"].split() == ["1234"] * 4
        assert status["Gid"].split() == ["1235"] * 4
        assert {status[key] for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
        mounts = [line.split() for line in (process / "mountinfo").read_text().splitlines()]
        options = {fields[4]: fields[5].split(",") for fields in mounts}
        for target in ("/", "/.wherry/runtime", "/.wherry/root", "/.wherry/cache/wherry"):
            assert "ro" in options[target], target
        assert (process / "net/dev").read_text().count(":") == 1  # the loopback alone
        group = next(
            line for line in (process / "cgroup").read_text().splitlines() if ":memory:" in line or line.startswith("0::/")
        )
        assert group.rpartition(":")[2] != "/"


def test_memory_beyond_the_containers_ends_it(engine: Engine) -> None:
    assert engine.run("probe", "fill", flags=["--memory", "200m", "--memory-swap", "200m"]).returncode == 137
    limited = engine.run("probe", "fill", flags=["-e", "WHERRY_MEMORY=64m"])
    assert limited.returncode == 0, limited
    assert int(limited.stdout.split()[3]) < 64 << 20


def test_a_deadline_ends_it(engine: Engine) -> None:
    result = engine.run("probe", "wait", flags=["-e", "WHERRY_TIMEOUT=1"])
    assert (result.returncode, "limit" in result.stderr) == (6, True)


def test_entrypoints(engine: Engine) -> None:
    by_name = engine("run", "--rm", *engine.flags, "--entrypoint", "probe.wasm", engine.images + "probe", "exit", "5")
    by_bytes = engine("run", "--rm", *engine.flags, "--entrypoint", "/other", engine.images + "probe", "exit", "6")
    missing = engine("run", "--rm", *engine.flags, "--entrypoint", "/no.wasm", engine.images + "probe")
    assert (by_name.returncode, by_bytes.returncode) == (5, 6)
    assert missing.returncode == 127
    assert "/no.wasm" in missing.stderr and "no such file" in missing.stderr


def test_an_init_process_may_stand_before_it(engine: Engine) -> None:
    with engine.container("probe", "wait", flags=["--init"], line="waiting") as name:
        engine("stop", "-t", "60", name, check=True)
        assert engine.state(name)["ExitCode"] == 143


def test_other_containers_are_left_alone(engine: Engine) -> None:
    """A program under our runtime runs as under runc, without our mounts."""
    runtime = [flag for flag in engine.flags if "runtime" in flag]
    result = engine("run", "--rm", *runtime, engine.images + "static")
    assert (result.returncode, "ldconfig" in result.stdout) == (0, True), result.stderr


def test_ten_at_once(engine: Engine) -> None:
    with ThreadPoolExecutor(10) as pool:
        results = list(pool.map(lambda i: engine.run("probe", "exit", str(i)), range(10)))
    assert [result.returncode for result in results] == list(range(10))
