"""Products of a step's rows with the matrices that read the same vector, its norm taken on the way."""

import re
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.gpu.device import Device, Tensor
from wherry.kernels import gate as gating
from wherry.kernels import rms_norm
from wherry.kernels.source import Case, format_of, random_array, source

_ROWS = 8  # of a workgroup
_NAMES = "abc"


def launch(
    device: Device,
    x: Tensor,
    a: Tensor,
    b: Tensor | None = None,
    c: Tensor | None = None,
    norm: Tensor | None = None,
    bias: Tensor | None = None,
    residual: Tensor | None = None,
    *,
    eps: float = 1e-5,
    gate: str = "",
    into: Tensor | None = None,
    first: int = 0,
) -> Tensor:
    """x (..., k), a, b and c (n, k) each -> x' @ [a; b; c].T + bias + residual: (..., n a + n b + n c), k a multiple of 4.

    norm (k,): x' is x after a root mean square norm. gate "silu" or "gelu": gate(x' @ a.T) * (x' @ b.T). into (..., n): the
    columns from `first` on are written there.
    """
    rows, inner = x.size // 4 // x.shape[-1], x.shape[-1]
    weights = [a, b or a, c or a]
    counts = [a.shape[0], 0 if b is None else b.shape[0], 0 if c is None else c.shape[0]]
    cols = counts[0] if gate else sum(counts)
    y = device.empty((*x.shape[:-1], cols)) if into is None else into
    lanes = 1 if device.info.kind == "cpu" else 16 if inner < 1024 else 64  # adding up costs a CPU more than the loads
    kernel = device.kernel(
        "project",
        _source(tuple(weight.dtype for weight in weights)),
        ROWS=min(rows, _ROWS),
        LANES=lanes,
        NORM=norm is not None,
        BIAS=bias is not None,
        RESIDUAL=residual is not None,
        GATE=("", "silu", "gelu").index(gate),
    )
    groups = -(-cols * lanes // 64)
    device.dispatch(
        kernel,
        (min(groups, 32768), -(-groups // 32768), -(-rows // _ROWS)),
        [x, *weights, norm or x, bias or x, residual or x, y],
        inner4=inner // 4,
        rows=rows,
        a=counts[0],
        b=counts[1],
        c=counts[2],
        stride=y.shape[-1],
        first=first,
        eps=eps,
    )
    return y


@cache
def _source(forms: tuple[str, ...]) -> str:
    """The kernel with each weight's format under a name of its own."""
    formats = []
    for binding, (name, form) in enumerate(zip(_NAMES, forms, strict=True), 2):
        text = source(format_of(form)).replace("@binding(2)", f"@binding({binding})")
        formats.append(re.sub(r"\bweight(4|_word|_byte|)\b", rf"weight_{name}\1", text))
    return "\n".join([source("project"), *formats])


def reference(
    x: NDArray[Any],
    a: NDArray[Any],
    b: NDArray[Any] | None = None,
    c: NDArray[Any] | None = None,
    norm: NDArray[Any] | None = None,
    bias: NDArray[Any] | None = None,
    residual: NDArray[Any] | None = None,
    *,
    eps: float = 1e-5,
    gate: str = "",
) -> NDArray[Any]:
    rows = x.astype(np.float64) if norm is None else rms_norm.reference(x, norm, eps=eps)
    parts = [rows @ weight.astype(np.float64).T for weight in (a, b, c) if weight is not None]
    y = gating.reference(parts[0], parts[1], gelu=gate == "gelu") if gate else np.concatenate(parts, axis=-1)
    y = y if bias is None else y + bias
    return y if residual is None else y + residual


def cases() -> list[Case]:
    found = []
    for rows in (1, 3, 11):
        x, norm = random_array(1, rows, 96) + 1, random_array(2, 96)
        a, b, c = (random_array(i, n, 96, scale=0.1) for i, n in ((3, 70), (4, 20), (5, 6)))
        bias, residual = random_array(6, 96), random_array(7, rows, 96)
        found += [
            Case(f"{rows} rows, three matrices", (x, a, b, c, norm, bias, residual)),
            Case(f"{rows} rows, one", (x, a, None, None, None, None, random_array(7, rows, 70)), weight="q8_0"),
        ]
    x, a, b = random_array(1, 2, 96), random_array(3, 70, 96, scale=0.1), random_array(4, 70, 96, scale=0.1)
    found += [Case(gate, (x, a, b, None, random_array(2, 96)), {"gate": gate}, weight="q5_0") for gate in ("silu", "gelu")]
    return found
