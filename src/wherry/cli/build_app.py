"""A folder with a web app to an image's recipe: its models, its files, its component."""

import glob
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath

from wherry.appbuild.componentize import AppSource, build_component
from wherry.cli.activity import activity
from wherry.cli.model_address import find_any_model, named_models
from wherry.engine.catalog import model_kind
from wherry.engine.convert import convert_whisper
from wherry.errors import InputError
from wherry.oci.context import Context, Ignore, read_ignore
from wherry.oci.layer import Entry
from wherry.oci.project import AppProject, read_app_project
from wherry.oci.recipe import Recipe, Step
from wherry.oci.reference import Reference
from wherry.oci.settings import RunSettings
from wherry.wasm.scratch import scratch_folder

_COMPONENT = PurePosixPath("/app.wasm")
_MODELS = PurePosixPath("/model")
_DATA = PurePosixPath("/0")  # where the compiler mounts the app's folder: __file__ says so inside
_PORT = "8080:8080"
# Besides what .dockerignore names: what tools keep beside an app.
_NOT_THE_APPS = ("**/.*", "**/__pycache__", "**/node_modules", "build", "dist", "tests", "venv")
_NOT_DATA = {"requirements.txt", "wherry.toml", "README.md", "Dockerfile"}
_SPLIT = re.compile(r"(.+)-\d{5}-of-(\d{5})\.gguf")
_BESIDE_SENTENCES = ("config.json", "tokenizer.json", "1_Pooling/config.json")
_BESIDE_LANGUAGE = (
    "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
    "chat_template.jinja", "model.safetensors.index.json", "model-*-of-*.safetensors",
)  # fmt: skip
_MAX_BYTES = 64 << 20  # of an app's own files


def is_app(folder: Path, file: Path | None) -> bool:
    """A folder with an app.py, and no other word of how its image is made."""
    if file is not None or not (folder / "app.py").is_file() or (folder / "Dockerfile").exists():
        return False
    return not (folder / "wherry.toml").is_file() or _project(folder) is not None


def _project(folder: Path) -> AppProject | None:
    """What wherry.toml says; None where it is of an image by its files. Raises InputError."""
    file = folder / "wherry.toml"
    if not file.is_file():
        return AppProject("", {}, {}, RunSettings())
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: found bytes that are no UTF-8 text") from error
    return read_app_project(text, str(file))


@contextmanager
def app_recipe(
    folder: Path, models: Sequence[str], cache: Path, *, anew: bool, say: Callable[[str], None], shown: bool = True
) -> Iterator[Recipe]:
    """What is made lies where the recipe says for as long as the block lasts. shown: whether a terminal shows that it goes on."""
    project = _project(folder)
    assert project is not None, "is_app says so"
    name = project.name or _image_name(folder)
    if name:
        Reference.parse(name)  # a name that cannot be is told before anything is compiled
    listed = list(_files(folder))
    with activity("compiling the app", say, shown=shown):
        component = build_component(AppSource(folder), listed, cache, anew=anew, say=say)
    steps: list[Step] = []
    preloads: list[str] = []
    with ExitStack() as stack:
        for graph, model in named_models(models).items():
            step, preload = _model(stack, graph, model, say)
            steps.append(step)
            preloads.append(preload)
        data = [Entry(_DATA / file, path) for path, file in listed if not file.endswith(".py") and file not in _NOT_DATA]
        if data:
            steps.append(Step("the app's files", _with_folders(data)))
        steps.append(Step("the app", (Entry(_COMPONENT, component),)))
        settings = replace(project.settings, preload=tuple(preloads), publish=project.settings.publish or (_PORT,))
        yield Recipe(
            str(folder),
            tuple(steps),
            (str(_COMPONENT),),
            env=dict(project.env),
            labels={**project.labels, **settings.labels},
            name=name,
        )


def prepare_app(recipe: Recipe, cache: Path) -> None:
    """Have the cache hold what the app's first run on this machine would compile."""
    from wherry.wasm.module import compile_into

    for step in recipe.steps:
        for entry in step.entries:
            if entry.path == _COMPONENT and entry.source is not None:
                compile_into(entry.source, cache)


def _files(folder: Path) -> Iterator[tuple[Path, str]]:
    """The app's own files and their paths: neither what tools keep beside them nor what .dockerignore names."""
    ignored = folder / ".dockerignore"
    lines = read_ignore(ignored) if ignored.is_file() else []
    total = 0
    for entry in Context(folder, Ignore([*_NOT_THE_APPS, *lines])).copy((".",), "/", frozenset()):
        if entry.source is None:
            continue
        total += entry.source.stat().st_size
        if total > _MAX_BYTES:
            raise InputError(
                f"{folder}: found more than {_MAX_BYTES >> 20} MB of files, expected an app's own",
                hint="models go into the image by --model; name what is not the app's in .dockerignore",
            )
        yield entry.source, str(entry.path).lstrip("/")


def _model(stack: ExitStack, name: str, model: str, say: Callable[[str], None]) -> tuple[Step, str]:
    """A language model and one of sentences as they are. One of speech in eight bits: half the size, and the same words but for
    rare ones.
    """
    found = find_any_model(model, say=say)
    kind = model_kind(found)
    if kind != "speech":
        entries = list(_as_it_is(_MODELS / name, found.weights, kind))
        encoding = "GGML" if kind == "language" else "Autodetect"
        return Step(f"the model {name}", _with_folders(entries)), f"{name}:{encoding}:AUTO:{entries[0].path}"
    temporary = stack.enter_context(scratch_folder())
    weights = temporary / "model.safetensors"
    with activity(f"converting {model} to eight bits", say):
        convert_whisper(found.weights, weights, "q8_0")
    folder = _MODELS / name
    names = ("model.safetensors", "model.cfg", "tokenizer.json")
    entries = [Entry(folder / part, temporary / part) for part in names]
    preload = f"{name}:Burn:AUTO:{':'.join(str(folder / part) for part in names)}"
    return Step(f"the model {name}", _with_folders(entries)), preload


def _as_it_is(folder: PurePosixPath, weights: Path, kind: str) -> Iterator[Entry]:
    """The files of a model, its weights first."""
    if weights.suffix == ".gguf" or _begins(weights, b"GGUF"):
        piece = _SPLIT.fullmatch(weights.name)
        files = sorted(weights.parent.glob(f"{glob.escape(piece[1])}-*-of-{piece[2]}.gguf")) if piece else [weights]
        for file in files:
            yield Entry(folder / (file.name if piece else "model.gguf"), file)
        return
    yield Entry(folder / weights.name, weights)
    for name in _BESIDE_SENTENCES if kind == "sentences" else _BESIDE_LANGUAGE:
        for file in sorted(weights.parent.glob(name)):
            if file != weights:
                yield Entry(folder / file.relative_to(weights.parent), file)


def _begins(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic


def _with_folders(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    folders = {parent for entry in entries for parent in entry.path.parents if parent != PurePosixPath("/")}
    return (*(Entry(folder) for folder in sorted(folders)), *entries)


def _image_name(folder: Path) -> str:
    name = folder.resolve().name.lower()
    return name if name.replace("-", "").replace("_", "").isalnum() and name[0].isalnum() and name.isascii() else ""
