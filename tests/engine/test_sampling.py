"""The choice of tokens against transformers' logits processors, llama.cpp's definitions by hand, and statistics."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conftest import ROOT
from tests.references import llama_samplers
from tests.references.llm_sampling_ways import WAYS, logits_of
from wherry.engine.sampling import Sampler, SamplingOptions
from wherry.errors import InputError
from wherry.kernels.sample import Draw, kept, penalised, random, reference

# Made by tests/references/llm_sampling.py.
_FIXTURE = np.load(ROOT / "tests/fixtures/llm_sampling.npz")
_LLAMA = np.load(ROOT / "tests/fixtures/llama_samplers.npz")  # by tests/references/llama_samplers.py
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


def llama_options(given: dict[str, Any]) -> SamplingOptions:
    """llama.cpp's names -> ours."""
    names = {"repeat_last_n": "penalty_last"}
    options = {names.get(name, name): value for name, value in given.items() if name != "samplers"}
    if "mirostat" not in given and "top_k" not in given:
        options["top_k"] = 0
    return SamplingOptions(**options)


def same_tokens(found: tuple[NDArray[np.int64], NDArray[np.float64]], name: str) -> None:
    ids, odds = found
    expected = dict(zip(_LLAMA[f"{name}.ids"].tolist(), _LLAMA[f"{name}.probs"].tolist(), strict=True))
    order = np.argsort(-odds, kind="stable")[: len(expected) if name.startswith("temperature") else None]
    assert set(ids[order].tolist()) == expected.keys()
    probs = odds[order] / odds[order].sum()
    np.testing.assert_allclose(probs, [expected[token] for token in ids[order].tolist()], rtol=2e-3, atol=1e-6)


@pytest.mark.parametrize("step", range(llama_samplers.STEPS))
@pytest.mark.parametrize("way", llama_samplers.WAYS)
def test_what_is_left_is_what_llama_cpp_leaves(way: str, step: int) -> None:
    """The tokens of a real text's logits, and their probabilities."""
    options = llama_options(llama_samplers.WAYS[way])
    text = np.concatenate([_LLAMA["tokens"], _LLAMA["drawn"][:step]]).astype(np.int64)
    scores = penalised(_LLAMA[f"logits.{step}"], options, text, {})
    same_tokens(kept(scores, options, Draw(0, 2 * options.mirostat_tau)), f"{way}.{step}")


def test_mirostat_1_moves_its_bound_as_llama_cpp_does() -> None:
    options = replace(llama_options(llama_samplers.MIROSTAT), seed=3)
    draw = Draw(0, 2 * options.mirostat_tau)
    for step in range(llama_samplers.STEPS):
        logits = _LLAMA[f"logits.{step}"]
        same_tokens(kept(logits, options, draw), f"mirostat 1.{step}")
        draw.count = next(
            count
            for count in range(10_000)
            if reference(logits, options, replace(draw, count=count), NOTHING) == _LLAMA["drawn"][step]
        )
        assert reference(logits, options, draw, NOTHING) == _LLAMA["drawn"][step]


def test_mirostat_1_of_odds_that_do_not_fall() -> None:
    """Of even odds all tokens are alike, a single candidate is drawn, and what a grammar rules out never is."""
    options = SamplingOptions(temperature=1.0, mirostat=1, mirostat_tau=20.0)
    assert len(kept(np.zeros(150, np.float32), options, Draw(0, 40.0))[0]) == 150
    ruled = np.full(150, -1e30, np.float32)
    ruled[[3, 7]] = 1.0, 0.5
    assert {reference(ruled, replace(options, seed=seed), Draw(0, 40.0), NOTHING) for seed in range(40)} == {3, 7}
    ruled[7] = -1e30
    assert {reference(ruled, replace(options, seed=seed), Draw(0, 40.0), NOTHING) for seed in range(9)} == {3}


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
        SamplingOptions(mirostat=3),
        SamplingOptions(top_k=5000),
        SamplingOptions(presence_penalty=float("nan")),
        SamplingOptions(logit_bias=((1, 1.0), (1, 2.0))),
        SamplingOptions(logit_bias=((1, float("inf")),)),
    ],
)
def test_more_options_that_cannot_be_are_refused(options: SamplingOptions) -> None:
    with pytest.raises(InputError, match="found"):
        Sampler(options)
