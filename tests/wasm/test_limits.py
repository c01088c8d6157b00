"""What a guest may take of the host, and for how long."""

import gc
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import wasmtime

from tests.wasm.graphs import Echo, Endless, find_echo
from tests.wasm.wat import CALLS, OURS, call, command, make
from wherry.errors import FormatError, GuestError, InputError, StoppedError
from wherry.wasm.host import Guest, Mount
from wherry.wasm.nn.graph import Graph

_MIB = 1 << 20
_NAME, _TENSOR, _GRAPH, _CONTEXT, _BUILDER, _PATH, _IOV = 16, 32, 64, 68, 72, 96, 128


def words(*numbers: int) -> str:
    return "".join(f"\\{byte:02x}" for number in numbers for byte in number.to_bytes(4, "little"))


def records(held: int) -> str:
    """In the guest's memory: a graph's name, a tensor of `held` bytes and a builder of as many, a path."""
    return f"""
    (data (i32.const {_NAME}) "default")
    (data (i32.const {_TENSOR}) "{words(0, 0, 3, 0, held)}")
    (data (i32.const {_BUILDER}) "{words(0, held)}")
    (data (i32.const {_PATH}) "file")
    (global $n (mut i32) (i32.const 0))
    """


def until_error(body: str) -> str:
    """Do `body`, which leaves an errno, until that is not 0; exit with how often it was, or 100 if it always was."""
    return f"""
    (block $end (loop $again
      (br_if $end {body})
      (global.set $n (i32.add (global.get $n) (i32.const 1)))
      (br_if $again (i32.lt_u (global.get $n) (i32.const 100)))))
    (call $exit (global.get $n))"""


_LOAD_NAME = f"(drop {call('nn_load_by_name', _NAME, 7, _GRAPH)})"
_OPEN = f"(drop (call $nn_init_execution_context (i32.load (i32.const {_GRAPH})) (i32.const {_CONTEXT})))"
_SET = f"(call $nn_set_input (i32.load (i32.const {_CONTEXT})) (i32.const 0) (i32.const {_TENSOR}))"
_CLOSE = f"(drop (call $nn_finalize_execution_context (i32.load (i32.const {_CONTEXT}))))"
_LOAD = call("nn_load", _BUILDER, 1, 9, 0, _GRAPH)
_UNLOAD = f"(drop (call $nn_unload (i32.load (i32.const {_GRAPH}))))"
_NN = ("nn_load", "nn_load_by_name", "nn_init_execution_context", "nn_set_input", "nn_finalize_execution_context", "nn_unload")


@pytest.mark.parametrize(
    ("body", "times"),
    [
        (f"(block (result i32) {_OPEN} {_SET})", 8),  # a context each: 8 times 8 MiB are the 64 MiB that it may have
        (_SET, 100),  # in the same place, again and again
        (f"(block (result i32) {_OPEN} {_SET} {_CLOSE})", 100),
        (_LOAD, 8),
        (f"(block (result i32) {_LOAD} {_UNLOAD})", 100),
        (f"(block (result i32) {_LOAD} {_OPEN} {_UNLOAD})", 8),  # the context keeps the model
        (f"(block (result i32) {_LOAD} {_OPEN} {_UNLOAD} {_CLOSE})", 100),
    ],
    ids=["inputs", "one input", "inputs let go", "models", "models let go", "models in contexts", "contexts let go"],
)
def test_the_host_holds_no_more_for_a_guest_than_its_memory(tmp_path: Path, body: str, times: int) -> None:
    def load(builders: object, encoding: int, target: int) -> Graph:
        return Echo()

    wasm = command(f"{_LOAD_NAME} {_OPEN} {until_error(body)}", *_NN, memory="128", extra=records(8 * _MIB))
    assert make(tmp_path, wasm, find_echo, load_graph=load, memory_bytes=64 * _MIB).run() == times


@pytest.mark.parametrize("what", [_SET, _LOAD], ids=["input", "model"])
def test_what_is_too_large_is_refused_before_it_is_copied(tmp_path: Path, what: str) -> None:
    """The tensor and the builder claim more than the guest's limit, though its memory could not hold that: 7, not 3."""
    wasm = command(f"{_LOAD_NAME} {_OPEN} (call $exit {what})", *_NN, extra=records(_MIB + 1))
    assert make(tmp_path, wasm, find_echo, load_graph=lambda *_: Echo(), memory_bytes=_MIB).run() == 7


