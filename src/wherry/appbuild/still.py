"""A compiler that does not notice the machine and the hour: `still.c`, preloaded into its process."""

import platform
import shutil
import sys
from pathlib import Path

# What the process runs before all else: it leaves a file where the library holds. Its working directory is the stage.
CHECK = """
import ctypes, pathlib
try:
    held = ctypes.c_int.in_dll(ctypes.CDLL(None), "wherry_still").value
except (OSError, TypeError, ValueError):
    held = 0
if held:
    pathlib.Path("still").touch()
"""
_HERE = Path(__file__).parent
_MACHINES = {"x86_64": "x86_64", "AMD64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}


def library() -> Path | None:
    """Compiled for this machine; None where there is none."""
    file = _HERE / f"still-{_MACHINES.get(platform.machine(), 'unknown')}.so"
    return file if sys.platform == "linux" and sys.maxsize > 2**32 and file.is_file() else None


def hold_still(stage: Path, seed: str) -> dict[str, str]:
    """The environment for a process that starts in the folder `stage`, whose random numbers follow from the seed.

    seed   32 to 64 characters
    """
    file = library()
    if file is None:
        return {}
    shutil.copyfile(file, stage / "still.so")  # by a path without spaces and colons, which would be two libraries
    return {"LD_PRELOAD": "./still.so", "WHERRY_STILL": seed}


def held(stage: Path) -> bool:
    """Whether the process that ran there was held still."""
    return (stage / "still").is_file()


def release(stage: Path) -> None:
    """The next process that runs there is not held."""
    (stage / "still").unlink(missing_ok=True)
