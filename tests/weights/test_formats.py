"""Each reader against libraries and writers that are not Wherry's: gguf, safetensors, msgpack, whisper.cpp's sizes."""

import gzip
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import safetensors.numpy

from tests.conftest import ROOT
from tests.weights.files import (
    GGML_TYPES,
    base_vocabulary,
    burn_bytes,
    ctranslate2_bytes,
    ggml_bytes,
    quant_type,
    random_whisper,
)
from wherry.engine.catalog import ModelFiles
from wherry.engine.network import Network, build_weights
from wherry.engine.session import load_whisper
from wherry.engine.transcript import TranscribeOptions
from wherry.errors import FormatError, NotFoundError
from wherry.kernels.cpu import CpuOperations
from wherry.models.names import whisper_tensors
from wherry.models.whisper import WhisperDims
from wherry.text.whisper import WhisperTokenizer
from wherry.weights import Quantized, open_checkpoint

BLOCKS = [form for form in GGML_TYPES if form.startswith("q")]
SMALL = WhisperDims(80, 12, 128, 2, 2, 200, 16, 128, 2, 2)


@pytest.fixture(scope="module")
def tiny_arrays(tiny_en_files: ModelFiles) -> tuple[dict[str, int], dict[str, Any]]:
    dims, tensors = whisper_tensors(open_checkpoint(tiny_en_files.weights))
    return asdict(dims), {name: np.asarray(x, np.float32) for name, x in tensors.items()}


@pytest.fixture(scope="module")
def vocabulary(tiny_en_files: ModelFiles) -> list[bytes]:
    assert tiny_en_files.tokenizer
    return [*base_vocabulary(tiny_en_files.tokenizer), b"<|endoftext|>"]


# -- ggml


