"""A guest inside a container: `wherry run` on the container's files, as its first process.

The container is already what the user asked of the engine (network, limits, user, mounts), so the guest gets all of it: every
variable, every port, the whole root. Settings come as variables: WASMEDGE_WASINN_PRELOAD, WHERRY_DEVICE, WHERRY_MEMORY,
WHERRY_TIMEOUT.
"""

import gc
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from wherry.container import layout
from wherry.container.guest_environment import take_guest_variables
from wherry.container.standard_streams import open_standard_streams

if TYPE_CHECKING:
    from wherry.cli.guest import RunOptions

# Descriptions of drivers below the driver's folder -> what tells libraries of them: two names of Vulkan's, and glvnd's.
_DESCRIPTIONS = {"icd.d": ("VK_DRIVER_FILES", "VK_ICD_FILENAMES"), "egl_vendor.d": ("__EGL_VENDOR_LIBRARY_FILENAMES",)}
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def main() -> None:
    """argv: the module's path, the guest's name for itself, its arguments."""
    open_standard_streams()
    gc.disable()  # there is no garbage in what is imported, only much to look through
    for number in _ENDING:  # the first process of a container ignores every signal that it does not handle
        signal.signal(number, _end)
    file, name, *arguments = sys.argv[1:]
    given, kept = take_guest_variables(os.environ)
    os.environ.clear()  # before a library that reads one is loaded
    os.environ.update(kept)
    _surroundings()
    from wherry.cli.ending import end_at, ended

    def work() -> int:
        end_at(*_ENDING)
        from wherry.cli.guest import run_guest

        gc.freeze()
        gc.enable()
        with _root() as volumes:
            return run_guest(file, arguments, _options(name, given, volumes))

    code = ended(work)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # with the container goes all that an interpreter would clear away


@contextmanager
def _root() -> Iterator[list[str]]:
    """The container's files, as volumes of the guest's."""
    if Path(layout.ROOT).is_dir():
        yield [f"{layout.ROOT}:/"]
        return
    from wherry.container.view import guest_folders  # a standalone image has no wrapper that mounts it

    with guest_folders(Path("/")) as folders:
        yield [f"{folder}:{name}" for folder, name in folders]


def _options(name: str, environment: dict[str, str], volumes: list[str]) -> "RunOptions":
    from wherry.cli.guest import RunOptions

    environment.setdefault("PWD", str(Path.cwd()))
    return RunOptions(
        volume=volumes,
        env=[f"{name}={value}" for name, value in environment.items()],
        entrypoint=name,
        network="engine",
        pull="never",  # a container brings its models along
        log_format=environment.get("WHERRY_LOG_FORMAT"),
    )


def _surroundings() -> None:
    """The driver that was mounted, and the compiled modules: their places are told to libraries by variables."""
    for folder, variables in _DESCRIPTIONS.items():
        files = ":".join(map(str, sorted(Path(layout.GPU, folder).glob("*.json"))))
        for variable in variables if files else ():
            os.environ[variable] = files
    os.environ["XDG_CACHE_HOME"] = layout.CACHE


def _end(number: int, frame: object) -> None:
    os._exit(128 + number)  # the guest has not started
