"""Dispatches recorded once and replayed, with next to no Python between them."""

from dataclasses import dataclass, field
from typing import Any

from wherry.gpu.tensor import Pool, Tensor


@dataclass(frozen=True)
class Dispatch:
    """One kernel over a grid of workgroups; `kernel` names it in profiles."""

    kernel: str
    pipeline: Any
    bind_group: Any
    grid: tuple[int, int, int]


@dataclass
class Program:
    """Commands in order, and everything they touch: while the program lives, none of it is reused by others."""

    pool: Pool
    dispatches: list[Dispatch] = field(default_factory=list)
    touched: dict[int, Tensor] = field(default_factory=dict)  # tensors of others: weights, caches, inputs

    def release(self) -> None:
        """Give all memory of the recording back to the device."""
        self.dispatches.clear()
        self.touched.clear()
        self.pool.destroy()


@dataclass
class Profile:
    """GPU time by kernel: seconds and calls."""

    seconds: dict[str, float] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)

    def add(self, kernel: str, seconds: float) -> None:
        self.seconds[kernel] = self.seconds.get(kernel, 0.0) + seconds
        self.calls[kernel] = self.calls.get(kernel, 0) + 1

    def table(self) -> list[tuple[str, int, float]]:
        """(kernel, calls, seconds), the costliest first."""
        rows = [(name, self.calls[name], spent) for name, spent in self.seconds.items()]
        return sorted(rows, key=lambda row: -row[2])
