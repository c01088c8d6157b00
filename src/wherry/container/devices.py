"""`docker.com/gpu` devices for engines that know no CDI: the runtime itself applies the spec, if the administrator allows it.

A container asks by a mount (`-v /dev/null:/var/run/cdi-devices/docker.com/gpu=webgpu`), by the variable CDI_DEVICES, or by an
annotation `cdi.k8s.io/*`. The variable may come from the image and not from who started it, so it is allowed apart.

Source: the Container Device Interface specification 0.8, of which a spec's mounts, device nodes and variables are applied.
"""

import json
import os
import stat
from typing import Any

from wherry.container import layout
from wherry.errors import FormatError, InputError, NotFoundError

Config = dict[str, Any]

MOUNT_FOLDER = "/var/run/cdi-devices/"
ANNOTATION = "cdi.k8s.io/"
VARIABLE = "CDI_DEVICES"
_KNOWN_EDITS = {"env", "mounts", "deviceNodes"}


def inject(config: Config, allowed: str, spec_folders: tuple[str, ...]) -> None:
    """Apply the devices that a configuration asks for. `allowed`: none, mounts (by whoever starts it) or all.

    Raises InputError for what is not allowed or another kind, NotFoundError for a device without a spec, FormatError.
    """
    process = config.get("process") or {}
    mounts: list[Config] = config.get("mounts") or []
    by_mount = [
        str(m["destination"])[len(MOUNT_FOLDER) :] for m in mounts if str(m.get("destination", "")).startswith(MOUNT_FOLDER)
    ]
    by_mount = [f"{layout.GPU_KIND}={name[len(layout.GPU_KIND) + 1 :]}" if _is_folder_form(name) else name for name in by_mount]
    by_variable = _split(text.partition("=")[2] for text in process.get("env") or [] if text.startswith(VARIABLE + "="))
    by_annotation = _split(v for k, v in (config.get("annotations") or {}).items() if k.startswith(ANNOTATION))
    if not (by_mount or by_variable or by_annotation):
        return
    config["mounts"] = [m for m in mounts if not str(m.get("destination", "")).startswith(MOUNT_FOLDER)]
    for way, names in (("mount", by_mount), ("variable", by_variable), ("annotation", by_annotation)):
        for name in dict.fromkeys(names):
            kind, _, device = name.partition("=")
            if kind != layout.GPU_KIND:
                if way == "annotation":  # the engine's own business
                    continue
                raise InputError(f"{_said(way)}: found the device {name}, expected {layout.GPU_KIND}=NAME")
            edits = _find(device, spec_folders)
            if _is_there(config, edits):  # the engine has read the same request
                continue
            if allowed == "none" or (allowed == "mounts" and way != "mount"):
                raise InputError(
                    f"{_said(way)}: found a request for {name}, expected none: it is not allowed here",
                    hint="the administrator allows it with `wherry runtime install --device-requests "
                    + ("mounts`" if way == "mount" else "all`"),
                )
            for edit in edits:
                _apply(config, edit)


def _is_folder_form(name: str) -> bool:
    """`docker.com/gpu/webgpu`: some engines refuse a `=` in a path."""
    return name.startswith(layout.GPU_KIND + "/")


def _said(way: str) -> str:
    return {"mount": MOUNT_FOLDER, "variable": VARIABLE, "annotation": ANNOTATION + "*"}[way]


def _split(values: Any) -> list[str]:
    return [name for value in values for name in str(value).split(",") if name]


def _find(device: str, folders: tuple[str, ...]) -> list[Config]:
    """The edits of a device: the spec's own, then the device's. The last folder that knows it wins, as CDI says."""
    for folder in reversed(folders):
        try:
            names = sorted(os.listdir(folder))
        except FileNotFoundError:
            continue
        for name in names:
            if not name.endswith(".json"):
                continue
            path = os.path.join(folder, name)
            spec = _spec(path)
            if spec.get("kind") != layout.GPU_KIND:
                continue
            for entry in spec.get("devices") or []:
                if entry.get("name") == device:
                    return [_checked(path, edit) for edit in (spec.get("containerEdits"), entry.get("containerEdits")) if edit]
    raise NotFoundError(
        f"{layout.GPU_KIND}={device}: found no such device in {', '.join(folders)}",
        hint="`wherry cdi generate` describes this host's",
    )


def _spec(path: str) -> Config:
    try:
        with open(path, "rb") as file:
            spec = json.load(file)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path}: found no JSON ({error}), expected a CDI spec") from error
    if not isinstance(spec, dict):
        raise FormatError(f"{path}: found a JSON {type(spec).__name__}, expected a CDI spec")
    return spec


def _checked(path: str, edit: Config) -> Config:
    if unknown := sorted(edit.keys() - _KNOWN_EDITS):
        raise FormatError(f"{path}: containerEdits: found {', '.join(unknown)}, expected only {', '.join(sorted(_KNOWN_EDITS))}")
    return edit


def _is_there(config: Config, edits: list[Config]) -> bool:
    mounted = {mount.get("destination") for mount in config.get("mounts") or []}
    nodes = {node.get("path") for node in (config.get("linux") or {}).get("devices") or []}
    variables = set((config.get("process") or {}).get("env") or [])
    return all(
        all(mount["containerPath"] in mounted for mount in edit.get("mounts") or [])
        and all(node["path"] in nodes for node in edit.get("deviceNodes") or [])
        and variables.issuperset(edit.get("env") or [])
        for edit in edits
    )


def _apply(config: Config, edit: Config) -> None:
    config["process"].setdefault("env", []).extend(edit.get("env") or [])
    for mount in edit.get("mounts") or []:
        options = mount.get("options") or ["ro", "nosuid", "nodev", "rbind"]
        entry = {"destination": mount["containerPath"], "source": mount["hostPath"], "type": "bind", "options": options}
        config.setdefault("mounts", []).append(entry)
    linux = config.setdefault("linux", {})
    for node in edit.get("deviceNodes") or []:
        host = node.get("hostPath") or node["path"]
        status = os.stat(host)
        kind = "c" if stat.S_ISCHR(status.st_mode) else "b"
        if kind == "b" and not stat.S_ISBLK(status.st_mode):
            raise FormatError(f"{host}: found no device node, which the CDI spec says it is")
        number = {"type": kind, "major": os.major(status.st_rdev), "minor": os.minor(status.st_rdev)}
        mode = int(node.get("fileMode", status.st_mode & 0o777))
        linux.setdefault("devices", []).append({"path": node["path"], **number, "fileMode": mode, "uid": 0, "gid": 0})
        rules = linux.setdefault("resources", {}).setdefault("devices", [])
        rules.append({"allow": True, **number, "access": node.get("permissions", "rw")})