@pytest.mark.parametrize("form", BLOCKS)
def test_blocks_decode_as_ggufs(form: str) -> None:
    random = np.random.default_rng(3)
    x = (random.standard_normal((6, 96)) * random.uniform(0, 4, (6, 1))).astype(np.float32)
    x[2] = 0
    packed = gguf.quants.quantize(x, quant_type(form))
    tensor = Quantized(form, x.shape, packed.reshape(-1, packed.shape[1] // 3))
    assert np.array_equal(tensor.dequantize(), gguf.quants.dequantize(packed, quant_type(form)))


@pytest.mark.parametrize("form", ["f16", "q8_0", "q5_1"])
def test_ggml_file_of_tiny_en(form: str, tmp_path: Path, tiny_arrays: Any, vocabulary: list[bytes]) -> None:
    dims, arrays = tiny_arrays
    path = tmp_path / "ggml-tiny.en.bin"
    path.write_bytes(ggml_bytes(arrays, dims, vocabulary, form))
    # The sizes of the files that whisper.cpp publishes: the writer is theirs to the byte count.
    assert path.stat().st_size == {"f16": 77_704_715, "q8_0": 43_550_795, "q5_1": 32_166_155}[form]
    checkpoint = open_checkpoint(path)
    assert checkpoint.metadata["vocabulary"] == tuple(vocabulary)
    found_dims, tensors = whisper_tensors(checkpoint)
    assert asdict(found_dims) == dims
    for name, x in arrays.items():
        tensor = tensors[name]
        if isinstance(tensor, Quantized):
            assert (form, x.ndim) == (tensor.format, 2)
            kind = quant_type(form)
            expected = gguf.quants.dequantize(gguf.quants.quantize(x, kind), kind)
            assert np.array_equal(tensor.dequantize(), expected), name
        else:
            assert np.array_equal(tensor, x), name


def test_ggml_file_transcribes_alone(tmp_path: Path, tiny_arrays: Any, vocabulary: list[bytes], sample: Any) -> None:
    """No tokenizer.json beside it: the vocabulary is in the file."""
    dims, arrays = tiny_arrays
    path = tmp_path / "ggml-tiny.en.bin"
    path.write_bytes(ggml_bytes(arrays, dims, vocabulary, "q8_0"))
    model = load_whisper(path, device="cpu")
    found = model.transcribe(sample, TranscribeOptions(temperature=(0.0,)))
    assert found.text.endswith("This one carries small programs to any processor.")


def test_tokenizer_of_the_bare_vocabulary_is_the_published_one(vocabulary: list[bytes], tiny_en_files: ModelFiles) -> None:
    assert tiny_en_files.tokenizer
    mine = WhisperTokenizer.from_vocabulary(vocabulary, 51864)
    published = WhisperTokenizer.from_file(tiny_en_files.tokenizer, 51864)
    texts = ["Hello world, I'm here! 12345  spaces\n\n", "日本語 naïve ♪♪ (", "  -  '", " ferry’s 3.14%\t\r\n x", "🚣 قارب лодка"]
    for text in texts:
        assert mine.encode(text) == published.encode(text)
        assert mine.decode(mine.encode(text)) == text
    assert (mine.eot, mine.sot) == (50256, 50257)
    assert (mine.sot_prev, mine.no_speech, mine.timestamp_begin) == (50360, 50361, 50363)
    assert mine.non_speech_tokens == published.non_speech_tokens


@pytest.mark.parametrize(
    "change", [lambda v: v[:1000], lambda v: [b"x"] * len(v), lambda v: v[:5] + [b"a" * 900] * 9 + v[14:], lambda v: v[::-1]]
)
def test_vocabulary_that_is_not_whispers_is_refused(change: Any, vocabulary: list[bytes]) -> None:
    with pytest.raises(FormatError, match="vocabulary"):
        WhisperTokenizer.from_vocabulary(change(vocabulary), 51864)


def test_weights_without_a_vocabulary_say_what_to_give(tmp_path: Path, tiny_en_files: ModelFiles) -> None:
    (tmp_path / "model.bin").symlink_to(tiny_en_files.weights)
    with pytest.raises(NotFoundError, match=r"tokenizer\.json") as caught:
        load_whisper(tmp_path / "model.bin", device="cpu")
    assert "tokenizer.json of whisper-tiny.en" in caught.value.hint


@pytest.mark.parametrize(("name", "size"), [("n_mels", 81), ("n_audio_ctx", 1499), ("n_text_ctx", 4)])
def test_windows_that_no_whisper_has_are_refused(name: str, size: int, tmp_path: Path) -> None:
    sizes = asdict(WhisperDims(80, 1500, 64, 1, 1, 51864, 448, 64, 1, 1)) | {name: size}
    path = tmp_path / "model.safetensors"
    safetensors.numpy.save_file(random_whisper(sizes), str(path))
    with pytest.raises(FormatError, match=f"{name}: found {size}"):
        load_whisper(path, device="cpu")


@pytest.mark.parametrize(("audio", "text"), [(128, 64), (96, 96), (32, 32)])
def test_widths_that_no_whisper_has_are_refused(audio: int, text: int, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    sizes = asdict(WhisperDims(8, 4, audio, 1, 1, 20, 4, text, 1, 1))
    safetensors.numpy.save_file(random_whisper(sizes), str(path))
    with pytest.raises(FormatError, match=f"{audio} wide"):
        whisper_tensors(open_checkpoint(path))


# -- the other formats, with the small model in each


def small_arrays() -> dict[str, Any]:
    return random_whisper(asdict(SMALL))


def assert_is_small(path: Path, *, atol: float = 0.0) -> None:
    dims, tensors = whisper_tensors(open_checkpoint(path))
    assert dims == SMALL
    for name, x in small_arrays().items():
        tensor = tensors[name]
        dense = tensor.dequantize() if isinstance(tensor, Quantized) else tensor
        assert np.allclose(dense, x, rtol=0, atol=atol), name


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_safetensors_of_the_library(dtype: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    safetensors.numpy.save_file({name: x.astype(dtype) for name, x in small_arrays().items()}, str(path))
    assert_is_small(path)


def test_safetensors_under_hugging_faces_names(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    safetensors.numpy.save_file({hugging_face_name(name): x for name, x in small_arrays().items()}, str(path))
    assert_is_small(path)


@pytest.mark.parametrize("form", ["full", "half", "double", "bytes"])
@pytest.mark.parametrize("packed", [False, True])
def test_burn_records_of_the_msgpack_library(form: str, packed: bool, tmp_path: Path) -> None:
    data = burn_bytes({burn_name(name): burn_layout(name, x) for name, x in small_arrays().items()}, form)
    path = tmp_path / ("model.mpk.gz" if packed else "model.mpk")
    path.write_bytes(gzip.compress(data, 1) if packed else data)
    assert_is_small(path)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_ctranslate2_with_its_rows_fused(dtype: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(ctranslate2_bytes({name: x.astype(dtype) for name, x in ctranslate2_arrays(small_arrays()).items()}))
    assert_is_small(path)


@pytest.mark.parametrize("form", ["f32", "f16", *BLOCKS])
def test_ggml_of_the_small_model(form: str, tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(ggml_bytes(small_arrays(), asdict(SMALL), [b"a", b"b"], form))
    assert_is_small(path, atol={"q4_0": 0.08, "q4_1": 0.04, "q5_0": 0.04, "q5_1": 0.02, "q8_0": 0.005}.get(form, 0.0))


# -- the network, in the shapes of every size


@pytest.mark.parametrize("name", ["whisper_80", "whisper_128"])
def test_network_of_any_shape_is_openai_whispers(name: str) -> None:
    """80 and 128 mel bins, as many decoder layers as the encoder's and fewer (large-v3-turbo's shape)."""
    dims = {"whisper_80": SMALL, "whisper_128": WhisperDims(128, 12, 128, 2, 4, 200, 16, 128, 2, 1)}[name]
    with np.load(ROOT / "tests/fixtures/torch/whisper_outputs.npz") as arrays:
        audio, logits = arrays[f"{name}.audio"], arrays[f"{name}.logits"]
    ops = CpuOperations()
    network = Network(dims, ops, build_weights(dims, random_whisper(asdict(dims)), ops.weight))
    mel = np.random.default_rng(1).standard_normal((1, 2 * dims.n_audio_ctx, dims.n_mels)).astype(np.float32)
    assert np.allclose(network.encode(mel)[0], audio, rtol=1e-4, atol=1e-4)
    state = network.start(network.listen(mel), 1)
    found = network.prompt_logits(state, np.asarray([[3, 47, 50, 9]], np.int32), [0, 1, 2, 3])[0]
    assert np.allclose(found, logits, rtol=1e-4, atol=1e-3)


# -- other formats' names and layouts, written down from their projects


def hugging_face_name(name: str) -> str:
    for old, new in (
        ("blocks.", "layers."), (".cross_attn_ln.", ".encoder_attn_layer_norm."), (".attn_ln.", ".self_attn_layer_norm."),
        (".cross_attn.", ".encoder_attn."), (".attn.", ".self_attn."), (".query.", ".q_proj."), (".key.", ".k_proj."),
        (".value.", ".v_proj."), (".out.", ".out_proj."), (".mlp.0.", ".fc1."), (".mlp.2.", ".fc2."),
        (".mlp_ln.", ".final_layer_norm."), ("encoder.ln_post.", "encoder.layer_norm."), ("decoder.ln.", "decoder.layer_norm."),
        (".positional_embedding", ".embed_positions.weight"), (".token_embedding.", ".embed_tokens."),
    ):  # fmt: skip
        name = name.replace(old, new)
    return f"model.{name}"


def burn_name(name: str) -> str:
    name = (
        name.replace(".mlp.0.", ".mlp.lin1.")
        .replace(".mlp.2.", ".mlp.lin2.")
        .replace("token_embedding.weight", "token_embedding")
    )
    if "ln" in name.split(".")[-2] and "lin" not in name:
        name = name.replace(".weight", ".gamma").replace(".bias", ".beta")
    return name


def burn_layout(name: str, x: Any) -> Any:
    """Linear weights lie the other way round."""
    return x.T if x.ndim == 2 and "embedding" not in name else x


def ctranslate2_arrays(w: dict[str, Any]) -> dict[str, Any]:
    out = {
        "encoder/position_encodings/encodings": w["encoder.positional_embedding"],
        "decoder/position_encodings/encodings": w["decoder.positional_embedding"],
        "decoder/embeddings/weight": w["decoder.token_embedding.weight"],
    }
    for side, final in (("encoder", "ln_post"), ("decoder", "ln")):
        for ours, theirs in (("weight", "gamma"), ("bias", "beta")):
            out[f"{side}/layer_norm/{theirs}"] = w[f"{side}.{final}.{ours}"]
        for kind in ("weight", "bias"):
            if side == "encoder":
                out |= {f"encoder/{conv}/{kind}": w[f"encoder.{conv}.{kind}"] for conv in ("conv1", "conv2")}
        for i in range(2):
            ours, theirs = f"{side}.blocks.{i}", f"{side}/layer_{i}"
            zero = np.zeros(128, np.float32)
            for kind in ("weight", "bias"):
                a, c = f"{ours}.attn", f"{ours}.cross_attn"
                key = w[f"{a}.key.weight"] if kind == "weight" else zero
                out[f"{theirs}/self_attention/linear_0/{kind}"] = np.concatenate(
                    [w[f"{a}.query.{kind}"], key, w[f"{a}.value.{kind}"]]
                )
                out[f"{theirs}/self_attention/linear_1/{kind}"] = w[f"{a}.out.{kind}"]
                if side == "decoder":
                    key = w[f"{c}.key.weight"] if kind == "weight" else zero
                    out[f"{theirs}/attention/linear_0/{kind}"] = w[f"{c}.query.{kind}"]
                    out[f"{theirs}/attention/linear_1/{kind}"] = np.concatenate([key, w[f"{c}.value.{kind}"]])
                    out[f"{theirs}/attention/linear_2/{kind}"] = w[f"{c}.out.{kind}"]
                out[f"{theirs}/ffn/linear_0/{kind}"] = w[f"{ours}.mlp.0.{kind}"]
                out[f"{theirs}/ffn/linear_1/{kind}"] = w[f"{ours}.mlp.2.{kind}"]
            for norm, place in (("attn_ln", "self_attention"), ("cross_attn_ln", "attention"), ("mlp_ln", "ffn")):
                if f"{ours}.{norm}.weight" in w:
                    out[f"{theirs}/{place}/layer_norm/gamma"] = w[f"{ours}.{norm}.weight"]
                    out[f"{theirs}/{place}/layer_norm/beta"] = w[f"{ours}.{norm}.bias"]
    return out
