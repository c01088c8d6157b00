"""A guest inside a container: `wherry run` on the container's files, as its first process.

The container is already what the user asked of the engine (network, limits, user, mounts), so the guest gets all of it: every
variable, every port, the whole root. Settings come as variables: WASMEDGE_WASINN_PRELOAD, WHERRY_DEVICE, WHERRY_MEMORY,
WHERRY_TIMEOUT.
"""

import os
import signal
import sys
from pathlib import Path

from wherry.container import layout

# Descriptions of drivers below the driver's folder -> what tells libraries of them: two names of Vulkan's, and glvnd's.
_DESCRIPTIONS = {"icd.d": ("VK_DRIVER_FILES", "VK_ICD_FILENAMES"), "egl_vendor.d": ("__EGL_VENDOR_LIBRARY_FILENAMES",)}
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def main() -> None:
    """argv: the module's path, the guest's name for itself, its arguments."""
    for number in _ENDING:  # the first process of a container ignores every signal that it does not handle
        signal.signal(number, _end)
    file, name, *arguments = sys.argv[1:]
    words = [*_options(dict(os.environ)), "--entrypoint", name, file, *arguments]
    _surroundings()
    from wherry.cli import main as program

    sys.argv = ["wherry", "run", *words]
    program.main()


def _options(environment: dict[str, str]) -> list[str]:
    if Path(layout.ROOT).is_dir():
        words = ["--dir", f"{layout.ROOT}:/"]
    else:  # a standalone image has no wrapper that mounts it
        from wherry.container.view import guest_folders

        words = [word for folder, name in guest_folders(Path("/")) for word in ("--dir", f"{folder}:{name}")]
    environment.setdefault("PWD", str(Path.cwd()))
    for name, value in environment.items():
        words += ["--env", f"{name}={value}"]
    for variable, option in (("WHERRY_MEMORY", "--memory"), ("WHERRY_TIMEOUT", "--timeout")):
        if environment.get(variable):
            words += [option, environment[variable]]
    return words


def _surroundings() -> None:
    """The driver that was mounted, and the compiled modules: their places are told to libraries by variables."""
    for folder, variables in _DESCRIPTIONS.items():
        files = ":".join(map(str, sorted(Path(layout.GPU, folder).glob("*.json"))))
        for variable in variables if files else ():
            os.environ.setdefault(variable, files)
    os.environ["XDG_CACHE_HOME"] = layout.CACHE


def _end(number: int, frame: object) -> None:
    os._exit(128 + number)  # the guest has not started
