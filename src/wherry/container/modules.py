"""Compiled modules, kept on the host: compiling an app of 20 MB takes many seconds, and a container may write nowhere.

A module is compiled the first time that it is started, by nobody who could gain from it: in a container of its own without a
network, rights or anything to see, run by the same runc, whose only output is bytes for that one module. It is filed under the
digest of the module as the host read it, and is mounted read-only, alone, into containers that start the very same bytes. So a
hostile module can at most spoil itself. Where this fails, the guest's own container compiles it each time, as without a cache.
"""

import errno
import json
import os
import stat
import sys
from typing import Any

from wherry.container import layout
from wherry.container.standard_streams import open_standard_streams
from wherry.errors import InputError

_WORTHWHILE = 8 << 10  # bytes; a C program of 34 KB takes 50 ms, smaller ones next to nothing
_MOST_WASM = 256 << 20
_MOST_COMPILED = 2 << 30  # bytes of output for one module
_MOST_KEPT = 8 << 30  # bytes of all; the oldest go first
_MEMORY = 4 << 30
_SECONDS = 300
_NOBODY = 65534
_GROUPS = "/sys/fs/cgroup/memory" if os.path.isdir("/sys/fs/cgroup/memory") else "/sys/fs/cgroup"
_INPUT, _OUTPUT = "/input", "/output"


def folder_for(handle: int | None, modules: str, runtime: str, loader: str, lower: str, container: dict[str, Any]) -> str:
    """The host's folder to mount as a container's cache: its module's compiled form, or nothing.

    handle     a descriptor of the module, None where it is not known yet
    container  its configuration: the seccomp filter and the labels are good for the compiler too

    Raises InputError or OSError where the module could not be compiled.
    """
    if handle is None or not _WORTHWHILE <= os.fstat(handle).st_size <= _MOST_WASM:
        return empty_folder(modules)
    modules = _shelves(modules)
    import fcntl
    import hashlib

    with open(os.dup(handle), "rb") as file:
        file.seek(0)
        wasm = file.read(_MOST_WASM + 1)
    digest = hashlib.sha256(wasm).hexdigest()
    shelf = os.path.join(modules, os.path.basename(runtime))
    target = os.path.join(shelf, digest)
    if os.path.isdir(target):
        return target
    os.makedirs(shelf, mode=0o755, exist_ok=True)
    with open(os.path.join(shelf, digest + ".lock"), "w") as lock:  # ten containers at once compile it once
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.isdir(target):
            _compile(wasm, target, runtime, loader, lower, container)
            _make_room(modules, keep=target)
    return target


def empty_folder(modules: str) -> str:
    """A folder with nothing in it: what is mounted cannot be made by the container."""
    path = os.path.join(_shelves(modules), "empty")
    os.makedirs(path, mode=0o755, exist_ok=True)
    return path


def _shelves(modules: str) -> str:
    """Where compiled modules are kept: the administrator's folder, or their own for users who may not write there (rootless)."""
    if os.access(modules, os.W_OK) or not os.path.isdir(modules):
        return modules
    data = os.environ.get("XDG_DATA_HOME") or os.path.join(os.environ.get("HOME", ""), ".local/share")
    if not os.path.isabs(data):
        return modules
    own = os.path.join(data, "wherry/modules")
    os.makedirs(own, mode=0o700, exist_ok=True)
    return own


def _compile(wasm: bytes, target: str, runtime: str, loader: str, lower: str, container: dict[str, Any]) -> None:
    import shutil
    import subprocess
    import tempfile

    work = tempfile.mkdtemp(prefix=".compiling-", dir=os.path.dirname(target))
    name = "wherry-compile-" + os.path.basename(work).rpartition("-")[2]
    try:
        for part in ("rootfs", "input", "output"):
            os.mkdir(os.path.join(work, part), 0o755)
        user = _give_away(os.path.join(work, "output"))
        with open(os.path.join(work, "input/module.wasm"), "wb") as file:
            file.write(wasm)
        os.chmod(file.name, 0o644)
        with open(os.path.join(work, "config.json"), "w") as config:
            json.dump(_config(work, runtime, loader, container, user), config)
        command = [lower, "--root", os.path.join(work, "state"), "run", "--bundle", work, name]
        try:
            result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=False)
        except subprocess.TimeoutExpired as error:
            subprocess.run([*command[:3], "delete", "--force", name], capture_output=True, check=False)
            raise InputError(f"compiling took more than {_SECONDS} s, which is its limit") from error
        if result.returncode:
            words = result.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {result.returncode}"]
            raise InputError(f"compiling failed: {words[-1][:500]}")
        _keep(os.path.join(work, "output"), target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _give_away(folder: str) -> int:
    """Make a folder the compiler's -> who the compiler is: nobody; for a user who has no second number (rootless), that user."""
    try:
        os.chown(folder, _NOBODY, _NOBODY)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EPERM):
            raise
        return 0
    return _NOBODY


