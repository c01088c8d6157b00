"""The choice of the next token under Whisper's rules, on the device: nothing but tokens ever leaves it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.gpu.device import Device, Tensor
from wherry.kernels.source import source

_CHUNK = 1024
_STATE = 8  # int32 a row: see next_token.wgsl


@dataclass(frozen=True)
class Rules:
    """What may follow. `never` and `not_first` are tokens; times from `times` on (the vocabulary's size: none)."""

    vocab: int
    eot: int
    times: int
    max_initial: int
    never: tuple[int, ...]
    not_first: tuple[int, ...]

    def masks(self) -> NDArray[np.uint32]:
        """(2, words): one bit a token."""
        bits = np.zeros((2, -(-self.vocab // 32) * 32), np.uint8)
        bits[0, [token for token in self.never if token < self.vocab]] = 1
        bits[1, list(self.not_first)] = 1
        return np.packbits(bits, axis=1, bitorder="little").view(np.uint32)


@dataclass(frozen=True)
class Choice:
    """B texts in the making, on the device."""

    rules: Rules
    masks: Tensor
    state: Tensor  # (B, 8) int32
    sums: Tensor  # (B,) log-probabilities
    tokens: Tensor  # (B, 1) int32, the network's next input
    offsets: Tensor  # (B,) int32, where that token stands
    lengths: Tensor  # (B,) int32, offsets + 1
    history: Tensor  # (B, most) int32, the tokens chosen


def start(device: Device, rules: Rules, rows: int, length: int, most: int) -> Choice:
    """`rows` texts of `length` tokens each, none of them chosen yet; at most `most` will be kept."""
    choice = Choice(
        rules,
        device.upload(rules.masks()),
        device.empty((rows, _STATE), "i32"),
        device.empty((rows,)),
        device.empty((rows, 1), "i32"),
        device.empty((rows,), "i32"),
        device.empty((rows,), "i32"),
        device.empty((rows, most), "i32"),
    )
    restart(device, choice, length)
    return choice


def restart(device: Device, choice: Choice, length: int, *, temperature: float = 0.0, seed: int = 0) -> None:
    """Forget what was chosen: the same buffers serve the next window, so recorded programs stay valid."""
    rows = choice.tokens.shape[0]
    state = np.zeros((rows, _STATE), np.int32)
    state[:, 3] = -1  # no time yet
    state[:, 5] = np.asarray(seed & 0xFFFFFFFF, np.uint32).view(np.int32)
    state[:, 6] = np.asarray(temperature, np.float32).view(np.int32)
    device.write(choice.state, state)
    device.write(choice.sums, np.zeros(rows, np.float32))
    # The first choice comes from the prompt's logits: it stands at `length`.
    device.write(choice.offsets, np.full(rows, length - 1, np.int32))
    device.write(choice.lengths, np.full(rows, length, np.int32))


def launch(device: Device, choice: Choice, logits: Tensor) -> Tensor:
    """logits (B, vocab): choose, and move each row one token on -> the tokens (B, 1)."""
    rules = choice.rules
    rows, vocab = logits.shape
    chunks = -(-vocab // _CHUNK)
    found = device.empty((rows, chunks, 16))
    params: dict[str, int | float] = {
        "vocab": vocab,
        "chunks": chunks,
        "words": -(-vocab // 32),
        "eot": rules.eot,
        "times": rules.times,
        "max_initial": rules.max_initial,
        "history": choice.history.shape[1],
    }
    scan = device.kernel("next_token", source("next_token"), "scan")
    device.dispatch(scan, (chunks, rows, 1), [logits, choice.masks, choice.state, found], **params)
    finish = device.kernel("next_token", source("next_token"), "finish")
    moved = [found, choice.state, choice.sums, choice.tokens, choice.offsets, choice.lengths, choice.history]
    device.dispatch(finish, (rows, 1, 1), moved, **params)
    return choice.tokens


def results(device: Device, choice: Choice) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """-> tokens chosen (B, most), log-probabilities (B,), how many each row chose and whether it ended (B, 2)."""
    state = device.download(choice.state)
    return device.download(choice.history), device.download(choice.sums), state[:, [0, 4]]
