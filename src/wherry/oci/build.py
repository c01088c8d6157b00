"""A recipe becomes an image in the store: an index of wasi/wasm, wasip1/wasm and linux/amd64 over the same layers.

Nothing that differs from build to build goes in: no time, no host, no user. The same recipe gives the same digest.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import Any

from wherry.errors import InputError, NotFoundError
from wherry.oci.compression import Compression
from wherry.oci.context import Context, Ignore, read_ignore
from wherry.oci.dockerfile import read_dockerfile
from wherry.oci.fields import to_json
from wherry.oci.image import BUILT, OCI_CONFIG, Descriptor, Index, Manifest, Platform
from wherry.oci.layer import Layer, store_layer
from wherry.oci.project import read_project
from wherry.oci.recipe import Bundle, Recipe, Step
from wherry.oci.reference import Reference
from wherry.oci.settings import RunSettings
from wherry.oci.store import Store

_LINUX = Platform("linux", "amd64")
PROJECT, DOCKERFILE = "wherry.toml", "Dockerfile"
_EPOCH = "1970-01-01T00:00:00Z"
_MAX_RECIPE = 1 << 20  # bytes


OnBytes = Callable[[int, int], None]  # bytes done, bytes altogether
Watch = Callable[[str], AbstractContextManager[OnBytes]]  # shows a step of this name while it lasts


@contextmanager
def _unwatched(step: str) -> Iterator[OnBytes]:
    yield lambda done, total: None


def read_recipe(folder: Path, file: Path | None, arguments: Mapping[str, str]) -> Recipe:
    """The recipe of a folder: `file`, or the wherry.toml or Dockerfile in it. `arguments` are --build-arg's.

    Raises NotFoundError, InputError.
    """
    if file is None:
        there = [folder / name for name in (PROJECT, DOCKERFILE) if (folder / name).is_file()]
        if len(there) != 1:
            found = f"both {PROJECT} and {DOCKERFILE}" if there else f"no {PROJECT} and no {DOCKERFILE}"
            raise NotFoundError(f"{folder}: found {found}, expected one of them", hint="name the one to build with --file")
        file = there[0]
    try:
        raw = file.read_bytes()
    except FileNotFoundError as error:
        raise NotFoundError(f"{file}: found no such file, expected a {PROJECT} or a {DOCKERFILE}") from error
    if len(raw) > _MAX_RECIPE:
        raise InputError(f"{file}: found {len(raw)} bytes, expected at most {_MAX_RECIPE}")
    context = Context(folder, _ignore(folder, file))
    if file.suffix == ".toml":
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            raise InputError(f"{file}: found byte {error.start} that is no UTF-8, expected text") from error
        if arguments:
            raise InputError(f"--build-arg: found {next(iter(arguments))}, which only a {DOCKERFILE} has")
        return read_project(text, str(file), context)
    return read_dockerfile(raw.decode("utf-8", "surrogateescape"), str(file), context, arguments)


def build(
    recipe: Recipe,
    store: Store,
    name: Reference | None,
    *,
    compression: Compression = Compression.GZIP,
    bundle: Bundle | None = None,
    say: Callable[[str], None] = lambda line: None,
    watch: Watch = _unwatched,
) -> Descriptor:
    """Make the image, name it -> its index. `say` takes a line a layer, `watch` shows one while it is compressed.

    With a `bundle`, the entry for linux/amd64 carries it and runs the guest by itself: any engine runs it as an ordinary image.

    Raises InputError for settings that are none, NotFoundError for an entrypoint that is not in the image.
    """
    settings = _settings(recipe)
    guest = _find_guest(recipe)
    with store.hold():
        layers = _store_layers(recipe, store, compression, say, watch)
        manifests = []
        for platform in BUILT:
            mine, below = recipe, list[Layer]()
            if bundle is not None and platform == _LINUX:
                mine = _standing_alone(recipe, guest, bundle)
                with watch("runtime") as on_bytes:
                    below = [store_layer(store, bundle.entries, compression, on_bytes)]
                say(f"runtime    {below[0].descriptor.size / 1e6:8.2f} MB  for {platform} alone")
            config = to_json(_config(mine, settings, [*below, *layers], platform))
            manifest = Manifest.build(Descriptor.of(OCI_CONFIG, config), [layer.descriptor for layer in (*below, *layers)])
            store.put_bytes(config)
            store.put_bytes(manifest.raw)
            manifests.append(Descriptor.of(manifest.media_type, manifest.raw, platform=platform))
        index = Index.build(manifests)
        store.put_bytes(index.raw)
        if name is not None:
            store.tag(name, index.descriptor)
    return index.descriptor


def _standing_alone(recipe: Recipe, guest: PurePosixPath, bundle: Bundle) -> Recipe:
    """The same image, started by what it carries: the guest's file, its name for itself, its arguments."""
    name, *arguments = recipe.entrypoint or recipe.cmd
    entrypoint = (*bundle.command, str(guest), name, *(arguments if recipe.entrypoint else ()))
    return replace(
        recipe,
        steps=(Step("wherry build --standalone", bundle.entries), *recipe.steps),
        entrypoint=entrypoint,
        cmd=recipe.cmd if recipe.entrypoint else tuple(arguments),
        env={**bundle.env, **recipe.env},
    )


