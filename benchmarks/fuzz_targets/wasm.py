"""Guests: calls of the host with any arguments, damaged modules and damaged components."""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import wasmtime

from benchmarks.fuzz import Read, Target, damage_bytes, damage_json
from tests.wasm.graphs import find_echo
from tests.wasm.wat import CALLS, LOG, OURS, command
from wherry.errors import GuestError, InputError
from wherry.wasm.component import Compiled
from wherry.wasm.host import Guest, GuestOptions, Mount
from wherry.wasm.network_policy import NetworkPolicy
from wherry.wasm.nn.graph import Graph
from wherry.wasm.wasi.command import Command

_NAME, _TENSOR, _DIMS, _DATA, _BUILDER, _END = 512, 600, 640, 656, 700, 65536
_HIGHEST_ERRNO = 103
_SECONDS = 0.3  # of a guest: it may wait for a client, or for a clock
_SPACE = 64 << 30  # bytes of address space: wasmtime reserves 4 GiB for each memory
_NUMBERS = [
    0, 1, 2, 3, 4, 7, 8, 16, 48, 128, 1024, 1025, _NAME, _TENSOR, _BUILDER, _END - 64, _END - 4, _END, _END + 1, 0xFFFF,
    1 << 30, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0xFFFF_FFF8, (1 << 63), (1 << 64) - 1,
]  # fmt: skip


def _words(*numbers: int) -> str:
    return "".join(f"\\{byte:02x}" for number in numbers for byte in number.to_bytes(4, "little"))


def _program(calls: list[Any]) -> bytes:
    """[[name, argument, …], …] as a module that makes the calls and ends with 7, or with 99 for an answer that is no errno.

    What is no call is left out; arguments that are missing are 0, and what is no number is its text's length.
    """
    lines = []
    for each in calls:
        if not (isinstance(each, list) and each and each[0] in (*OURS, "log")):
            continue
        name, arguments = each[0], [n if type(n) is int else len(str(n)) for n in each[1:]]
        kinds = ("i32",) * 5 if name == "log" else CALLS[name]
        padded = [*arguments, *[0] * len(kinds)][: len(kinds)]
        values = [f"({kind}.const {number % (1 << int(kind[1:]))})" for kind, number in zip(kinds, padded, strict=True)]
        called = f"(call ${name} {' '.join(values)})"
        wrong = f"(if (i32.gt_u {called} (i32.const {_HIGHEST_ERRNO})) (then (call $exit (i32.const 99))))"
        lines.append(called if name == "log" else wrong)
    if not lines:
        raise InputError("found no call")
    records = (
        f'(data (i32.const {_NAME}) "default") (data (i32.const {_TENSOR}) "{_words(_DIMS, 2, 1, _DATA, 16)}")'
        f'(data (i32.const {_DIMS}) "{_words(1, 4)}") (data (i32.const {_BUILDER}) "{_words(_DATA, 16)}")'
        f'(data (i32.const 1200) "{_words(1300, 64, 1400, 8)}") (data (i32.const 1216) "{_words(1232, 4)}\\7f\\00\\00\\01")'
    )
    return command(" ".join([*lines, "(call $exit (i32.const 7))"]), *OURS, extra=f"{LOG} {records}")


def _call_seeds() -> Sequence[bytes]:
    """Every call by itself, those of models and of sockets in an order that goes deep, and chance."""
    chosen = random.Random(5)
    models = [
        ["nn_load_by_name", _NAME, 7, 800], ["nn_init_execution_context", 0, 804], ["nn_set_input", 1, 0, _TENSOR],
        ["nn_compute", 1], ["nn_get_output", 1, 0, 2000, 100, 808], ["nn_compute_single", 1],
        ["nn_get_output_single", 1, 1, 2000, 100, 808], ["nn_fini_single", 1], ["nn_load", _BUILDER, 1, 6, 0, 812],
        ["nn_finalize_execution_context", 1], ["nn_unload", 0],
    ]  # fmt: skip
    sockets = [
        ["sock_open", 1, 2, 800], ["sock_setsockopt", 1024, 0, 0, 1232, 4], ["sock_bind", 1024, 1216, 80],
        ["sock_listen", 1024, 4], ["fd_fdstat_set_flags", 1024, 4], ["sock_accept", 1024, 804], ["sock_open", 1, 1, 800],
        ["sock_send_to", 1025, 1200, 2, 1216, 53, 0, 804], ["sock_recv", 1025, 1200, 2, 0, 804, 808],
        ["poll_oneoff", 1400, 2000, 2, 808], ["sock_shutdown", 1024, 3], ["fd_close", 1024], ["sock_shutdown", 1, 1],
    ]  # fmt: skip
    chance = [[[name, *(chosen.choice(_NUMBERS) for _ in CALLS[name])] for name in chosen.sample(OURS, 8)] for _ in range(40)]
    programs = [models, sockets, [["log", 2, _NAME, 7, _NAME, 7]], *chance]
    return [json.dumps(program).encode() for program in programs]


