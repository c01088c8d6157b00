"""`wherry convert`: what it writes, read by the formats' own libraries, and read back."""

import gzip
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
import safetensors
from click.testing import CliRunner

from tests.weights.files import base_vocabulary, ggml_bytes
from wherry.cli.convert import convert
from wherry.engine.catalog import ModelFiles
from wherry.engine.convert import convert_whisper
from wherry.engine.session import load_whisper
from wherry.engine.transcript import TranscribeOptions
from wherry.errors import InputError
from wherry.models.names import whisper_tensors
from wherry.text.whisper import WhisperTokenizer
from wherry.weights import Quantized, open_checkpoint


def dense(path: Path) -> tuple[dict[str, int], dict[str, Any]]:
    dims, tensors = whisper_tensors(open_checkpoint(path))
    return asdict(dims), {
        name: np.asarray(x.dequantize() if isinstance(x, Quantized) else x, np.float32) for name, x in tensors.items()
    }


@pytest.fixture(scope="module")
def original(tiny_en_files: ModelFiles) -> tuple[dict[str, int], dict[str, Any]]:
    return dense(tiny_en_files.weights)


def test_safetensors_and_back(tiny_en_files: ModelFiles, original: Any, tmp_path: Path) -> None:
    target = tmp_path / "tiny.safetensors"
    convert_whisper(tiny_en_files.weights, target, "safetensors")
    with safetensors.safe_open(str(target), framework="numpy") as file:
        assert set(file.keys()) == set(original[1])
        for name, x in original[1].items():
            assert np.array_equal(file.get_tensor(name), x.astype(np.float16)), name
    assert dense(target)[0] == original[0]


def test_burn_and_back(tiny_en_files: ModelFiles, original: Any, tmp_path: Path) -> None:
    target = tmp_path / "tiny_en.mpk"
    convert_whisper(tiny_en_files.weights, target, "burn")
    assert target.stat().st_size == 189_819_153  # what Burn 0.12 and 0.13 write of tiny.en, whatever the values
    assert (tmp_path / "tiny_en.cfg").stat().st_size == 296
    assert (tmp_path / "tokenizer.json").is_file()
    dims, tensors = dense(target)
    assert dims == original[0]
    for name, x in original[1].items():
        assert np.array_equal(tensors[name], x), name
    del tensors

    def node(path: str) -> Any:
        found = record["item"]
        for key in path.split("."):
            found = found[int(key) if key.isdigit() else key]
        return np.asarray(found["param"]["value"], np.float32).reshape(found["param"]["shape"])

    record = msgpack.unpackb(target.read_bytes(), strict_map_key=True)
    assert list(record) == ["metadata", "item", "_b"]
    weights = original[1]
    assert np.array_equal(node("decoder.blocks.3.mlp.lin1.weight"), weights["decoder.blocks.3.mlp.0.weight"].T)
    assert np.array_equal(node("encoder.ln_post.gamma"), weights["encoder.ln_post.weight"])
    assert np.array_equal(node("decoder.mask"), np.triu(np.full((448, 448), -np.inf, np.float32), 1))


def test_q8_0_is_small_and_still_hears(tiny_en_files: ModelFiles, original: Any, tmp_path: Path, sample: Any) -> None:
    target = tmp_path / "tiny-q8_0.safetensors"
    convert_whisper(tiny_en_files.weights, target, "q8_0")
    assert len(gzip.compress(target.read_bytes(), 9)) <= 32_000_000
    assert target.with_suffix(".cfg").stat().st_size == 296  # the same as Burn's
    assert target.stat().st_mode & 0o444 == 0o444
    dims, tensors = dense(target)
    assert dims == original[0]
    for name, x in original[1].items():
        # Half a step of the coarsest scale, and the rounding of the scale itself.
        step = np.abs(x).max() / 127 if x.ndim >= 2 else np.abs(x).max() / 1024
        assert np.abs(tensors[name] - x).max() <= 0.6 * step + 1e-7, name
    model = load_whisper(target, device="cpu")
    found = model.transcribe(sample, TranscribeOptions(temperature=(0.0,)))
    assert found.text.endswith("This one carries small programs to any processor.")


def test_vocabulary_of_a_ggml_file_becomes_a_tokenizer(tiny_en_files: ModelFiles, original: Any, tmp_path: Path) -> None:
    assert tiny_en_files.tokenizer
    source, target = tmp_path / "ggml.bin", tmp_path / "converted" / "model.safetensors"
    target.parent.mkdir()
    source.write_bytes(ggml_bytes(original[1], original[0], base_vocabulary(tiny_en_files.tokenizer), "f16"))
    convert_whisper(source, target, "safetensors")
    written = WhisperTokenizer.from_file(target.with_name("tokenizer.json"), 51864)
    published = WhisperTokenizer.from_file(tiny_en_files.tokenizer, 51864)
    text = " It's a naïve ferry, ♪ 12:30!"
    assert written.encode(text) == published.encode(text)
    assert written.decode(written.encode(text)) == text
    assert dense(target)[0] == original[0]


def test_command_takes_its_format_from_the_name(tiny_en_files: ModelFiles, tmp_path: Path) -> None:
    small = tmp_path / "small.safetensors"
    done = CliRunner().invoke(convert, [str(tiny_en_files.weights), str(small), "--to", "q8_0"])
    assert done.exit_code == 0, done.output
    assert "MB" in done.stderr
    done = CliRunner().invoke(convert, [str(small), str(tmp_path / "x.mpk")])
    assert done.exit_code == 0, done.output
    assert open_checkpoint(tmp_path / "x.mpk").format == "burn"


def test_source_and_target_differ(tiny_en_files: ModelFiles) -> None:
    with pytest.raises(InputError, match="the source itself"):
        convert_whisper(tiny_en_files.weights, tiny_en_files.weights, "safetensors")


def test_unknown_format_is_named(tiny_en_files: ModelFiles, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="onnx"):
        convert_whisper(tiny_en_files.weights, tmp_path / "x", "onnx")
