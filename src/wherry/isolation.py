"""Child processes that import and execute nothing of the caller's folder or environment.

`python -m NAME` puts the current folder before the standard library, PYTHONPATH and PYTHONSTARTUP are read by every
interpreter, and an empty or relative entry of PATH is the current folder: a planted `pip.py` among downloads would run
with the user's rights. Each interpreter that Wherry starts is started here (`tests/test_isolation.py`).
"""

import contextlib
import os
import re
import shutil
import site
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from wherry.errors import NotFoundError

# Runs a module by name from the interpreter's own packages, then from the folder that holds this one.
_BOOTSTRAP = (
    "import runpy, sys; sys.path.append(sys.argv.pop(1)); runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
)
_ENVIRONMENT = re.compile(
    r"HOME|USER|LOGNAME|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|TEMP|TMP|XDG_\w+|TERM|COLUMNS|NO_COLOR|NETRC"
    r"|(?:HTTPS?|ALL|NO|FTP)_PROXY|SSL_CERT_FILE|SSL_CERT_DIR|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE"
    r"|SYSTEMROOT|SYSTEMDRIVE|WINDIR|COMSPEC|PATHEXT|APPDATA|LOCALAPPDATA|PROGRAMDATA|USERPROFILE",
    re.IGNORECASE,
)
_ROOT = Path(__file__).resolve().parents[1]
_TAIL_LINES = 200  # of a child's output, kept for an error


def python_command(module: str, *arguments: str) -> list[str]:
    """The command line that runs `module` as `python -m` does, without the current folder and PYTHON* variables."""
    return [*_interpreter(), *interpreter_flags(), "-c", _BOOTSTRAP, str(_ROOT), module, *arguments]


def _interpreter() -> list[str]:
    """This interpreter, and the program loader with its options where it was started by one, as in a container whose root has
    none (container/layout.py)."""
    with contextlib.suppress(OSError):
        if not Path("/proc/self/exe").samefile(sys.executable):
            words = Path("/proc/self/cmdline").read_bytes().decode(errors="surrogateescape").split("\0")
            if sys.executable in words[1:] and Path("/proc/self/exe").samefile(words[0]):
                return words[: words.index(sys.executable) + 1]
    return [sys.executable]


def interpreter_flags() -> tuple[str, ...]:
    """`-I`, or where Wherry is installed in the user's own site-packages, all of `-I` but `-s`. Without the site module as this
    process is."""
    if sys.flags.no_site:
        return ("-I", "-S")
    user = site.getusersitepackages() if site.ENABLE_USER_SITE else None
    return ("-E", "-P") if user is not None and _ROOT.is_relative_to(user) else ("-I",)


def child_environment(pattern: str = "(?!)", *, source: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a child needs of this process's variables, and those whose whole name matches `pattern`.

    PATH keeps its absolute entries.
    """
    source = os.environ if source is None else source
    chosen = {name: value for name, value in source.items() if _ENVIRONMENT.fullmatch(name) or re.fullmatch(pattern, name)}
    return {**chosen, "PATH": search_path(source)}


def search_path(source: Mapping[str, str] | None = None) -> str:
    """PATH without entries that mean the current folder."""
    entries = (os.environ if source is None else source).get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(entry for entry in entries if Path(entry).is_absolute())


def find_program(name: str) -> str:
    """The absolute path of a program on PATH, never one of the current folder. Raises NotFoundError."""
    if (path := shutil.which(name, path=search_path())) is None:
        raise NotFoundError(f"{name}: found no such program in an absolute folder of PATH, expected it to be installed")
    return path


def run_python(
    module: str,
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    timeout: float,
    on_line: Callable[[str], None] = lambda line: None,
) -> tuple[int, str]:
    """Run a module in an empty folder -> its exit code and the end of its output, both streams in one.

    on_line: called with each line as it comes. Raises subprocess.TimeoutExpired. The child ends with this call, however
    the call ends.
    """
    command = python_command(module, *arguments)
    with tempfile.TemporaryDirectory(prefix="wherry-child-") as folder:
        process = subprocess.Popen(
            command, cwd=folder, env=dict(environment), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace",
        )  # fmt: skip
        tail: deque[str] = deque(maxlen=_TAIL_LINES)
        late = threading.Event()

        def end() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(timeout, end)
        timer.start()
        try:
            for line in process.stdout or ():
                on_line(line.rstrip("\n"))
                tail.append(line)
            process.wait()
        finally:
            timer.cancel()
            process.kill()  # does nothing to a process that has ended
            process.communicate()
        if late.is_set():
            raise subprocess.TimeoutExpired(command, timeout)
    return process.returncode, "".join(tail)


def run_pip(arguments: Sequence[str], *, timeout: float, on_line: Callable[[str], None] = lambda line: None) -> tuple[int, str]:
    """`run_python` of pip, with its own settings but the one that keeps it from running outside a virtual environment."""
    environment = child_environment(r"PIP_\w+")
    environment.pop("PIP_REQUIRE_VIRTUALENV", None)
    options = ("--no-input", "--disable-pip-version-check", "--no-color")
    return run_python("pip", [*options, *arguments], environment=environment, timeout=timeout, on_line=on_line)


def pip_error(output: str) -> str:
    """The last error that pip wrote, or the end of its output."""
    errors = [line.removeprefix("ERROR: ") for line in output.splitlines() if line.startswith("ERROR:")]
    return errors[-1] if errors else output.strip()[-500:] or "no message"
