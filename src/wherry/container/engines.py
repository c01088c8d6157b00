"""How each engine is told of a runtime: its configuration file, the entries to merge, and how it takes notice.

A file keeps everything that is not ours. For TOML the text is edited, since comments and order are the administrator's, and the
result is parsed and compared with what was meant before it is used.
"""

import copy
import json
import os
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wherry.errors import FormatError, InputError

_BEGIN, _END, _LINE = "# wherry: begin", "# wherry: end", "  # wherry"
_CRI = {2: "io.containerd.grpc.v1.cri", 3: "io.containerd.cri.v1.runtime"}  # by the configuration's version

_SHIM = "io.containerd.runc.v2"

Table = dict[str, Any]


@dataclass(frozen=True)
class Registration:
    """What an engine is to know: the runtime's `name` there and the `program` that it starts."""

    name: str
    program: str
    containerd_images: bool = False  # Docker: switch to the image store that knows wasi/wasm


@dataclass(frozen=True)
class Engine:
    """`merge` and `remove` turn a configuration's text (None: no file) into another; None means no file is needed."""

    name: str
    config: Path
    default_name: str
    merge: Callable[[str | None, Registration, Path], str]
    remove: Callable[[str, Registration, Path], str | None]
    reload: str  # what makes it take notice: "hup", "nothing" or "restart"


def find_engine(name: str, config: Path | None = None, *, root: bool | None = None) -> Engine:
    """docker, podman or containerd, with its usual configuration file or another. Raises InputError.

    root   whether the system's engine is meant or the user's own; by default, whoever asks
    """
    root = os.geteuid() == 0 if root is None else root
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    published = "io.containerd.wasmedge.v1"
    match name:
        case "docker":
            place = Path("/etc") if root else home
            return Engine(name, config or place / "docker/daemon.json", published, _docker_merge, _docker_remove, "hup")
        case "podman":
            place = Path("/etc") if root else home
            usual = place / "containers/containers.conf.d/50-wherry.conf"
            return Engine(name, config or usual, published, _podman_merge, _toml_remove, "nothing")
        case "containerd":
            usual = Path("/etc/containerd/config.toml")
            return Engine(name, config or usual, "wherry", _containerd_merge, _toml_remove, "restart")
    raise InputError(f'engine: found "{name}", expected docker, podman or containerd')


def docker_pidfile(text: str | None) -> Path:
    """Where dockerd writes its process's number, as its configuration says."""
    return Path(str(json.loads(text or "{}").get("pidfile") or "/var/run/docker.pid"))


# -- Docker: JSON


def _docker_merge(text: str | None, wanted: Registration, path: Path) -> str:
    config = _json(text, path)
    runtimes = config.setdefault("runtimes", {})
    features = config.setdefault("features", {})
    if not isinstance(runtimes, dict) or not isinstance(features, dict):
        raise FormatError(f"{path}: runtimes, features: found other than objects, expected objects")
    _no_other(runtimes.get(wanted.name, {}).get("path"), wanted, path)
    runtimes[wanted.name] = {"path": wanted.program}
    features.setdefault("cdi", True)  # Docker 25 to 27 want it; others pass over it
    if wanted.containerd_images:
        features["containerd-snapshotter"] = True
    return json.dumps(config, indent=4) + "\n"


def _docker_remove(text: str, wanted: Registration, path: Path) -> str | None:
    config = _json(text, path)
    runtimes = config.get("runtimes") or {}
    runtimes.pop(wanted.name, None)
    if not runtimes:
        config.pop("runtimes", None)
    return json.dumps(config, indent=4) + "\n"


def _json(text: str | None, path: Path) -> Table:
    try:
        config = json.loads(text) if text and text.strip() else {}
    except ValueError as error:
        raise FormatError(f"{path}: found no JSON ({error}), expected Docker's configuration") from error
    if not isinstance(config, dict):
        raise FormatError(f"{path}: found a JSON {type(config).__name__}, expected an object")
    return config


# -- Podman and containerd: TOML


def _podman_merge(text: str | None, wanted: Registration, path: Path) -> str:
    old = _toml(text, path)
    _no_other(next(iter(old.get("engine", {}).get("runtimes", {}).get(wanted.name, [])), None), wanted, path)
    added = {"engine": {"runtimes": {wanted.name: [wanted.program]}}}
    block = f"[engine.runtimes]\n{_quoted(wanted.name)} = [{_quoted(wanted.program)}]\n"
    if old.get("engine", {}).get("runtimes") is not None and text is not None:
        line = f"{_quoted(wanted.name)} = [{_quoted(wanted.program)}]"
        return _verified(_insert(text, "[engine.runtimes]", line), old, added, path)
    return _verified(_append(text, block), old, added, path)


