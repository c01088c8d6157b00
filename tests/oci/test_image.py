"""Manifests, indexes and configurations: the examples of the OCI image specification, docker's own forms, and hostile ones."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.errors import FormatError, InputError
from wherry.oci import image
from wherry.oci.digest import Digest
from wherry.oci.fields import Fields
from wherry.oci.image import Descriptor, ImageConfig, Index, Manifest, Platform, parse_document

# From image-spec/manifest.md, v1.1.
MANIFEST = b"""{
  "schemaVersion": 2,
  "mediaType": "application/vnd.oci.image.manifest.v1+json",
  "config": {
    "mediaType": "application/vnd.oci.image.config.v1+json",
    "digest": "sha256:b5b2b2c507a0944348e0303114d8d93aaaa081732b86451d9bce1f432a537bc7",
    "size": 7023
  },
  "layers": [
    {
      "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
      "digest": "sha256:9834876dcfb05cb167a5c24953eba58c4ac89b1adf57f28f2f9d09af107ee8f0",
      "size": 32654
    },
    {
      "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
      "digest": "sha256:3c3a4604a545cdc127456d94e421cd355bca5b528f4a9c1905b15da2eb4a4c6b",
      "size": 16724
    }
  ],
  "subject": {
    "mediaType": "application/vnd.oci.image.manifest.v1+json",
    "digest": "sha256:5b0bcabd1ed22e9fb1310cf6c2dec7cdef19f0ad69efa1f392e94a4333501270",
    "size": 7682
  },
  "annotations": {"com.example.key1": "value1", "com.example.key2": "value2"}
}"""
# From image-spec/image-index.md.
INDEX = b"""{
  "schemaVersion": 2,
  "mediaType": "application/vnd.oci.image.index.v1+json",
  "manifests": [
    {
      "mediaType": "application/vnd.oci.image.manifest.v1+json",
      "digest": "sha256:e692418e4cbaf90ca69d05a66403747baa33ee08806650b51fab815ad7fc331f",
      "size": 7143,
      "platform": {"architecture": "ppc64le", "os": "linux"}
    },
    {
      "mediaType": "application/vnd.oci.image.manifest.v1+json",
      "digest": "sha256:5b0bcabd1ed22e9fb1310cf6c2dec7cdef19f0ad69efa1f392e94a4333501270",
      "size": 7682,
      "platform": {"architecture": "arm64", "os": "linux", "variant": "v8"}
    }
  ],
  "annotations": {"com.example.key1": "value1"}
}"""
# From image-spec/config.md, shortened.
CONFIG = b"""{
    "created": "2015-10-31T22:22:56.015925234Z",
    "author": "Alyssa P. Hacker <alyspdev@example.com>",
    "architecture": "amd64",
    "os": "linux",
    "config": {
        "User": "alice",
        "ExposedPorts": {"8080/tcp": {}},
        "Env": ["PATH=/usr/local/sbin:/bin", "FOO=oci_is_a", "BAR=well_written_spec", "FOO=again=twice"],
        "Entrypoint": ["/bin/my-app-binary"],
        "Cmd": ["--foreground", "--config", "/etc/my-app.d/default.cfg"],
        "Volumes": {"/var/log/my-app-logs": {}},
        "WorkingDir": "/home/alice",
        "Labels": {"com.example.project.git.commit": "45a939b2999782a3f005621a8d0f29aa387e1d6b"}
    },
    "rootfs": {
      "diff_ids": ["sha256:c6f988f4874bb0add23a778f753c65efe992244e148a1d2ec2a8b664fb66bbd1",
                   "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"],
      "type": "layers"
    },
    "history": [{"created": "2015-10-31T22:22:54.690851953Z", "created_by": "/bin/sh -c #(nop) ADD file in /"}]
}"""


def test_the_specifications_manifest() -> None:
    manifest = Manifest.parse(MANIFEST, image.OCI_MANIFEST)
    assert manifest.raw == MANIFEST
    assert manifest.config.size == 7023 and manifest.is_image
    assert [layer.size for layer in manifest.layers] == [32654, 16724]
    assert manifest.subject is not None and manifest.subject.digest.hex.startswith("5b0bcabd")
    assert manifest.annotations["com.example.key1"] == "value1"
    assert len(manifest.blobs) == 3
    assert manifest.descriptor.size == len(MANIFEST) and manifest.digest == Digest.of_bytes(MANIFEST)


def test_the_specifications_index_is_read() -> None:
    index = parse_document(INDEX)
    assert isinstance(index, Index)
    assert [(str(entry.platform), entry.size) for entry in index.manifests] == [("linux/ppc64le", 7143), ("linux/arm64/v8", 7682)]
    with pytest.raises(FormatError, match="expected a manifest"):
        Manifest.parse(INDEX)


def test_the_specifications_configuration() -> None:
    config = ImageConfig.parse(CONFIG)
    assert (str(config.platform), config.user, config.working_dir) == ("linux/amd64", "alice", "/home/alice")
    assert config.entrypoint == ("/bin/my-app-binary",) and config.cmd[0] == "--foreground"
    assert config.exposed_ports == ("8080/tcp",)
    assert config.variables["FOO"] == "again=twice"
    assert [digest.hex[:4] for digest in config.diff_ids] == ["c6f9", "5f70"]


def test_dockers_own_forms() -> None:
    """Distribution's manifest-v2-2.md: the same fields under other types; nulls where Go has nil."""
    said = json.loads(MANIFEST) | {"mediaType": image.DOCKER_MANIFEST}
    assert Manifest.parse(json.dumps(said).encode(), image.DOCKER_MANIFEST).media_type == image.DOCKER_MANIFEST
    config = json.loads(CONFIG)
    config["config"] = {"Entrypoint": None, "Cmd": None, "Env": None, "Labels": None, "ExposedPorts": None, "WorkingDir": ""}
    found = ImageConfig.parse(json.dumps(config).encode())
    assert (found.entrypoint, found.env, found.labels, found.exposed_ports) == ((), (), {}, ())


