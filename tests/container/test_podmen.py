"""Podman over crun, and Podman of a user without rights: the same guests, the same answers."""

import time
from pathlib import Path

import pytest

from tests.container.engines import Engine
from tests.container.podmen import USER
from tests.container.test_engines import lines


@pytest.fixture(params=["crun", "rootless"])
def engine(request: pytest.FixtureRequest) -> Engine:
    found: Engine = request.getfixturevalue(request.param)
    return found


def test_a_guest_runs_and_ends_with_its_code(engine: Engine) -> None:
    result = engine.run("probe", "show", "two words", flags=["-e", "A=b c"])
    assert lines(result.stdout, "argument") == ["/probe.wasm", "show", "two words"], result.stderr
    assert "A=b c" in lines(result.stdout, "variable")
    assert [engine.run("probe", "exit", str(code)).returncode for code in (0, 1)] == [0, 1]
    missing = engine("run", "--rm", *engine.flags, "--entrypoint", "/no.wasm", engine.images + "probe")
    assert missing.returncode == 127 and "/no.wasm" in missing.stderr and "no such file" in missing.stderr
    assert "ldconfig" in engine("run", "--rm", *[f for f in engine.flags if "platform" not in f], engine.images + "static").stdout


def test_a_life(engine: Engine) -> None:
    """Logs, exec, stop, start, restart, kill."""
    with engine.container("probe", "wait", line="waiting") as name:
        assert engine("exec", name, "/probe.wasm", "read", "/etc/note").stdout == "a note\n"
        assert engine("exec", name, "/other", "exit", "9").returncode == 9
        engine("stop", "-t", "60", name, check=True)
        assert engine.state(name)["ExitCode"] == 143
        engine("start", name, check=True)
        engine.wait_for(name, "waiting", times=2)
        engine("restart", "-t", "60", name, check=True)
        engine.wait_for(name, "waiting", times=3)
        engine("kill", name, check=True)
        assert int(engine("wait", name, check=True).stdout) == 137


def test_what_the_user_forbade_stays_forbidden(engine: Engine) -> None:
    """A user without rights has one number here, which is the container's root."""
    user = [] if engine.name == "rootless" else ["--user", "1234:1235"]
    flags = [*user, "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    with engine.container("probe", "wait", flags=flags, line="waiting") as name:
        process = Path(f"/proc/{engine.state(name)['Pid']}")
        status = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines() if ":\t" in line)
        assert status["Uid"].split() == [str(USER if engine.name == "rootless" else 1234)] * 4
        assert {status[key] for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
        mounts = [line.split() for line in (process / "mountinfo").read_text().splitlines()]
        options = {fields[4]: fields[5].split(",") for fields in mounts}
        for target in ("/", "/.wherry/runtime", "/.wherry/root", "/.wherry/cache/wherry"):
            assert "ro" in options[target], target
    assert engine.run("probe", "write", "/new", stdin="x", flags=["--read-only"]).returncode == 1


def test_ports_answer(engine: Engine) -> None:
    ports = [] if engine.name == "rootless" else ["-p", "8000:8000"]  # published ports of a user want a program of their own
    with engine.container("probe", "serve", "8000", flags=ports, line="serving"):
        assert engine.get("http://127.0.0.1:8000/") == "probe\n"


def test_a_users_modules_are_compiled_for_that_user(rootless: Engine) -> None:
    """The administrator's folder is not theirs to write to."""
    assert rootless.run("probe", "exit", "0").returncode == 0
    assert rootless.folder is not None
    kept = rootless.folder / "home/.local/share/wherry/modules"
    (compiled,) = kept.glob("*/*/cwasm/*.cwasm")
    before = compiled.stat()
    assert before.st_uid == USER
    time.sleep(0.01)
    assert rootless.run("probe", "exit", "0").returncode == 0
    assert [path.stat().st_mtime_ns for path in kept.glob("*/*/cwasm/*.cwasm")] == [before.st_mtime_ns]
