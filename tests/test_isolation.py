"""Nothing of the current folder, of PYTHON* variables or of relative PATH entries runs in a process that Wherry starts."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from wherry.appbuild.requirement_lines import read_requirements
from wherry.errors import InputError, NotFoundError
from wherry.isolation import child_environment, find_program, python_command, run_pip, run_python

SOURCE = Path(__file__).parents[1] / "src/wherry"
# Files that start programs that are no interpreters, named by an absolute path or found by `find_program`.
OTHER_PROGRAMS = {
    "container/libraries.py",  # ldd and ldconfig, with a PATH of the system's own
    "container/modules.py",  # runc, by the path that the operator configured
    "container/wrapper.py",  # the same
    "oci/docker_config.py",  # docker-credential-NAME
}
# Files that start an interpreter with `python_command` or `interpreter_flags`.
INTERPRETERS = {"appbuild/componentize.py", "cli/demo.py", "kernels/lower.py", "text/workers.py"}
STARTERS = {
    "run",
    "Popen",
    "call",
    "check_call",
    "check_output",
    "system",
    "popen",
    "execv",
    "execve",
    "execvp",
    "execvpe",
    "spawnv",
    "spawnve",
}
PROCESSES = {"Process", "get_context", "ProcessPoolExecutor"}
PLANTED = (
    "pip", "ziglang", "componentize_py", "wherry", "compileall", "runpy", "json", "sitecustomize", "usercustomize",
    "subprocess", "tempfile",
)  # fmt: skip


def starts(file: Path) -> Iterator[ast.Call]:
    """Calls of subprocess, os.exec*, os.spawn*, os.system and of multiprocessing's processes."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
            module, name = node.func.value.id, node.func.attr
            starters = module in ("subprocess", "os") and name in STARTERS
            processes = module != "self" and name in PROCESSES
            if starters or processes or name.startswith(("create_subprocess", "posix_spawn")):
                yield node


def test_every_child_process_is_started_in_a_known_place() -> None:
    files = {file.relative_to(SOURCE).as_posix() for file in SOURCE.rglob("*.py") if any(starts(file))}
    assert files == {*OTHER_PROGRAMS, *INTERPRETERS, "isolation.py"}


@pytest.mark.parametrize("name", sorted(INTERPRETERS))
def test_interpreters_are_started_isolated(name: str) -> None:
    text = (SOURCE / name).read_text()
    assert "python_command(" in text or "interpreter_flags()" in text
    assert '"-m"' not in text


@pytest.mark.parametrize("name", sorted(OTHER_PROGRAMS))
def test_other_programs_are_no_interpreters(name: str) -> None:
    assert "sys.executable" not in "\n".join(ast.unparse(call) for call in starts(SOURCE / name))


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with modules, packages and programs in it that leave a mark when they run."""
    folder, mark = tmp_path / "downloads", tmp_path / "RAN"
    for name in PLANTED:
        (folder / name).mkdir(parents=True)
        for file in ("__init__.py", "__main__.py"):
            (folder / name / file).write_text(f"open({str(mark)!r}, 'a').write({name!r})\n")
    for name in ("python3", "docker-credential-planted", "ldd"):
        (folder / name).write_text(f"#!/bin/sh\necho {name} >> {mark}\n")
        (folder / name).chmod(0o755)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv("PYTHONSTARTUP", str(folder / "json/__init__.py"))
    monkeypatch.setenv("PATH", f":.:{os.environ['PATH']}")
    return mark


def test_python_children_run_nothing_of_the_current_folder(planted: Path, tmp_path: Path) -> None:
    assert run_pip(["--version"], timeout=60)[0] == 0
    (tmp_path / "code").mkdir()
    assert run_python("compileall", ["-q", str(tmp_path / "code")], environment=child_environment(), timeout=60)[0] == 0
    wherry = python_command("wherry", "--version")
    done = subprocess.run(wherry, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("python -m wherry, version") and not planted.exists()


def test_a_marked_folder_would_leave_its_mark(planted: Path) -> None:
    """The fixture plants what an interpreter without isolation does run."""
    subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True)
    assert planted.exists()


def test_python_m_wherry_imports_nothing_of_the_current_folder(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("raise SystemExit('planted')\n")
    done = subprocess.run([sys.executable, "-m", "wherry", "--version"], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.startswith("python -m wherry, version") and done.returncode == 0


def test_programs_are_not_taken_from_the_current_folder(planted: Path) -> None:
    with pytest.raises(NotFoundError, match="docker-credential-planted"):
        find_program("docker-credential-planted")


def test_children_get_no_variable_that_changes_an_interpreter_or_loader() -> None:
    source = {"PYTHONPATH": ".", "PYTHONHOME": "x", "LD_PRELOAD": "./x.so", "AWS_SECRET_ACCESS_KEY": "x", "HOME": "/h",
              "https_proxy": "http://p", "PIP_INDEX_URL": "u", "PATH": "/bin:.::rel:/usr/bin"}  # fmt: skip
    assert child_environment(source=source) == {"HOME": "/h", "https_proxy": "http://p", "PATH": "/bin:/usr/bin"}
    assert child_environment(r"PIP_\w+", source=source)["PIP_INDEX_URL"] == "u"


def test_a_child_is_killed_at_its_timeout() -> None:
    lines: list[str] = []
    code = "import time; print('on', flush=True); time.sleep(600)"
    with pytest.raises(subprocess.TimeoutExpired):
        run_python("timeit", ["-n", "1", "-r", "1", code], environment=child_environment(), timeout=5, on_line=lines.append)
    assert lines == ["on"]


def test_requirements_keep_hashes_includes_and_wheels(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more/base.txt").write_text("# nothing\nmultipart==2.0.1  # a comment\n")
    path = tmp_path / "requirements.txt"
    digest = "a" * 64
    path.write_text(
        f"-r more/base.txt\n--pre\nbottle==0.13.4 \\\n    --hash=sha256:{digest} \\\n    --hash sha256:{digest}\n"
        "./wheels/own-1.0-py3-none-any.whl\nx @ https://a.example/x-1-py3-none-any.whl ; python_version > '3'\n-f wheels\n"
    )
    assert read_requirements(path) == [
        "multipart==2.0.1",
        "--pre",
        f"bottle==0.13.4 --hash=sha256:{digest} --hash=sha256:{digest}",
        f"{tmp_path}/wheels/own-1.0-py3-none-any.whl",
        "x @ https://a.example/x-1-py3-none-any.whl ; python_version > '3'",
        f"--find-links {tmp_path}/wheels",
    ]


@pytest.mark.parametrize(
    "line",
    [
        "./evil", "-e .", "--editable=git+https://a.example/x", "git+https://a.example/x.git", "evil.tar.gz",
        "x @ https://a.example/x.tar.gz", "x @ git+ssh://a.example/x.git", "--no-binary :all:", "--no-binary=x",
        "x --config-settings=a=b", "x --global-option=--x", "--index-url=https://${AWS_SECRET_ACCESS_KEY}.a.example/",
        "-r https://a.example/r.txt", "--use-feature=x", "x --hash=md5:" + "0" * 64, "=x=", "-r requirements.txt",
        "http://a.example/evil", "file:///tmp/evil/", "..", "x\\evil", "--build-constraint x",
    ],
)  # fmt: skip
def test_requirements_that_run_code_are_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text(f"bottle\n{line}\n")
    with pytest.raises(InputError, match=r"requirements\.txt"):
        read_requirements(path)
