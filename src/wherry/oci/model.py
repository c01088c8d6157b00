"""Models that lie in registries, as files: Docker Model Runner's artifacts, and the CNCF's ModelPack.

(github.com/docker/model-runner, pkg/distribution/types; github.com/modelpack/model-spec, v1. ModelPack was named cnai before.)
A layer is one file as it is, or a tar of some. Weights are not copied: what a model's folder has of the store are links.
"""

import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from wherry.errors import FormatError
from wherry.oci.digest import CHUNK, Digest
from wherry.oci.fields import Fields
from wherry.oci.image import Descriptor, Index, Manifest
from wherry.oci.store import Store
from wherry.oci.tarstream import Limits
from wherry.oci.unpack import unpack_layer

_DOCKER = "application/vnd.docker.ai."
_CONFIGS = re.compile(
    r"application/vnd\.docker\.ai\.model\.config\.v0\.[12]\+json|application/vnd\.(?:cncf|cnai)\.model\.config\.v1\+json"
)
_MODELPACK = re.compile(r"application/vnd\.(?:cncf|cnai)\.model\.(weight|weight\.config|doc|code|dataset)\.v1\.([a-z+]+)")
_ARCHIVES = re.compile(r"tar(?:\+gzip|\+zstd)?")
_PATHS = ("org.cncf.model.filepath", "org.cnai.model.filepath", "org.opencontainers.image.title")  # annotations of a layer
_NAMES = {  # where a layer does not say its own
    "gguf.v3": "model.gguf",
    "safetensors": "model.safetensors",
    "chat.template.jinja": "chat_template.jinja",
    "license": "LICENSE",
}
_WEIGHTS = (".gguf", ".safetensors")
_HINT = "models are what `docker model push` sends, and ModelPack's artifacts"
_MAX_PATH = 500  # characters


@dataclass(frozen=True)
class ModelLayer:
    """One file at `path` within the model's folder, or a tar of files (`path` is "."), whose plain bytes have this `diff_id`."""

    descriptor: Descriptor
    path: PurePosixPath
    diff_id: Digest | None = None


def model_layers(store: Store, manifest: Manifest) -> list[ModelLayer]:
    """The layers that make a model's folder. Raises NotFoundError, FormatError."""
    place = f"artifact {manifest.digest}"
    if not _CONFIGS.fullmatch(manifest.config.media_type):
        raise FormatError(
            f"{place}: found {manifest.config.media_type}, expected a model",
            hint=_HINT,
        )
    found: list[ModelLayer] = []
    taken: set[PurePosixPath] = set()
    diff_ids: list[Digest] | None = None
    for number, layer in enumerate(manifest.layers):
        kind = _kind(layer)
        if kind is None:
            continue
        if _ARCHIVES.fullmatch(kind):
            diff_ids = _diff_ids(store, manifest) if diff_ids is None else diff_ids
            found.append(ModelLayer(layer, PurePosixPath(), diff_ids[number]))
            continue
        path = _path(layer, kind, f"{place}: layers[{number}]", taken)
        taken.add(path)
        found.append(ModelLayer(layer, path))
    return found


def find_model_manifest(store: Store, root: Descriptor) -> Manifest:
    """A model's manifest; of an index, that of the one model in it: some tools ship a model beside images that hold it.

    Raises NotFoundError, FormatError.
    """
    document = store.document(root)
    entries = (
        [store.document(entry) for entry in document.manifests if store.has(entry.digest)] if isinstance(document, Index) else []
    )
    models = [m for m in (document, *entries) if isinstance(m, Manifest) and _CONFIGS.fullmatch(m.config.media_type)]
    if len(models) != 1:
        kind = (
            document.config.media_type
            if isinstance(document, Manifest)
            else f"{len(models)} models among {len(entries)} manifests"
        )
        raise FormatError(f"artifact {root.digest}: found {kind}, expected a model", hint=_HINT)
    return models[0]


