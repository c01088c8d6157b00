"""apps/speech does what its OpenAPI document says: schemathesis makes up requests, right ones and wrong ones."""

from pathlib import Path

import pytest

from tests.apps import schemas
from tests.apps.serving import Served


@pytest.mark.slow
def test_schemathesis_finds_nothing(served: Served, tmp_path: Path) -> None:
    assert "4 selected / 4 total" in schemas.run(served, "speech", tmp_path, "--max-examples", "8")
