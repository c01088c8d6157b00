"""Texts on the GPU by the scheduler, with a small network: each is what it is alone, over several pages, however it is drawn."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.devices import open_for_tests
from tests.models.test_families import checkpoint
from wherry.engine.device_rows import DeviceRows
from wherry.engine.host_rows import HostRows
from wherry.engine.language_network import LanguageNetwork
from wherry.engine.sampling import SamplingOptions
from wherry.engine.scheduler import Scheduler
from wherry.kernels.cpu import CpuOperations
from wherry.kernels.gpu import GpuOperations
from wherry.models.language import language_model, llama_weights
from wherry.models.rotation import rotation_table

CONTEXT = 192


def network(ops: Any) -> LanguageNetwork:
    model = language_model(checkpoint("llama"))
    return LanguageNetwork(model, ops, llama_weights(model, ops.weight, ops.array(rotation_table(model.rotations[0], CONTEXT))))


@pytest.fixture(scope="module")
def scheduler() -> Iterator[Scheduler]:
    """On wgpu alone: tests/kernels tries the shaders on Dawn too, whose driver for the CPU takes ten times as long."""
    device = open_for_tests("wgpu")
    yield Scheduler(DeviceRows(network(GpuOperations(device)), 6, 25, CONTEXT))
    device.destroy()


class Even:
    """Even tokens alone."""

    def mask(self) -> NDArray[np.bool_]:
        return np.arange(160) % 2 == 0

    def take(self, token: int) -> None:
        assert token % 2 == 0

    def close(self) -> None:
        pass


def test_texts_are_the_same_alone_and_together(scheduler: Scheduler) -> None:
    random = np.random.default_rng(2)
    prompts = [random.integers(0, 160, length).tolist() for length in (1, 5, 63, 64, 65, 150, 30)]
    options = [
        SamplingOptions(),
        SamplingOptions(temperature=1.0, seed=1),
        SamplingOptions(temperature=1.0, top_k=20, top_p=0.9, seed=2),
        SamplingOptions(repeat_penalty=1.5, logit_bias=((7, 2.0), (8, -100.0))),
        SamplingOptions(temperature=0.9, seed=4),
        SamplingOptions(temperature=1.2, min_p=0.05, seed=5),
        SamplingOptions(temperature=1.0, mirostat=1, mirostat_tau=3.0, mirostat_eta=0.4, seed=6),
    ]

    def start(i: int) -> Any:
        guide = Even() if i == 4 else None
        return scheduler.submit(prompts[i], options[i], 21, biases=dict(options[i].logit_bias), guide=guide)

    alone = [[made.token for made in start(i)] for i in range(7)]
    streams = [start(i) for i in range(7)]
    together = [[made.token for made in stream] for stream in streams]
    assert together == alone
    assert [len(text) for text in alone] == [21] * 7
    assert not any(token % 2 for token in alone[4])
    assert scheduler.book.held == 0 or scheduler._worker is not None


def test_greedy_texts_are_the_cpus(scheduler: Scheduler) -> None:
    prompt = np.random.default_rng(3).integers(0, 160, 70).tolist()
    on_cpu = Scheduler(HostRows(network(CpuOperations()), 1, 5, CONTEXT))
    texts = [list(each.submit(prompt, SamplingOptions(), 12)) for each in (scheduler, on_cpu)]
    assert [made.token for made in texts[0]] == [made.token for made in texts[1]]
    np.testing.assert_allclose([made.logprob for made in texts[0]], [made.logprob for made in texts[1]], atol=5e-3)


def test_the_likeliest_are_the_cpus(scheduler: Scheduler) -> None:
    """Beside a text that does not ask for them, and one that is drawn under a guide."""
    prompt = np.random.default_rng(4).integers(0, 160, 70).tolist()
    on_cpu = Scheduler(HostRows(network(CpuOperations()), 3, 15, CONTEXT))
    found = []
    for each in (scheduler, on_cpu):
        other = each.submit(prompt[:20], SamplingOptions(temperature=1.0, seed=3), 9)
        guided = each.submit(prompt[:30], SamplingOptions(), 9, guide=Even(), top=2)
        found.append((list(each.submit(prompt, SamplingOptions(), 9, top=5)), list(other), list(guided)))
    for mine, theirs in zip(*(texts[0] for texts in found), strict=True):
        assert mine.token == theirs.token == mine.top[0][0] and mine.logprob == pytest.approx(mine.top[0][1], abs=1e-5)
        assert [token for token, _ in mine.top] == [token for token, _ in theirs.top]
        np.testing.assert_allclose([x for _, x in mine.top], [x for _, x in theirs.top], atol=5e-3)
    assert all(not made.top for _, other, _ in found for made in other)
    assert all(len(made.top) == 2 and made.token % 2 == 0 for _, _, guided in found for made in guided)


def test_how_likely_a_prompt_is_is_what_the_cpu_says(scheduler: Scheduler) -> None:
    """Over several pieces, one after the other and together."""
    prompt = np.random.default_rng(5).integers(0, 160, 150).tolist()
    on_cpu = Scheduler(HostRows(network(CpuOperations()), 3, 15, CONTEXT))
    found = [list(each.score(prompt, 3)) for each in (scheduler, on_cpu, scheduler)]
    for made in found:
        assert [each.token for each in made] == prompt[1:]
        np.testing.assert_allclose([x.logprob for x in made], [x.logprob for x in found[1]], atol=5e-3)
        best = [[x for _, x in each.top] for each in made]
        np.testing.assert_allclose(best, [[x for _, x in each.top] for each in found[1]], atol=5e-3)
    logits = on_cpu.call(lambda rows, pages: rows.logits(prompt, 0, pages), len(prompt)).astype(np.float64)
    expected = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    np.testing.assert_allclose([x.logprob for x in found[1]], expected[np.arange(149), prompt[1:]], atol=1e-4)
