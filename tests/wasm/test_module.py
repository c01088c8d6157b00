"""Modules and their compiled form in the cache: what may be trusted, and what happens where it may not."""

import hashlib
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import pytest
import wasmtime

from tests.wasm.wat import command, make
from wherry.errors import FormatError, InputError, NotFoundError
from wherry.wasm.compiled import CompiledCache
from wherry.wasm.module import load_module, new_engine

SEVEN = command("(call $exit (i32.const 7))")
EIGHT = command("(call $exit (i32.const 8))")


def run(folder: Path, wasm: bytes = SEVEN, cache: Path | None = None) -> tuple[int, list[str]]:
    """The guest's exit code, and what was said of the cache."""
    said: list[str] = []
    return make(folder, wasm, cache=cache or folder / "cache", say=said.append).run(), said


def kept(folder: Path) -> Path:
    (file,) = (folder / "cache/cwasm").iterdir()
    return file


@pytest.mark.parametrize("data", [b"", b"\0asm", b"not wasm at all", b"\0asm\x01\0\0\0\xff\xff\xff", b"\0asm\x0d\0\x01\0"])
def test_files_that_are_no_module_are_told(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(FormatError, match=re.escape(str(tmp_path / "guest.wasm"))):
        make(tmp_path, data)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"none\.wasm"):
        load_module(new_engine(), tmp_path / "none.wasm", None)


def test_the_compiled_module_is_kept_for_its_user_alone(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        assert run(tmp_path) == (7, [])
    finally:
        os.umask(old)
    assert kept(tmp_path).stat().st_mode & 0o777 == 0o600
    assert kept(tmp_path).parent.stat().st_mode & 0o777 == 0o700
    kept(tmp_path).with_name("other.cwasm").write_bytes(b"")  # a file more is no harm
    assert run(tmp_path) == (7, [])


def test_a_kept_module_is_what_runs(tmp_path: Path) -> None:
    """Under the key of one module lies another: the kept one runs, so it was not compiled again."""
    run(tmp_path, EIGHT)
    eight = kept(tmp_path).read_bytes()
    kept(tmp_path).unlink()
    run(tmp_path, SEVEN)
    kept(tmp_path).write_bytes(eight)
    assert run(tmp_path, SEVEN) == (8, [])


@pytest.mark.parametrize(
    "damage",
    [lambda data: b"", lambda data: data[:16], lambda data: data[:-1], lambda data: data[:-9] + b"\x55" + data[-8:]],
    ids=["empty", "a part of the digest", "cut short", "one byte of the code"],
)
def test_a_damaged_file_is_replaced(tmp_path: Path, damage: "type[bytes]") -> None:
    run(tmp_path)
    good = kept(tmp_path).read_bytes()
    kept(tmp_path).write_bytes(damage(good))
    code, said = run(tmp_path)
    assert code == 7 and "damaged" in said[0]
    assert len(kept(tmp_path).read_bytes()) == len(good)
    assert run(tmp_path) == (7, [])


def test_what_another_wasmtime_compiled_is_replaced(tmp_path: Path) -> None:
    """Its digest is right, but the engine refuses it: the version is in its header."""
    run(tmp_path)
    code = kept(tmp_path).read_bytes()[32:]
    major = version("wasmtime").split(".")[0].encode()
    assert code[:256].count(b"\x02" + major) == 1
    other = code.replace(b"\x02" + major, b"\x0249", 1)
    kept(tmp_path).write_bytes(hashlib.sha256(other).digest() + other)
    exit_code, said = run(tmp_path)
    assert exit_code == 7 and "compiled again" in said[0]
    assert run(tmp_path) == (7, [])


@pytest.mark.parametrize("what", ["file", "folder"])
@pytest.mark.parametrize("mode", [0o020, 0o002])
def test_what_others_may_write_is_not_trusted(tmp_path: Path, what: str, mode: int) -> None:
    run(tmp_path, EIGHT)
    eight = kept(tmp_path).read_bytes()
    kept(tmp_path).unlink()
    run(tmp_path, SEVEN)
    kept(tmp_path).write_bytes(eight)  # another's code, in its place
    path = kept(tmp_path) if what == "file" else kept(tmp_path).parent
    path.chmod(path.stat().st_mode | mode)
    code, said = run(tmp_path, SEVEN)
    assert code == 7 and "others may write" in said[0]


@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_another_user_owns_is_not_trusted(tmp_path: Path, what: str) -> None:
    run(tmp_path)
    path = kept(tmp_path) if what == "file" else kept(tmp_path).parent
    said: list[str] = []
    user = os.geteuid()
    if user == 0:
        os.chown(path, 12345, 12345)
    else:  # the same the other way round: somebody else asks
        user += 1
    cache = CompiledCache(kept(tmp_path).parent, said.append, user)
    assert cache.get(kept(tmp_path).stem) is None
    cache.put(kept(tmp_path).stem, b"")
    assert "others may write" in said[0]


def test_a_folder_that_is_a_link_is_not_trusted(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "cache/cwasm").symlink_to(tmp_path / "elsewhere")
    code, said = run(tmp_path)
    assert code == 7 and "cwasm" in said[0]
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file, where the folder should be")
    code, said = run(tmp_path)
    assert code == 7 and "not kept" in said[0] and len(said) == 1


def test_the_cache_does_not_grow_without_end(tmp_path: Path) -> None:
    for i in range(70):
        run(tmp_path, command(f"(call $exit (i32.const {i}))"))
    assert len(list((tmp_path / "cache/cwasm").iterdir())) == 64
    assert run(tmp_path, command("(call $exit (i32.const 69))")) == (69, [])


_PROGRAM = """
import sys
from pathlib import Path
from wherry.wasm.compiled import CompiledCache
from wherry.wasm.module import load_module, new_engine
for _ in range(25):
    load_module(new_engine(), Path(sys.argv[1]), Path(sys.argv[2]), lambda line: sys.exit(line))
    for file in Path(sys.argv[2], "cwasm").glob("*.cwasm"):
        if sys.argv[3] == "remove":
            file.unlink(missing_ok=True)
"""


def test_processes_share_the_cache(tmp_path: Path) -> None:
    """Four of them compile, keep, read and remove the same file: none ever finds a part of one."""
    wasm = tmp_path / "guest.wasm"
    wasm.write_bytes(SEVEN)

    def work(what: str) -> tuple[int, str]:
        command = [sys.executable, "-c", _PROGRAM, str(wasm), str(tmp_path / "cache"), what]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        return done.returncode, done.stderr

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, ["keep", "remove", "keep", "remove"])) == [(0, "")] * 4
    assert run(tmp_path) == (7, [])


