"""How a command ends: errors as one line and a hint on stderr, their kind as the exit code."""

import errno
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from wherry.engine.cache import default_cache
from wherry.errors import InputError, WherryError

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


class SignalledError(BaseException):
    """A signal came that ends the program: raised wherever it is, as Ctrl-C is, so that what it has made goes with it."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


def end_at(*numbers: int) -> None:
    """Each of these signals raises SignalledError in the main thread from now on; after it, the next one ends the process."""
    came: list[int] = []

    def end(number: int, frame: object) -> None:
        if came:
            os._exit(128 + number)
        came.append(number)
        raise SignalledError(number)

    for number in numbers:
        signal.signal(number, end)


def ended(work: Callable[[], object]) -> int:
    """Do the work -> the exit code: what it returns where that is one, else what its error says."""
    try:
        code = work()
    except WherryError as error:
        report(error)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except SignalledError as signalled:
        return signalled.exit_code
    except OSError as error:  # a full disk, a folder that may not be written: the system's words say it best
        report(InputError(_message(error), hint=_hint(error)))
        return 1
    except UnicodeEncodeError as error:  # a word or a name with bytes that are no UTF-8, where text is written
        report(InputError(f"found {error.object[max(0, error.start - 40) : error.end + 40]!a}, expected UTF-8"))
        return InputError.exit_code
    return code if isinstance(code, int) else 0


def _message(error: OSError) -> str:
    """A write to a full disk comes without its file's name: then the fullest disk of those that we write to is named."""
    if error.errno not in _DISK_FULL:
        return f"{error.filename or 'system'}: {error.strerror or error}"
    if error.filename:
        return f"{error.filename}: the disk is full"
    import shutil
    import tempfile

    free = {}
    for folder in (default_cache(), Path(tempfile.gettempdir()), Path.cwd()):
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        free[existing] = shutil.disk_usage(existing).free
    fullest = min(free, key=lambda path: free[path])
    return f"{fullest}: the disk is full ({free[fullest] / 1e6:.0f} MB free)"


def _hint(error: OSError) -> str:
    if error.errno in _DISK_FULL:
        return "`wherry prune` removes what no image needs; XDG_CACHE_HOME moves the cache"
    if isinstance(error.filename, str):
        cache, place = default_cache(), Path(error.filename)
        if place == cache or place in cache.parents or cache in place.parents:
            return f"models, images and compiled guests are kept in {cache}; XDG_CACHE_HOME names another place"
    return ""


def report(error: WherryError) -> None:
    """One line and a hint, on stderr."""
    print(f"wherry: {error.message}", file=sys.stderr)
    if error.hint:
        print(f"hint: {error.hint}", file=sys.stderr)