def test_what_is_built_is_read_back_and_the_same_every_time() -> None:
    blob = Descriptor.of(image.OCI_CONFIG, b"{}")
    built = Manifest.build(blob, [Descriptor.of(image.OCI_LAYER, b"x")], annotations={"a": "b"}, artifact_type="t/x")
    assert Manifest.parse(built.raw) == built
    assert built.raw == Manifest.build(*[built.config, built.layers], annotations={"a": "b"}, artifact_type="t/x").raw
    entry = Descriptor.of(image.OCI_MANIFEST, built.raw, platform=Platform("wasi", "wasm"))
    index = Index.build([entry])
    assert parse_document(index.raw) == index


def changed(source: bytes, **change: Any) -> bytes:
    return json.dumps({key: value for key, value in (json.loads(source) | change).items() if value is not ...}).encode()


DESCRIPTOR = json.loads(MANIFEST)["config"]


@pytest.mark.parametrize(
    ("raw", "announced", "words"),
    [
        (b"", "", "no JSON"),
        (b"[]", "", "expected an object"),
        (b"\xff\xfe", "", "no JSON"),
        (b"[" * 100_000, "", "no JSON"),
        (b'{"schemaVersion": 2, "schemaVersion": 2}', "", "twice"),
        (b'{"schemaVersion": NaN}', "", "NaN"),
        (b'{"schemaVersion": ' + b"9" * 5000 + b"}", "", "no JSON"),
        (b" " * (4 << 20) + MANIFEST, "", "at most 4194304"),
        (changed(MANIFEST, schemaVersion=1), "", "schema 1"),
        (changed(MANIFEST, schemaVersion=3), "", "schemaVersion: found 3"),
        (changed(MANIFEST, schemaVersion=True), "", "schemaVersion: found true"),
        (b"{}", "application/vnd.docker.distribution.manifest.v1+prettyjws", "schema 1"),
        (changed(MANIFEST, mediaType="text/html"), "", 'mediaType: found "text/html"'),
        (MANIFEST, image.OCI_INDEX, "mediaType"),
        (changed(MANIFEST, mediaType=...), image.OCI_INDEX, "found layers"),
        (changed(MANIFEST, manifests=[]), "", "found manifests"),
        (changed(MANIFEST, config=...), "", "config: found nothing"),
        (changed(MANIFEST, config="x"), "", "config: found"),
        (changed(MANIFEST, layers={}), "", "layers: found an object"),
        (changed(MANIFEST, layers=[DESCRIPTOR] * 5000), "", "found 5000 entries"),
        (changed(MANIFEST, layers=[DESCRIPTOR | {"size": -1}]), "", r"layers\[0\]: size: found -1"),
        (changed(MANIFEST, layers=[DESCRIPTOR | {"size": 1 << 63}]), "", "size"),
        (changed(MANIFEST, layers=[DESCRIPTOR | {"size": 1.5}]), "", "size"),
        (changed(MANIFEST, layers=[DESCRIPTOR | {"digest": "sha256:../../etc/passwd"}]), "", r"layers\[0\]: digest"),
        (changed(MANIFEST, layers=[DESCRIPTOR | {"mediaType": 5}]), "", "mediaType: found 5"),
        (changed(MANIFEST, annotations={"a": 1}), "", "annotations: a: found 1"),
        (changed(INDEX, manifests=[DESCRIPTOR | {"platform": {"os": 5}}]), "", "os: found 5"),
    ],
)
def test_what_is_no_manifest_is_refused_by_field(raw: bytes, announced: str, words: str) -> None:
    with pytest.raises(FormatError, match=words):
        parse_document(raw, announced, place="here")


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (changed(CONFIG, rootfs=...), "rootfs: found nothing"),
        (changed(CONFIG, rootfs={"type": "zfs", "diff_ids": []}), "type"),
        (changed(CONFIG, rootfs={"type": "layers", "diff_ids": ["md5:0"]}), "diff_ids: digest"),
        (changed(CONFIG, os=7), "os: found 7"),
        (changed(CONFIG, config={"Env": "A=b"}), "Env: found"),
        (changed(CONFIG, config={"Entrypoint": [1]}), r"Entrypoint\[0\]: found 1"),
    ],
)
def test_what_is_no_configuration_is_refused_by_field(raw: bytes, words: str) -> None:
    with pytest.raises(FormatError, match=words):
        ImageConfig.parse(raw)


