"""Manifests, indexes and configurations: the bytes are the truth, these classes a view (OCI image specification 1.1).

Docker's own forms (distribution manifest v2, schema 2) have the same fields under other media types and are read as well.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from wherry.errors import FormatError, InputError
from wherry.oci.digest import Digest
from wherry.oci.fields import Fields, to_json

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
OCI_LAYER_GZIP = OCI_LAYER + "+gzip"
OCI_LAYER_ZSTD = OCI_LAYER + "+zstd"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"
DOCKER_LAYER_GZIP = DOCKER_LAYER + ".gzip"
DOCKER_LAYER_ZSTD = DOCKER_LAYER + ".zstd"
WASM_CONFIG = "application/vnd.wasm.config.v0+json"
WASM_LAYER = "application/wasm"

MANIFESTS = (OCI_MANIFEST, DOCKER_MANIFEST)
INDEXES = (OCI_INDEX, DOCKER_INDEX)
MAX_MANIFEST = 4 << 20  # bytes, as registries have it; a configuration may be as large
_MAX_ENTRIES = 4096  # layers of a manifest, manifests of an index
_MAX_LAYERS = 127  # as overlayfs has it
_LAYER_KINDS = (".tar", ".tar+gzip", ".tar+zstd", ".tar.gzip", ".tar.zstd")
_WASM_SYSTEMS = ("wasi", "wasip1", "wasip2")
_ARCHITECTURES = ("386", "amd64", "arm", "arm64", "loong64", "mips64le", "ppc64le", "riscv64", "s390x")
_SPELLINGS = {"wasm32": "wasm", "x86_64": "amd64", "x86-64": "amd64", "i386": "386", "aarch64": "arm64", "armhf": "arm"}
_VARIANTS = {"arm": "v7", "arm64": "v8", "amd64": "v1"}  # which an image that names none is of
_SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1"


@dataclass(frozen=True)
class Platform:
    """`wasi/wasm`, `linux/arm64/v8`."""

    os: str
    architecture: str
    variant: str = ""
    os_version: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    @classmethod
    def parse(cls, text: str) -> "Platform":
        """As containerd reads it; one word alone names its usual companion: `wasm`, `wasip1`, `arm64`. Raises InputError."""
        parts = text.lower().split("/")
        if len(parts) == 1 and parts[0] in _WASM_SYSTEMS:
            return cls(parts[0], "wasm")
        if len(parts) == 1 and _architecture(parts[0]) == "wasm":
            return cls("", "wasm")
        if len(parts) == 1 and parts[0] == "linux":
            return cls("linux", "amd64")
        if len(parts) == 1 and _architecture(parts[0]) in _ARCHITECTURES:
            return cls("linux", _architecture(parts[0]))
        if len(parts) not in (2, 3) or not all(parts):
            raise InputError(f'platform: found "{text}", expected OS/ARCHITECTURE[/VARIANT] such as wasi/wasm')
        return cls(parts[0], _architecture(parts[1]), *parts[2:])

    @classmethod
    def read(cls, fields: Fields) -> "Platform":
        """Raises FormatError."""
        return cls(fields.text("os"), fields.text("architecture"), fields.text("variant", ""), fields.text("os.version", ""))

    @classmethod
    def read_optional(cls, fields: Fields) -> "Platform | None":
        """None where it says too little: `{}` and empty names are in use. Raises FormatError where a name is no string."""
        os, architecture = fields.text("os", ""), fields.text("architecture", "")
        return cls(os, architecture, fields.text("variant", ""), fields.text("os.version", "")) if os and architecture else None

    @property
    def alternatives(self) -> "tuple[Platform, ...]":
        """What it stands for: `wasm` for Wasm on any system, in the order of preference."""
        return (self,) if self.os else tuple(replace(self, os=os) for os in _WASM_SYSTEMS)

    def matches(self, wanted: "Platform") -> bool:
        """Whether an image for this platform is one for `wanted`, which may leave its variant open."""
        if (self.os, _architecture(self.architecture)) != (wanted.os, wanted.architecture):
            return False
        usual = _VARIANTS.get(wanted.architecture, "")
        return not wanted.variant or (self.variant or usual) == wanted.variant

    def to_json(self) -> dict[str, str]:
        said = {"architecture": self.architecture, "os": self.os, "os.version": self.os_version, "variant": self.variant}
        return {name: value for name, value in said.items() if value}


BUILT = (Platform("wasi", "wasm"), Platform("wasip1", "wasm"), Platform("linux", "amd64"))  # what a build makes images for
PREFERRED = (*BUILT[:2], Platform("wasip2", "wasm"), BUILT[2])  # of an index, the first there


@dataclass(frozen=True)
class Descriptor:
    """What lies elsewhere: its media type, digest and `size` in bytes. `urls` are other places that have the same bytes."""

    media_type: str
    digest: Digest
    size: int
    platform: Platform | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str = ""
    urls: tuple[str, ...] = ()

    @classmethod
    def of(cls, media_type: str, raw: bytes, *, platform: Platform | None = None) -> "Descriptor":
        return cls(media_type, Digest.of_bytes(raw), len(raw), platform)

    @classmethod
    def read(cls, fields: Fields) -> "Descriptor":
        """Raises FormatError."""
        try:
            digest = Digest.parse(fields.text("digest"))
        except FormatError as error:
            raise FormatError(f"{fields.place}: {error.message}") from error
        return cls(
            fields.text("mediaType"),
            digest,
            fields.integer("size"),
            Platform.read_optional(fields.optional("platform")),
            fields.text_map("annotations"),
            fields.text("artifactType", ""),
            fields.texts("urls", _MAX_ENTRIES),
        )

    def to_json(self) -> dict[str, Any]:
        said: dict[str, Any] = {"mediaType": self.media_type, "digest": str(self.digest), "size": self.size}
        if self.urls:
            said["urls"] = list(self.urls)
        if self.annotations:
            said["annotations"] = dict(self.annotations)
        if self.platform is not None:
            said["platform"] = self.platform.to_json()
        if self.artifact_type:
            said["artifactType"] = self.artifact_type
        return said


@dataclass(frozen=True)
class _Document:
    """Bytes with a media type."""

    raw: bytes
    media_type: str

    @cached_property
    def digest(self) -> Digest:
        return Digest.of_bytes(self.raw)

    @property
    def descriptor(self) -> Descriptor:
        return Descriptor(self.media_type, self.digest, len(self.raw))


@dataclass(frozen=True)
class Manifest(_Document):
    """One image for one platform, or an artifact (`artifact_type`)."""

    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str = ""
    subject: Descriptor | None = None

    @classmethod
    def parse(cls, raw: bytes, media_type: str = "", *, place: str = "manifest") -> "Manifest":
        """`media_type` is what it was announced as, "" where nobody said. Raises FormatError."""
        found = parse_document(raw, media_type, place=place)
        if not isinstance(found, Manifest):
            raise FormatError(f"{place}: found an index, expected a manifest")
        return found

    @classmethod
    def build(
        cls,
        config: Descriptor,
        layers: Sequence[Descriptor],
        *,
        media_type: str = OCI_MANIFEST,
        artifact_type: str = "",
        annotations: Mapping[str, str] | None = None,
    ) -> "Manifest":
        said: dict[str, Any] = {"schemaVersion": 2, "mediaType": media_type}
        if artifact_type:
            said["artifactType"] = artifact_type
        said |= {"config": config.to_json(), "layers": [layer.to_json() for layer in layers]}
        if annotations:
            said["annotations"] = dict(annotations)
        return cls(to_json(said), media_type, config, tuple(layers), dict(annotations or {}), artifact_type)

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """All that it refers to."""
        return (self.config, *self.layers)

    @property
    def is_image(self) -> bool:
        """Whether the configuration is a container image's (else: an artifact)."""
        return self.config.media_type in (OCI_CONFIG, DOCKER_CONFIG)


