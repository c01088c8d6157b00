"""Lines of a guest's for the host's log."""

import re

_MAX_LINE = 1 << 13
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]")


def printable(line: str) -> str:
    """What a terminal would obey is shown as what it is not; a line has an end."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", line[:_MAX_LINE])
