"""The choice of the next token of each text by the options of sampling: on a GPU (`sample.wgsl`), and the same in numpy."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.gpu.device import Device, Tensor
from wherry.kernels.pages import PAGES
from wherry.kernels.source import source

CANDIDATES = 1024  # likeliest tokens that are looked at where any are left out
KEPT = 16  # a row's last tokens and log-probabilities that are kept for the host
BIASED = 512  # tokens of a row whose logits can be changed
_CHUNK = 1024  # of the vocabulary, for a workgroup
_MAX_VOCAB = _CHUNK * CANDIDATES
_ZIPF = 100  # likeliest tokens by which mirostat 1 tells how odds fall
_RULED_OUT = -1e29  # a score under which a token is no candidate: a grammar's are -1e30
_WORDS = 20


@dataclass(frozen=True)
class Choices:
    """Room for the texts of some rows on the device."""

    rows: Tensor  # (rows, words): the texts' lengths, options and pages
    history: Tensor  # (rows, context): their tokens
    tokens: Tensor  # (rows, 1): those that are read next
    made: Tensor  # (rows, KEPT, 2): tokens and bits of their log-probabilities, the newest at COUNT - 1
    biases: Tensor  # (rows, BIASED, 2): token, bits of what is added


@dataclass(frozen=True)
class Options:
    """How a text's tokens are drawn; what each means: `engine/sampling.py`."""

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repeat_penalty: float = 1.0
    seed: int = 0
    typical_p: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    penalty_last: int = 64
    mirostat: int = 0
    mirostat_tau: float = 5.0
    mirostat_eta: float = 0.1


def start(device: Device, rows: int, context: int, pages: int) -> Choices:
    """Rows that are nobody's."""
    return Choices(
        device.zeros((rows, PAGES + pages), "i32"),
        device.zeros((rows, context), "i32"),
        device.zeros((rows, 1), "i32"),
        device.zeros((rows, KEPT, 2), "i32"),
        device.zeros((rows, BIASED, 2), "u32"),
    )


def words(options: Options, length: int, count: int, biases: int) -> NDArray[np.int32]:
    """A row's first words, for a text of `length` tokens of which `count` were drawn."""
    found = np.zeros(PAGES, np.int32)
    found[:_WORDS] = [
        length, count, 0, 0, _bits(options.temperature), options.top_k, _bits(options.top_p), _bits(options.min_p),
        _bits(options.typical_p), _bits(options.repeat_penalty), _bits(options.presence_penalty),
        _bits(options.frequency_penalty), options.penalty_last, options.mirostat, _bits(options.mirostat_tau),
        _bits(options.mirostat_eta), _bits(2 * options.mirostat_tau), biases, 0, 0,
    ]  # fmt: skip
    found[2:4] = np.asarray([options.seed], np.uint64).view(np.int32)
    return found


def _bits(value: float) -> int:
    return int(np.float32(value).view(np.int32))


