"""wasi:clocks."""

from wherry.wasm.component import Function, Guest, Interface
from wherry.wasm.values import Own
from wherry.wasm.wasi.io import add_pollable
from wherry.wasm.wasi.resources import NUMBERS
from wherry.wasm.wasi.state import Clock
from wherry.wasm.wasi.streams import Pollable

_SECOND = 1_000_000_000


def interfaces() -> dict[str, Interface]:
    monotonic: dict[str, Function] = {
        "now": lambda guest: _clock(guest).now(),
        "resolution": lambda guest: _clock(guest).step,
        "subscribe-instant": _subscribe,
        "subscribe-duration": lambda guest, duration: _subscribe(guest, _clock(guest).now() + duration),
    }
    wall: dict[str, Function] = {
        "now": lambda guest: divmod(_clock(guest).today(), _SECOND),
        "resolution": lambda guest: divmod(_clock(guest).step, _SECOND),
    }
    found = {"monotonic-clock": monotonic, "wall-clock": wall}
    return {f"wasi:clocks/{name}": Interface(functions, NUMBERS) for name, functions in found.items()}


def _clock(guest: Guest) -> Clock:
    clock: Clock = guest.data.clock
    return clock


def _subscribe(guest: Guest, when: int) -> Own:
    clock = _clock(guest)
    return add_pollable(guest, Pollable(lambda: clock.now() >= when, at=-(-when // clock.step) * clock.step))
