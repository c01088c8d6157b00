"""Graphs that stand for a model where a test is about the guest."""

import threading

import numpy as np

from wherry.errors import InputError, NotFoundError
from wherry.wasm.nn.graph import Tensor
from wherry.wasm.stop import Check


class Echo:
    """Says how many samples it was given and their sum: what went in can be told from what came out."""

    def compute(self, inputs: dict[int, Tensor], check: Check) -> dict[int, bytes]:
        if 0 not in inputs:
            raise InputError("input 0: found none, expected one")
        tensor = inputs[0]
        if tensor.kind != 1 or not tensor.dims or tensor.dims[-1] * 4 != len(tensor.data):
            raise InputError("input 0: found another size, expected F32")
        samples = np.frombuffer(tensor.data, "<f4")
        with np.errstate(all="ignore"):
            return {0: f"{len(samples)} samples, sum {samples.sum():g}".encode()}

    def configured(self, config: bytes) -> "Echo":
        return self


def find_echo(name: str) -> Echo:
    if name != "default":
        raise NotFoundError(f'graph "{name}": found no such name')
    return Echo()


class Endless(Echo):
    """Computes until it is let go; `begun` says that it does."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.let_go = threading.Event()
        self.ended = threading.Event()

    def compute(self, inputs: dict[int, Tensor], check: Check) -> dict[int, bytes]:
        self.begun.set()
        try:
            self.let_go.wait(60)
            check()
        finally:
            self.ended.set()
        return {0: b"done"}