def open_model(store: Store, manifest: Manifest, models: Path, *, limits: Limits | None = None) -> Path:
    """A model's folder below `models`, made unless it is there; the GGUF or safetensors file in it where it has just one.

    Raises NotFoundError, FormatError, TooLargeError.
    """
    folder = models / manifest.digest.hex
    if folder.is_dir() and not all(file.exists() for file in folder.rglob("*")):
        shutil.rmtree(folder)  # the store has lost what a link leads to
    if not folder.is_dir():
        models.mkdir(parents=True, exist_ok=True)
        with store.hold(), tempfile.TemporaryDirectory(dir=models, prefix=".") as temporary:
            made = _Folder(store, manifest, Path(temporary))
            for layer in model_layers(store, manifest):
                made.add(layer, limits or Limits())
            try:
                made.path.rename(folder)
            except OSError:
                if not folder.is_dir():
                    raise  # and else another process was quicker
    weights = sorted(file for file in folder.rglob("*") if file.suffix in _WEIGHTS)
    return weights[0] if len(weights) == 1 else folder


def prune_models(store: Store, models: Path) -> int:
    """Remove the folders of models that the store has no more -> how many."""
    gone = [path for path in models.iterdir() if not store.has(Digest("sha256", path.name))] if models.is_dir() else []
    for path in gone:
        shutil.rmtree(path)
    return len(gone)


def _kind(layer: Descriptor) -> str | None:
    """What a layer is, by its media type; None for what no model here needs: programs, data sets, projectors of pictures."""
    if layer.media_type.startswith(_DOCKER):
        kind = layer.media_type.removeprefix(_DOCKER)
        return None if kind == "mmproj" else "tar" if kind.endswith(".tar") else kind
    if (modelpack := _MODELPACK.fullmatch(layer.media_type)) is not None:
        return modelpack[2] if modelpack[1] not in ("code", "dataset") else None
    return None


def _path(layer: Descriptor, kind: str, place: str, taken: set[PurePosixPath]) -> PurePosixPath:
    """Where a file goes. Raises FormatError for one that would lie outside."""
    text = next((layer.annotations[name] for name in _PATHS if layer.annotations.get(name)), None)
    if text is None:
        name = PurePosixPath(_NAMES.get(kind, f"model.{kind}"))
        numbered = (name.with_stem(f"{name.stem}-{number}") for number in range(2, len(taken) + 3))
        return name if name not in taken else next(other for other in numbered if other not in taken)
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or not path.parts or len(text) > _MAX_PATH or not text.isprintable():
        raise FormatError(f"{place}: filepath: found {text[:200]!r}, expected a path within the model")
    return path


def _diff_ids(store: Store, manifest: Manifest) -> list[Digest]:
    """Of each layer: docker's configuration has them as images do, ModelPack's as `modelfs`."""
    config = Fields.parse(store.read(manifest.config.digest), f"artifact {manifest.digest}: configuration")
    texts = config.optional("rootfs").texts("diff_ids", 4096) or config.optional("modelfs").texts("diffIds", 4096)
    if len(texts) != len(manifest.layers):
        raise FormatError(f"{config.place}: diff_ids: found {len(texts)}, expected {len(manifest.layers)}, one for each layer")
    # olot writes them without their algorithm.
    return [Digest.parse(text if ":" in text else f"sha256:{text}") for text in texts]


class _Folder:
    """A model's folder while it is made, at `path`. All folders in it are ours: no tar's links are among them."""

    def __init__(self, store: Store, manifest: Manifest, temporary: Path) -> None:
        self.path = temporary / "model"
        self.path.mkdir()
        self._store = store
        self._place = f"artifact {manifest.digest}"
        self._unpacked = temporary / "unpacked"

    def add(self, layer: ModelLayer, limits: Limits) -> None:
        digest = layer.descriptor.digest
        with self._store.open(digest) as stream:
            if layer.diff_id is None:
                while stream.read(CHUNK):  # checked once, before it is trusted for as long as it lies there
                    pass
                self._target(layer.path).symlink_to(self._store.path(digest).resolve())
                return
            self._unpacked.mkdir()
            unpack_layer(stream, self._unpacked, diff_id=layer.diff_id, limits=limits, place=f"blob {digest}")
        for folder, _, names in os.walk(self._unpacked):
            for file in (Path(folder) / name for name in names):
                if file.is_file() and not file.is_symlink():
                    file.rename(self._target(PurePosixPath(file.relative_to(self._unpacked))))
        shutil.rmtree(self._unpacked)

    def _target(self, path: PurePosixPath) -> Path:
        """Where a file goes. Raises FormatError where another is."""
        target = self.path / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise FormatError(f'{self._place}: found "{path}" below a file, expected a folder') from error
        if target.is_symlink() or target.exists():
            raise FormatError(f'{self._place}: found "{path}" twice, expected each once')
        return target
