"""The devices on which kernels are tried: each WebGPU implementation on the best adapter it finds."""

import os

import pytest

from wherry.gpu.adapter import find_adapters
from wherry.gpu.device import Device


def open_for_tests(implementation: str) -> Device:
    """The first adapter, a driver that computes on the CPU among them: they prove the shaders.

    Dawn refuses Debian 12's lavapipe; WHERRY_TEST_DAWN_ICD names another driver for it (SwiftShader's).
    """
    icd = os.environ.get("WHERRY_TEST_DAWN_ICD")
    kept = os.environ.get("VK_ICD_FILENAMES")
    if implementation == "dawn" and icd:
        os.environ["VK_ICD_FILENAMES"] = icd  # read by the Vulkan loader when Dawn makes its instance
    try:
        adapters = find_adapters(implementation)
    finally:
        if kept is None:
            os.environ.pop("VK_ICD_FILENAMES", None)
        else:
            os.environ["VK_ICD_FILENAMES"] = kept
    if not adapters:
        if os.environ.get("CI"):
            pytest.fail(f"{implementation} found no adapter")
        pytest.skip(f"{implementation} found no adapter on this machine; CI has one")
    return Device(adapters[0])