def _settings(recipe: Recipe) -> RunSettings:
    try:
        return RunSettings.of_labels(recipe.labels)
    except InputError as error:
        raise InputError(f"{recipe.place}: {error.message}", hint=error.hint) from error


def _find_guest(recipe: Recipe) -> PurePosixPath:
    """All files of the image are known: what it is to start must be one of them."""
    command = (*recipe.entrypoint, *recipe.cmd)
    if not command:
        raise InputError(f"{recipe.place}: found neither ENTRYPOINT nor CMD, expected the guest to start")
    for folder in (recipe.working_dir, "/"):
        path = PurePosixPath("/" + normpath(f"{folder}/{command[0]}" if command[0][0:1] != "/" else command[0]).lstrip("/"))
        if path in recipe.files:
            return path
    there = sorted(str(path) for path in recipe.files if path.suffix == ".wasm")
    raise NotFoundError(
        f'{recipe.place}: entrypoint: found no file "{command[0]}" in the image, expected one of it',
        hint=f"in the image: {', '.join(there[:5])}" if there else "copy the guest into the image",
    )


def _store_layers(
    recipe: Recipe, store: Store, compression: Compression, say: Callable[[str], None], watch: Watch
) -> list[Layer]:
    steps = [step for step in recipe.steps if step.entries]
    layers = []
    for i, step in enumerate(steps, 1):
        with watch(f"layer {i}/{len(steps)}") as on_bytes:
            layer = store_layer(store, step.entries, compression, on_bytes)
        say(f"layer {i}/{len(steps)}  {layer.descriptor.size / 1e6:8.2f} MB  {step.created_by}")
        layers.append(layer)
    return layers


def _config(recipe: Recipe, settings: RunSettings, layers: Sequence[Layer], platform: Platform) -> dict[str, Any]:
    env = {**settings.variables, **recipe.env}  # what the image sets itself wins
    ports = {*recipe.exposed_ports, *settings.exposed_ports}
    config: dict[str, Any] = {"WorkingDir": recipe.working_dir}
    if env:
        config["Env"] = [f"{name}={value}" for name, value in env.items()]
    if recipe.entrypoint:
        config["Entrypoint"] = list(recipe.entrypoint)
    if recipe.cmd:
        config["Cmd"] = list(recipe.cmd)
    if ports:
        config["ExposedPorts"] = {port: {} for port in sorted(ports)}
    if recipe.labels:
        config["Labels"] = dict(sorted(recipe.labels.items()))
    history = [
        {"created": _EPOCH, "created_by": step.created_by} | ({} if step.entries else {"empty_layer": True})
        for step in recipe.steps
    ]
    return {
        "created": _EPOCH,
        **platform.to_json(),
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [str(layer.diff_id) for layer in layers]},
        "history": history,
    }


def _ignore(folder: Path, file: Path) -> Ignore:
    """`NAME.dockerignore` beside a Dockerfile of that name, else the folder's `.dockerignore`."""
    own = file.with_name(file.name + ".dockerignore")
    path = own if own.is_file() else folder / ".dockerignore"
    return Ignore(read_ignore(path) if path.is_file() else [])
