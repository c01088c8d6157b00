"""The text of a kernel: its file, with the functions it calls appended, so that line numbers stay."""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FOLDER = Path(__file__).parent


@cache
def source(name: str, *functions: str) -> str:
    """kernels/NAME.wgsl, then each of `functions` (names of files without their ending)."""
    return "\n".join((FOLDER / f"{each}.wgsl").read_text(encoding="utf-8") for each in (name, *functions))


def format_of(dtype: str) -> str:
    """The file that reads weights of this type."""
    return f"formats/{dtype}"


@dataclass(frozen=True)
class Case:
    """One call of a kernel for the tests: `arrays` are uploaded, the result is compared with the numpy reference's.

    tolerance: the largest difference, as a part of the largest number of the reference.
    """

    name: str
    arrays: tuple[NDArray[Any] | None, ...]
    options: dict[str, Any] = field(default_factory=dict)
    weight: str = "f32"  # the format in which the weight (an array of two axes, the second in `arrays`) is uploaded
    tolerance: float = 1e-5


def random_array(seed: int, *shape: int, scale: float = 1.0) -> NDArray[np.float32]:
    return np.asarray(np.random.default_rng(seed).standard_normal(shape) * scale, np.float32)
