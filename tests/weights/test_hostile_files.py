"""Damaged, lying and hostile files: each reader ends with a Wherry error or a model, in bounded memory and time."""

import gzip
import io
import json
import struct
import tempfile
import tracemalloc
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import ROOT
from tests.weights.files import burn_bytes, ctranslate2_bytes, ggml_bytes, random_whisper
from tests.weights.gguf_files import write_small
from tests.weights.test_formats import burn_layout, burn_name, ctranslate2_arrays, hugging_face_name
from wherry.errors import FormatError, TooLargeError, WherryError
from wherry.models.names import whisper_tensors
from wherry.models.whisper import WhisperDims
from wherry.text.whisper import WhisperTokenizer
from wherry.weights import Quantized, open_checkpoint

DIMS = WhisperDims(8, 4, 64, 1, 1, 30, 4, 64, 1, 1)
EXAMPLES = 250  # of each reader
MEMORY = 32 << 20  # bytes that reading any mutation of a file of half a megabyte may take at its height
_TWO_LAYERS = WhisperDims(8, 4, 128, 2, 2, 30, 4, 128, 2, 2)  # what the CTranslate2 writer makes


def _burn(form: str) -> bytes:
    # Trained weights are hardly ever zero; these are often, and in half precision each zero ends a run of the reader's.
    weights = {name: np.where(x == 0, np.float32(1 / 64), x) for name, x in random_whisper(asdict(DIMS)).items()}
    return burn_bytes({burn_name(name): burn_layout(name, x) for name, x in weights.items()}, form)