def launch(device: Device, choices: Choices, logits: Tensor, *, row: int = 0) -> None:
    """logits (B, vocab) of the rows `row` .. `row + B` -> their next tokens, in `choices`; each text is a token longer."""
    batch, vocab = logits.shape
    chunks = -(-vocab // _CHUNK)
    if vocab > _MAX_VOCAB:
        raise ValueError(f"sample: found a vocabulary of {vocab}, expected at most {_MAX_VOCAB}")
    text = f"{source('sample')}\nconst KEPT = {KEPT}u;\nconst BIASED = {BIASED}u;\n"
    changed, found = device.empty(logits.shape), device.empty((batch, chunks, 6))
    params = {
        "vocab": vocab,
        "chunks": chunks,
        "stride": choices.rows.shape[1],
        "row": row,
        "context": choices.history.shape[1],
    }
    scanned = [logits, choices.rows, choices.history, choices.biases, changed, found]
    device.dispatch(device.kernel("sample", text, "scan"), (chunks, batch, 1), scanned, **params)
    finished = [changed, found, choices.rows, choices.history, choices.tokens, choices.made, logits]
    device.dispatch(device.kernel("sample", text, "finish"), (batch, 1, 1), finished, **params)


# -- the same in numpy


def random(seed: int, count: int) -> float:
    """In (0, 1), for draw `count` of a text: three rounds of PCG's hash (O'Neill, 2014)."""
    x = seed & 0xFFFFFFFF
    for salt in (seed >> 32, count, 0x9E3779B9):
        x = (x * 747796405 + 2891336453 + salt * 2654435769) & 0xFFFFFFFF
        x = (((x >> ((x >> 28) + 4)) ^ x) * 277803737) & 0xFFFFFFFF
        x = (x >> 22) ^ x
    return ((x >> 8) + 0.5) / 16777216.0


@dataclass
class Draw:
    """What becomes of a text's draws: how many there were, and mirostat's bound."""

    count: int = 0
    mu: float = 0.0


def penalised(logits: NDArray[Any], options: Options, before: NDArray[np.int64], biases: dict[int, float]) -> NDArray[Any]:
    """logits (vocab,) with the bias, and without what is likely because it was said: `before`, the text's tokens."""
    if biases:
        logits = logits.copy()
        logits[list(biases)] += np.asarray(list(biases.values()), logits.dtype)
    last = before[-options.penalty_last :] if options.penalty_last else before[:0]
    repeat, often, once = options.repeat_penalty, options.frequency_penalty, options.presence_penalty
    if len(last) and (repeat != 1 or often or once):
        seen, counts = np.unique(last, return_counts=True)
        some = logits[seen]
        logits = logits if biases else logits.copy()
        logits[seen] = np.where(some > 0, some / repeat, some * repeat) - counts * often - once
    return logits


def reference(
    logits: NDArray[Any], options: Options, draw: Draw, before: NDArray[np.int64], biases: dict[int, float] | None = None
) -> int:
    """logits (vocab,) of float32 or float64 -> the next token; `draw` moves on."""
    scores = penalised(logits, options, before, biases or {})
    share = random(options.seed, draw.count)
    draw.count += 1
    if options.temperature == 0:
        return int(scores.argmax())
    order, odds = kept(scores, options, draw)
    total = np.cumsum(odds)
    place = int(np.searchsorted(total, share * total[-1], side="right").clip(max=len(order) - 1))
    if options.mirostat:
        surprise = -np.log2(odds[place] / total[-1])
        draw.mu -= options.mirostat_eta * (float(surprise) - options.mirostat_tau)
    return int(order[place])


def kept(scores: NDArray[Any], options: Options, draw: Draw) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """-> the tokens to be drawn from, and their odds."""
    top = float(scores.max())
    heat = options.temperature
    if options.mirostat == 1:
        return _as_surprising(scores, heat, draw.mu)
    plain = not options.top_k and options.top_p == 1 and not options.min_p and options.typical_p == 1 and not options.mirostat
    if plain:
        return np.arange(len(scores)), _odds(scores, heat)
    order = likeliest(scores)
    values = scores[order].astype(np.float64) - top
    if options.mirostat == 2:
        odds = np.exp(values / heat)
        keep = -np.log2(np.maximum(odds / odds.sum(), 1e-37)) <= draw.mu
        keep[0] = True
        return order[keep], odds[keep]
    if options.top_k:
        order, values = order[: options.top_k], values[: options.top_k]
    odds = np.exp(values)
    if options.typical_p < 1:  # Meister et al., 2022
        # Where nothing was left out yet, what is typical is so of the whole vocabulary.
        everything = odds if options.top_k else np.exp((scores - top).astype(np.float64))
        shares, whole = odds / everything.sum(), everything[everything > 0] / everything.sum()
        entropy = -(whole * np.log(whole)).sum()
        odd = np.abs(np.log(shares) + entropy)
        nearest = np.argsort(odd, kind="stable")
        reached = min(int(np.searchsorted(np.cumsum(shares[nearest]), options.typical_p)), len(nearest) - 1)
        keep = odd <= odd[nearest[reached]]
        order, values, odds = order[keep], values[keep], odds[keep]
    if options.top_p < 1:  # the fewest that reach top_p together (Holtzman et al., 2019)
        left = odds.sum() if options.top_k or options.typical_p < 1 else np.exp((scores - top).astype(np.float64)).sum()
        most = int(np.searchsorted(np.cumsum(odds), options.top_p * left)) + 1
        order, values, odds = order[:most], values[:most], odds[:most]
    if options.min_p > 0:  # Nguyen et al., 2024
        keep = odds >= options.min_p * odds[0]
        order, values = order[keep], values[keep]
    return order, np.exp(values / heat)


def _odds(scores: NDArray[Any], heat: float) -> NDArray[np.float64]:
    """Of all tokens, the likeliest's 1."""
    odds: NDArray[np.float64] = np.exp((scores - scores.max()).astype(np.float64) / heat)
    return odds


def _as_surprising(scores: NDArray[Any], heat: float, mu: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """As many of the likeliest tokens as together surprise by `mu` bits, were the odds to fall as Zipf's law has it (Basu et al.,
    2021, Algorithm 1; their number is cut off as llama.cpp does): `kept` of mirostat 1. On the host alone.
    """
    first = scores[_highest(scores, _ZIPF)].astype(np.float64) / heat
    first = first[first > _RULED_OUT / heat]
    most = 1
    if len(first) > 1:
        falls, ranks = -np.diff(first), np.log(np.arange(2, len(first) + 1) / np.arange(1, len(first)))
        exponent = max(float(ranks @ falls / (ranks @ ranks)), 1e-6)  # even odds fall not at all
        over, log_count = exponent - 1, float(np.log(len(scores)))
        part = over / -np.expm1(-over * log_count) if abs(over) > 1e-9 else 1 / log_count
        power = float(np.clip((np.log(part) + mu * np.log(2)) / exponent, 0, log_count))
        most = max(1, int(np.exp(power) + 1e-9))
    order = _highest(scores, most)
    return order, _odds(scores, heat)[order]


def likeliest(scores: NDArray[Any]) -> NDArray[np.int64]:
    """The CANDIDATES highest that matter at all, in order."""
    order = _highest(scores, CANDIDATES)
    kept: NDArray[np.int64] = order[scores[order] >= scores[order[0]] - 30]
    return kept


def _highest(scores: NDArray[Any], count: int) -> NDArray[np.int64]:
    """In order."""
    order = np.arange(len(scores))
    if len(scores) > count:
        order = np.argpartition(-scores, count - 1)[:count]
        order.sort()
    found: NDArray[np.int64] = order[np.argsort(-scores[order], kind="stable")]
    return found