def _config(work: str, runtime: str, loader: str, container: dict[str, Any], user: int) -> dict[str, Any]:
    """An OCI configuration with nothing in it but the runtime, the module and a folder for the result."""

    def bind(source: str, target: str, *options: str) -> dict[str, Any]:
        return {
            "destination": target,
            "type": "bind",
            "source": source,
            "options": ["bind", "private", "nosuid", "nodev", *options],
        }

    python = layout.python_command(layout.RUNTIME, loader, f"{layout.RUNTIME}/lib")
    process: dict[str, Any] = {
        "user": {"uid": user, "gid": user},
        "args": [*python, f"{layout.RUNTIME}/start.py", "compile", f"{_INPUT}/module.wasm", _OUTPUT],
        "cwd": "/",
        "env": [],
        "capabilities": {},
        "noNewPrivileges": True,
        "rlimits": [
            {"type": "RLIMIT_FSIZE", "soft": _MOST_COMPILED, "hard": _MOST_COMPILED},
            {"type": "RLIMIT_CPU", "soft": _SECONDS, "hard": _SECONDS},
            {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
        ],
    }
    linux: dict[str, Any] = {
        "namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount")],
        "resources": {"memory": {"limit": _MEMORY}, "pids": {"limit": 256}, "devices": [{"allow": False, "access": "rwm"}]},
        "maskedPaths": ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/scsi", "/proc/timer_list", "/sys/firmware"],
        "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
    }
    if not os.access(_GROUPS, os.W_OK):  # who may make no control groups (rootless) has no limits to set either
        del linux["resources"]
    theirs, labels = container.get("linux") or {}, container.get("process") or {}
    linux |= {key: theirs[key] for key in ("seccomp", "mountLabel") if theirs.get(key)}
    process |= {key: labels[key] for key in ("apparmorProfile", "selinuxLabel") if labels.get(key)}
    return {
        "ociVersion": "1.0.2",
        "process": process,
        "root": {"path": "rootfs", "readonly": True},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
            bind(runtime, layout.RUNTIME, "ro"),
            bind(os.path.join(work, "input"), _INPUT, "ro", "noexec"),
            bind(os.path.join(work, "output"), _OUTPUT, "noexec"),
        ],
        "linux": linux,
    }


def _keep(output: str, target: str) -> None:
    """Take regular files of the compiler's, and nothing else, into a folder that appears whole."""
    import shutil

    made = output + ".taken"
    os.mkdir(made, 0o755)
    shelf = os.path.join(output, "cwasm")
    os.mkdir(os.path.join(made, "cwasm"), 0o755)
    names = os.listdir(shelf) if stat.S_ISDIR(os.lstat(shelf).st_mode) else []
    for name in names:
        handle = os.open(os.path.join(shelf, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(handle, "rb") as source:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise InputError(f"compiling made {name!r}, which is no file")
            with open(os.path.join(made, "cwasm", name), "xb") as file:
                shutil.copyfileobj(source, file)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(file.name, 0o644)
    if not names:
        raise InputError("compiling made no file")
    os.rename(made, target)


def _make_room(modules: str, keep: str) -> None:
    """Remove the oldest compiled modules above the limit. Who has one mapped keeps it until it ends."""
    import shutil

    found = []
    for shelf in os.scandir(modules):
        for entry in os.scandir(shelf.path) if shelf.is_dir() else ():
            if entry.is_dir() and not entry.name.startswith("."):
                size = sum(
                    os.stat(os.path.join(folder, name)).st_size for folder, _, names in os.walk(entry.path) for name in names
                )
                found.append((entry.stat().st_mtime, size, entry.path))
    total = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if total > _MOST_KEPT and path != keep:
            shutil.rmtree(path, ignore_errors=True)
            total -= size


def main() -> None:
    """In the compiler's container. argv: the module, the folder for its compiled form."""
    from pathlib import Path

    from wherry.wasm.module import compile_into

    open_standard_streams()
    module, output = sys.argv[1:]
    compile_into(Path(module), Path(output))