def test_a_result_may_lie_over_an_argument(tmp_path: Path) -> None:
    """What a call reads, it reads before it writes: the handle lands on the name, and the pieces' count on their record."""
    load = call("nn_load_by_name", _NAME, 7, _NAME)
    write = call("fd_write", 1, _IOV, 1, _IOV)
    extra = f'{records(0)} (data (i32.const {_IOV}) "{words(1024, 5)}")'
    body = f"(if {load} (then (call $exit (i32.const 1)) unreachable)) (if {write} (then (call $exit (i32.const 2)) unreachable))"
    wasm = command(f"{body} (call $exit (i32.load (i32.const {_IOV})))", "nn_load_by_name", "fd_write", extra=extra)
    assert make(tmp_path, wasm, find_echo).run() == 5


def test_files_are_counted(tmp_path: Path) -> None:
    """The host has descriptors for everyone: a guest gets 256 of them at a time."""
    (tmp_path / "files").mkdir()
    (tmp_path / "files/file").write_text("x")
    open_file = call("path_open", 3, 0, _PATH, 4, 0, 2, 0, 0, _GRAPH)
    close_file = f"(call $fd_close (i32.load (i32.const {_GRAPH})))"
    many = until_error(open_file).replace("100", "1000").replace("(call $exit (global.get $n))", "")
    body = f"""
    {many}
    (if (i32.ne (global.get $n) (i32.const 256)) (then (call $exit (i32.const 1)) unreachable))
    (if (i32.ne {open_file} (i32.const 33)) (then (call $exit (i32.const 2)) unreachable))
    (if {close_file} (then (call $exit (i32.const 3)) unreachable))
    (call $exit {open_file})"""
    wasm = command(body, "path_open", "fd_close", extra=records(0))
    assert make(tmp_path, wasm, mounts=[Mount(tmp_path / "files", "/")]).run() == 0


@pytest.mark.parametrize("code", [0, 1, 125, 126, 200, 255])
def test_any_exit_code_is_the_guests_own(tmp_path: Path, code: int) -> None:
    assert make(tmp_path, command(f"(call $exit (i32.const {code}))")).run() == code


@pytest.mark.parametrize("code", [-1, 255 + 256])
def test_an_exit_code_is_a_byte(tmp_path: Path, code: int) -> None:
    assert make(tmp_path, command(f"(call $exit (i32.const {code})) (loop (br 0))")).run() == 255


# -- time: what never ends by itself


@contextmanager
def in_place_of(number: int, replacement: int) -> Iterator[None]:
    """The process's own descriptor `number` is another one for a while: a guest inherits that."""
    kept = os.dup(number)
    os.dup2(replacement, number)
    try:
        yield
    finally:
        os.dup2(kept, number)
        os.close(kept)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


_IOVEC = f'(data (i32.const {_IOV}) "{words(1024, 60000)}")'
_READ = f"(drop {call('fd_read', 0, _IOV, 1, _GRAPH)})"
_WRITE = f"(drop {call('fd_write', 1, _IOV, 1, _GRAPH)})"
_POLL_STDIN = f"(i32.store8 (i32.const 2056) (i32.const 1)) (drop {call('poll_oneoff', 2048, 4096, 1, _GRAPH)})"


@pytest.mark.parametrize("body", [_READ, _POLL_STDIN], ids=["read", "poll"])
def test_the_deadline_ends_a_guest_that_waits_for_its_input(tmp_path: Path, pipe: tuple[int, int], body: str) -> None:
    guest = make(tmp_path, command(body, "fd_read", "poll_oneoff", extra=_IOVEC), timeout=0.2)
    with in_place_of(0, pipe[0]), pytest.raises(GuestError, match="its limit"):
        guest.run()


def test_the_deadline_ends_a_guest_whose_output_nobody_reads(tmp_path: Path, pipe: tuple[int, int]) -> None:
    guest = make(tmp_path, command(f"(loop {_WRITE} (br 0))", "fd_write", extra=_IOVEC), timeout=0.2)
    with in_place_of(1, pipe[1]), pytest.raises(GuestError, match="its limit"):
        guest.run()


