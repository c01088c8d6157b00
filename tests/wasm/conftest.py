"""Guests that only these tests build."""

from pathlib import Path

import pytest

from tests.conftest import ROOT, build_guest


@pytest.fixture(scope="session")
def load_guest() -> Path:
    return build_guest(ROOT / "tests/guests/load.c")
