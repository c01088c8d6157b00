"""A container's variables are data for its guest, and must not steer the interpreter that runs the guest.

LD_PRELOAD, GCONV_PATH, VK_DRIVER_FILES, PYTHONPATH and their like of an image would put the image's code into our process. So
the wrapper hides every variable under a prefix that no library knows, but for a short list, and the interpreter takes them back
as what the guest gets. Started with every container, so it imports nothing.
"""

from collections.abc import Iterable, Mapping

_PREFIX = "WHERRY_GUEST_ENV_"
# What is left as it is: hooks of the engine read NVIDIA's, runc PATH and HOME, and scratch files go to TMPDIR.
_SHOWN = ("PATH", "HOME", "TMPDIR")
_SHOWN_PREFIX = "NVIDIA_"
_KEPT = ("TMPDIR",)


def hide(variables: Iterable[object]) -> list[str]:
    """NAME=VALUE of a guest -> of the process that runs it."""
    return [text if _is_shown(text) else _PREFIX + text for text in map(str, variables)]


def hide_options(words: list[str]) -> list[str]:
    """The same of runc's own command line: `-e NAME=VALUE`, `--env NAME=VALUE`, `--env=NAME=VALUE`."""
    out: list[str] = []
    for word in words:
        option, sign, value = word.partition("=")
        if out and out[-1] in ("-e", "--env"):
            out += hide([word])
        elif sign and option in ("-e", "--env"):
            out.append(f"{option}={hide([value])[0]}")
        else:
            out.append(word)
    return out


def take_guest_variables(environ: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """A process's variables -> the guest's, and those that the process keeps for itself."""
    guest = {name.removeprefix(_PREFIX): value for name, value in environ.items()}
    return guest, {name: environ[name] for name in _KEPT if name in environ}


def _is_shown(text: str) -> bool:
    name = text.partition("=")[0]
    return name in _SHOWN or name.startswith(_SHOWN_PREFIX)
