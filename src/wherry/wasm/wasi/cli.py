"""wasi:cli: what a command has, and its end."""

from collections.abc import Callable
from typing import Any

from wherry.wasm.component import Guest, Interface
from wherry.wasm.values import Case, Own
from wherry.wasm.wasi.io import Input, Output
from wherry.wasm.wasi.resources import INPUT_STREAM, NUMBERS, OUTPUT_STREAM, TERMINAL_INPUT, TERMINAL_OUTPUT


class ExitError(Exception):
    """A guest has asked for its end."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exit {code}")
        self.code = code


def interfaces() -> dict[str, Interface]:
    found: dict[str, dict[str, Callable[..., Any]]] = {
        "environment": {
            "get-environment": lambda guest: list(guest.data.environment.items()),
            "get-arguments": lambda guest: list(guest.data.arguments),
            "initial-cwd": lambda guest: guest.data.environment.get("PWD"),
        },
        "exit": {"exit": _exit, "exit-with-code": _exit_with_code},
        "stdin": {"get-stdin": lambda guest: guest.table.add(INPUT_STREAM, Input(guest.data.stdin))},
        "stdout": {"get-stdout": lambda guest: guest.table.add(OUTPUT_STREAM, Output(guest.data.stdout))},
        "stderr": {"get-stderr": lambda guest: guest.table.add(OUTPUT_STREAM, Output(guest.data.stderr))},
        "terminal-input": {},
        "terminal-output": {},
        "terminal-stdin": {"get-terminal-stdin": lambda guest: _terminal(guest, "stdin", TERMINAL_INPUT)},
        "terminal-stdout": {"get-terminal-stdout": lambda guest: _terminal(guest, "stdout", TERMINAL_OUTPUT)},
        "terminal-stderr": {"get-terminal-stderr": lambda guest: _terminal(guest, "stderr", TERMINAL_OUTPUT)},
    }
    return {f"wasi:cli/{name}": Interface(functions, NUMBERS) for name, functions in found.items()}


def _exit(guest: Guest, status: Case) -> None:
    raise ExitError(0 if status.tag == "ok" else 1)


def _exit_with_code(guest: Guest, code: int) -> None:
    raise ExitError(code)


def _terminal(guest: Guest, name: str, kind: int) -> Own | None:
    return guest.table.add(kind, name) if name in guest.data.terminals else None
