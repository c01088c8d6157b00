"""Standard descriptors that were closed when the process began: by a daemon, a supervisor, `<&-`.

The next files and sockets of a process would get their numbers, and whoever reads stdin or writes to stdout would speak with
those. So every process of ours has /dev/null there before it opens anything. Started with every container, so it imports little.
"""

import os
import sys
from typing import TextIO

_NAMES = ("stdin", "stdout", "stderr")


def open_standard_streams() -> None:
    """Put /dev/null where a standard descriptor is missing, for this process and its children, and give `sys` its stream."""
    for number, name in enumerate(_NAMES):
        try:
            os.fstat(number)
        except OSError:
            handle = os.open(os.devnull, os.O_RDWR)
            if handle != number:
                os.dup2(handle, number)
                os.close(handle)
            os.set_inheritable(number, True)
        if getattr(sys, name) is None:
            setattr(sys, name, _stream(number))
            setattr(sys, f"__{name}__", getattr(sys, name))


def _stream(number: int) -> TextIO:
    return open(number, "r" if number == 0 else "w", encoding="utf-8", errors="surrogateescape", closefd=False)