def _containerd_merge(text: str | None, wanted: Registration, path: Path) -> str:
    base = text if text and text.strip() else "version = 2\n"
    old = _toml(base, path)
    version = old.get("version", 1)
    if version not in _CRI:
        raise InputError(
            f"{path}: version: found {version}, expected 2 or 3",
            hint="`containerd config migrate` prints the file in a newer form",
        )
    plugin = _CRI[version]
    cri = old.get("plugins", {}).get(plugin, {})
    runtimes = cri.get("containerd", {}).get("runtimes", {})
    _no_other(runtimes.get(wanted.name, {}).get("options", {}).get("BinaryName"), wanted, path)
    # A pod's request for a device reaches a runtime only as an annotation that it is allowed to see.
    handler = {"runtime_type": _SHIM, "pod_annotations": ["cdi.k8s.io/*"], "options": {"BinaryName": wanted.program}}
    new: Table = {wanted.name: handler}
    default = str(cri.get("containerd", {}).get("default_runtime_name") or "runc")
    if default not in runtimes:  # a file that names any runtime no longer has the built-in one
        new = {default: {"runtime_type": _SHIM}, **new}
    added: Table = {"plugins": {plugin: {"containerd": {"runtimes": new}}}}
    block = _lines(added)
    result = base
    if version == 2 and "enable_cdi" not in cri:  # the default of version 3
        added["plugins"][plugin]["enable_cdi"] = True
        header = next((f"[plugins.{q}{plugin}{q}]" for q in "\"'" if f"[plugins.{q}{plugin}{q}]" in base), None)
        if header is not None:
            result = _insert(base, header, "enable_cdi = true")
        else:
            block = _lines(added)
    return _verified(_append(result, block), old, added, path)


def _toml_remove(text: str, wanted: Registration, path: Path) -> str | None:
    kept, ours = [], False
    for line in text.splitlines():
        if line.strip() == _BEGIN:
            ours = True
        if not ours and not line.endswith(_LINE):
            kept.append(line)
        if line.strip() == _END:
            ours = False
    _toml("\n".join(kept), path)
    return "\n".join(kept) + "\n" if any(line.strip() for line in kept) else None


def _toml(text: str | None, path: Path) -> Table:
    try:
        return tomllib.loads(text or "")
    except tomllib.TOMLDecodeError as error:
        raise FormatError(f"{path}: found no TOML ({error})") from error


def _append(text: str | None, block: str) -> str:
    head = text.rstrip("\n") + "\n\n" if text and text.strip() else ""
    return f"{head}{_BEGIN}\n{block}{_END}\n"


def _insert(text: str, header: str, line: str) -> str:
    lines = text.splitlines()
    index = next((i for i, known in enumerate(lines) if known.strip().startswith(header)), len(lines))
    return "\n".join([*lines[: index + 1], line + _LINE, *lines[index + 1 :]]) + "\n"


def _verified(text: str, old: Table, added: Table, path: Path) -> str:
    """The edit is used only if it says what the old file said and ours, nothing else."""
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        found = {}
    if found != _merged(old, added):
        raise InputError(
            f"{path}: found a form that cannot be merged, expected plain tables",
            hint=f"add by hand:\n{_append(None, _lines(added))}",
        )
    return text


def _merged(old: Table, added: Table) -> Table:
    result = copy.deepcopy(old)
    for key, value in added.items():
        known = result.get(key)
        result[key] = _merged(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return result


def _lines(table: Table, path: str = "") -> str:
    plain = "".join(f"{_key(k)} = {json.dumps(v)}\n" for k, v in table.items() if not isinstance(v, dict))
    head = f"[{path}]\n{plain}" if plain else ""
    return head + "".join(_lines(v, f"{path}.{_key(k)}" if path else _key(k)) for k, v in table.items() if isinstance(v, dict))


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _quoted(name)


def _quoted(text: str) -> str:
    if any(ord(character) < 32 for character in text):
        raise InputError(f"{text!r}: found a control character, expected a name or path without")
    return json.dumps(text, ensure_ascii=False)


def _no_other(known: object, wanted: Registration, path: Path) -> None:
    if known not in (None, wanted.program):
        raise InputError(
            f"{path}: the name {wanted.name}: found {known} registered under it, expected nothing or {wanted.program}",
            hint="choose another with --name, or remove that one first",
        )
