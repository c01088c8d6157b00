"""The OCI runtime that engines start: runc's command line, in front of runc or crun.

`create`, `run` and `exec` of a Wasm entrypoint are edited (bundle.py); everything else, and every other container, reaches the
runtime below untouched. A shell script (install.py) starts this only for those three words: each start costs an interpreter.

What goes wrong is said where engines look: as a line of JSON in the file of `--log`, and on stderr.
"""

import json
import os
import sys
from typing import Any, NamedTuple, NoReturn

from wherry.container import bundle, layout
from wherry.container.guest_environment import hide_options
from wherry.container.rootfs import Root
from wherry.container.standard_streams import open_standard_streams
from wherry.errors import InputError, NotFoundError, WherryError

# Options that take a value as a word of its own; runc's and crun's, before the command and after it.
_GLOBAL = {"--log", "--log-format", "--root", "--criu", "--rootless", "--cgroup-manager"}
_VALUES = {
    "create": {"-b", "--bundle", "--console-socket", "--pid-file", "--preserve-fds", "--pidfd-socket", "-f", "--config"},
    "exec": {
        "--console-socket", "--cwd", "-e", "--env", "-u", "--user", "-g", "--additional-gids", "-p", "--process", "--pid-file",
        "--process-label", "--apparmor", "-c", "--cap", "--preserve-fds", "--cgroup", "--pidfd-socket",
    },
}  # fmt: skip
_VALUES["run"] = _VALUES["create"]
_MOST_BYTES = 64 << 20  # of a configuration


class Settings(NamedTuple):
    """What `wherry runtime install` decided for this engine."""

    runtime: str  # the composed runtime
    loader: str  # its program loader's name
    modules: str  # compiled modules
    lower: str  # runc or crun
    device_requests: str  # none, mounts or all: by what a container may ask for a GPU where the engine has no CDI
    spec_folders: tuple[str, ...]


class Call(NamedTuple):
    """A command line: `options` of the command ("--bundle" -> value), `rest` the index of the container's id in argv."""

    command: str
    log: str
    root: str
    options: dict[str, str]
    rest: int


def parse(argv: list[str]) -> Call:
    """What an engine asks for. The short forms of options are given under their long names."""
    command = log = root = ""
    options: dict[str, str] = {}
    values, i = _GLOBAL, 0
    while i < len(argv):
        word = argv[i]
        name, sign, value = word.partition("=")
        if word == "--" or not word.startswith("-"):
            if command:
                i += word == "--"
                break
            command, values = word, _VALUES.get(word, set())
        elif name in values:
            if not sign:
                i += 1
                value = argv[i] if i < len(argv) else ""
            options[{"-b": "--bundle", "-p": "--process"}.get(name, name)] = value
        i += 1
    log, root = options.get("--log", ""), options.get("--root", "")
    return Call(command, log, root, options, i)


def edit_container(path: str, settings: Settings, log: str = "") -> None:
    """Edit the bundle's config.json in place, if its entrypoint is Wasm.

    Raises InputError for a configuration that is none, NotFoundError for a module that is not in the container.
    """
    folder = os.path.dirname(os.path.abspath(path))
    config = _read(path)
    process = config.get("process") or {}
    rootfs = os.path.join(folder, str((config.get("root") or {}).get("path", "rootfs")))
    mounts = config.get("mounts") or []
    root = Root(rootfs, mounts, folder)
    module = bundle.find_module(process, root)
    if module is not None:
        from wherry.container import devices, modules  # an ordinary container needs neither

        devices.inject(config, settings.device_requests, settings.spec_folders)
        try:
            compiled = modules.folder_for(
                module.handle, settings.modules, settings.runtime, settings.loader, settings.lower, config
            )
        except (WherryError, OSError) as error:
            _report(log, "warning", f"{module.path}: not compiled ahead, so its container does: {error}")
            compiled = modules.empty_folder(settings.modules)
        bundle.run_module(process, module, settings.loader)
        bundle.add_mounts(config, root, rootfs, settings.runtime, compiled)
        _replace(path, config)


def edit_process(path: str, root: Root, settings: Settings) -> None:
    """Edit the process of an `exec` in place, if it starts a module."""
    process = _read(path)
    module = bundle.find_module(process, root)
    if module is not None:
        bundle.run_module(process, module, settings.loader)
        _replace(path, process)


def edit_words(argv: list[str], call: Call, root: Root, settings: Settings) -> list[str]:
    """The same for an `exec` that names its program on the command line, as a person would."""
    process = {"args": argv[call.rest + 1 :], "cwd": call.options.get("--cwd", "/")}
    module = bundle.find_module(process, root)
    if module is None:
        return argv
    bundle.run_module(process, module, settings.loader)
    return [*hide_options(argv[: call.rest]), argv[call.rest], *process["args"]]


def main() -> NoReturn:
    """argv: the engine's settings file, then runc's command line."""
    open_standard_streams()
    settings_file, *argv = sys.argv[1:]
    call = parse(argv)
    try:
        settings = _settings(settings_file)
        argv = _edited(argv, call, settings)
        os.execv(settings.lower, [settings.lower, *argv])
    except WherryError as error:
        _report(call.log, "error", error.message + (f" (hint: {error.hint})" if error.hint else ""))
    except OSError as error:
        _report(call.log, "error", f"{error.filename or settings_file}: {error.strerror or error}")
    sys.exit(1)


def _edited(argv: list[str], call: Call, settings: Settings) -> list[str]:
    if call.command in ("create", "run"):
        edit_container(os.path.join(call.options.get("--bundle") or os.getcwd(), "config.json"), settings, call.log)
    elif call.command == "exec" and call.rest < len(argv):
        root = _running(argv[call.rest], call, settings)
        if root is not None and "--process" in call.options:
            edit_process(call.options["--process"], root, settings)
        elif root is not None:
            return edit_words(argv, call, root, settings)
    return argv


def _running(container: str, call: Call, settings: Settings) -> Root | None:
    """The root of a running container, if it holds a runtime of ours: one that was started for a program has none."""
    import subprocess

    command = [settings.lower, *(["--root", call.root] if call.root else []), "state", container]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        root = f"/proc/{int(json.loads(result.stdout)['pid'])}/root"
        os.stat(root + layout.RUNTIME + "/manifest.json")
    except (OSError, ValueError, KeyError, TypeError):
        return None  # not running, or not ours: runc will say what there is to say
    return Root(root, [])


def _settings(path: str) -> Settings:
    try:
        data = _read(path)
        return Settings(**{**data, "spec_folders": tuple(data["spec_folders"])})
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{path}: found other settings ({error}), expected this version's", hint="`wherry runtime install` anew"
        ) from error


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            data = json.loads(file.read(_MOST_BYTES))
    except FileNotFoundError as error:
        raise NotFoundError(f"{path}: found no such file") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: found no JSON ({error}), expected an object") from error
    if not isinstance(data, dict):
        raise InputError(f"{path}: found a JSON {type(data).__name__}, expected an object")
    return data


def _replace(path: str, data: dict[str, Any]) -> None:
    """All or nothing, with the permissions that the file had."""
    temporary = f"{path}.wherry-{os.getpid()}"
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        os.fchmod(handle, os.stat(path).st_mode & 0o777)
        json.dump(data, file)
    os.replace(temporary, path)


def _report(log: str, level: str, message: str) -> None:
    text = f"wherry: {message}"
    sys.stderr.write(text + "\n")
    if log:
        import time

        line = json.dumps({"level": level, "msg": text, "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())})
        with open(log, "a") as file:
            file.write(line + "\n")


if __name__ == "__main__":
    main()
