"""Commands in WebAssembly's text form, which do with handles what no compiler would: each ends, and the host goes on."""

import os
from pathlib import Path

import pytest
from wasmtime import wat2wasm

from wherry.errors import GuestError, InputError
from wherry.wasm.component import Compiled
from wherry.wasm.host import GuestOptions
from wherry.wasm.wasi.command import Command

_POLL = "(list (borrow $p))"


def text(body: str, polled: str = _POLL) -> str:
    """A command of `body`, with two pollables that are ready in $a and $b, and an output stream in $out."""
    return f"""(component
  (import "wasi:io/poll@0.2.0" (instance $poll
    (export "pollable" (type $p (sub resource)))
    (export "[method]pollable.block" (func (param "self" (borrow $p))))
    (export "poll" (func (param "in" {polled}) (result (list u32))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:io/error@0.2.0" (instance $error (export "error" (type (sub resource)))))
  (alias export $error "error" (type $error))
  (import "wasi:io/streams@0.2.0" (instance $streams
    (export "output-stream" (type $o (sub resource)))
    (alias outer 1 $error (type $e0)) (export "error" (type $e (eq $e0)))
    (alias outer 1 $pollable (type $p0)) (export "pollable" (type $p (eq $p0)))
    (type $failed0 (variant (case "last-operation-failed" (own $e)) (case "closed")))
    (export "stream-error" (type $failed (eq $failed0)))
    (export "[method]output-stream.subscribe" (func (param "self" (borrow $o)) (result (own $p))))
    (export "[method]output-stream.write" (func (param "self" (borrow $o)) (param "contents" (list u8))
      (result (result (error $failed)))))))
  (alias export $streams "output-stream" (type $output))
  (import "wasi:cli/stdout@0.2.0" (instance $stdout
    (alias outer 1 $output (type $o0)) (export "output-stream" (type $o (eq $o0)))
    (export "get-stdout" (func (result (own $o))))))
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
    (alias outer 1 $pollable (type $p0)) (export "pollable" (type $p (eq $p0)))
    (export "subscribe-duration" (func (param "when" u64) (result (own $p))))))
  (import "wasi:random/random@0.2.0" (instance $random
    (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
  (core module $mem (memory (export "memory") 2) (global $at (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
  (core instance $mem (instantiate $mem))
  (core func $block (canon lower (func $poll "[method]pollable.block")))
  (core func $poll_ (canon lower (func $poll "poll") (memory (core memory $mem "memory")) (realloc (core func $mem "realloc"))))
  (core func $write (canon lower (func $streams "[method]output-stream.write") (memory (core memory $mem "memory"))))
  (core func $ready (canon lower (func $streams "[method]output-stream.subscribe")))
  (core func $subscribe (canon lower (func $clock "subscribe-duration")))
  (core func $out_ (canon lower (func $stdout "get-stdout")))
  (core func $bytes (canon lower (func $random "get-random-bytes") (memory (core memory $mem "memory"))
    (realloc (core func $mem "realloc"))))
  (core func $drop (canon resource.drop $pollable))
  (core func $drop_out (canon resource.drop $output))
  (core module $m (import "m" "memory" (memory 1))
    (import "h" "block" (func $block (param i32))) (import "h" "subscribe" (func $subscribe (param i64) (result i32)))
    (import "h" "drop" (func $drop (param i32))) (import "h" "poll" (func $poll (param i32 i32 i32)))
    (import "h" "write" (func $write (param i32 i32 i32 i32))) (import "h" "ready" (func $ready (param i32) (result i32)))
    (import "h" "out" (func $out_ (result i32))) (import "h" "drop-out" (func $drop_out (param i32)))
    (import "h" "bytes" (func $bytes (param i64 i32)))
    (func (export "run") (result i32) (local $a i32) (local $b i32) (local $out i32)
      (local.set $a (call $subscribe (i64.const 0))) (local.set $b (call $subscribe (i64.const 0)))
      (local.set $out (call $out_))
      {body} (i32.const 0)))
  (core instance $i (instantiate $m (with "m" (instance $mem)) (with "h" (instance
    (export "block" (func $block)) (export "subscribe" (func $subscribe)) (export "drop" (func $drop))
    (export "poll" (func $poll_)) (export "write" (func $write)) (export "ready" (func $ready)) (export "out" (func $out_))
    (export "drop-out" (func $drop_out)) (export "bytes" (func $bytes))))))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $run_i (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $run_i)))"""


