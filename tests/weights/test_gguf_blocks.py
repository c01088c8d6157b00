"""Every block format against ggml's own numbers, as PyPI `gguf` decodes them: bit for bit."""

import numpy as np
import pytest
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize, quantize
from numpy.typing import NDArray

from tests.weights.files import quant_type
from wherry.errors import FormatError
from wherry.gpu.tensor import BLOCKS
from wherry.weights import Quantized
from wherry.weights.blocks import LAYOUTS

QUANTIZED_BY_GGUF = ["bf16", "q4_0", "q4_1", "q5_0", "q5_1", "q8_0"]


def bits(x: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Equal bits are equal numbers, but that a NaN is a NaN."""
    return np.where(np.isnan(x), np.uint32(0x7FC00000), x.view(np.uint32))


def assert_as_gguf(form: str, rows: int, data: NDArray[np.uint8]) -> None:
    """data (blocks, bytes a block)."""
    weights, size = GGML_QUANT_SIZES[quant_type(form)]
    assert data.shape[1] == size
    shape = (rows, len(data) // rows * weights)
    with np.errstate(invalid="ignore"):
        expected = dequantize(data.reshape(rows, -1), quant_type(form))
    assert np.array_equal(bits(Quantized(form, shape, data).dequantize()), bits(expected))


def test_sizes_are_ggmls() -> None:
    for form, layout in LAYOUTS.items():
        assert (layout.weights, layout.bytes) == GGML_QUANT_SIZES[GGMLQuantizationType[form.upper()]], form
    assert {form: (layout.weights, layout.bytes) for form, layout in LAYOUTS.items()} == BLOCKS


@pytest.mark.parametrize("form", LAYOUTS)
def test_any_bytes(form: str) -> None:
    """Scales of every kind among them: denormal, negative, zero, infinite, not a number."""
    layout = LAYOUTS[form]
    data = np.random.default_rng(1).integers(0, 256, (6 * 700, layout.bytes), np.uint8)
    assert_as_gguf(form, 6, data)


@pytest.mark.parametrize("form", LAYOUTS)
def test_denormal_scales(form: str) -> None:
    """Every float16 in the file too small for a normal exponent; for bfloat16 every number."""
    layout = LAYOUTS[form]
    data = np.random.default_rng(2).integers(0, 256, (300, layout.bytes), np.uint8)
    for at in {"q2_k": (80, 82), "q3_k": (108,), "q6_k": (208,)}.get(form, (0, 2)):
        if at + 2 <= layout.bytes:
            data[:, at + 1] &= 0x80 | (0 if form == "bf16" else 3)
    assert_as_gguf(form, 3, data)


@pytest.mark.parametrize("form", QUANTIZED_BY_GGUF)
def test_what_gguf_quantizes(form: str) -> None:
    random = np.random.default_rng(3)
    x = (random.standard_normal((6, 512)) * random.uniform(0, 4, (6, 1))).astype(np.float32)
    x[2], x[3] = 0, x[3] * 1e-7
    packed = quantize(x, quant_type(form)).view(np.uint8)
    assert_as_gguf(form, 6, packed.reshape(-1, LAYOUTS[form].bytes))


@pytest.mark.parametrize("form", ["bf16", "q4_0", "q6_k"])
def test_more_than_is_decoded_at_once(form: str) -> None:
    layout = LAYOUTS[form]
    blocks = (600_000 // layout.weights) | 1
    data = np.random.default_rng(4).integers(0, 256, (blocks, layout.bytes), np.uint8)
    assert_as_gguf(form, 1, data)


def test_an_unknown_format_is_named() -> None:
    with pytest.raises(FormatError, match='"q9_9", expected one of bf16'):
        Quantized("q9_9", (1, 32), np.zeros((1, 34), np.uint8)).dequantize()
