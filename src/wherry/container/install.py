"""Installs the runtime for an engine, and takes it away again.

Below the prefix: `runtimes/IDENTITY` (compose.py), `modules` (compiled), and for each engine `bin/wherry-ENGINE`, which it
starts, `ENGINE.json`, the wrapper's settings, and `ENGINE.installed.json`, what was done and the configuration as it was.
"""

import contextlib
import difflib
import json
import os
import shlex
import shutil
import signal
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from wherry.container import cdi, layout
from wherry.container.compose import Manifest, compose, read_manifest, stale
from wherry.container.engines import Engine, Registration, docker_pidfile
from wherry.errors import FormatError, InputError, NotFoundError, WherryError

Say = Callable[[str], None]

REQUESTS = ("none", "mounts", "all")
SPEC_FOLDERS = ("/etc/cdi", "/var/run/cdi")  # CDI's own

_SCRIPT = """#!/bin/sh
# Made by `wherry runtime install`. Only these three commands are edited; the rest is for the runtime below, at once.
for word; do
  case $word in
    create | run | exec) exec {python} {start} wrapper {settings} "$@" ;;
  esac
done
exec {lower} "$@"
"""


@dataclass(frozen=True)
class Options:
    """What the administrator decides. `lower` is runc or crun; `device_requests` is one of REQUESTS."""

    prefix: Path
    name: str
    lower: Path
    device_requests: str = "none"
    containerd_images: bool = False
    spec_folders: tuple[str, ...] = SPEC_FOLDERS


@dataclass
class Installed:
    """What `install` did for one engine, as kept in the prefix."""

    engine: str
    name: str
    program: str
    config: str
    before: str | None  # the configuration's text, None: there was no file
    after: str
    runtime: str


@dataclass
class Report:
    """The state of one engine's installation: `problems` have a line each, with the next step."""

    engine: str
    name: str
    config: str
    runtime: str
    problems: list[str] = field(default_factory=list)


def default_prefix() -> Path:
    """/usr/local/lib/wherry, or a folder of the user's own."""
    if os.geteuid() == 0:
        return Path("/usr/local/lib/wherry")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "wherry"


