"""A recorded decoding step against float64 arithmetic written out; each is run twice, with other inputs the second time."""

import weakref

import numpy as np
import pytest

from tests.kernels.test_cpu import attention, exact, gelu, numbers
from wherry.kernels.compiled import Compiled, compiled
from wherry.kernels.cpu import CpuOperations
from wherry.kernels.cpu_step import CpuStep


@pytest.fixture(scope="module")
def code() -> Compiled:
    found = compiled()
    assert found is not None, "llvmlite is a requirement where the suite runs"
    return found


@pytest.fixture
def step(code: Compiled) -> CpuStep:
    found = CpuOperations(threads=2, code=code).step(64)
    assert found is not None
    return found


def test_a_step_takes_compiled_code_and_whole_vectors(code: Compiled) -> None:
    assert CpuOperations().step(64) is None
    assert CpuOperations(code=code).step(24) is None


def test_nothing_is_computed_before_it_runs(step: CpuStep) -> None:
    x = numbers(1, 1, 64)
    weight, bias = np.ones(64, np.float32), np.zeros(64, np.float32)
    out = step.layer_norm(x, weight, bias)
    for _ in range(2):
        x[:] = numbers(1, 1, 64) + 3
        e = exact(x)
        step.run()
        assert out == pytest.approx((e - e.mean()) / np.sqrt(e.var() + 1e-5), abs=1e-5)


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 9])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("extras", [False, True])
def test_linear(step: CpuStep, rows: int, dtype: type, extras: bool) -> None:
    weight = numbers(97 if not extras else 96, 128, scale=128**-0.5).astype(dtype)
    x, n = numbers(rows, 1, 128), len(weight)
    bias, residual = numbers(n), numbers(rows, 1, n)
    out = step.linear(x, weight, bias, gelu=extras, residual=residual if extras else None)
    for _ in range(2):
        x[:], residual[:] = numbers(rows, 1, 128), numbers(rows, 1, n)
        expected = exact(x) @ exact(weight).T + bias
        step.run()
        assert np.abs(out - (gelu(expected) + residual if extras else expected)).max() < 1e-5


@pytest.mark.parametrize("scale", [1.0, 40.0])  # scores of hundreds overflow without the largest one taken off
@pytest.mark.parametrize(("batch", "recordings"), [(1, 1), (6, 2)])
@pytest.mark.parametrize(("keys", "heads", "n"), [(33, 3, 48), (1500, 6, 384), (1, 1, 80), (16, 2, 32)])
def test_attention_to_a_recording(
    step: CpuStep, scale: float, batch: int, recordings: int, keys: int, heads: int, n: int
) -> None:
    q, k, v = numbers(batch, 1, n), numbers(recordings, keys, n), numbers(recordings, keys, n)
    out = step.attention(q, k, v, heads)
    for _ in range(2):
        q[:] = numbers(batch, 1, n, scale=scale)
        step.run()
        assert out == pytest.approx(attention(q, k, v, heads), abs=1e-4)


def test_attention_to_the_text_so_far(step: CpuStep) -> None:
    """The cache grows by a token with each run; what lies after the last one is not read."""
    q, x = numbers(2, 1, 48), numbers(2, 1, 48)
    k, v = np.full((2, 40, 48), np.nan, np.float32), np.full((2, 40, 48), np.nan, np.float32)
    offsets, lengths = np.zeros(2, np.int32), np.ones(2, np.int32)
    step.append(k, x, offsets)
    step.append(v, x, offsets)
    out = step.attention(q, k, v, 3, lengths=lengths)
    for length in range(1, 41):
        q[:], x[:] = numbers(2, 1, 48), numbers(2, 1, 48)
        offsets[:], lengths[:] = length - 1, length
        step.run()
        assert (k[:, length - 1] == x[:, 0]).all()
        assert out == pytest.approx(attention(q, k[:, :length], v[:, :length], 3), abs=1e-5)


def test_embedding(step: CpuStep) -> None:
    table, positions = numbers(9, 64).astype(np.float16), numbers(20, 64)
    tokens, offsets = np.zeros((2, 1), np.int32), np.zeros(2, np.int32)
    out = step.embedding(tokens, table, positions, offsets)
    for chosen, places in (([[3], [8]], [0, 7]), ([[5], [5]], [19, 2])):
        tokens[:], offsets[:] = chosen, places
        step.run()
        assert out == pytest.approx(exact(table)[tokens] + exact(positions)[offsets][:, None], abs=1e-6)


@pytest.mark.parametrize(("rows", "vocab"), [(1, 501), (4, 501), (7, 501), (5, (1 << 25) // 64 + 1)])  # the last on two threads
def test_logits(step: CpuStep, rows: int, vocab: int) -> None:
    x, table = numbers(rows, 64), np.tile(numbers(501, 64), (-(-vocab // 501), 1))[:vocab].astype(np.float16)
    out = step.logits(x, table)
    for _ in range(2):
        x[:] = numbers(rows, 64)
        step.run()
        expected = np.tile(exact(x) @ exact(table[:501]).T, -(-vocab // 501))[:, :vocab]
        assert np.abs(out - expected).max() < 5e-5


def test_a_step_goes_with_its_last_reference(code: Compiled) -> None:
    """Its arrays are large: they must not wait for the collector of cycles."""
    ops = CpuOperations(threads=2, code=code)
    found = ops.step(64)
    assert found is not None
    tokens, offsets, lengths = np.zeros((1, 1), np.int32), np.zeros(1, np.int32), np.ones(1, np.int32)
    x = found.embedding(tokens, numbers(9, 64).astype(np.float16), numbers(20, 64), offsets)
    x = found.layer_norm(x, numbers(64), numbers(64))
    cache = numbers(1, 40, 64)
    found.append(cache, found.linear(x, numbers(64, 64), numbers(64), gelu=True, residual=x), offsets)
    found.logits(found.attention(x, cache, cache, 1, lengths=lengths)[0], numbers(99, 64))
    found.run()
    held = weakref.ref(found)
    del found
    assert held() is None


def test_shapes_that_cannot_be_are_refused(code: Compiled) -> None:
    q, k, out = numbers(48), numbers(5, 48), numbers(48)
    scores, length = np.empty(3 * 21, np.float32), np.ones(1, np.int32)
    code.attend_token(q, k, k, scores, out, length, 3)()
    for wrong in (
        (q[:32], k, k, scores, out, length, 3),
        (q, k, k[:4], scores, out, length, 3),
        (q, k, k, scores[:-1], out, length, 3),
        (q, k, k, scores, out, length + 5, 3),
        (q, k, k, scores, out, length - 1, 3),
        (q, k, k, scores, out, length, 6),
        (q, k[:, ::-1], k, scores, out, length, 3),
    ):
        with pytest.raises(ValueError, match="attend_token"):
            code.attend_token(*wrong)
