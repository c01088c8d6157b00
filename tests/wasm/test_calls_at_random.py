"""Host functions called with arguments nobody thought of: an errno each time, and a host that goes on as before."""

from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from tests.wasm.graphs import find_echo
from tests.wasm.wat import CALLS, LOG, OURS, call, command, make
from wherry.errors import GuestError
from wherry.wasm.host import Guest, Mount
from wherry.wasm.network_policy import NetworkPolicy
from wherry.wasm.nn.graph import Graph

# What lies in the guest's memory: a name, a tensor of four numbers and a builder, so that some calls go deep.
_NAME, _TENSOR, _DIMS, _DATA, _BUILDER, _ANY = 512, 600, 640, 656, 700, 1024
_END = 65536
_HIGHEST_ERRNO = 103


def words(*numbers: int) -> str:
    return "".join(f"\\{byte:02x}" for number in numbers for byte in number.to_bytes(4, "little"))


RECORDS = f"""
(data (i32.const {_NAME}) "default")
(data (i32.const {_TENSOR}) "{words(_DIMS, 2, 1, _DATA, 16)}")
(data (i32.const {_DIMS}) "{words(1, 4)}")
(data (i32.const {_BUILDER}) "{words(_DATA, 16)}")
"""

I32 = st.one_of(
    st.integers(0, 20),  # handles, lengths, flags
    st.integers(1024, 1028),  # sockets
    st.sampled_from([_NAME, 7, _TENSOR, _BUILDER, 48, 128]),
    st.integers(_ANY, _ANY + 600),
    st.integers(_END - 64, _END + 4),
    st.sampled_from([-1, -8, 0x7FFF_FFFF, -0x8000_0000, 1 << 30, 0xFFFF, 0x1_0000]),
    st.integers(-(1 << 31), (1 << 31) - 1),
)
I64 = st.one_of(st.integers(0, 20), st.sampled_from([-1, -(1 << 63), (1 << 63) - 1]), st.integers(-(1 << 63), (1 << 63) - 1))


@st.composite
def one_call(draw: st.DrawFn) -> str:
    name = draw(st.sampled_from(OURS))
    arguments = [draw(I64 if kind == "i64" else I32) for kind in CALLS[name]]
    answer = f"(i32.gt_u {call(name, *arguments)} (i32.const {_HIGHEST_ERRNO}))"
    return f"(if {answer} (then (call $exit (i32.const 99)) unreachable))"


LOGGED = st.tuples(I32, I32, I32, I32, I32).map(lambda given: f"(call $log {' '.join(f'(i32.const {n})' for n in given)})")


def outcome(guest: Guest) -> int | str:
    try:
        return guest.run()
    except GuestError as error:
        return "deadline" if "which is its limit" in error.message else error.message


def load(builders: object, encoding: int, target: int) -> Graph:
    return find_echo("default")


@pytest.mark.slow
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    calls=st.lists(st.one_of(one_call(), one_call(), one_call(), LOGGED), min_size=1, max_size=10),
    data=st.binary(max_size=600),
)
def test_every_call_answers_with_an_errno(tmp_path: Path, calls: list[str], data: bytes) -> None:
    escaped = "".join(f"\\{byte:02x}" for byte in data)
    extra = f'{LOG} {RECORDS} (data (i32.const {_ANY}) "{escaped}")'
    wasm = command(" ".join([*calls, "(call $exit (i32.const 7))"]), *OURS, extra=extra)
    (tmp_path / "files").mkdir(exist_ok=True)
    guest = make(
        tmp_path,
        wasm,
        find_echo,
        load_graph=load,
        mounts=[Mount(tmp_path / "files", "/")],
        network=NetworkPolicy({80: ("127.0.0.1", 0)}, outgoing=False),
        memory_bytes=1 << 20,
        inherit_stdio=False,
        timeout=0.25,
    )
    assert outcome(guest) in (7, "deadline")  # it may wait for a client, or for a clock
