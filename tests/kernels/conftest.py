"""Every kernel is tried on each WebGPU implementation."""

from collections.abc import Iterator

import pytest

from tests.devices import open_for_tests
from wherry.gpu.device import Device


@pytest.fixture(scope="session", params=["wgpu", "dawn"])
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    opened = open_for_tests(request.param)
    yield opened
    opened.destroy()