@dataclass(frozen=True)
class Index(_Document):
    """Manifests by platform."""

    manifests: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def build(
        cls, manifests: Sequence[Descriptor], *, media_type: str = OCI_INDEX, annotations: Mapping[str, str] | None = None
    ) -> "Index":
        said: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": media_type,
            "manifests": [manifest.to_json() for manifest in manifests],
        }
        if annotations:
            said["annotations"] = dict(annotations)
        return cls(to_json(said), media_type, tuple(manifests), dict(annotations or {}))


@dataclass(frozen=True)
class ImageConfig(_Document):
    """What an engine is to run. `exposed_ports` as written ("8080/tcp"), `diff_ids` the digests of the layers as plain tar."""

    platform: Platform
    diff_ids: tuple[Digest, ...]
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    working_dir: str = ""
    exposed_ports: tuple[str, ...] = ()
    user: str = ""
    created: str = ""

    @classmethod
    def parse(cls, raw: bytes, media_type: str = OCI_CONFIG, *, place: str = "image configuration") -> "ImageConfig":
        """Raises FormatError."""
        fields = Fields.parse(_bounded(raw, place), place)
        config = fields.optional("config")
        for name in ("Entrypoint", "Cmd", "Env"):
            if any("\0" in text for text in config.texts(name, _MAX_ENTRIES)):
                raise FormatError(f"{config.place}: {name}: found a zero byte, which no program can be given")
        rootfs = fields.child("rootfs")
        if (kind := rootfs.text("type")) != "layers":
            raise FormatError(f'{rootfs.place}: type: found "{kind}", expected "layers"')
        try:
            diff_ids = tuple(Digest.parse(text) for text in rootfs.texts("diff_ids", _MAX_ENTRIES))
        except FormatError as error:
            raise FormatError(f"{rootfs.place}: diff_ids: {error.message}") from error
        return cls(
            raw,
            media_type,
            Platform.read(fields),
            diff_ids,
            config.texts("Entrypoint", _MAX_ENTRIES),
            config.texts("Cmd", _MAX_ENTRIES),
            config.texts("Env", _MAX_ENTRIES),
            config.text_map("Labels"),
            config.text("WorkingDir", ""),
            tuple(config.optional("ExposedPorts").values),
            config.text("User", ""),
            fields.text("created", ""),
        )

    def check_layers(self, manifest: Manifest) -> None:
        """Raises FormatError unless it has a digest for each of the manifest's layers, and these are tars."""
        for layer in manifest.layers:
            if not layer.media_type.endswith(_LAYER_KINDS):
                raise FormatError(f"image {manifest.digest}: found a layer of type {layer.media_type}, expected a tar")
        if len(self.diff_ids) != len(manifest.layers) or len(manifest.layers) > _MAX_LAYERS:
            raise FormatError(
                f"image {manifest.digest}: found {len(manifest.layers)} layers and {len(self.diff_ids)} diff_ids, "
                f"expected as many, {_MAX_LAYERS} at most"
            )

    @property
    def variables(self) -> dict[str, str]:
        """`env` by name; the last of two wins, as engines have it."""
        return {name: value for name, _, value in (entry.partition("=") for entry in self.env)}


