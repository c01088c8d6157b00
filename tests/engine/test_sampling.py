"""The choice of tokens against transformers' logits processors, llama.cpp's definitions by hand, and statistics."""

from dataclasses import replace

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.references.llm_sampling_ways import WAYS, logits_of
from wherry.engine.sampling import Sampler, SamplingOptions
from wherry.errors import InputError
from wherry.kernels.sample import Draw, kept, penalised, random, reference

# Made by tests/references/llm_sampling.py.
_FIXTURE = np.load(ROOT / "tests/fixtures/llm_sampling.npz")
NOTHING = np.zeros(0, np.int64)


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("seed", range(3))
def test_odds_are_transformers(name: str, seed: int) -> None:
    options = SamplingOptions(**WAYS[name])
    logits, text = logits_of(seed)
    order, odds = kept(penalised(logits.astype(np.float64), options, text, {}), options, Draw())
    found = np.zeros(len(logits))
    found[order] = odds / odds.sum()
    expected = _FIXTURE[f"{name}.{seed}"]
    assert ((found > 0) == (expected > 0)).all()
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-12)


def test_presence_and_frequency_are_openais_formula() -> None:
    """logit - count * frequency - (count > 0) * presence; llama.cpp's order: after the repetition penalty."""
    logits = np.asarray([1.0, 2.0, -1.0, 0.5])
    options = SamplingOptions(presence_penalty=0.5, frequency_penalty=0.25, repeat_penalty=2.0, penalty_last=4)
    found = penalised(logits, options, np.asarray([3, 3, 0, 2, 2, 0]), {3: -1.0})
    np.testing.assert_allclose(found, [0.5 - 1.0, 2.0, -2.0 - 1.0, -0.5])


def test_mirostat_keeps_the_surprise_it_is_asked_for() -> None:
    """After some draws the mean surprise of what was drawn nears tau (Basu et al., 2021)."""
    noise = np.random.default_rng(0)
    options = SamplingOptions(temperature=1.0, mirostat=2, mirostat_tau=3.0, mirostat_eta=0.1, seed=4)
    draw, surprises = Draw(0, 6.0), []
    for _ in range(600):
        logits = noise.standard_normal(500) * 2
        order, odds = kept(logits, options, draw)
        token = reference(logits, options, draw, NOTHING)
        surprises.append(-np.log2(odds[list(order).index(token)] / odds.sum()))
    assert np.mean(surprises[100:]) == pytest.approx(3.0, abs=0.15)


@pytest.mark.parametrize("options", [SamplingOptions(0.7), SamplingOptions(0.7, top_k=100)])
def test_draws_follow_the_odds(options: SamplingOptions) -> None:
    """Chi-squared of 6,000 draws over eight tokens stays under its 0.001 point; every seed is a text of its own."""
    logits = np.asarray([2.0, 1.5, 1.0, 0.5, 0.0, -0.5, -1.0, -1.5])
    counts = np.bincount([reference(logits, replace(options, seed=s), Draw(s % 7), NOTHING) for s in range(6000)], minlength=8)
    expected = np.exp(logits / 0.7)
    expected *= 6000 / expected.sum()
    assert float((np.square(counts - expected) / expected).sum()) < 24.3


def test_numbers_drawn_are_even_and_of_their_own() -> None:
    found = np.asarray([[random(seed << 20, count) for count in range(100)] for seed in range(100)])
    assert found.min() > 0 and found.max() < 1 and len(np.unique(found)) > 9990
    counts = np.histogram(found, 20, (0, 1))[0]
    assert float((np.square(counts - 500) / 500).sum()) < 43.8
    assert abs(np.corrcoef(found[:, :-1].ravel(), found[:, 1:].ravel())[0, 1]) < 0.04


@pytest.mark.parametrize(
    "options",
    [
        SamplingOptions(typical_p=-0.1),
        SamplingOptions(mirostat=1),
        SamplingOptions(top_k=5000),
        SamplingOptions(presence_penalty=float("nan")),
        SamplingOptions(logit_bias=((1, 1.0), (1, 2.0))),
        SamplingOptions(logit_bias=((1, float("inf")),)),
    ],
)
def test_more_options_that_cannot_be_are_refused(options: SamplingOptions) -> None:
    with pytest.raises(InputError, match="found"):
        Sampler(options)
