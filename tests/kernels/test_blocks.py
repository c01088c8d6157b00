"""Compiled products with ggml's blocks against ggml's own meaning of them, and what stands between products against float64."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.kernels.test_cpu import numbers
from tests.kernels.test_kernels import meaning, random_blocks
from wherry.kernels import blocks as module
from wherry.kernels import gate, rms_norm
from wherry.kernels.blocks import FORMATS, Blocks, compiled_blocks
from wherry.kernels.cpu import CpuOperations
from wherry.kernels.cpu_text import CpuText
from wherry.kernels.lower import lowered
from wherry.weights import Quantized
from wherry.weights.blocks import LAYOUTS


@pytest.fixture(scope="module")
def code() -> Blocks:
    found = compiled_blocks()
    assert found is not None, "llvmlite is a requirement where the suite runs"
    return found


def test_the_assembly_is_made_of_its_source() -> None:
    assert Path(module.__file__).with_name("blocks.ll").read_text(encoding="utf-8") == lowered()


def weight_of(form: str, rows: int, cols: int) -> tuple[Any, NDArray[Any]]:
    """A matrix, and what it means."""
    if form in ("f32", "f16"):
        dense = numbers(rows, cols).astype({"f32": np.float32, "f16": np.float16}[form])
        return dense, dense.astype(np.float32)
    data = random_blocks(form, rows, cols, 0.01)
    if form == "bf16":
        data[:, 1::2] &= 0xBF
    return Quantized(form, (rows, cols), data.reshape(-1, LAYOUTS[form].bytes)), meaning(data, form)


@pytest.mark.parametrize("form", FORMATS)
def test_blocks_are_read_bit_for_bit(code: Blocks, form: str) -> None:
    weight, meant = weight_of(form, 5, 768)
    row = np.empty(768, np.float32)
    for i in range(5):
        code.widen(weight, i, row)
        np.testing.assert_array_equal(row, meant[i])


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("count", [1, 3, 4, 9])
def test_products_are_those_of_what_the_blocks_mean(code: Blocks, form: str, count: int) -> None:
    """Within rounding; and a row's is the same bits alone."""
    weight, meant = weight_of(form, 37, 512)
    x, out, alone = numbers(count, 512), np.empty((count, 37), np.float32), np.empty((1, 37), np.float32)
    code.matvec(weight, x, out, 0, 20)()
    code.matvec(weight, x, out, 20, 37)()
    expected = x.astype(np.float64) @ meant.astype(np.float64).T
    assert (
        np.abs(out - expected).max()
        < 2e-6 * np.abs(x).max() * np.abs(meant).sum(axis=1).max() ** 0.5 + 1e-5 * np.abs(expected).max()
    )
    for i in range(count):
        code.matvec(weight, x[i : i + 1], alone, 0, 37)()
        np.testing.assert_array_equal(alone[0], out[i])


def test_other_shapes_are_refused(code: Blocks) -> None:
    weight, _ = weight_of("q4_1", 8, 64)
    assert not code.reads(weight_of("f32", 8, 48)[0])
    for x, out, last in ((32, 8, 8), (64, 7, 7), (64, 8, 9)):
        with pytest.raises(ValueError, match="matvec"):
            code.matvec(weight, np.zeros((1, x), np.float32), np.zeros((1, out), np.float32), 0, last)
    with pytest.raises(ValueError, match="row 8 of 8"):
        code.widen(weight, 8, np.zeros(64, np.float32))


def test_what_stands_between_products(code: Blocks) -> None:
    step = CpuText(CpuOperations(), code, np.zeros((3, 40), np.int32))
    x, y, weight = numbers(3, 1, 96, scale=4), numbers(3, 1, 96), numbers(48)
    x[0, 0, :4] = (-3e38, -200, 200, 3e38)
    found = [step.gate(x, y), step.gate(x, y, gelu=True), step.rms_norm(y, weight, 1e-5), step.add(x, y), step.cap(y, 2.0)]
    step.run()
    expected = [
        gate.reference(x, y), gate.reference(x, y, gelu=True), rms_norm.reference(y, weight, eps=1e-5), x + y, 2 * np.tanh(y / 2)
    ]  # fmt: skip
    for got, want in zip(found, expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=3e-6, atol=3e-6)