def _architecture(name: str) -> str:
    """As the specification spells it (GOARCH)."""
    return _SPELLINGS.get(name, name)


def parse_document(raw: bytes, media_type: str = "", *, place: str = "manifest") -> Manifest | Index:
    """A manifest or an index, by what it says of itself and what it was announced as; both must agree. Raises FormatError."""
    fields = Fields.parse(_bounded(raw, place), place)
    announced = media_type.partition(";")[0].strip()
    said = fields.text("mediaType", "")
    version = fields.values.get("schemaVersion")
    if _SCHEMA_1 in announced or (version == 1 and version is not True):
        raise FormatError(f"{place}: found docker's manifest of schema 1, expected schema 2 or OCI", hint="push the image anew")
    known = [kind for kind in (announced, said) if kind in (*MANIFESTS, *INDEXES)]
    if said and announced in (*MANIFESTS, *INDEXES) and said != announced:
        raise FormatError(f'{place}: mediaType: found "{said[:200]}", expected "{announced}"')
    # The specification lets old manifests leave their type out.
    kind = known[0] if known else said or (OCI_INDEX if fields.has("manifests") else OCI_MANIFEST)
    if kind not in (*MANIFESTS, *INDEXES):
        raise FormatError(f'{place}: mediaType: found "{kind[:200]}", expected a manifest or an index of OCI or docker')
    if fields.integer("schemaVersion") != 2:
        raise FormatError(f"{place}: schemaVersion: found {version}, expected 2")
    foreign = [name for name in (("layers", "config") if kind in INDEXES else ("manifests",)) if fields.has(name)]
    if foreign:  # readers would differ in what it is: CVE-2021-41190
        raise FormatError(f"{place}: found {foreign[0]}, which {kind} does not have")
    annotations = fields.text_map("annotations")
    if kind in INDEXES:
        entries = tuple(Descriptor.read(entry) for entry in fields.children("manifests", _MAX_ENTRIES))
        return Index(raw, kind, entries, annotations)
    return Manifest(
        raw,
        kind,
        Descriptor.read(fields.child("config")),
        tuple(Descriptor.read(entry) for entry in fields.children("layers", _MAX_ENTRIES)),
        annotations,
        fields.text("artifactType", ""),
        Descriptor.read(fields.child("subject")) if fields.has("subject") else None,
    )


def _bounded(raw: bytes, place: str) -> bytes:
    if len(raw) > MAX_MANIFEST:
        raise FormatError(f"{place}: found {len(raw)} bytes, expected at most {MAX_MANIFEST}")
    return raw
