"""Number types of weights: what a format defines is read, what it does not is refused by the tensor's name."""

import gzip
import io
import struct
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from tests.conftest import ROOT
from tests.weights.files import burn_bytes, ctranslate2_bytes, ggml_bytes, random_whisper
from tests.weights.test_formats import SMALL, burn_layout, burn_name, ctranslate2_arrays, hugging_face_name, small_arrays
from wherry.errors import FormatError
from wherry.models.names import whisper_tensors
from wherry.weights import Quantized, open_checkpoint


def bfloat16(x: Any) -> Any:
    """The upper halves of float32."""
    return (np.ascontiguousarray(x, np.float32).view(np.uint32) >> 16).astype(np.uint16)


def ctranslate2_quantised(kind: str) -> bytes:
    """As ctranslate2's model_spec.py quantises: int16 in ten bits with one scale, int8 with one for each row."""
    whole, _, rest = kind.partition("_")
    rest = whole if whole in ("float32", "float16", "bfloat16") else rest
    out: dict[str, Any] = {}
    for name, x in ctranslate2_arrays(small_arrays()).items():
        if whole in ("int8", "int16") and name.endswith("/weight"):
            rows = x.reshape(len(x), -1).astype(np.float32)
            scale = np.float32(1024 / np.abs(rows).max()) if whole == "int16" else 127 / np.abs(rows).max(axis=1)
            factors = np.broadcast_to(scale, len(rows))[:, None]
            out[name] = np.rint(rows * factors).astype(whole).reshape(x.shape)
            out[f"{name}_scale"] = np.asarray(scale, np.float32)
        else:
            out[name] = bfloat16(x) if rest == "bfloat16" else x.astype(rest or np.float32)
    aliases = {"decoder/projection/weight": "decoder/embeddings/weight"}
    if whole in ("int8", "int16"):
        aliases["decoder/projection/weight_scale"] = "decoder/embeddings/weight_scale"
    return ctranslate2_bytes(out, aliases=aliases)


