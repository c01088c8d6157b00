"""One app, one component: on whatever machine, at whatever hour. The second build differs in all that it may not depend on."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.wasm.web import CACHE
from wherry.appbuild.still import CHECK, held, hold_still, library

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="nothing is promised elsewhere")
HERE = ROOT / "src/wherry/appbuild"
SEED = "0123456789abcdef" * 4


def run_still(stage: Path, code: str) -> list[object]:
    """What a Python that is held still prints, as JSON."""
    command = [sys.executable, "-I", "-c", f"{CHECK}\n{code}"]
    done = subprocess.run(command, cwd=stage, env=hold_still(stage, SEED), stdout=subprocess.PIPE, check=True)
    return list(json.loads(done.stdout))


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_libraries_are_what_the_source_makes(machine: str, tmp_path: Path) -> None:
    made = tmp_path / "made.so"
    command = next(line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith("STILL_FLAGS"))
    flags = command.partition(":=")[2].split()
    subprocess.run(
        [sys.executable, "-m", "ziglang", "cc", "-target", f"{machine}-linux-gnu.2.28", *flags,
         "-o", str(made), str(HERE / "still.c"), "-ldl", "-lpthread"],
        check=True,
    )  # fmt: skip
    assert made.read_bytes() == (HERE / f"still-{machine}.so").read_bytes(), "run `make still`"


def test_a_process_is_held_still(tmp_path: Path) -> None:
    """Its numbers and its clock are known, time passes by waiting alone, files have no age, folders are in order."""
    folder = tmp_path / "folder"
    folder.mkdir()
    names = [f"{hashlib.sha256(bytes([i])).hexdigest()}.txt" for i in range(200)]
    for name in names:
        (folder / name).touch()
    code = f"""
import json, os, select, time
began = time.monotonic()
select.epoll().poll(0.05)
print(json.dumps([os.urandom(80).decode(), time.time(), time.monotonic() - began, os.listdir({str(folder)!r})]))
"""
    random, now, passed, listed = run_still(tmp_path, code)
    assert held(tmp_path)
    assert random == SEED + SEED[:16]
    assert now == pytest.approx(315532800.05) and passed == pytest.approx(0.05)
    assert listed == sorted(names)


def test_a_folder_is_read_again_and_errors_are_the_kernels(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    code = """
import ctypes, json, os
folder = os.open("folder", os.O_RDONLY)
first = os.listdir(folder)
open("folder/b", "w").close(); open("folder/a", "w").close()
second = [os.listdir(folder), os.listdir(folder)]
libc = ctypes.CDLL(None, use_errno=True)
found = []
for file in (999, os.open("still.so", os.O_RDONLY)):
    found.append([libc.syscall(ctypes.c_long(NUMBER), file, ctypes.create_string_buffer(4096), 4096), ctypes.get_errno()])
print(json.dumps([first, second, found]))
""".replace("NUMBER", "217" if library() == HERE / "still-x86_64.so" else "61")
    first, second, errors = run_still(tmp_path, code)
    assert first == [] and second == [["a", "b"]] * 2
    assert errors == [[-1, 9], [-1, 20]]  # EBADF, ENOTDIR


@pytest.mark.slow
def test_an_app_is_one_component_wherever_it_is_built(web_component: Path, tmp_path: Path) -> None:
    """The suite's own build of it lies in build/apps, made at another time."""
    source = ROOT / "tests/guests/web"
    files = sorted((path for path in source.rglob("*") if path.is_file() and "__pycache__" not in path.parts), reverse=True)
    folder = tmp_path / "else where" / "app"
    for number, path in enumerate(files):
        copy = folder / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
        copy.chmod(0o600)
        os.utime(copy, (981173106 + number, 981173106 + number))
    cache = tmp_path / "a cache"
    shutil.copytree(CACHE / "requirements", cache / "requirements")
    code = f"""
import os
from pathlib import Path
from wherry.appbuild.componentize import AppSource, build_component
os.umask(0o077)
os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
folder = Path({str(folder)!r})
listed = [(path, str(path.relative_to(folder))) for path in folder.rglob("*") if path.is_file()]
print(build_component(AppSource(folder), listed, Path({str(cache)!r}), say=lambda line: None))
"""
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TZ": "Asia/Tokyo", "LANG": "C", "PYTHONHASHSEED": "42"}
    if Path("/dev/shm").is_dir():
        environment["TMPDIR"] = "/dev/shm"  # another file system
    done = subprocess.run([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True, check=True)
    component = Path(done.stdout.strip().splitlines()[-1])
    assert component != web_component and component.name == web_component.name
    assert hashlib.sha256(component.read_bytes()).hexdigest() == hashlib.sha256(web_component.read_bytes()).hexdigest()