def test_input_and_output_pass_whole(tmp_path: Path, pipe: tuple[int, int]) -> None:
    """An echo, piece by piece as the host gives them, until the input ends: 300,000 bytes come out as they went in."""
    got = f"(i32.load (i32.const {_GRAPH}))"
    body = f"""
    (loop $again
      (i32.store (i32.const {_IOV + 4}) (i32.const 60000))
      {_READ}
      (if (i32.eqz {got}) (then (call $exit (i32.const 0)) unreachable))
      (i32.store (i32.const {_IOV + 4}) {got})
      (loop $rest
        {_WRITE}
        (i32.store (i32.const {_IOV}) (i32.add (i32.load (i32.const {_IOV})) {got}))
        (i32.store (i32.const {_IOV + 4}) (i32.sub (i32.load (i32.const {_IOV + 4})) {got}))
        (br_if $rest (i32.load (i32.const {_IOV + 4}))))
      (i32.store (i32.const {_IOV}) (i32.const 1024))
      (br $again))"""
    sent = bytes(range(256)) * 1200
    wasm = tmp_path / "echo.wasm"
    wasm.write_bytes(command(body, "fd_read", "fd_write", extra=_IOVEC))
    (tmp_path / "in").write_bytes(sent)
    received = bytearray()
    drain = threading.Thread(target=lambda: [received.extend(piece) for piece in iter(lambda: os.read(pipe[0], 65536), b"end")])
    drain.start()
    with (tmp_path / "in").open("rb") as source, in_place_of(0, source.fileno()), in_place_of(1, pipe[1]):
        assert make(tmp_path, wasm.read_bytes()).run() == 0
    os.write(pipe[1], b"")
    for _ in range(600):
        if len(received) >= len(sent):
            break
        threading.Event().wait(0.05)
    os.write(pipe[1], b"end")
    drain.join(30)
    assert bytes(received) == sent


def computing(tmp_path: Path, find: Callable[[str], Graph], **options: float) -> Guest:
    compute = f"(call $nn_compute (i32.load (i32.const {_CONTEXT})))"
    body = f"{_LOAD_NAME} {_OPEN} (drop {compute})"
    return make(tmp_path, command(body, *_NN, "nn_compute", extra=records(0)), find, **options)


def test_the_deadline_ends_a_guest_whose_model_computes(tmp_path: Path) -> None:
    graph = Endless()
    guest = computing(tmp_path, lambda name: graph, timeout=0.2)
    with pytest.raises(GuestError, match="its limit"):
        guest.run()
    assert graph.begun.is_set() and not graph.ended.is_set() and guest.left_work
    graph.let_go.set()
    assert graph.ended.wait(30)  # at its next check: the work does not go on for nobody


def test_stop_ends_a_guest_whose_model_computes(tmp_path: Path) -> None:
    graph = Endless()
    guest = computing(tmp_path, lambda name: graph)
    threading.Thread(target=lambda: (graph.begun.wait(30), guest.stop())).start()
    with pytest.raises(StoppedError):
        guest.run()
    graph.let_go.set()


def test_stop_ends_a_guest_that_waits_for_its_model_to_be_loaded(tmp_path: Path) -> None:
    begun, let_go = threading.Event(), threading.Event()

    def find(name: str) -> Graph:
        begun.set()
        let_go.wait(60)
        return Echo()

    guest = computing(tmp_path, find)
    threading.Thread(target=lambda: (begun.wait(30), guest.stop())).start()
    with pytest.raises(StoppedError):
        guest.run()
    let_go.set()


def test_stop_before_the_start_counts(tmp_path: Path) -> None:
    guest = make(tmp_path, command("(loop (br 0))"))
    guest.stop()
    with pytest.raises(StoppedError):
        guest.run()


def test_stop_after_the_end_is_no_error(tmp_path: Path) -> None:
    guest = make(tmp_path, command(""))
    assert guest.run() == 0
    for _ in range(1000):
        guest.stop()


def test_a_start_section_runs_within_the_limits_too(tmp_path: Path) -> None:
    wasm = command("", extra="(func $first (loop (br 0))) (start $first)")
    with pytest.raises(GuestError, match="its limit"):
        make(tmp_path, wasm, timeout=0.2).run()


def test_a_defect_of_the_host_ends_its_guest_and_is_told(tmp_path: Path) -> None:
    def find(name: str) -> Graph:
        raise ZeroDivisionError("a defect")

    with pytest.raises(ZeroDivisionError, match="a defect"):
        computing(tmp_path, find).run()


# -- what a module may ask for


def test_every_call_is_there_in_every_version(tmp_path: Path) -> None:
    assert make(tmp_path, command("(call $exit (i32.const 5))", *CALLS)).run() == 5


