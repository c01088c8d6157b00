"""The device's choice of the next token against the rules in numpy, which openai-whisper's transcripts prove."""

import numpy as np
import pytest

from wherry.engine.decoding import Rules, _Sampler
from wherry.engine.session import Whisper
from wherry.gpu.device import Device
from wherry.kernels import next_token

STEPS = 14


@pytest.mark.parametrize("without_timestamps", [False, True])
def test_choice_follows_the_rules(device: Device, tiny_en: Whisper, without_timestamps: bool) -> None:
    """Random logits, some steps bent towards times or the end, so that every rule is met."""
    tokenizer, vocab, rows, begin = tiny_en.tokenizer, tiny_en.dims.n_vocab, 4, 3
    random = np.random.default_rng(3)
    rules = Rules(tokenizer, begin, without_timestamps)
    sampler = _Sampler(0.0, tokenizer.eot, random, rows)
    tokens = np.zeros((rows, begin), np.int32)
    choice = next_token.start(device, rules.on_device(vocab), rows, begin, STEPS)
    for step in range(STEPS):
        logits = random.standard_normal((rows, vocab)).astype(np.float32) * 3
        logits[:, tokenizer.timestamp_begin :] += random.choice([-20.0, 0.0, 9.0], size=(rows, 1)).astype(np.float32)
        if step > 8:
            logits[:2, tokenizer.eot] += 30
        next_token.launch(device, choice, device.upload(logits))
        rules.apply(logits, tokens)
        tokens, _, _ = sampler.choose(tokens, logits)
    history, sums, state = next_token.results(device, choice)
    np.testing.assert_array_equal(history, tokens[:, begin:])
    np.testing.assert_allclose(sums, sampler.sums, rtol=1e-5)
    assert state[:, 1].tolist() == [int(row[-1] == tokenizer.eot) for row in tokens]
    assert (device.download(choice.tokens)[:, 0] == tokens[:, -1]).all()
    assert device.download(choice.offsets).tolist() == [begin - 1 + STEPS] * rows


def test_draws_follow_the_probabilities(device: Device) -> None:
    """4,000 draws from six tokens at temperature 0.7: each count within five standard deviations."""
    rows = 4_000
    rules = next_token.Rules(40, 39, 40, 0, tuple(range(6, 39)), ())
    choice = next_token.start(device, rules, rows, 0, 1)
    next_token.restart(device, choice, 0, temperature=0.7, seed=11)
    row = np.full(40, -5.0, np.float32)
    row[:6] = [2.0, 1.5, 1.0, 0.0, -1.0, -30.0]
    next_token.launch(device, choice, device.upload(np.tile(row, (rows, 1))))
    history, sums, _ = next_token.results(device, choice)
    odds = np.exp(row[:6].astype(np.float64) / 0.7)
    expected = odds / (odds.sum() + np.exp(-5.0 / 0.7))
    counts = np.bincount(history[:, 0], minlength=40)
    assert counts[6:39].sum() == 0
    deviation = np.sqrt(rows * expected * (1 - expected)) + 1
    assert (np.abs(counts[:6] - rows * expected) < 5 * deviation).all(), counts
    # The log-probability that is summed is the model's own, not the tempered one.
    allowed = row[[0, 1, 2, 3, 4, 5, 39]].astype(np.float64)
    log_sum = np.log(np.exp(allowed).sum())
    np.testing.assert_allclose(sums, row[history[:, 0]] - log_sum, atol=1e-4)
