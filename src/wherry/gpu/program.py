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
    """GPU time by kernel and grid: (kernel, workgroups) -> [calls, seconds]."""

    spent: dict[tuple[str, tuple[int, int, int]], list[float]] = field(default_factory=dict)

    def add(self, dispatch: Dispatch, seconds: float) -> None:
        entry = self.spent.setdefault((dispatch.kernel, dispatch.grid), [0, 0.0])
        entry[0] += 1
        entry[1] += seconds

    def table(self) -> list[tuple[str, str, int, float]]:
        """(kernel, grid, calls, seconds), the costliest first."""
        rows = [(name, "x".join(map(str, grid)), int(calls), seconds) for (name, grid), (calls, seconds) in self.spent.items()]
        return sorted(rows, key=lambda row: -row[3])
