"""Native calls that last, and a main thread that answers signals meanwhile.

Python runs a signal's handler between two of its own instructions: Ctrl-C would wait for a compiler's or a compressor's end.
So such a call runs on a thread beside, and the main thread waits for it in short pieces.
"""

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_WAIT_SECONDS = 0.1
_abandoned: list[threading.Thread] = []


def interruptible(call: Callable[[], T]) -> T:
    """The call's result. In the main thread a signal's exception is raised at once; the call then goes on until the process ends.

    `call` keeps what it works on to itself: nobody waits for it after an interruption.
    """
    if threading.current_thread() is not threading.main_thread():
        return call()
    results: list[T] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(call())
        except BaseException as error:  # noqa: BLE001  # raised again below, by whom it concerns
            errors.append(error)

    thread = threading.Thread(target=work, name="native call", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(_WAIT_SECONDS)
    except BaseException:
        _abandoned.append(thread)
        raise
    if errors:
        raise errors[0]
    return results[0]


def has_abandoned_calls() -> bool:
    """Whether native code still runs that was interrupted: it must not see the interpreter's end, so leave with os._exit."""
    return any(thread.is_alive() for thread in _abandoned)