@pytest.mark.parametrize(
    "kind",
    ["float32", "float16", "bfloat16", "int16", "int8", "int8_float32", "int8_float16", "int8_bfloat16", "int16_float16"],
)
def test_every_number_type_of_ctranslate2_is_read(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(ctranslate2_quantised(kind))
    dims, tensors = whisper_tensors(open_checkpoint(path))
    assert dims == SMALL
    top = max(np.abs(x).max() for x in small_arrays().values())
    bits = 7 if kind.startswith("int8") or kind.endswith("bfloat16") else 10
    for name, x in small_arrays().items():
        tensor = tensors[name]
        dense = tensor.dequantize() if isinstance(tensor, Quantized) else np.asarray(tensor, np.float32)
        assert np.abs(dense - x).max() <= top * 2.0**-bits, name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"decoder/embeddings/weight": np.ones((200, 128), np.int8)}, "decoder/embeddings/weight.*int8"),
        ({"decoder/layer_0/ffn/linear_0/weight": np.ones((512, 128), np.int16)}, "decoder/layer_0/ffn/linear_0/weight.*int16"),
        ({"encoder/conv1/bias": np.ones(128, np.int32)}, "encoder/conv1/bias.*int32"),
        ({"encoder/conv1/weight_scale": np.ones(128, np.float32)}, "encoder/conv1/weight.*int8 or int16"),
        (
            {
                "decoder/embeddings/weight": np.ones((200, 128), np.int8),
                "decoder/embeddings/weight_scale": np.ones(128, np.float32),
            },
            "decoder/embeddings/weight.*scales",
        ),
        (
            {
                "decoder/embeddings/weight": np.ones((200, 128), np.int8),
                "decoder/embeddings/weight_scale": np.zeros(200, np.float32),
            },
            "decoder/embeddings/weight_scale.*above 0",
        ),
    ],
)
def test_whole_numbers_of_ctranslate2_without_their_scales_are_refused(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(ctranslate2_bytes(ctranslate2_arrays(small_arrays()) | change))
    with pytest.raises(FormatError, match=message):
        whisper_tensors(open_checkpoint(path))


def hugging_face_int8(beside: str, scale_of: Any, extra: dict[str, Any] | None = None) -> dict[str, Any]:
    """Linear weights as int8 with a scale for each row beside them; the rest float16."""
    out: dict[str, Any] = {}
    for name, x in small_arrays().items():
        theirs = hugging_face_name(name)
        if x.ndim == 2 and theirs.endswith(("_proj.weight", "fc1.weight", "fc2.weight")):
            tops = np.abs(x).max(axis=1)
            stem = theirs.removesuffix(".weight")
            out[theirs] = np.rint(x / tops[:, None] * 127).astype(np.int8)
            out[f"{stem}.{beside}"] = scale_of(tops)
            out |= {f"{stem}.{key}": value for key, value in (extra or {}).items()}
        else:
            out[theirs] = x.astype(np.float16)
    return out


@pytest.mark.parametrize(
    ("beside", "scale_of", "extra"),
    [
        ("SCB", lambda tops: tops, {"weight_format": np.zeros((), np.uint8)}),  # bitsandbytes
        ("weight_scale", lambda tops: (tops / 127)[:, None], {}),  # compressed-tensors
    ],
    ids=["bitsandbytes", "compressed-tensors"],
)
def test_int8_of_safetensors_is_read_with_its_scales(beside: str, scale_of: Any, extra: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    safetensors.numpy.save_file(hugging_face_int8(beside, scale_of, extra), str(path))
    _, tensors = whisper_tensors(open_checkpoint(path))
    for name, x in small_arrays().items():
        assert np.abs(np.asarray(tensors[name], np.float32) - x).max() <= np.abs(x).max() / 127 * 0.51 + 1e-6, name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model.decoder.layers.0.fc1.weight": np.ones((512, 128), np.int8)}, r"fc1\.weight.*int8"),
        ({"model.decoder.layers.0.fc1.weight": np.ones((512, 128), np.uint8)}, r"fc1\.weight.*uint8"),
        ({"model.encoder.conv1.bias": np.ones(128, np.int64)}, r"conv1\.bias.*int64"),
        ({"model.decoder.layers.0.fc1.weight.quant_map": np.ones(16, np.float32)}, r"fc1\.weight.*4-bit"),
        ({"model.decoder.layers.0.fc1.weight_zero_point": np.ones((512, 1), np.int8)}, r"fc1\.weight.*zero points"),
        ({"model.decoder.layers.0.fc1.weight_scale_inv": np.ones((4, 1), np.float32)}, r"fc1\.weight.*blocks"),
        ({"model.decoder.layers.0.fc1.SCB": np.ones(512, np.float32)}, r"fc1\.weight.*F32.*SCB"),
    ],
)
def test_numbers_of_safetensors_that_are_no_weights_are_refused(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    arrays = {hugging_face_name(name): x for name, x in small_arrays().items()}
    safetensors.numpy.save_file(arrays | change, str(path))
    with pytest.raises(FormatError, match=message):
        whisper_tensors(open_checkpoint(path))


def test_eight_bit_floats_of_safetensors_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    raw = safetensors.numpy.save({hugging_face_name(name): x.astype(np.int8) for name, x in small_arrays().items()})
    path.write_bytes(raw.replace(b'"dtype":"I8"', b'"dtype":"F8_E4M3"'))
    size = len(raw[8 : 8 + int.from_bytes(raw[:8], "little")].replace(b'"dtype":"I8"', b'"dtype":"F8_E4M3"'))
    path.write_bytes(struct.pack("<Q", size) + path.read_bytes()[8:])
    with pytest.raises(FormatError, match="F8_E4M3"):
        whisper_tensors(open_checkpoint(path))


def test_whole_numbers_in_a_burn_record_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "model.mpk"
    arrays = {burn_name(name): burn_layout(name, x) for name, x in small_arrays().items()}
    raw = burn_bytes(arrays, "bytes")
    path.write_bytes(raw.replace(b"\xa3F32", b"\xa3I32"))
    with pytest.raises(FormatError, match=r'tensor "\w+.*int32'):
        whisper_tensors(open_checkpoint(path))


def test_whole_numbers_in_a_torch_file_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    raw = gzip.decompress((ROOT / "tests/fixtures/torch/whisper.pt.gz").read_bytes())
    path.write_bytes(_repacked(raw, b"HalfStorage", b"ShortStorage"))
    with pytest.raises(FormatError, match=r'tensor "\w+.*int16'):
        whisper_tensors(open_checkpoint(path))


def _repacked(archive: bytes, old: bytes, new: bytes) -> bytes:
    """A file of torch.save whose pickle names another class of storage."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(out, "w") as target:
        for entry in source.infolist():
            data = source.read(entry)
            if entry.filename.endswith("/data.pkl"):  # protocol 2: "c" MODULE newline NAME newline
                data = data.replace(old + b"\n", new + b"\n")
            target.writestr(entry.filename, data)
    return out.getvalue()


def test_whole_numbers_in_ggml_files_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    raw = ggml_bytes(random_whisper(asdict(SMALL)), asdict(SMALL), [b"a"], "f32")
    name = b"decoder.ln.bias"
    at = raw.index(name) - 8  # rank, length, type, one dimension
    path.write_bytes(raw[:at] + struct.pack("<i", 26) + raw[at + 4 :])  # i32
    with pytest.raises(FormatError, match=r"decoder\.ln\.bias.*type 26"):
        open_checkpoint(path)
