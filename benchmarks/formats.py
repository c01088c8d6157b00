"""Products with weights of every format on a GPU: `python benchmarks/formats.py [FORMAT …]`.

Prints the GPU's own time (time stamps around each dispatch, the best of five rounds of ten) for 1 and 8 rows by a weight of
65,536 x 4,096, and for 512 rows by 4,096 x 4,096. WHERRY_WEBGPU=wgpu or dawn chooses the implementation, WHERRY_DEVICE the
adapter. A GPU that has been idle runs at a fraction of its clock for seconds: each format is preceded by a second of work.
"""

import os
import sys
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from wherry.gpu.device import Device, Tensor, open_device
from wherry.gpu.program import Profile
from wherry.gpu.tensor import BLOCKS
from wherry.kernels import linear

ROWS, COLS, SMALL = 65_536, 4_096, 4_096
WARM_UP = 1.0  # seconds


def random_weight(form: str) -> NDArray[np.uint8]:
    """The bytes of a weight (ROWS, COLS) without infinities: what the numbers are does not change the time."""
    weights, size = BLOCKS.get(form, (1, 2))
    data = np.random.default_rng(0).integers(0, 64, (1 << 16, size), np.uint8)
    return np.resize(data, (ROWS * COLS // weights, size))


def seconds(device: Device, work: Callable[[], Tensor]) -> float:
    best = float("inf")
    for _ in range(5):
        device.profile = Profile()
        for _ in range(10):
            work()
        device.flush()
        best = min(best, sum(row[3] for row in device.profile.table()) / 10)
    return best


def warm_up(device: Device, work: Callable[[], Tensor]) -> None:
    device.profile = None
    end = time.perf_counter() + WARM_UP
    while time.perf_counter() < end:
        for _ in range(30):
            work()
        device.download(device.zeros((1,)))


def main() -> None:
    device = open_device(os.environ.get("WHERRY_DEVICE", "gpu"), profile=True)
    print(f"{device.info.name}, {device.info.implementation}\n")
    print("| format | 1 row, us | GB/s | 8 rows, us | 512 rows, us |\n|---|---|---|---|---|")
    one, eight, many = (device.zeros((rows, COLS)) for rows in (1, 8, 512))
    for form in sys.argv[1:] or ["f16", *BLOCKS]:
        data = random_weight(form)
        weight = device.upload_bytes(data, (ROWS, COLS), form)
        small = device.upload_bytes(data[: len(data) * SMALL // ROWS], (SMALL, COLS), form)
        works = [
            lambda weight=weight: linear.matvec(device, one, weight),
            lambda weight=weight: linear.matvec(device, eight, weight),
            lambda small=small: linear.matmul(device, many, small),
        ]
        for work in works:
            work()
        warm_up(device, works[0])
        spent = [seconds(device, work) for work in works]
        rate = weight.size / spent[0] / 1e9
        print(f"| {form} | {spent[0] * 1e6:.0f} | {rate:.0f} | {spent[1] * 1e6:.0f} | {spent[2] * 1e6:.0f} |", flush=True)
        weight.release()
        small.release()
        device.trim()


if __name__ == "__main__":
    main()