def find_lower() -> Path:
    """runc or crun. Raises NotFoundError."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin:/sbin:/bin"
    for name in ("runc", "crun"):
        if found := shutil.which(name, path=path):
            return Path(found)
    raise NotFoundError(
        "runc, crun: found neither in PATH, expected one: containers run on it", hint="on Debian: apt-get install runc"
    )


def install(engine: Engine, options: Options, say: Say, *, dry_run: bool = False) -> None:
    """Compose the runtime and register it. With `dry_run`, only say what would be done.

    Raises InputError for a configuration that cannot be merged, FormatError, NotFoundError, OSError for a folder without rights.
    """
    prefix = options.prefix.absolute()
    wanted = Registration(options.name, str(prefix / "bin" / f"wherry-{engine.name}"), options.containerd_images)
    old = _text(engine.config)
    record = _recorded(prefix, engine.name)
    before = record.before if record is not None and record.config == str(engine.config) and old == record.after else old
    new = engine.merge(old, wanted, engine.config)
    if dry_run:
        say(f"would compose the runtime below {prefix / 'runtimes'}")
        say(f"would write {wanted.program}, which starts {options.lower} for all that is no Wasm")
        say(f"would change {engine.config}:")
        for line in difflib.unified_diff((old or "").splitlines(), new.splitlines(), "before", "after", lineterm=""):
            say(f"  {line}")
        say(
            {"hup": "would send SIGHUP to dockerd", "nothing": "", "restart": "would ask you to restart containerd"}[
                engine.reload
            ]
        )
        return
    manifest = current_runtime(prefix, say)
    folder = prefix / "runtimes" / manifest.identity
    (prefix / "modules").mkdir(mode=0o755, exist_ok=True)
    settings = {
        "runtime": str(folder),
        "loader": manifest.loader,
        "modules": str(prefix / "modules"),
        "lower": str(options.lower),
        "device_requests": options.device_requests,
        "spec_folders": list(options.spec_folders),
    }
    _write(prefix / f"{engine.name}.json", json.dumps(settings, indent=1) + "\n")
    _write(Path(wanted.program), _script(folder, manifest, prefix / f"{engine.name}.json", options.lower), mode=0o755)
    say(f"wrote {wanted.program}, which starts {options.lower} for all that is no Wasm")
    done = Installed(engine.name, wanted.name, wanted.program, str(engine.config), before, new, str(folder))
    _write(prefix / f"{engine.name}.installed.json", json.dumps(asdict(done), indent=1) + "\n", mode=0o600)
    if new == old:
        say(f"{engine.config} already names it {wanted.name}")
    else:
        _write(engine.config, new)
        say(f"registered {wanted.name} in {engine.config}; `uninstall` restores the file")
        take_notice(engine, new, say)
    for gone in _prune(prefix):
        say(f"removed {gone}, which nothing uses any more")


def uninstall(engine_name: str, prefix: Path, find: Callable[[str, Path], Engine], say: Say) -> None:
    """Undo `install`: the configuration as it was, or, where it was edited since, without our entries.

    Raises NotFoundError where nothing is installed for that engine.
    """
    record = _recorded(prefix, engine_name)
    if record is None:
        raise NotFoundError(f"{prefix}: found nothing installed for {engine_name}", hint="`wherry runtime status` says what is")
    engine = find(engine_name, Path(record.config))
    now = _text(engine.config)
    if now is not None:
        restored: str | None
        if now == record.after:
            restored = record.before
            say(f"{engine.config} is again what it was")
        else:
            restored = engine.remove(now, Registration(record.name, record.program), engine.config)
            say(f"took {record.name} out of {engine.config}, which was edited since; the rest stays")
        if restored is None:
            engine.config.unlink()
        else:
            _write(engine.config, restored)
        take_notice(engine, restored, say)
    for path in (Path(record.program), prefix / f"{engine_name}.json", prefix / f"{engine_name}.installed.json"):
        path.unlink(missing_ok=True)
    for gone in _prune(prefix):
        say(f"removed {gone}")


def status(prefix: Path, spec_folders: tuple[str, ...] = SPEC_FOLDERS) -> list[Report]:
    """What is installed below `prefix`, and what of it is stale: updates of the host, lost registrations, old CDI specs."""
    reports = []
    known: dict[str, list[str]] = {}  # engines share a runtime
    for path in sorted(prefix.glob("*.installed.json")):
        record = _recorded(prefix, path.name.removesuffix(".installed.json"))
        if record is None:
            continue
        report = Report(record.engine, record.name, record.config, record.runtime)
        again = f"`wherry runtime install --engine {record.engine}` renews it"
        try:
            if record.runtime not in known:
                known[record.runtime] = stale(read_manifest(Path(record.runtime)))
            lines = known[record.runtime]
            more = [f"and {len(lines) - 5} more"] if len(lines) > 5 else []
            report.problems += [f"{line}; {again}" for line in [*lines[:5], *more]]
        except WherryError as error:
            report.problems.append(f"{error.message}; {again}")
        text = _text(Path(record.config))
        if text is None or record.program not in text:
            report.problems.append(f"{record.config} does not name {record.program} any more; {again}")
        reports.append(report)
    for report in reports:
        report.problems += _stale_specs(spec_folders)
    return reports


def _stale_specs(folders: tuple[str, ...]) -> list[str]:
    """CDI specs of ours that name files which are gone, or that do not say what would be said of this host today."""
    problems = []
    for folder in folders:
        for path in sorted(Path(folder).glob("*.json")):
            try:
                spec = json.loads(path.read_bytes())
            except ValueError as error:
                problems.append(f"{path} is no JSON ({error})")
                continue
            if spec.get("kind") != layout.GPU_KIND:
                continue
            again = f"`wherry cdi generate --output {path}` renews it"
            if gone := cdi.missing_files(spec):
                problems.append(f"{path}: {gone[0]} is gone; {again}")
            elif spec != cdi.generate(cdi.this_host()).data:
                problems.append(f"{path} describes other drivers than this host has now; {again}")
    return problems


def current_runtime(prefix: Path, say: Say) -> Manifest:
    """The runtime of this host's files in prefix/runtimes/IDENTITY, composed where it is not there yet: whole or not at all."""
    runtimes = prefix / "runtimes"
    runtimes.mkdir(parents=True, exist_ok=True)
    for folder in sorted(runtimes.iterdir()):
        if not folder.name.startswith("."):
            manifest = read_manifest(folder)
            if not stale(manifest):
                say(f"the runtime in {folder} is current")
                return manifest
    for leftover in runtimes.glob(".composing-*"):
        shutil.rmtree(leftover)
    temporary = Path(tempfile.mkdtemp(prefix=".composing-", dir=runtimes))
    temporary.chmod(0o755)
    say(f"composing the runtime in {runtimes}")
    manifest = compose(temporary, say)
    target = runtimes / manifest.identity
    if target.exists():
        shutil.rmtree(temporary)
    else:
        temporary.rename(target)
    say(f"composed {target}: Python {manifest.python}, {len(manifest.packages)} packages, {_megabytes(target)} MB")
    return manifest


