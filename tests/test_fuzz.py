"""Some damaged inputs for every reader that `benchmarks/fuzz.py` knows, and faults that it must find."""

from pathlib import Path

import pytest

from benchmarks import fuzz

_FAULTS = {
    "raises": "KeyError",
    "grows": "grew by",
    "does-not-end": "more than 5 s",
    "is-killed": "ended with -9",
    "panics": "stop",
}


@pytest.mark.parametrize("name", fuzz.targets())
def test_damaged_inputs_are_results_or_errors_of_ours(name: str, tmp_path: Path) -> None:
    report = fuzz.run(name, seed=1, seconds=60, cases=fuzz.targets()[name].suite_cases, keep=tmp_path)
    assert not report.failures
    assert report.read, "no case was read: the target refuses its own seeds"


@pytest.mark.parametrize(("name", "reason"), _FAULTS.items())
def test_a_fault_of_a_reader_fails_its_fuzzing(name: str, reason: str, tmp_path: Path) -> None:
    report = fuzz.run(name, cases=3, keep=tmp_path, module="tests.faulty_readers")
    assert len(report.failures) == 1 and reason in report.failures[0]
    assert (report.read, report.refused) == (1, 1)
    assert (tmp_path / f"{name}-1").read_bytes() == b"fault"
