"""`wherry.toml`: an image in a dozen lines.

name = "speech"                       # the image's name where --tag gives none
entrypoint = ["/app.wasm"]
cmd = ["--verbose"]
workdir = "/"
[files]                               # in the image = in this folder; each line is a layer, so what changes least comes first
"/model/" = "build/model/*"
"/app.wasm" = "build/app.wasm"
[env]
LOG = "info"
[labels]
"org.opencontainers.image.licenses" = "MIT"
[run]                                 # how it wants to be run
preload = ["default:Burn:AUTO:/model/tiny_en.mpk:/model/tiny_en.cfg:/model/tokenizer.json:en"]
publish = ["8080:8080"]
device = "auto"
memory = "1g"
timeout = 60
requests = 8                          # answered at once
coarse-clock = true
allow-net = ["api.example.org:443"]   # what it would like: whoever runs it gives it, or not

A folder with an app.py has one without `entrypoint`, `cmd`, `workdir`, `expose`, `files` and `run.preload`, which are known.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from posixpath import normpath
from typing import Any

from wherry.errors import InputError, WherryError
from wherry.oci.context import Context, missing_folders
from wherry.oci.fields import Fields
from wherry.oci.recipe import Recipe, Step
from wherry.oci.settings import RunSettings

_KEYS = ("name", "entrypoint", "cmd", "workdir", "expose", "files", "env", "labels", "run")
_RUN_KEYS = ("preload", "publish", "device", "memory", "timeout", "requests", "coarse-clock", "allow-net")
_APP_KEYS = ("name", "env", "labels", "run")
_OF_FILES = ("entrypoint", "cmd", "workdir", "expose", "files")
_PORT = re.compile(r"([0-9]{1,5})(/(?:tcp|udp|sctp))?")
_MAX_ITEMS = 1000


def read_project(text: str, place: str, context: Context) -> Recipe:
    """Raises InputError or NotFoundError naming the key."""
    try:
        return _read(Fields(place, _parse(text, place)), place, context)
    except WherryError as error:
        if isinstance(error, InputError) and type(error) is not InputError:  # a value of another type is the user's mistake
            raise InputError(error.message, hint=error.hint) from error
        raise


@dataclass(frozen=True)
class AppProject:
    """What `wherry.toml` says of a web app, whose files `wherry build` knows."""

    name: str
    env: Mapping[str, str]
    labels: Mapping[str, str]
    settings: RunSettings


def read_app_project(text: str, place: str) -> AppProject | None:
    """None where it lists an image's own files. Raises InputError naming the key."""
    fields = Fields(place, _parse(text, place))
    if any(name in fields.values for name in _OF_FILES):
        return None
    _only(fields, _APP_KEYS)
    try:
        run = fields.optional("run")
        if "preload" in run.values:
            raise InputError(f"{run.place}: found preload, expected none", hint="an app's models are given by --model")
        settings, labels = _settings(run), fields.text_map("labels")
        _checked_labels(labels, place)
        if doubled := settings.labels.keys() & labels.keys():
            raise InputError(f"{place}: found {min(doubled)} both in labels and in run, expected it once")
        return AppProject(fields.text("name", ""), fields.text_map("env"), labels, settings)
    except InputError as error:
        raise InputError(error.message, hint=error.hint) from error


def _checked_labels(labels: Mapping[str, str], place: str) -> None:
    try:
        RunSettings.of_labels(labels)
    except InputError as error:
        raise InputError(f"{place}: {error.message}", hint=error.hint) from error


def _parse(text: str, place: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{place}: found no TOML: {error}") from error


def _read(fields: Fields, place: str, context: Context) -> Recipe:
    _only(fields, _KEYS)
    settings = _settings(fields.optional("run"))
    files = fields.optional("files")
    steps: list[Step] = []
    folders = frozenset[PurePosixPath]()
    for target in files.values:
        sources = files.texts(target, _MAX_ITEMS) if isinstance(files.values[target], list) else (files.text(target),)
        if not target.startswith("/"):
            raise InputError(f'{files.place}: found "{target}", expected a path in the image that begins with /')
        try:
            entries = context.copy(sources, target, folders)
        except WherryError as error:
            raise type(error)(f'{files.place}: "{target}": {error.message}', hint=error.hint) from error
        folders |= {entry.path for entry in entries if entry.is_folder}
        steps.append(Step(f"COPY {' '.join(sources)} {target}", tuple(entries)))
    labels = fields.text_map("labels")
    if doubled := settings.labels.keys() & labels.keys():
        raise InputError(f"{place}: found {min(doubled)} both in labels and in run, expected it once")
    workdir = fields.text("workdir", "/")
    if not workdir.startswith("/"):
        raise InputError(f'{place}: workdir: found "{workdir}", expected a path that begins with /')
    workdir = normpath(workdir)
    if missing := missing_folders(PurePosixPath(workdir), folders):
        steps.append(Step(f"WORKDIR {workdir}", missing))
    return Recipe(
        place,
        tuple(steps),
        fields.texts("entrypoint", _MAX_ITEMS),
        fields.texts("cmd", _MAX_ITEMS),
        fields.text_map("env"),
        labels | settings.labels,
        workdir,
        tuple(_port(text, place) for text in fields.texts("expose", _MAX_ITEMS)),
        fields.text("name", ""),
    )


def _settings(run: Fields) -> RunSettings:
    """Read as labels are: one check for both."""
    _only(run, _RUN_KEYS)
    said: dict[str, str] = {}
    for name, value in run.values.items():
        if name in ("preload", "publish", "allow-net"):
            said[name] = " ".join(run.texts(name, _MAX_ITEMS))
        elif name == "timeout" and isinstance(value, int | float) and not isinstance(value, bool):
            said[name] = f"{value:g}"
        elif name == "requests" and isinstance(value, int) and not isinstance(value, bool):
            said[name] = str(value)
        elif name == "coarse-clock" and isinstance(value, bool):
            said[name] = str(value).lower()
        else:
            said[name] = run.text(name)
    try:
        return RunSettings.of_labels({f"wherry.{name}": value for name, value in said.items()})
    except InputError as error:
        raise InputError(f"{run.place}: {error.message}", hint=error.hint) from error


def _only(fields: Fields, known: tuple[str, ...]) -> None:
    for name in fields.values:
        if name not in known:
            raise InputError(f'{fields.place}: found "{name}", expected one of {", ".join(known)}')


def _port(text: str, place: str) -> str:
    found = _PORT.fullmatch(text)
    if found is None or not 0 < int(found[1]) <= 65535:
        raise InputError(f'{place}: expose: found "{text}", expected a port such as 8080 or 8080/tcp')
    return found[1] + (found[2] or "/tcp")