@pytest.mark.parametrize(
    ("text", "platform"),
    [
        ("linux/arm64/v8", "linux/arm64/v8"),
        ("Linux/AArch64", "linux/arm64"),
        ("x86_64", "linux/amd64"),
        ("linux", "linux/amd64"),
        ("wasi/wasm32", "wasi/wasm"),
        ("wasi", "wasi/wasm"),
        ("wasip1", "wasip1/wasm"),
        ("wasm", "wasm"),
        ("wasm32", "wasm"),
    ],
)
def test_platforms_are_read_as_containerd_reads_them(text: str, platform: str) -> None:
    assert str(Platform.parse(text)) == platform


@pytest.mark.parametrize("wrong", ["a/b/c/d", "/wasm", "", "wasi/", "teapot"])
def test_what_is_no_platform_is_refused(wrong: str) -> None:
    with pytest.raises(InputError, match="platform"):
        Platform.parse(wrong)


def test_half_a_surrogate_pair_is_read_as_go_reads_it() -> None:
    """encoding/json: unpaired surrogates are U+FFFD; whole pairs are the character."""
    raw = rb'{"os":"wasi","architecture":"wasm","config":{"Env":["A=\ud800","B=\ud83d\ude00"],"Labels":{"\udfff":"x"},'
    raw += rb'"Entrypoint":["a\udc00b"]},"rootfs":{"type":"layers"}}'
    config = ImageConfig.parse(raw)
    assert config.env == ("A=\ufffd", "B=\U0001f600")
    assert (config.labels, config.entrypoint) == ({"\ufffd": "x"}, ("a\ufffdb",))
    for name in ("Env", "Cmd", "Entrypoint"):
        with pytest.raises(FormatError, match=f"{name}: found a zero byte"):
            ImageConfig.parse(b'{"os":"a","architecture":"b","config":{"' + name.encode() + rb'":["a\u0000"]}}')


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["config", "layers", "digest", "size"]), inner),
)


@given(st.dictionaries(st.sampled_from(["schemaVersion", "mediaType", "config", "layers", "manifests", "rootfs", "os"]), JSON))
def test_any_json_is_read_or_refused(value: dict[str, Any]) -> None:
    raw = json.dumps(value).encode()
    for parse in (parse_document, ImageConfig.parse, lambda raw: Fields.parse(raw, "x").texts("layers", 3)):
        try:
            parse(raw)
        except FormatError:
            continue