@pytest.mark.parametrize("name", [*OURS, "log", "exit"])
def test_a_call_with_other_parameters_is_refused(tmp_path: Path, name: str) -> None:
    """Called with what it does not take, a Python function raises, and wasmtime-py hands that to any thread."""
    module = "wasi_ephemeral_nn" if name.startswith("nn_") else "wasi_snapshot_preview1"
    module, name = {"log": ("wasi:logging/logging", "log"), "exit": (module, "proc_exit")}.get(name, (module, name))
    plain = name.removeprefix("nn_")
    for kind in ("", "(param i64)", "(param i32) (result i64)", "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)"):
        wasm = command("", extra=f'(import "{module}" "{plain}" (func $x {kind}))')
        with pytest.raises(InputError, match=plain):
            make(tmp_path, wasm).run()


@pytest.mark.parametrize(
    "memory",
    ['1 2 shared) (memory (export "b") 1', "1) (memory $other 1", "i64 1"],
    ids=["shared", "two", "64 bits"],
)
def test_memory_that_the_limits_do_not_cover_is_refused(tmp_path: Path, memory: str) -> None:
    with pytest.raises(FormatError, match="invalid module"):
        make(tmp_path, command("", memory=memory))


def test_tables_have_a_limit(tmp_path: Path) -> None:
    grow = "(table.grow (ref.null func) (i32.const 1000000))"
    wasm = command(f"(call $exit (i32.eq {grow} (i32.const -1)))", extra="(table 1 funcref)")
    assert make(tmp_path, wasm).run() == 1


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ('(import "env" "other" (func))', "env::other"),
        ('(import "wasi_ephemeral_nn" "compute_all" (func))', "wasi_ephemeral_nn::compute_all"),
        ('(import "wasi_snapshot_preview1" "sock_fly" (func))', "wasi_snapshot_preview1::sock_fly"),
        ('(import "env" "memory" (memory 1))', "no function"),
    ],
)
def test_an_import_that_nobody_provides_is_named(tmp_path: Path, extra: str, said: str) -> None:
    wasm = bytes(wasmtime.wat2wasm(f'(module {extra} (func (export "_start")))'))
    with pytest.raises(InputError, match=said):
        make(tmp_path, wasm).run()


@pytest.mark.parametrize("start", ['(func (export "_start") (param i32))', '(global (export "_start") i32 (i32.const 0))', ""])
def test_a_module_without_a_command_is_told(tmp_path: Path, start: str) -> None:
    with pytest.raises(InputError, match="_start"):
        make(tmp_path, bytes(wasmtime.wat2wasm(f"(module {start})"))).run()


# -- what is left of a guest


def descriptors_and_threads() -> tuple[int, int]:
    return len(list(Path("/dev/fd").iterdir())), threading.active_count()


def resident_kib() -> int:
    shown = subprocess.run(["ps", "-o", "rss=", "-p", str(os.getpid())], capture_output=True, text=True, check=True)
    return int(shown.stdout)


def test_nothing_is_left_of_a_guest(tmp_path: Path) -> None:
    """Each takes 16 MiB, sockets, a file, an input and a thread: all of it is back when it has ended, well or not."""
    (tmp_path / "files").mkdir()
    (tmp_path / "files/file").write_text("x")
    takes = f"""
    (memory.fill (i32.const 65536) (i32.const 1) (i32.const 16000000))
    (drop {call("sock_open", 1, 2, _GRAPH + 128)}) (drop {call("path_open", 3, 0, _PATH, 4, 0, 2, 0, 0, _GRAPH + 128)})
    {_LOAD_NAME} {_OPEN} (drop {_SET}) (drop (call $nn_compute (i32.load (i32.const {_CONTEXT}))))"""
    names = (*_NN, "nn_compute", "sock_open", "path_open")
    modules = [command(takes + end, *names, memory="256", extra=records(_MIB)) for end in ("", "unreachable")]

    def run(count: int) -> None:
        for i in range(count):
            guest = make(tmp_path, modules[i % 2], find_echo, cache=tmp_path, mounts=[Mount(tmp_path / "files", "/")])
            if i % 2:
                with pytest.raises(GuestError, match="trapped"):
                    guest.run()
            else:
                assert guest.run() == 0

    run(20)
    gc.collect()
    before, resident = descriptors_and_threads(), resident_kib()
    run(100)
    gc.collect()
    after = descriptors_and_threads()
    assert after[0] <= before[0] and after[1] <= before[1]
    assert resident_kib() < resident + (48 << 10)  # a hundred of them took 1.6 GiB
