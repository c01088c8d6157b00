"""bfloat16, folders and shards as Hugging Face publishes them; what the library writes is read in test_formats.py."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from gguf import GGMLQuantizationType
from gguf.quants import dequantize, quantize
from hypothesis import HealthCheck, given, settings
from numpy.typing import NDArray

from tests.weights.test_formats import assert_is_small, small_arrays
from tests.weights.test_hostile_files import EXAMPLES, assert_survives, mutations
from wherry.engine.network import build_weights
from wherry.errors import FormatError, NotFoundError
from wherry.kernels.cpu import CpuOperations
from wherry.models.names import whisper_tensors
from wherry.weights import Quantized, open_checkpoint
from wherry.weights.safetensors import write

TYPES = {
    "F64": np.float64, "F32": np.float32, "F16": np.float16, "I64": np.int64, "I32": np.int32, "I16": np.int16,
    "I8": np.int8, "U64": np.uint64, "U32": np.uint32, "U16": np.uint16, "U8": np.uint8,
}  # fmt: skip
INDEX = "model.safetensors.index.json"


def stored(tensors: Mapping[str, tuple[str, tuple[int, ...], bytes]]) -> bytes:
    """A file by its specification: name -> type, shape, data."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, (kind, shape, raw) in tensors.items():
        header[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def halves(x: NDArray[np.float32]) -> bytes:
    """float32 -> bfloat16, as ggml rounds."""
    return bytes(quantize(x, GGMLQuantizationType.BF16).tobytes())


def random(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("shape", [(), (5,), (3, 32), (2, 3, 4), (0, 7)])
def test_bfloat16(shape: tuple[int, ...], tmp_path: Path) -> None:
    x = np.asarray(random(*shape), np.float32)
    raw = halves(x.reshape(1, -1)) if x.size else b""
    path = tmp_path / "model.safetensors"
    path.write_bytes(stored({"x": ("BF16", shape, raw), "y": ("F32", (1,), bytes(4))}))
    tensor = open_checkpoint(path).tensors["x"]
    assert isinstance(tensor, Quantized) and (tensor.format, tensor.shape) == ("bf16", shape)
    assert not tensor.data.flags.owndata and tensor.data.tobytes() == raw
    if x.size:
        expected = dequantize(np.frombuffer(raw, np.uint8), GGMLQuantizationType.BF16)
        assert np.array_equal(tensor.dequantize(), expected.reshape(shape))


def test_a_whisper_in_bfloat16(tmp_path: Path) -> None:
    """Its numbers have few bits: nothing is rounded."""
    path = tmp_path / "model.safetensors"
    path.write_bytes(stored({name: ("BF16", x.shape, halves(x.reshape(1, -1))) for name, x in small_arrays().items()}))
    assert_is_small(path)
    dims, tensors = whisper_tensors(open_checkpoint(path))
    weights = build_weights(dims, tensors, CpuOperations().weight)
    expected = small_arrays()["decoder.positional_embedding"]
    assert np.array_equal(weights.decoder.positions, expected)


@pytest.mark.parametrize("shape", [(), (5,), (3, 4), (2, 0)])
def test_every_type_is_a_view_of_the_file(shape: tuple[int, ...], tmp_path: Path) -> None:
    arrays = {kind: np.asarray(random(*shape) * 50).astype(dtype) for kind, dtype in TYPES.items()}
    path = tmp_path / "model.safetensors"
    safetensors.numpy.save_file({**arrays, "BOOL": np.ones(shape, bool)}, str(path))
    tensors = open_checkpoint(path).tensors
    for kind, x in arrays.items():
        found = tensors[kind]
        assert isinstance(found, np.ndarray) and not found.flags.writeable and (found.dtype, found.shape) == (x.dtype, shape)
        assert np.array_equal(found, x)
    assert np.array_equal(np.asarray(tensors["BOOL"]), np.ones(shape))


def test_the_same_weights_are_the_same_file(tmp_path: Path) -> None:
    """The library's own order of two entries is another one every second time."""
    path = tmp_path / "model.safetensors"
    found = set()
    for _ in range(24):
        write(path, {"x": np.ones((2, 32), np.float32), "größe": np.ones(3, np.float32)}, {"n": 1, "m": 2}, format="q8_0")
        found.add(path.read_bytes())
    assert len(found) == 1
    with safetensors.safe_open(path, "np") as file:
        assert file.metadata() == {"wherry.format": "q8_0", "wherry.dims": '{"n": 1, "m": 2}'}
        assert set(file.keys()) == {"x", "x.scales", "größe"} and np.array_equal(file.get_tensor("größe"), np.ones(3))


def test_a_type_that_we_lack_hides_no_other(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(stored({"x": ("F8_E4M3", (4,), bytes(4)), "y": ("F32", (1,), bytes(4))}))
    tensors = open_checkpoint(path).tensors
    assert tensors["y"].shape == (1,) and set(tensors) == {"x", "y"}
    with pytest.raises(FormatError, match=r'tensor "x": found type F8_E4M3, expected one of F64 .* BF16\n\nhint: write'):
        tensors["x"]


@pytest.mark.parametrize(
    ("shape", "scales"),
    [((32, 33), (32, 1)), ((2, 64), (2, 1)), ((64,), (2,)), ((2, 64), (4,))],
    ids=["33", "few", "flat", "scales"],
)
def test_scales_of_no_matrix(shape: tuple[int, ...], scales: tuple[int, ...], tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    safetensors.numpy.save_file({"w": np.ones(shape, np.int8), "w.scales": np.ones(scales, np.float16)}, str(path))
    with pytest.raises(FormatError, match=r'tensor "w.scales": found shape'):
        open_checkpoint(path).tensors["w"]


# -- folders


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model in two shards, with its config."""
    files = {"a": 1, "b": 1, "c": 2}
    for number in (1, 2):
        arrays = {name: ("BF16", (2, 32), halves(random(2, 32, seed=ord(name)))) for name, at in files.items() if at == number}
        (tmp_path / f"model-0000{number}-of-00002.safetensors").write_bytes(stored(arrays))
    write_index(tmp_path, {name: f"model-0000{at}-of-00002.safetensors" for name, at in files.items()})
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama", "hidden_size": 32}))
    return tmp_path


def write_index(folder: Path, weight_map: object) -> None:
    (folder / INDEX).write_text(json.dumps({"metadata": {"total_size": 384}, "weight_map": weight_map}, indent=2))


@pytest.mark.parametrize("name", [".", INDEX, "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"])
def test_folder_index_or_shard_opens_the_whole(name: str, folder: Path) -> None:
    checkpoint = open_checkpoint(folder / name)
    assert checkpoint.format == "safetensors" and list(checkpoint.tensors) == ["a", "b", "c"]
    assert "b" in checkpoint.tensors and "d" not in checkpoint.tensors
    assert checkpoint.metadata["config"] == {"model_type": "llama", "hidden_size": 32}
    for each, tensor in checkpoint.tensors.items():
        assert isinstance(tensor, Quantized) and tensor.data.tobytes() == halves(random(2, 32, seed=ord(each)))


def test_a_folder_with_one_file(tmp_path: Path) -> None:
    safetensors.numpy.save_file({"x": random(2, 3)}, str(tmp_path / "model.safetensors"))
    checkpoint = open_checkpoint(tmp_path)
    assert checkpoint.path == tmp_path / "model.safetensors" and np.array_equal(np.asarray(checkpoint.tensors["x"]), random(2, 3))


def test_a_folder_without_weights_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"found a folder without weights, expected model\.safetensors or model\.safeten"):
        open_checkpoint(tmp_path)


def test_a_shard_without_its_index_is_a_file(folder: Path) -> None:
    (folder / INDEX).unlink()
    assert list(open_checkpoint(folder / "model-00002-of-00002.safetensors").tensors) == ["c"]


def test_a_missing_shard_is_named(folder: Path) -> None:
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(NotFoundError, match=r"model-00002-of-00002\.safetensors: found no such file, expected a shard of model"):
        open_checkpoint(folder)


@pytest.mark.parametrize(
    ("weight_map", "words"),
    [
        (None, '"weight_map": found none'),
        ({}, '"weight_map": found none'),
        (["a"], '"weight_map": found none'),
        ({"a": 7}, 'found "7", expected a .safetensors file beside the index'),
        ({"a": "../model-00001-of-00002.safetensors"}, "expected a .safetensors file beside the index"),
        ({"a": "/etc/x.safetensors"}, "expected a .safetensors file beside the index"),
        ({"a": "..\\x.safetensors"}, "expected a .safetensors file beside the index"),
        ({"a": "x" * 300 + ".safetensors"}, "expected a .safetensors file beside the index"),
        ({"a": "config.json"}, "expected a .safetensors file beside the index"),
        ({"d": "model-00001-of-00002.safetensors"}, r'00001-of-00002.safetensors: tensor "d": found none, expected it as model'),
    ],
)
def test_indexes_that_lie(weight_map: object, words: str, folder: Path) -> None:
    write_index(folder, weight_map)
    with pytest.raises(FormatError, match=words):
        open_checkpoint(folder)


def test_a_damaged_shard_is_named(folder: Path) -> None:
    path = folder / "model-00002-of-00002.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FormatError, match=r"model-00002-of-00002\.safetensors: found an unreadable safetensors header"):
        open_checkpoint(folder)


@pytest.mark.parametrize("shape", [(0, 1 << 62), (0, 1 << 63), (0,) * 70])
def test_shapes_that_no_array_has(shape: tuple[int, ...], tmp_path: Path) -> None:
    for kind in ("F32", "BF16"):
        path = tmp_path / "model.safetensors"
        path.write_bytes(stored({"x": (kind, shape, b""), "y": ("U8", (1,), b"1")}))
        with pytest.raises(FormatError, match=r'tensor "x": found a shape|unreadable safetensors header'):
            open_checkpoint(path).tensors["x"]


def test_changed_indexes_end_with_our_errors(tmp_path_factory: pytest.TempPathFactory) -> None:
    place = tmp_path_factory.mktemp("index")
    (place / "model-00001-of-00001.safetensors").write_bytes(stored({"a": ("BF16", (2, 32), bytes(128))}))
    write_index(place, {"a": "model-00001-of-00001.safetensors"})
    data = (place / INDEX).read_bytes()

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(mutations(data))
    def fuzz(changed: bytes) -> None:
        assert_survives(place / INDEX, changed)

    fuzz()


def test_changed_bfloat16_ends_with_our_errors(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("bf16") / "model.safetensors"
    data = stored({name: ("BF16", (4, 32), bytes(256)) for name in ("a", "b")})

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(mutations(data))
    def fuzz(changed: bytes) -> None:
        assert_survives(path, changed)

    fuzz()
