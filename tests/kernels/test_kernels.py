"""Every shader in the folder against its numpy reference, on every device at hand."""

import importlib
from typing import Any

import numpy as np
import pytest
from gguf import GGMLQuantizationType
from gguf.quants import dequantize, quantize
from numpy.typing import NDArray

from wherry.gpu.device import Device, Tensor
from wherry.gpu.tensor import BLOCKS
from wherry.kernels.conv1d import taps
from wherry.kernels.gpu import GpuOperations
from wherry.kernels.source import FOLDER, Case
from wherry.weights import Quantized

# Functions that others call, and what has a test of its own (test_next_token.py, test_sample.py).
_FUNCTIONS = {"gelu"}
_OWN_TEST = {"next_token", "sample"}
NAMES = sorted(path.stem for path in FOLDER.glob("*.wgsl") if path.stem not in _FUNCTIONS | _OWN_TEST)
NAMES.append("conv1d")  # a kernel made of others
CASES = [(name, case) for name in NAMES for case in importlib.import_module(f"wherry.kernels.{name}").cases()]


def test_every_shader_has_its_twin() -> None:
    for path in FOLDER.glob("*.wgsl"):
        assert path.stem in _FUNCTIONS or path.with_suffix(".py").is_file(), f"{path.name} has no launcher and reference"
    for path in (FOLDER / "formats").glob("*.wgsl"):
        assert any(case.weight == path.stem for _, case in CASES), f"{path.name}: no case reads it"


def scaled_at(form: str) -> tuple[int, ...]:
    """Where a block has its float16 factors, in bytes."""
    return {"bf16": (), "q2_k": (80, 82), "q3_k": (108,), "q6_k": (208,)}.get(form, (0, 2) if form[3:] in ("1", "k") else (0,))


def meaning(data: NDArray[Any], form: str) -> NDArray[Any]:
    """Rows of blocks -> the numbers that they mean to ggml."""
    return np.asarray(dequantize(data, GGMLQuantizationType[form.upper()]))


def random_blocks(form: str, rows: int, cols: int, largest: float) -> NDArray[np.uint8]:
    """Any bytes but for the factors, which are no larger: (rows, bytes of a row)."""
    random = np.random.default_rng(9)
    weights, size = BLOCKS[form]
    data = random.integers(0, 256, (rows * cols // weights, size), np.uint8)
    for at in scaled_at(form):
        data[:, at : at + 2] = random.uniform(-largest, largest, (len(data), 1)).astype("<f2").view(np.uint8)
    return data.reshape(rows, -1)


def stored(weight: NDArray[Any], form: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """A weight as the device gets it, and what those bits mean: ggml's own quantisation is the reference where gguf has it."""
    if form in BLOCKS:
        try:
            blocks = quantize(weight, GGMLQuantizationType[form.upper()])
        except NotImplementedError:
            blocks = random_blocks(form, *weight.shape, 2e-4)
        return blocks, meaning(blocks, form)
    kept = weight.astype({"f32": np.float32, "f16": np.float16}[form])
    return kept, kept.astype(np.float32)


def upload(device: Device, value: Any, form: str, shape: tuple[int, ...]) -> Tensor | None:
    if value is None:
        return None
    return device.upload_bytes(value, shape, form) if form in BLOCKS else device.upload(value)


@pytest.mark.parametrize(("name", "case"), CASES, ids=lambda v: v.name.replace(" ", "-") if isinstance(v, Case) else v)
def test_kernel(device: Device, name: str, case: Case) -> None:
    module = importlib.import_module(f"wherry.kernels.{name}")
    given, meant = list(case.arrays), list(case.arrays)
    forms = ["f32"] * len(given)
    if case.weight != "f32":
        given[1], meant[1] = stored(case.arrays[1], case.weight)  # type: ignore[arg-type]
        forms[1] = case.weight
    shapes = [() if a is None else a.shape for a in case.arrays]
    tensors = [upload(device, a, form, shape) for a, form, shape in zip(given, forms, shapes, strict=True)]
    placed = {k: device.upload(v) if isinstance(v, np.ndarray) else v for k, v in case.options.items()}
    found = device.download(module.launch(device, *tensors, **placed))
    expected = module.reference(*meant, **case.options)
    assert found.shape == expected.shape
    worst = np.abs(found - expected).max()
    assert worst <= case.tolerance * max(1.0, np.abs(expected).max()), f"largest difference {worst}"


@pytest.mark.parametrize("form", BLOCKS)
def test_whole_rows_are_bit_for_bit(device: Device, form: str) -> None:
    """Blocks at every address that they can begin at, factors of every size, denormal ones among them.

    A product of a weight and its factors fits a float32: nothing is rounded but the one difference where there is a minimum.
    """
    embedding = importlib.import_module("wherry.kernels.embedding")
    data = random_blocks(form, 7, 768, 2.0)
    blocks = data.reshape(-1, BLOCKS[form][1])
    for at in scaled_at(form):
        blocks[::3, at + 1] &= 0x83  # denormal
    if form == "bf16":
        blocks[:, 1] = blocks[:, 1] & 0x9F | 0x10  # no denormals, which a device may take for zero, and nothing infinite
    tokens, zeros = np.arange(7, dtype=np.int32)[None], np.zeros((8, 768), np.float32)
    tensors = [device.upload(tokens), device.upload_bytes(data, (7, 768), form), device.upload(zeros)]
    found = device.download(embedding.launch(device, *tensors, device.upload(np.zeros(1, np.int32))))
    expected = meaning(data, form)
    assert np.isfinite(expected).all() and np.unique(expected).size > 1000
    np.testing.assert_array_equal(found[0], expected)


@pytest.mark.parametrize("form", BLOCKS)
def test_matrices_keep_their_bits(device: Device, form: str) -> None:
    """Vectors and stacks of matrices are decoded: no kernel reads those in blocks."""
    ops = GpuOperations(device)
    data = random_blocks(form, 6, 256, 1e-3)
    if form == "bf16":
        data[:, 1::2] &= 0xBF
    blocks, meant = data.reshape(-1, BLOCKS[form][1]), meaning(data, form)
    assert ops.weight(Quantized(form, (6, 256), blocks)).dtype == form
    vector = ops.weight(Quantized(form, (6 * 256,), blocks))
    np.testing.assert_array_equal(device.download(vector), meant.reshape(-1))
    stack = ops.weight(Quantized(form, (2, 3, 256), blocks))
    np.testing.assert_array_equal(device.download(stack), taps(meant.reshape(2, 3, 256)).astype(np.float16))