def run(folder: Path, body: str, polled: str = _POLL, timeout: float = 60) -> int:
    path = folder / "hostile.wasm"
    path.write_bytes(bytes(wat2wasm(text(body, polled))))
    return Command(Compiled(path), GuestOptions(timeout=timeout), lambda name: None).run()  # type: ignore[arg-type, return-value]


def poll(first: str, second: str, count: int = 2) -> str:
    return (
        f"(i32.store (i32.const 0) {first}) (i32.store (i32.const 4) {second}) "
        f"(call $poll (i32.const 0) (i32.const {count}) (i32.const 16))"
    )


_A, _B = "(local.get $a)", "(local.get $b)"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (f"(call $drop {_A}) (call $drop {_A})", "unknown handle index"),
        (f"(call $drop {_A}) (call $block {_A})", "unknown handle index"),
        ("(call $block (i32.const 77))", "unknown handle index"),
        ("(call $block (local.get $out))", "handle"),
        (poll(_A, "(i32.const -1)"), "unknown handle index"),
        (poll(_A, _B, 0), "found 0 pollables"),
        (poll(_A, _B, 1 << 30), "hostile.wasm"),
        ("(loop $again (drop (call $subscribe (i64.const 0))) (br $again))", "resources: found 4096"),
        ("(call $write (local.get $out) (i32.const 0) (i32.const 8) (i32.const 32))", "found 8 bytes, expected at most the 0"),
        ("(call $write (local.get $out) (i32.const -16) (i32.const 999) (i32.const 32))", "hostile.wasm"),
        ("(call $bytes (i64.const -1) (i32.const 16))", "random: found 18446744073709551615 bytes"),
        ("unreachable", "unreachable"),
    ],
)
def test_what_no_guest_may_do_ends_it(tmp_path: Path, body: str, said: str) -> None:
    with pytest.raises(GuestError, match=said):
        run(tmp_path, body)


@pytest.mark.parametrize(
    "body",
    [
        "(call $block (call $subscribe (i64.const -1)))",
        "(call $block (call $subscribe (i64.const 1000000000000)))",
        f"(loop $again {poll(_A, _B)} (br $again))",
        "(loop $again (call $drop (call $subscribe (i64.const -1))) (br $again))",
        "(loop $again (br $again))",
    ],
)
def test_what_never_ends_is_ended(tmp_path: Path, body: str) -> None:
    with pytest.raises(GuestError, match=r"ran for 0\.2 s"):
        run(tmp_path, body, timeout=0.2)


@pytest.mark.parametrize(
    "body",
    [
        poll(_A, _B),
        poll(_A, _A),
        # The stream goes before what waits for it.
        "(local.set $a (call $ready (local.get $out))) (call $drop_out (local.get $out)) (call $block (local.get $a))",
    ],
)
def test_what_is_unusual_is_allowed(tmp_path: Path, body: str) -> None:
    assert run(tmp_path, body) == 0


def test_a_number_is_no_handle(tmp_path: Path) -> None:
    """An import's type is the guest's word alone: it says that poll takes numbers, to make some up."""
    with pytest.raises(
        InputError, match=r"poll@0.2.0#poll: found \(list<u32>\)->list<u32>, expected \(list<borrow>\)->list<u32>"
    ):
        run(tmp_path, poll("(i32.const 3)", "(i32.const 900)"), "(list u32)")


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    before = os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else []  # noqa: PTH112, PTH208
    for _ in range(3):
        with pytest.raises(GuestError):
            run(tmp_path, "unreachable")
    after = os.listdir("/proc/self/fd") if before else []  # noqa: PTH208
    assert len(after) <= len(before)
