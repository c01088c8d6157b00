"""What a language model needs of a device's memory, said before it is loaded."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wherry.errors import OutOfMemoryError
from wherry.kernels.pages import PAGE
from wherry.models.llama import DecoderDims
from wherry.weights import Quantized

_SPARE = 64 << 20  # bytes: activations, recordings, the vocabulary
_LEAST = 256  # tokens: with less room a model is of no use


@dataclass(frozen=True)
class MemoryPlan:
    """weights and page in bytes (a page of all layers); pages: how many, one context's at least."""

    weights: int
    page: int
    pages: int

    @property
    def bytes(self) -> int:
        return self.weights + self.page * self.pages + _SPARE


def plan_memory(
    name: str,
    dims: DecoderDims,
    tensors: Mapping[str, Any],
    *,
    context: int,
    texts: int,
    number: int,
    available: int | None,
    binding: int | None = None,
) -> MemoryPlan:
    """Pages for `texts` texts of `context` tokens, or as many as fit, but one text's at least.

    number: bytes of a key's number; available: bytes, None where nobody knows; binding: the largest buffer, which holds all pages
    of a layer. Raises OutOfMemoryError where one text does not fit: by how much, and which context would.
    """
    weights = sum(_bytes(tensor) for tensor in tensors.values())
    head = PAGE * 2 * dims.head_width * number
    layer = head * dims.n_kv_head
    page = sum(head * dims.kv_heads(i) for i in range(dims.n_layer))
    room = [1 << 40]
    if available is not None:
        room.append((available - weights - _SPARE) // page)
    if binding is not None:
        room.append(binding // layer)
    one = -(-context // PAGE) + 1
    if min(room) < one:
        needed = weights + one * page + _SPARE
        fits = max(0, min(room) - 1) * PAGE
        missing = f"{_mb(needed)} with a context of {context} tokens"
        missing += f", {_mb(needed - (available or 0))} more than the {_mb(available)} there are"
        if binding is not None and (available is None or needed <= available):
            missing = f"{_mb(one * layer)} a layer for a context of {context} tokens, more than the {_mb(binding)} of one buffer"
        raise OutOfMemoryError(
            f"{name}: needs {missing}",
            hint=f"a context of {fits} tokens would fit" if fits >= _LEAST else "take a smaller or more quantised model",
        )
    return MemoryPlan(weights, page, min((one - 1) * texts + 1, *room))


def host_memory() -> int | None:
    """Bytes that this process may still take; None where the system does not say."""
    found = []
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        found += [int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")]
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
        used = int(Path("/sys/fs/cgroup/memory.current").read_text(encoding="ascii"))
        found += [int(limit) - used] if limit.isdecimal() else []
    except (OSError, ValueError):
        pass  # another system, or no limit
    if not found and hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min(found) if found else None


def _bytes(tensor: Any) -> int:
    return int(tensor.data.nbytes if isinstance(tensor, Quantized) else tensor.nbytes)


def _mb(size: int | None) -> str:
    return f"{(size or 0) / 1e6:.0f} MB"
