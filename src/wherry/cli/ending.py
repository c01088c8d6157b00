"""How a command ends: errors as one line and a hint on stderr, their kind as the exit code."""

import errno
import sys
from collections.abc import Callable

from wherry.errors import InputError, WherryError


def ended(work: Callable[[], object]) -> int:
    """Do the work -> the exit code: what it returns where that is one, else what its error says."""
    try:
        code = work()
    except WherryError as error:
        report(error)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except OSError as error:  # a full disk, a folder that may not be written: the system's words say it best
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        hint = "`wherry prune` removes what no image needs; XDG_CACHE_HOME moves the cache" if full else ""
        report(InputError(f"{error.filename or 'system'}: {error.strerror or error}", hint=hint))
        return 1
    return code if isinstance(code, int) else 0


def report(error: WherryError) -> None:
    """One line and a hint, on stderr."""
    print(f"wherry: {error.message}", file=sys.stderr)
    if error.hint:
        print(f"hint: {error.hint}", file=sys.stderr)
