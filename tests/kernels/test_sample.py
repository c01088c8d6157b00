"""The device's choice of the next token against numpy's, which tests/engine/test_sampling.py proves by other implementations."""

import numpy as np
import pytest

from wherry.gpu.device import Device
from wherry.kernels import sample
from wherry.kernels.sample import Draw, Options

VOCAB, STEPS = 20000, 6
WAYS = {
    "greedy": Options(),
    "plain": Options(temperature=1.3, seed=5),
    "top-k": Options(temperature=1.0, top_k=7, seed=1 << 40),
    "top-p": Options(temperature=0.8, top_p=0.7, seed=7),
    "min-p": Options(temperature=1.1, min_p=0.2, seed=8),
    "typical": Options(temperature=1.0, typical_p=0.6, seed=9),
    "all": Options(temperature=0.7, top_k=10, typical_p=0.9, top_p=0.8, min_p=0.05, seed=10),
    "penalties": Options(repeat_penalty=1.5, presence_penalty=0.5, frequency_penalty=1.5, penalty_last=5),
    "mirostat": Options(temperature=0.9, mirostat=2, mirostat_tau=3.0, mirostat_eta=0.3, seed=11),
}


def test_choice_is_that_of_numpy(device: Device) -> None:
    """One row for each way, all in one dispatch, in a room with other rows; some logits lie so close that penalties count."""
    random = np.random.default_rng(1)
    names = list(WAYS)
    first, rows = 2, len(names)
    choices = sample.start(device, first + rows + 1, 64, 4)
    texts = [[int(t) for t in random.integers(0, 40, 10 + i)] for i in range(rows)]
    biases = {3: 1.5, 39: -100.0}
    state, history = np.zeros((first + rows + 1, choices.rows.shape[1]), np.int32), np.zeros((first + rows + 1, 64), np.int32)
    added = np.zeros((first + rows + 1, sample.BIASED, 2), np.uint32)
    for i, name in enumerate(names):
        state[first + i, : sample.PAGES] = sample.words(WAYS[name], len(texts[i]), 0, len(biases))
        history[first + i, : len(texts[i])] = texts[i]
        added[first + i, : len(biases)] = [[t, np.float32(b).view(np.uint32)] for t, b in biases.items()]
    for tensor, value in ((choices.rows, state), (choices.history, history), (choices.biases, added)):
        device.write(tensor, value)
    draws = [Draw(0, 2 * WAYS[name].mirostat_tau) for name in names]
    for step in range(STEPS):
        logits = random.standard_normal((rows, VOCAB)).astype(np.float32)
        logits[:, :40] += 5 + random.standard_normal((rows, 40)).astype(np.float32)
        sample.launch(device, choices, device.upload(logits), row=first)
        made = device.download(choices.made)
        for i, name in enumerate(names):
            token = sample.reference(logits[i].astype(np.float64), WAYS[name], draws[i], np.asarray(texts[i]), biases)
            found, bits = made[first + i, step % sample.KEPT]
            assert found == token, f"{name}, step {step}: found {found}, expected {token}"
            log_sum = np.log(np.exp(logits[i].astype(np.float64)).sum())
            assert float(np.int32(bits).view(np.float32)) == pytest.approx(logits[i, token] - log_sum, abs=1e-4)
            texts[i].append(token)
    assert device.download(choices.rows)[first : first + rows, 0].tolist() == [len(text) for text in texts]
    assert device.download(choices.tokens)[first : first + rows, 0].tolist() == [text[-1] for text in texts]
    assert not device.download(choices.rows)[[0, 1, -1]].any()
