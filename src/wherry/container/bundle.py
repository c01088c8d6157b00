"""The edits of an OCI configuration that let a Wasm entrypoint run: its arguments, and mounts to read from.

What the user and the engine set stays as it is: user, capabilities, seccomp, namespaces, limits, devices, mounts. Nothing is
added that the container could write to and could not write to before. Started with every container, so it imports little.

Source: the OCI Runtime Specification 1.2, config.md.
"""

import os
from typing import Any, NamedTuple

from wherry.container import layout
from wherry.container.guest_environment import hide
from wherry.container.rootfs import Root
from wherry.errors import NotFoundError

Config = dict[str, Any]

# What engines put before the entrypoint for `--init`; the entrypoint follows "--".
_INITS = ("docker-init", "init", "podman-init", "catatonit", "tini")
_NOT_THE_GUESTS = ("/proc", "/sys", "/dev", layout.HOME)
_MAGIC = b"\0asm"
_READ_ONLY = ["ro", "nosuid", "nodev"]


class Module(NamedTuple):
    """A Wasm entrypoint: its place in `args`, its path in the container, and a descriptor (None: not there yet)."""

    position: int
    path: str
    handle: int | None


def find_module(process: Config, root: Root) -> Module | None:
    """The module that a process starts, by its name (`*.wasm`) or its first bytes. None: it is an ordinary program.

    Raises NotFoundError for a name without a file, in the words by which engines tell exit code 127.
    """
    args = process.get("args") or []
    position = _after_init(args)
    if position >= len(args):
        return None
    name, cwd = str(args[position]), str(process.get("cwd") or "/")
    for path in _candidates(name, cwd, process):
        try:
            handle = root.open(path)
        except OSError:
            continue
        if handle is None:
            if name.endswith(".wasm"):
                return Module(position, path, None)
            continue
        if name.endswith(".wasm") or os.pread(handle, 4, 0) == _MAGIC:
            return Module(position, path, handle)
        os.close(handle)
        return None
    if name.endswith(".wasm"):
        raise NotFoundError(f'exec: "{name}": stat {name}: no such file or directory in the container')
    return None


def run_module(process: Config, module: Module, loader: str) -> None:
    """Edit a process so that the runtime runs its module: file, the guest's name for itself, arguments. Its variables become
    the guest's alone.
    """
    args = process["args"]
    guest = [*layout.guest_command(loader), module.path, *args[module.position :]]
    process["args"] = [*args[: module.position], *guest]
    if process.get("env"):
        process["env"] = hide(process["env"])


def add_mounts(config: Config, root: Root, rootfs: str, runtime: str, compiled: str) -> None:
    """Add the runtime, the compiled modules and the guest's view of the root to a container's mounts.

    The guest's root is the container's once more, without /proc, /sys and /dev: /proc/self/mem of the program that confines it
    is nothing for a guest to open. It has the same rights as the container's own root, and the same volumes.
    """
    mounts: list[Config] = config.setdefault("mounts", [])
    volumes = [mount for mount in mounts if _is_the_guests(mount)]
    read_only = ["ro"] if (config.get("root") or {}).get("readonly") else []
    mounts.append(_bind(runtime, layout.RUNTIME, _READ_ONLY))
    mounts.append(_bind(compiled, layout.MODULES, [*_READ_ONLY, "noexec"]))
    mounts.append(_bind(rootfs, layout.ROOT, ["nosuid", "nodev", "noexec", *read_only]))
    for mount in volumes:
        inside = root.resolve(str(mount["destination"]))
        mounts.append({**mount, "destination": layout.ROOT + inside})


def _after_init(args: list[Any]) -> int:
    if len(args) > 2 and os.path.basename(str(args[0])) in _INITS and "--" in args:
        return args.index("--") + 1
    return 0


def _candidates(name: str, cwd: str, process: Config) -> list[str]:
    """Where a name may lie: as it is if it is a path, else the working folder, then PATH."""
    here = os.path.normpath(os.path.join("/", cwd, name))
    if "/" in name:
        return [here]
    path = next((text[5:] for text in process.get("env") or [] if str(text).startswith("PATH=")), "")
    return [here, *(os.path.join("/", folder, name) for folder in path.split(":") if folder)]


def _is_the_guests(mount: Config) -> bool:
    target = os.path.normpath("/" + str(mount.get("destination", "")).lstrip("/"))
    special = any(target == top or target.startswith(top + "/") for top in _NOT_THE_GUESTS)
    options = mount.get("options") or []
    return not special and (mount.get("type") in ("bind", "tmpfs") or "bind" in options or "rbind" in options)


def _bind(source: str, target: str, options: list[str]) -> Config:
    return {"destination": target, "type": "bind", "source": source, "options": ["bind", "private", *options]}