def _prune(prefix: Path) -> list[Path]:
    """Remove runtimes that neither an engine nor a running container uses, and at the end the prefix itself."""
    records = [_recorded(prefix, path.name.removesuffix(".installed.json")) for path in prefix.glob("*.installed.json")]
    used = {Path(record.runtime).name for record in records if record is not None}
    removed = []
    runtimes = prefix / "runtimes"
    mounted = _mounted()
    for folder in sorted(runtimes.iterdir()) if runtimes.is_dir() else []:
        if folder.name not in used and folder.name not in mounted and not folder.name.startswith("."):
            shutil.rmtree(folder)
            removed.append(folder)
    kept = {folder.name for folder in runtimes.iterdir()} | {"empty"} if runtimes.is_dir() else {"empty"}
    for shelf in (prefix / "modules").glob("*"):
        if shelf.name not in kept or not records:
            shutil.rmtree(shelf)
    if not records:
        shutil.rmtree(prefix / "modules", ignore_errors=True)
        for folder in (prefix / "bin", runtimes, prefix):
            if folder.is_dir() and not any(folder.iterdir()):
                with contextlib.suppress(OSError):  # a mount point, or a folder of the administrator's
                    folder.rmdir()
    return removed


def _mounted() -> set[str]:
    """The names of runtimes that containers on this machine have mounted."""
    names = set()
    for path in Path("/proc").glob("[0-9]*/mountinfo"):
        try:
            lines = path.read_text().splitlines()
        except OSError:  # it has ended, or is another user's
            continue
        for line in lines:
            fields = line.split(" ")
            if len(fields) > 4 and fields[4] == layout.RUNTIME:
                names.add(fields[3].removesuffix("//deleted").rsplit("/", 1)[-1])
    return names


def take_notice(engine: Engine, text: str | None, say: Say) -> None:
    """Have an engine read its configuration, whose text is `text`, again, or say who must."""
    if engine.reload == "nothing":
        return
    if engine.reload == "restart":
        say("containerd reads its configuration when it starts: restart it, such as with `systemctl restart containerd`")
        return
    pidfile = docker_pidfile(text)
    try:
        number = int(pidfile.read_text())
        running = Path(f"/proc/{number}/comm").read_text().strip() == "dockerd"
    except (OSError, ValueError):
        running = False
    if running:
        os.kill(number, signal.SIGHUP)
        say(f"sent SIGHUP to dockerd ({number}), which reloads its runtimes; a change of `features` waits for its next start")
    else:
        say(f"{pidfile}: dockerd is not running; it reads {engine.config} when it starts")


def _script(folder: Path, manifest: Manifest, settings: Path, lower: Path) -> str:
    python = layout.python_command(str(folder), manifest.loader, f"{folder}/lib")
    return _SCRIPT.format(
        python=shlex.join(python),
        start=shlex.quote(f"{folder}/start.py"),
        settings=shlex.quote(str(settings)),
        lower=shlex.quote(str(lower)),
    )


def _recorded(prefix: Path, engine: str) -> Installed | None:
    path = prefix / f"{engine}.installed.json"
    try:
        data: dict[str, Any] = json.loads(path.read_bytes())
        return Installed(**data)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise FormatError(
            f"{path}: found no record of an installation ({error})", hint="remove the file and install anew"
        ) from error


def _text(path: Path) -> str | None:
    try:
        return path.read_text()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: found bytes that are no UTF-8 ({error}), expected text") from error


def _write(path: Path, text: str, *, mode: int = 0o644) -> None:
    """All or nothing; a file that is there keeps its permissions and owner, a link its target."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path = path.resolve()
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".wherry-")
    with os.fdopen(handle, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(handle)
    if path.exists():
        there = path.stat()
        os.chown(temporary, there.st_uid, there.st_gid)
        mode = there.st_mode & 0o777
    Path(temporary).chmod(mode)
    Path(temporary).replace(path)


def _megabytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) // 1_000_000
