"""Every shader in the folder against its numpy reference, on every device at hand."""

import importlib
from typing import Any

import numpy as np
import pytest
from gguf import GGMLQuantizationType
from gguf.quants import dequantize, quantize
from numpy.typing import NDArray

from wherry.gpu.device import Device, Tensor
from wherry.kernels.source import FOLDER, Case

# Functions that others call, and what has a test of its own (test_next_token.py).
_FUNCTIONS = {"gelu"}
_OWN_TEST = {"next_token"}
NAMES = sorted(path.stem for path in FOLDER.glob("*.wgsl") if path.stem not in _FUNCTIONS | _OWN_TEST)
NAMES.append("conv1d")  # a kernel made of others
CASES = [(name, case) for name in NAMES for case in importlib.import_module(f"wherry.kernels.{name}").cases()]


def test_every_shader_has_its_twin() -> None:
    for path in FOLDER.glob("*.wgsl"):
        assert path.stem in _FUNCTIONS or path.with_suffix(".py").is_file(), f"{path.name} has no launcher and reference"
    for path in (FOLDER / "formats").glob("*.wgsl"):
        assert any(case.weight == path.stem for _, case in CASES), f"{path.name}: no case reads it"


def stored(weight: NDArray[Any], form: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """A weight as the device gets it, and what those bits mean: ggml's own quantisation is the reference."""
    if form == "q8_0":
        blocks = quantize(weight, GGMLQuantizationType.Q8_0)
        return blocks, dequantize(blocks, GGMLQuantizationType.Q8_0)
    kept = weight.astype({"f32": np.float32, "f16": np.float16}[form])
    return kept, kept.astype(np.float32)


def upload(device: Device, value: Any, form: str, shape: tuple[int, ...]) -> Tensor | None:
    if value is None:
        return None
    return device.upload_bytes(value, shape, form) if form == "q8_0" else device.upload(value)


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


def test_q8_0_of_a_whole_row_is_bit_for_bit(device: Device) -> None:
    """Decoding multiplies an integer by the scale: nothing may be rounded on the way."""
    embedding = importlib.import_module("wherry.kernels.embedding")
    blocks, meant = stored(np.random.default_rng(5).standard_normal((7, 96)).astype(np.float32), "q8_0")
    tokens, zeros = np.arange(7, dtype=np.int32)[None], np.zeros((8, 96), np.float32)
    tensors = [device.upload(tokens), device.upload_bytes(blocks, (7, 96), "q8_0"), device.upload(zeros)]
    found = device.download(embedding.launch(device, *tensors, device.upload(np.zeros(1, np.int32))))
    np.testing.assert_array_equal(found[0], meant)
