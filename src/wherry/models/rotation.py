"""Rotary position embedding (Su et al., 2021, "RoFormer"): the angles of each position, with the ways to stretch them.

The angles are made here, in float64, and not by the kernels: WGSL promises little of the sine of a large number.
"""

from dataclasses import dataclass
from math import log, pi

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Rotation:
    """`width` numbers of each head are rotated. kind: default, linear, llama3 or yarn; `trained`: positions before stretching.

    `factors` (width / 2,) divide the frequencies one by one (GGUF's rope_freqs, Phi-3's long and short factors).
    """

    width: int
    base: float = 10000.0
    kind: str = "default"
    factor: float = 1.0
    trained: int = 0
    low: float = 1.0  # llama3: low_freq_factor; yarn: beta_slow
    high: float = 4.0  # llama3: high_freq_factor; yarn: beta_fast
    amplitude: float | None = None  # yarn: of cosine and sine; by default 0.1 ln(factor) + 1
    factors: tuple[float, ...] = ()


def rotation_table(rotation: Rotation, positions: int) -> NDArray[np.float32]:
    """-> (positions, width / 2, 2): cosine and sine of each angle."""
    frequencies = _frequencies(rotation)
    angles = np.arange(positions)[:, None] * frequencies
    amplitude = 1.0
    if rotation.kind == "yarn":
        amplitude = 0.1 * log(rotation.factor) + 1.0 if rotation.amplitude is None else rotation.amplitude
    elif rotation.amplitude is not None:
        amplitude = rotation.amplitude
    return (amplitude * np.stack([np.cos(angles), np.sin(angles)], axis=2)).astype(np.float32)


def _frequencies(rotation: Rotation) -> NDArray[np.float64]:
    """Radians a position: (width / 2,)."""
    pairs = np.arange(rotation.width // 2)
    plain: NDArray[np.float64] = rotation.base ** (-2.0 * pairs / rotation.width)
    if rotation.factors:
        plain = plain / np.asarray(rotation.factors, np.float64)
    if rotation.kind == "linear":
        return plain / rotation.factor
    if rotation.kind == "llama3":  # Dubey et al., 2024, "The Llama 3 Herd of Models"; as in the published code
        turns = rotation.trained * plain / (2 * pi)  # within the trained context
        share = np.clip((turns - rotation.low) / (rotation.high - rotation.low), 0, 1)  # 0: stretched, 1: as it was
        return np.asarray(plain * (share + (1 - share) / rotation.factor))
    if rotation.kind == "yarn":  # Peng et al., 2023, "YaRN: Efficient Context Window Extension of Large Language Models"
        first, last = (_pair_of(rotation, turns) for turns in (rotation.high, rotation.low))
        first, last = max(np.floor(first), 0), min(np.ceil(last), rotation.width - 1)
        stretched = np.clip((pairs - first) / max(last - first, 0.001), 0, 1)
        return np.asarray(plain * (1 - stretched) + plain / rotation.factor * stretched)
    return np.asarray(plain)


def _pair_of(rotation: Rotation, turns: float) -> float:
    """The pair that turns so often within the trained context."""
    return rotation.width * log(rotation.trained / (turns * 2 * pi)) / (2 * log(rotation.base))