def _q8_0() -> bytes:
    """Wherry's own form: int8 matrices with a scale for each 32 weights, and the sizes as JSON."""
    out: dict[str, Any] = {}
    for name, x in random_whisper(asdict(DIMS)).items():
        if x.ndim == 2 and "positional" not in name:
            out[name] = (x * 32).astype(np.int8)
            out[f"{name}.scales"] = np.full((x.shape[0], x.shape[1] // 32), 1 / 32, np.float16)
        else:
            out[name] = x.astype(np.float16)
    return bytes(safetensors.numpy.save(out, {"wherry.format": "q8_0", "wherry.dims": json.dumps(asdict(DIMS))}))


def _int8() -> bytes:
    """bitsandbytes' int8 under Hugging Face's names."""
    out: dict[str, Any] = {}
    for name, x in random_whisper(asdict(DIMS)).items():
        theirs = hugging_face_name(name)
        if x.ndim == 2 and theirs.endswith(("_proj.weight", "fc1.weight", "fc2.weight")):
            out[theirs], stem = (x * 32).astype(np.int8), theirs.removesuffix(".weight")
            out[f"{stem}.SCB"], out[f"{stem}.weight_format"] = np.full(len(x), 4, np.float32), np.zeros((), np.uint8)
        else:
            out[theirs] = x.astype(np.float16)
    return bytes(safetensors.numpy.save(out))


def _ctranslate2(whole: bool) -> bytes:
    """Matrices as int8 with a scale for each row, or everything as the bits of bfloat16."""
    out: dict[str, Any] = {}
    for name, x in ctranslate2_arrays(random_whisper(asdict(_TWO_LAYERS))).items():
        if whole and name.endswith("/weight"):
            out[name], out[f"{name}_scale"] = (x * 32).astype(np.int8), np.full(len(x), 32, np.float32)
        else:
            out[name] = x if whole else (np.ascontiguousarray(x, np.float32).view(np.uint32) >> 16).astype(np.uint16)
    return ctranslate2_bytes(out, aliases=_ALIASES)


def _gguf() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        write_small(Path(folder) / "model.gguf")
        return (Path(folder) / "model.gguf").read_bytes()


_ALIASES = {"a": "encoder/conv1/bias"}
FILES: dict[str, Callable[[], bytes]] = {
    "ctranslate2": lambda: ctranslate2_bytes(ctranslate2_arrays(random_whisper(asdict(_TWO_LAYERS))), aliases=_ALIASES),
    "ctranslate2-int8": lambda: _ctranslate2(True),
    "ctranslate2-bf16": lambda: _ctranslate2(False),
    "ggml-f16": lambda: ggml_bytes(random_whisper(asdict(DIMS)), asdict(DIMS), [b"a", b"bc"], "f16"),
    "ggml-q5_1": lambda: ggml_bytes(random_whisper(asdict(DIMS)), asdict(DIMS), [b"a", b"bc"], "q5_1"),
    "gguf": _gguf,
    "burn-full": lambda: _burn("full"),
    "burn-half": lambda: _burn("half"),
    "burn-bytes": lambda: _burn("bytes"),
    "burn-gzip": lambda: gzip.compress(_burn("full"), 6, mtime=0),
    "safetensors": lambda: safetensors.numpy.save(random_whisper(asdict(DIMS))),
    "safetensors-q8_0": _q8_0,
    "safetensors-int8": _int8,
    "torch-zip": (ROOT / "tests/fixtures/torch/zip.pt").read_bytes,
    "torch-legacy": (ROOT / "tests/fixtures/torch/legacy.pt").read_bytes,
    "torch-whisper": lambda: gzip.decompress((ROOT / "tests/fixtures/torch/whisper.pt.gz").read_bytes()),
}  # fmt: skip
_DATA: dict[str, bytes] = {}


def data_of(name: str) -> bytes:
    if name not in _DATA:
        _DATA[name] = FILES[name]()
    return _DATA[name]


def _with_program(name: str, program: bytes) -> bytes:
    """A file of torch.save with another pickle in it, and the checksum that belongs to it."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data_of(name))) as source, zipfile.ZipFile(out, "w") as target:
        for entry in source.infolist():
            target.writestr(entry.filename, program if entry.filename.endswith("/data.pkl") else source.read(entry))
    return out.getvalue()


def open_all(path: Path) -> None:
    """Everything that loading does to a file but the device: each tensor, then the model."""
    checkpoint = open_checkpoint(path)
    for tensor in checkpoint.tensors.values():
        dense = tensor.dequantize() if isinstance(tensor, Quantized) else tensor
        np.asarray(dense).reshape(-1)[:8].tolist()
    whisper_tensors(checkpoint)


def assert_survives(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    said = ""
    tracemalloc.start()
    try:
        open_all(path)
    except WherryError as error:
        said = str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < MEMORY
    assert len(said) < 5000


# Sizes and counts that overflow, wrap or almost fit.
LIES = [0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]


@st.composite
def mutations(draw: st.DrawFn, data: bytes) -> bytes:
    """A few changes: mostly near the start and the end, where headers and directories lie, and at any place."""
    out = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        size = len(out)
        if not size:
            break
        near = min(size - 1, 600)
        places = [st.integers(0, near), st.integers(size - 1 - near, size - 1), st.integers(0, size - 1)]
        at = draw(st.one_of(places))
        match draw(st.sampled_from(["flip", "byte", "lie", "lie", "cut", "drop", "repeat"])):
            case "flip":
                out[at] ^= 1 << draw(st.integers(0, 7))
            case "byte":
                out[at] = draw(st.integers(0, 255))
            case "lie":
                width = draw(st.sampled_from([2, 4, 8]))
                lie = draw(st.sampled_from(LIES)) & ((1 << 8 * width) - 1)
                out[at : at + width] = lie.to_bytes(width, draw(st.sampled_from(["little", "big"])))
            case "cut":
                del out[at:]
            case "drop":
                del out[at : at + draw(st.integers(1, 64))]
            case "repeat":
                piece = out[at : at + draw(st.integers(1, 64))]
                out[at:at] = piece * draw(st.integers(1, 200))
    return bytes(out)


@pytest.mark.parametrize("name", FILES)
def test_the_unchanged_file_is_read(name: str, tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(data_of(name))
    checkpoint = open_checkpoint(path)
    assert checkpoint.format == name.partition("-")[0]
    if not name.startswith(("gguf", "torch-zip", "torch-legacy")):
        whisper_tensors(checkpoint)


@pytest.mark.parametrize("name", FILES)
def test_changed_files_end_with_our_errors(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    data = data_of(name)
    path = tmp_path_factory.mktemp(name) / "model"

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(mutations(data))
    def fuzz(changed: bytes) -> None:
        assert_survives(path, changed)

    fuzz()


def test_changed_pickles_end_with_our_errors(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Under a right checksum, or nothing after it would be reached."""
    with zipfile.ZipFile(io.BytesIO(data_of("torch-zip"))) as archive:
        (program,) = (archive.read(name) for name in archive.namelist() if name.endswith("/data.pkl"))
    path = tmp_path_factory.mktemp("pickle") / "model"

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(mutations(program))
    def fuzz(changed: bytes) -> None:
        assert_survives(path, _with_program("torch-zip", changed))

    fuzz()


@pytest.mark.parametrize("name", FILES)
def test_files_cut_anywhere_end_with_our_errors(name: str, tmp_path: Path) -> None:
    data = data_of(name)
    path = tmp_path / "model"
    edges = {*range(0, 200, 3), *range(len(data) - 100, len(data), 7), *range(0, len(data), len(data) // 60)}
    for length in sorted(n for n in edges if 0 <= n < len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(WherryError):
            open_all(path)


MAGICS = [
    b"lmgg",
    b"GGUF\x03\0\0\0",
    b"\x06\0\0\0\x0c\0WhisperSpec\0",
    b"\x82\xa8metadata",
    b"PK\x03\x04",
    b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.",
    b"\x1f\x8b\x08\0",
    b"\x40\0\0\0\0\0\0\0{",
]


@settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(MAGICS),
    st.binary(max_size=300),
)  # fmt: skip
def test_noise_after_a_magic(tmp_path_factory: pytest.TempPathFactory, magic: bytes, noise: bytes) -> None:
    assert_survives(tmp_path_factory.getbasetemp() / "noise", magic + noise)


# -- what mutations do not find


def test_gzip_bomb(tmp_path: Path) -> None:
    path = tmp_path / "model.mpk.gz"
    path.write_bytes(gzip.compress(bytes(200 << 20), 9))
    with pytest.raises(TooLargeError, match="decompressed"):
        open_checkpoint(path)


def test_deep_burn_record(tmp_path: Path) -> None:
    path = tmp_path / "model.mpk"
    path.write_bytes(b"\x82\xa8metadata\x80\xa4item" + b"\x81\xa1a" * 100_000)
    with pytest.raises(FormatError, match="nested"):
        open_checkpoint(path)


def test_burn_record_of_many_empty_lists(tmp_path: Path) -> None:
    assert_survives(tmp_path / "model.mpk", b"\x82\xa8metadata\x80\xa4item" + b"\xdc\xff\xff" * 3 + b"\x90" * (2 << 20))


def test_burn_numbers_that_change_kind_at_each_element(tmp_path: Path) -> None:
    """The worst case for a reader of runs: it must give up, not crawl."""
    values = b"\xcc\x80\xcd\x01\x00" * (1 << 20)
    head = b"\x82\xa8metadata\x81\xa5float\xa3f16\xa4item\x81\xa1a\x82\xa2id\xa1a\xa5param\x82\xa5value\xdd"
    path = tmp_path / "model.mpk"
    path.write_bytes(head + struct.pack(">I", 2 << 20) + values + b"\xa5shape\x91\xce" + struct.pack(">I", 2 << 20))
    with pytest.raises(FormatError, match="changes of number type"):
        open_checkpoint(path)


@pytest.mark.parametrize("layer", ["999", "9999999999", "9" * 5000, "٣"])
def test_layer_numbers_do_not_decide_how_long_loading_takes(layer: str, tmp_path: Path) -> None:
    arrays: dict[str, Any] = random_whisper(asdict(DIMS))
    arrays[f"encoder.blocks.{layer}.attn_ln.bias"] = np.zeros(64, np.float32)
    path = tmp_path / "model.safetensors"
    assert_survives(path, safetensors.numpy.save(arrays))


@pytest.mark.parametrize("dims", ["[" * 100_000, "{", '{"n_mels": 81}', '{"n_mels": [[]]}'])
def test_dims_that_lie(dims: str, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(safetensors.numpy.save(random_whisper(asdict(DIMS)), {"wherry.dims": dims}))
    with pytest.raises(FormatError, match=r"dims|n_mels"):
        open_all(path)


@pytest.mark.parametrize(
    "config", [b"", b"[]", b"[" * 100_000, b'{"audio_encoder_config": 1}', b"\xff", b'{"audio_encoder_config": {}}']
)
def test_burn_configurations_that_lie(config: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.mpk").write_bytes(data_of("burn-full"))
    (tmp_path / "model.cfg").write_bytes(config)
    with pytest.raises(FormatError, match=r"model\.cfg"):
        open_checkpoint(tmp_path / "model.mpk")


@pytest.mark.parametrize(("merges", "prefix"), [([["a", "b"]], "##"), ([["a", "z"]], None), ([["a"]], None), ("a b", None)])
def test_tokenizers_that_lie(merges: object, prefix: str | None, tmp_path: Path) -> None:
    """A prefix longer than the token it stands before makes the library panic: no Exception, and no end of ours."""
    model = {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": merges, "continuing_subword_prefix": prefix}
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps({"version": "1.0", "added_tokens": [], "model": model}))
    with pytest.raises(FormatError, match="tokenizer"):
        WhisperTokenizer.from_file(path, 51864)


@pytest.mark.parametrize("head", [b"", b"\0", b"GGML\x03\0\0\0", b"hello", b"\xff" * 64])
def test_other_files_are_named_by_their_first_bytes(head: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(head)
    with pytest.raises(FormatError, match="first bytes"):
        open_checkpoint(path)
