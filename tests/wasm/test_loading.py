"""Models that load before they are asked for, and what /readyz says meanwhile."""

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from wherry.errors import OutOfMemoryError
from wherry.wasm.nn.loading import Loading

SECONDS = 20.0


def test_an_app_is_ready_when_all_its_models_are_loaded() -> None:
    turns = {name: threading.Event() for name in ("a", "b")}
    loaded = {name: threading.Event() for name in ("a", "b")}

    def find(name: str) -> Any:
        assert turns[name].wait(SECONDS)
        loaded[name].set()
        return SimpleNamespace()

    loading = Loading(["a", "b"], find, pytest.fail)
    assert loading.not_ready() == "not ready: a (loading), b (loading)"
    loading.start()
    turns["a"].set()
    assert loaded["a"].wait(SECONDS)
    turns["b"].set()
    assert loading._thread is not None
    loading._thread.join(SECONDS)
    assert loading.not_ready() == "" and not loading.is_running


def test_a_model_that_does_not_load_is_named_and_tried_again() -> None:
    lines: list[str] = []
    works = []

    def find(name: str) -> Any:
        if name == "a" and not works:
            raise OutOfMemoryError("found 1 GB, expected 2 GB")
        return SimpleNamespace()

    loading = Loading(["a", "b"], find, lines.append)
    loading.start()
    assert loading._thread is not None
    loading._thread.join(SECONDS)
    assert loading.not_ready() == "not ready: a (failed to load)"
    assert lines == ["model a: found 1 GB, expected 2 GB"]
    works.append(True)
    loading.find("a")
    assert loading.not_ready() == ""


def test_a_lazy_app_waits_for_no_model() -> None:
    loading = Loading(["a"], pytest.fail, pytest.fail, lazy=True)
    assert loading.not_ready() == ""
    loading.load_all()


def test_models_that_load_first_fail_at_the_start() -> None:
    def find(name: str) -> Any:
        raise OutOfMemoryError("found 1 GB, expected 2 GB")

    with pytest.raises(OutOfMemoryError):
        Loading(["a"], find, pytest.fail).load_all()