@pytest.mark.parametrize(
    "import_",
    [
        '"fd_read" (func (param v128))',
        '"fd_read" (func (param v128 i32 i32 i32) (result i32))',
        '"fd_write" (func (result v128))',
        '"sock_accept" (func (param i32 v128) (result i32))',
        '"args_get" (func (param i32 i32) (result v128))',
        '"random_get" (func (param v128 v128) (result i32))',  # wasmtime's own
        '"fd_read" (func (param externref funcref i32 i32) (result i32))',
        '"fd_read" (func (param i64 i32 i32 i32) (result i32))',
        '"poll_oneoff" (func (param i32 i32 i32 i32))',
    ],
)
def test_an_import_of_other_types_is_refused_and_ends_no_process(tmp_path: Path, import_: str) -> None:
    """wasmtime's C interface aborts where it is asked for the name of some types, so they are never asked for."""
    text = f'(module (import "wasi_snapshot_preview1" {import_}) (memory (export "memory") 1) (func (export "_start")))'
    with pytest.raises(InputError, match="wasi_snapshot_preview1::"):
        make(tmp_path, bytes(wasmtime.wat2wasm(text))).run()


def test_a_module_may_use_vectors_in_what_it_exports(tmp_path: Path) -> None:
    body = '(func (export "f") (param v128) (result v128) local.get 0) (func (export "_start"))'
    text = f'(module (memory (export "memory") 1) (global (export "g") v128 (v128.const i64x2 0 0)) {body})'
    assert make(tmp_path, bytes(wasmtime.wat2wasm(text))).run() == 0
