"""Wasm artifacts: the fields of the CNCF layout, names as the text of the component has them, skopeo carries them."""

import json
from pathlib import Path

import pytest
import wasmtime

from tests.oci.conftest import add_image, plain_tar, program, run
from wherry.errors import FormatError, InputError, NotFoundError
from wherry.oci.artifact import WASM_CONFIG, WASM_LAYER, build_artifact, wasm_layer
from wherry.oci.component import read_names
from wherry.oci.digest import Digest
from wherry.oci.image import OCI_CONFIG, Descriptor, Manifest
from wherry.oci.reference import Reference
from wherry.oci.store import Store

COMPONENT = """(component
  (import "wasi:cli/environment@0.2.0" (instance (export "get" (func (result string)))))
  (import "f" (func (param "x" u32)))
  (type $inner (component (import "hidden" (func)) (export "also-hidden" (func))))
  (import "nested" (component (type $inner)))
  (import "cm" (core module))
  (import "res" (type (sub resource)))
  (type $t u32)
  (import "same" (type (eq $t)))
  (core module $m (func (export "g")))
  (core instance $i (instantiate $m))
  (func $g (canon lift (core func $i "g")))
  (instance $out (export "run" (func $g)))
  (export "wasi:cli/run@0.2.0" (instance $out))
  (export "g" (func $g))
  (export "m" (core module $m))
  (export "typed" (func $g) (func)))"""
IMPORTS = ["wasi:cli/environment@0.2.0", "f", "nested", "cm", "res", "same"]
EXPORTS = ["wasi:cli/run@0.2.0", "g", "m", "typed"]


@pytest.fixture
def component(tmp_path: Path) -> Path:
    path = tmp_path / "component.wasm"
    path.write_bytes(wasmtime.wat2wasm(COMPONENT))
    return path


@pytest.fixture
def module(tmp_path: Path) -> Path:
    path = tmp_path / "module.wasm"
    path.write_bytes(wasmtime.wat2wasm('(module (func (export "_start")))'))
    return path


def open_artifact(store: Store, descriptor: Descriptor) -> tuple[Manifest, dict[str, object]]:
    manifest = store.document(descriptor)
    assert isinstance(manifest, Manifest)
    return manifest, json.loads(store.read(manifest.config.digest))


def test_a_module(store: Store, module: Path) -> None:
    descriptor = build_artifact(store, module, Reference.parse("m"))
    manifest, config = open_artifact(store, store.resolve(Reference.parse("m")))
    raw = module.read_bytes()
    assert (manifest.config.media_type, [layer.media_type for layer in manifest.layers]) == (WASM_CONFIG, [WASM_LAYER])
    assert config == {
        "created": "1970-01-01T00:00:00Z",
        "architecture": "wasm",
        "os": "wasip1",
        "layerDigests": [str(Digest.of_bytes(raw))],
    }
    assert store.read(wasm_layer(manifest).digest) == raw
    assert build_artifact(store, module, None) == descriptor


def test_a_component_tells_what_it_wants(store: Store, component: Path) -> None:
    _, config = open_artifact(store, build_artifact(store, component, None))
    assert (config["os"], config["component"]) == ("wasip2", {"exports": EXPORTS, "imports": IMPORTS})


def test_every_prefix_of_a_component_is_refused(component: Path) -> None:
    """Cut anywhere but between sections."""
    raw = component.read_bytes()
    whole = 0
    for end in range(8, len(raw)):
        try:
            imports, exports = read_names(raw[:end], "x")
        except FormatError:
            continue
        whole += 1
        assert imports == IMPORTS[: len(imports)] and exports == EXPORTS[: len(exports)]
    assert whole < 40
    for wrong in (b"\x0a\xff\xff\xff\xff\xff", b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x03\x01\x00\xff", b"\x0a\x04\x01\x00\x01\xff"):
        with pytest.raises(FormatError):
            read_names(raw[:8] + wrong, "x")


def test_what_is_no_wasm_is_refused(store: Store, tmp_path: Path) -> None:
    (tmp_path / "text.wasm").write_text("text")
    with pytest.raises(InputError, match="74657874"):
        build_artifact(store, tmp_path / "text.wasm", None)
    with pytest.raises(NotFoundError):
        build_artifact(store, tmp_path / "none.wasm", None)
    image = add_image(store, [plain_tar({"x": b""})])
    with pytest.raises(FormatError, match=f"found {OCI_CONFIG}".replace("+", r"\+")):
        wasm_layer(image)
    two = [Descriptor.of(WASM_LAYER, b"1"), Descriptor.of(WASM_LAYER, b"2")]
    with pytest.raises(FormatError, match="found 2 layers"):
        wasm_layer(Manifest.build(Descriptor.of(WASM_CONFIG, b"{}"), two))


def test_skopeo_carries_it(store: Store, module: Path, tmp_path: Path) -> None:
    descriptor = build_artifact(store, module, Reference.parse("m"))
    run(program("skopeo"), "copy", "--insecure-policy", f"oci:{store.root}:docker.io/library/m:latest", f"oci:{tmp_path}/out:x")
    entries = json.loads((tmp_path / "out/index.json").read_bytes())["manifests"]
    assert [entry["digest"] for entry in entries] == [str(descriptor.digest)]
