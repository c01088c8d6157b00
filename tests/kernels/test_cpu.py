"""The numpy operations against float64 arithmetic written out: the GPU's kernels are compared with them in turn."""

import math
import threading
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from wherry.kernels.blas import blas_threads
from wherry.kernels.compiled import Compiled, compiled
from wherry.kernels.cpu import CpuOperations

RANDOM = np.random.default_rng(0)


@pytest.fixture(scope="module")
def code() -> Compiled:
    found = compiled()
    assert found is not None, "llvmlite is a requirement where the suite runs"
    return found


@pytest.fixture(scope="module", params=["numpy", "compiled"])
def ops(request: pytest.FixtureRequest, code: Compiled) -> CpuOperations:
    return CpuOperations(threads=3, code=code if request.param == "compiled" else None)


def numbers(*shape: int, scale: float = 1.0) -> NDArray[np.float32]:
    return (RANDOM.standard_normal(shape) * scale).astype(np.float32)


def exact(x: Any) -> NDArray[np.float64]:
    return np.asarray(x, np.float64)


def gelu(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


@pytest.mark.parametrize("shape", [(1, 1, 48), (2, 3, 48), (1500, 384)])
def test_layer_norm(ops: CpuOperations, shape: tuple[int, ...]) -> None:
    x, weight, bias = numbers(*shape) + 3, numbers(shape[-1]), numbers(shape[-1])
    e = exact(x)
    expected = (e - e.mean(-1, keepdims=True)) / np.sqrt(e.var(-1, keepdims=True) + 1e-5) * weight + bias
    kept = x.copy()
    assert ops.layer_norm(x, weight, bias) == pytest.approx(expected, abs=2e-5)
    assert (x == kept).all()


# One token, a few rows, many; and a table large enough for several threads.
@pytest.mark.parametrize(
    ("rows", "k", "n"), [(1, 64, 96), (1, 512, 600), (3, 64, 96), (4, 64, 96), (1500, 64, 96), (1, 80, 60000), (2, 80, 60000)]
)
@pytest.mark.parametrize("extras", [False, True])
def test_linear(ops: CpuOperations, rows: int, k: int, n: int, extras: bool) -> None:
    x, weight = numbers(1, rows, k), numbers(n, k, scale=k**-0.5)
    bias, residual = (numbers(n), numbers(1, rows, n)) if extras else (None, None)
    kept = None if residual is None else residual.copy()
    expected = exact(x) @ exact(weight).T
    if bias is not None:
        expected = gelu(expected + bias) + residual
    found = ops.linear(x, weight, bias, gelu=extras, residual=residual)
    assert found.shape == (1, rows, n)
    assert np.abs(found - expected).max() < 1e-5
    assert kept is None or (residual == kept).all()


@pytest.mark.parametrize(
    ("rows", "k", "n"),
    [(1, 64, 1), (1, 512, 600), (3, 64, 96), (40, 128, 97), (2, 64, 70001), (5, 64, 70001), (8, 64, 96), (9, 64, 96)],
)
def test_linear_with_float16_weights(code: Compiled, rows: int, k: int, n: int) -> None:
    ops = CpuOperations(threads=2, code=code)
    stored = numbers(n, k, scale=k**-0.5).astype(np.float16)
    weight = ops.weight(stored)
    assert weight.dtype == np.float16
    x, bias, residual = numbers(1, rows, k), numbers(n), numbers(1, rows, n)
    expected = gelu(exact(x) @ exact(stored).T + bias) + residual
    assert np.abs(ops.linear(x, weight, bias, gelu=True, residual=residual) - expected).max() < 1e-5
    assert np.abs(ops.logits(x[0], weight) - exact(x[0]) @ exact(stored).T).max() < 1e-5


def test_float16_takes_its_whole_range(code: Compiled) -> None:
    """Subnormal numbers, infinities and everything between are widened exactly."""
    stored = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    wide = np.empty(stored.shape, np.float32)
    code.widen(stored, wide)()
    np.testing.assert_array_equal(wide, stored.astype(np.float32))


def test_embedding_adds_in_float32(code: Compiled) -> None:
    ops = CpuOperations(code=code)
    table, positions = numbers(9, 64).astype(np.float16), numbers(20, 64).astype(np.float16)
    tokens, offsets = np.asarray([[3, 8], [0, 0]], np.int32), np.asarray([0, 11], np.int32)
    expected = exact(table)[tokens] + exact(positions)[offsets[:, None] + np.arange(2)]
    found = ops.embedding(tokens, ops.weight(table), ops.weight(positions), offsets)
    assert found.dtype == np.float32
    assert found == pytest.approx(expected, abs=1e-6)


def test_products_of_other_shapes_are_refused(code: Compiled) -> None:
    weight = np.zeros((4, 64), np.float16)
    for w, x, out in ((weight, 128, 4), (weight, 64, 5), (weight[:, :32], 32, 4), (weight[:0], 64, 0)):
        with pytest.raises(ValueError, match="matvec"):
            code.matvec(w, np.zeros(x, np.float32), np.zeros(out, np.float32))
    for w, x, out in (
        (weight, (4, 128), (4, 4)),
        (weight, (3, 64), (3, 4)),
        (weight, (4, 64), (4, 5)),
        (weight[:, :32], (4, 32), (4, 4)),
    ):
        with pytest.raises(ValueError, match="matvec4"):
            code.matvec4(w, np.zeros(x, np.float32), np.zeros(out, np.float32))
    with pytest.raises(ValueError, match="widen"):
        code.widen(weight, np.zeros(32, np.float32))


def test_gelu_is_exact_over_its_whole_range(ops: CpuOperations) -> None:
    x = np.concatenate([np.linspace(-9, 9, 5001), [-3e38, -1e6, -150, 0, 150, 1e6, 3e38]]).astype(np.float32)
    found = ops.linear(x[:, None], np.eye(16, 1, dtype=np.float32), np.zeros(16, np.float32), gelu=True)[:, 0]
    expected = gelu(exact(x))
    assert np.abs((found - expected) / np.maximum(1, np.abs(expected))).max() < 3e-7


@pytest.mark.parametrize(("batch", "frames", "stride"), [(1, 700, 1), (2, 9, 2), (1, 10, 2)])
def test_conv1d(ops: CpuOperations, batch: int, frames: int, stride: int) -> None:
    x, weight, bias = numbers(batch, frames, 12), numbers(20, 12, 3, scale=0.2), numbers(20)
    padded = np.pad(exact(x), ((0, 0), (1, 1), (0, 0)))
    places = range(0, frames, stride)
    expected = np.stack([np.einsum("btc,oct->bo", padded[:, at : at + 3], exact(weight)) + bias for at in places], axis=1)
    placed = ops.weight(weight)
    assert placed.shape == weight.shape
    assert ops.conv1d(x, placed, bias, stride=stride) == pytest.approx(gelu(expected), abs=1e-5)
    assert ops.conv1d(x, weight, bias, stride=stride) == pytest.approx(gelu(expected), abs=1e-5)


def attention(q: Any, k: Any, v: Any, heads: int, lengths: Any = None) -> NDArray[np.float64]:
    batch, t_q, n = q.shape
    width, group = n // heads, batch // len(k)
    out = np.zeros(q.shape)
    for b in range(batch):
        for h in range(heads):
            part = slice(h * width, (h + 1) * width)
            for i in range(t_q):
                seen = k.shape[1] if lengths is None else lengths[b] - (t_q - 1 - i)
                scores = exact(k[b // group, :seen, part]) @ exact(q[b, i, part]) / math.sqrt(width)
                odds = np.exp(scores - scores.max())
                out[b, i, part] = odds @ exact(v[b // group, :seen, part]) / odds.sum()
    return out


@pytest.mark.parametrize("scale", [1.0, 40.0])  # scores of hundreds overflow without the row's maximum
@pytest.mark.parametrize(("batch", "recordings", "t_q", "t_k"), [(1, 1, 500, 90), (2, 2, 5, 33), (6, 2, 1, 33), (4, 2, 7, 33)])
def test_attention(ops: CpuOperations, scale: float, batch: int, recordings: int, t_q: int, t_k: int) -> None:
    q, k, v = numbers(batch, t_q, 48, scale=scale), numbers(recordings, t_k, 48), numbers(recordings, t_k, 48)
    assert ops.attention(q, k, v, 3) == pytest.approx(attention(q, k, v, 3), abs=1e-4)


@pytest.mark.parametrize("t_q", [1, 2, 9])
def test_causal_attention(ops: CpuOperations, t_q: int) -> None:
    q, k, v = numbers(2, t_q, 48), numbers(2, 40, 48), numbers(2, 40, 48)
    lengths = np.asarray([t_q, 30], np.int32)
    assert ops.attention(q, k, v, 3, lengths=lengths) == pytest.approx(attention(q, k, v, 3, lengths), abs=1e-5)


def test_two_threads_may_share_the_operations(ops: CpuOperations) -> None:
    x, weight = numbers(1000, 64), numbers(96, 64)
    expected = ops.linear(x, weight, gelu=True)
    found: list[Any] = []
    threads = [
        threading.Thread(target=lambda: found.extend(ops.linear(x, weight, gelu=True) for _ in range(20))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 80 and all((result == expected).all() for result in found)


def test_blas_has_its_threads_again_afterwards() -> None:
    threads = blas_threads()
    before = threads.counts()
    with threads.one(), threads.one():
        assert set(threads.counts()) <= {1}
    assert threads.counts() == before