def _no_growth(builders: object, encoding: int, target: int) -> Graph:
    return find_echo("default")


def _run(path: Path, folder: Path) -> int:
    options = GuestOptions(
        argv=["guest"],
        mounts=[Mount(folder, "/")],
        network=NetworkPolicy({80: ("127.0.0.1", 0)}),
        memory_bytes=1 << 20,
        inherit_stdio=False,
        timeout=_SECONDS,
    )
    return Guest(path, options, find_echo, load_graph=_no_growth).run()


def _start_calls(folder: Path) -> Read:
    (folder / "files").mkdir()

    def read(data: bytes) -> None:
        try:
            calls = json.loads(data)
        except ValueError as error:
            raise InputError("found no JSON") from error
        path = folder / "guest.wasm"
        path.write_bytes(_program(calls if isinstance(calls, list) else []))
        try:
            assert _run(path, folder / "files") != 99, "a call answered what is no errno"
        except GuestError as error:
            if "which is its limit" not in error.message:
                raise AssertionError(error.message) from error  # no call may trap

    return read


def _start_modules(folder: Path) -> Read:
    (folder / "files").mkdir()

    def read(data: bytes) -> None:
        path = folder / "guest.wasm"
        path.write_bytes(data)
        _run(path, folder / "files")

    return read


def _module_seeds() -> Sequence[bytes]:
    return [_program(json.loads(seed)) for seed in _call_seeds()[:8]]


_COMPONENT = """
(component
  (import "wasi:cli/environment@0.2.0" (instance $environment
    (export "get-arguments" (func (result (list string))))))
  (core module $libc (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
  (core instance $libc (instantiate $libc))
  (alias export $environment "get-arguments" (func $arguments))
  (core func $lowered (canon lower (func $arguments)
    (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core module $main (import "host" "arguments" (func $arguments (param i32)))
    (func (export "run") (result i32) (call $arguments (i32.const 16)) (i32.const 0)))
  (core instance $main (instantiate $main (with "host" (instance (export "arguments" (func $lowered))))))
  (func $run (result (result)) (canon lift (core func $main "run")))
  (instance $cli (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $cli)))
"""


def _component_seeds() -> Sequence[bytes]:
    return [bytes(wasmtime.wat2wasm(_COMPONENT))]


def _start_components(folder: Path) -> Read:
    def read(data: bytes) -> None:
        path = folder / "guest.wasm"
        path.write_bytes(data)
        compiled = Compiled(path, None, lambda line: None)
        Command(compiled, GuestOptions(argv=["guest"], memory_bytes=1 << 20, timeout=_SECONDS), find_echo).run()

    return read


_SECTIONS = (b"\0asm", b"\x01\0\0\0", b"\x0d\0\x01\0", b"\0", b"\x7f\x7f", b"\xff\xff\xff\xff\x0f", b"memory", b"_start")
TARGETS = [
    Target(
        "guest-calls",
        _call_seeds,
        _start_calls,
        words=tuple(name.encode() for name in OURS),
        damage=damage_json,
        suite_cases=60,
        max_space=_SPACE,
    ),
    Target(
        "core-modules", _module_seeds, _start_modules, words=_SECTIONS, damage=damage_bytes, suite_cases=120, max_space=_SPACE
    ),
    Target("components", _component_seeds, _start_components, words=_SECTIONS, suite_cases=120, max_space=_SPACE),
]
