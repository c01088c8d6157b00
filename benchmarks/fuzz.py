"""Damaged inputs for every reader: `python benchmarks/fuzz.py [TARGET…] [--seconds 600] [--seed 0] [--keep build/fuzz]`.

A target is a reader with valid inputs of it. Each case is a valid input, damaged at random; the same seed and number give
the same case. A case fails where the reader raises anything that is not a WherryError, takes more than 5 s, makes
the process grow by more than 150 MB, or ends the process. The input of each failure is kept, and one JSON line a target
says how many cases there were, what they gave, and which failed. The exit code is 1 where one did.

The reader runs in a child process with a limit on its address space. A timer of the kernel ends it after 5 s of work,
whoever holds the interpreter's lock; the parent ends it after 30 s of waiting.

To add a target, write a file `benchmarks/fuzz_targets/AREA.py` with a list TARGETS:

    TARGETS = [Target("flac", valid_files, reader, words=(b"fLaC", b"\\xff\\xf8"))]

- `seeds()` gives the valid inputs as bytes. It runs in the child, so it may import what it likes; it takes no network.
- `start(folder)` makes what the reader needs (a loaded model, a server that listens), once for each child, in an empty folder,
  and gives the function that reads one input: `read(data: bytes)`. What comes back is not looked at: raise AssertionError
  where a result is wrong in itself. Refusing an input is a WherryError. A server's reader raises where the server's answer
  is a fault of the server (status 500, a closed connection).
- `words` are byte strings that the format gives a meaning. They are inserted and written over at random.
- `suite_cases` is how many cases the test suite runs, 300 by default; set it so that they take two or three seconds.
- `damage` is `damage_bytes` by default. `damage_json` damages the values of a JSON document, and then, at times, its bytes.

`tests/test_fuzz.py` runs some cases of every target.
"""

import argparse
import contextlib
import copy
import importlib
import json
import os
import pkgutil
import random
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.modules["benchmarks.fuzz"] = sys.modules["__main__"]  # its Target is the targets' Target

MAX_SECONDS, MAX_GROWTH = 5, 150 << 20
_MAX_WAIT = 30.0  # seconds of a case by the clock: the machine may be busy
_MAX_START = 120.0  # seconds for `seeds` and `start`
_MAX_FAILURES = 20  # of a target in one run
_INTERESTING = (
    0,
    1,
    2,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    (1 << 63) - 1,
    (1 << 64) - 1,
)
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 1 << 31, 1 << 63, 1 << 64, 10**30, 0.5, 1e300, "", "x", "\0", "\ud800", "é", "x" * 5000,
    [], {}, [[]], [None], {"": None},
)  # fmt: skip
Read = Callable[[bytes], object]


def damage_bytes(data: bytes, words: Sequence[bytes], chosen: random.Random) -> bytes:
    """One to four pieces cut out, doubled, moved, written over, or made numbers at the edges of their range."""
    for _ in range(chosen.randint(1, 4)):
        start = chosen.randrange(len(data) + 1)
        end = min(len(data), start + chosen.choice([1, 1, 2, 4, 8, 20, 200, 5000]))
        way = chosen.randrange(8)
        if way == 0:
            data = data[:start] + data[end:]
        elif way == 1:
            data = data[:end] + data[start:end] * chosen.choice([1, 1, 2, 50]) + data[end:]
        elif way == 2:
            data = data[:start] + chosen.randbytes(end - start) + data[end:]
        elif way == 3:
            size = chosen.choice([1, 2, 4, 8])
            number = chosen.choice(_INTERESTING) & ((1 << 8 * size) - 1)
            data = data[:start] + number.to_bytes(size, chosen.choice(["little", "big"])) + data[start + size :]
        elif way == 4:
            data = data[:start]
        elif way == 5 and words:
            data = data[:start] + chosen.choice(words) + data[chosen.choice([start, end]) :]
        elif way == 6:
            rest = data[:start] + data[end:]
            at = chosen.randrange(len(rest) + 1)
            data = rest[:at] + data[start:end] + rest[at:]
        elif data[start:]:
            data = data[:start] + bytes([data[start] ^ (1 << chosen.randrange(8))]) + data[start + 1 :]
    return data


def damage_json(data: bytes, words: Sequence[bytes], chosen: random.Random) -> bytes:
    """One to three values of a document replaced, removed, doubled, nested or moved; one case in four as `damage_bytes`."""
    if chosen.randrange(4) == 0:
        return damage_bytes(data, words, chosen)
    document = json.loads(data)
    for _ in range(chosen.randint(1, 3)):
        places = list(_places(document))
        if not places:
            break
        holder, key = chosen.choice(places)
        way = chosen.randrange(6)
        if way == 0:
            del holder[key]
        elif way == 1:
            other, inner = chosen.choice(places)
            holder[key] = json.loads(json.dumps(other[inner]))
        elif way == 2:
            for _ in range(chosen.choice([1, 3, 40])):
                holder[key] = (
                    [holder[key]] if chosen.random() < 0.5 else {chosen.choice([*map(str, key_names(words)), "a"]): holder[key]}
                )
        elif way == 3 and words:
            holder[key] = chosen.choice(words).decode(errors="replace")
        elif way == 4 and words and isinstance(holder, dict):
            holder[chosen.choice(words).decode(errors="replace")] = holder[key]
        else:
            holder[key] = copy.deepcopy(chosen.choice(_VALUES))  # the next round may damage it
    return json.dumps(document).encode()


def key_names(words: Sequence[bytes]) -> list[str]:
    return [word.decode(errors="replace") for word in words]


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each value of a document as its holder and its key."""
    keys: Sequence[Any] = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


@dataclass(frozen=True)
class Target:
    """A reader; see the top of this file."""

    name: str
    seeds: Callable[[], Sequence[bytes]]
    start: Callable[[Path], Read]
    words: Sequence[bytes] = ()
    damage: Callable[[bytes, Sequence[bytes], random.Random], bytes] = damage_bytes
    suite_cases: int = 300  # how many `tests/test_fuzz.py` runs: a few seconds' worth
    max_space: int = 4 << 30  # bytes of address space beyond those at the start

    def case(self, seeds: Sequence[bytes], seed: int, number: int) -> bytes:
        """Case 0 and those after it, one for each seed, are the valid inputs themselves."""
        if number < len(seeds):
            return seeds[number]
        chosen = random.Random(f"{self.name}:{seed}:{number}")
        return self.damage(chosen.choice(seeds), self.words, chosen)


@dataclass
class Report:
    """read, refused: cases that gave a result, a WherryError. failures: what went wrong, and the file that has the input."""

    name: str
    read: int = 0
    refused: int = 0
    seconds: float = 0.0
    slowest: float = 0.0  # seconds of a case
    largest: int = 0  # bytes that a case made the process grow
    errors: Counter[str] = field(default_factory=Counter)  # classes of the errors of those refused
    failures: list[str] = field(default_factory=list)


def targets() -> dict[str, Target]:
    """Every target of `benchmarks/fuzz_targets`, by name."""
    import benchmarks.fuzz_targets as folder

    found: dict[str, Target] = {}
    for module in sorted(each.name for each in pkgutil.iter_modules(folder.__path__)):
        for target in importlib.import_module(f"benchmarks.fuzz_targets.{module}").TARGETS:
            assert target.name not in found, f"two targets are named {target.name}"
            found[target.name] = target
    return found


def run(
    name: str,
    *,
    seed: int = 0,
    seconds: float = 600.0,
    cases: int | None = None,
    keep: Path = ROOT / "build/fuzz",
    module: str = "",
) -> Report:
    """Damaged inputs for one target, for some seconds or a number of cases, whichever ends first. module: where the target
    is, if not in `benchmarks/fuzz_targets`."""
    report, number, begun = Report(name), 0, time.monotonic()
    while (cases is None or number < cases) and time.monotonic() - begun < seconds and len(report.failures) < _MAX_FAILURES:
        number = _run_child(report, name, module, seed, number, cases, begun + seconds, keep)
    report.seconds = time.monotonic() - begun
    return report


def _run_child(report: Report, name: str, module: str, seed: int, first: int, cases: int | None, until: float, keep: Path) -> int:
    """Cases in one child, until it fails or there are no more -> the number of the next case."""
    with tempfile.TemporaryDirectory(prefix="wherry-fuzz-") as folder, tempfile.TemporaryFile() as log:
        results, theirs = os.pipe()
        command = [sys.executable, str(Path(__file__)), "--child", json.dumps([name, module, seed, first, cases, folder, theirs])]
        child = subprocess.Popen(
            command, pass_fds=[theirs], cwd=ROOT, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
        )
        os.close(theirs)
        try:
            number, waits = first, [_MAX_START]
            with os.fdopen(results, "rb", buffering=0) as pipe:
                for line in _lines(pipe, waits):
                    if line is None:
                        os.killpg(child.pid, signal.SIGKILL)
                        _fail(report, number, f"no result in {waits[0]:.0f} s", folder, keep)
                        return number + 1
                    event = json.loads(line)
                    waits[0] = _MAX_WAIT
                    if "error" in event:
                        _fail(report, number, event["error"], folder, keep)
                    elif event.get("refused") is not None:
                        report.refused += 1
                        report.errors[event["refused"]] += 1
                    elif "begun" not in event:
                        report.read += 1
                    if "begun" not in event:
                        report.slowest = max(report.slowest, event["seconds"])
                        report.largest = max(report.largest, event["bytes"])
                        number = event["number"] + 1
                        if time.monotonic() > until or len(report.failures) >= _MAX_FAILURES:
                            os.killpg(child.pid, signal.SIGKILL)
                            return number
            code = child.wait()
            if code:
                log.seek(0)
                ended = f"more than {MAX_SECONDS} s of work" if code == -signal.SIGPROF else f"the process ended with {code}"
                _fail(report, number, f"{ended}: {log.read()[-1500:].decode(errors='replace')}", folder, keep)
                return number + 1
            return number
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def _lines(pipe: Any, waits: list[float]) -> Iterator[bytes | None]:
    """Lines as they come; None where none comes in `waits[0]` seconds, which may change."""
    rest = b""
    while True:
        if not select.select([pipe], [], [], waits[0])[0]:
            yield None
            return
        data = pipe.read(1 << 16)
        if not data:
            return
        *whole, rest = (rest + data).split(b"\n")
        yield from whole


def _fail(report: Report, number: int, reason: str, folder: str, keep: Path) -> None:
    kept = keep / f"{report.name}-{number}"
    case = Path(folder, f"failed-{number}")  # the child goes on; else what it was at
    case = case if case.is_file() else Path(folder, "case")
    if case.is_file():
        keep.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(case, kept)
    report.failures.append(f"case {number} ({kept}): {reason}")


def _child(name: str, module: str, seed: int, number: int, cases: int | None, folder: str, results: int) -> None:
    from wherry.errors import WherryError

    target = importlib.import_module(module).TARGETS[name] if module else targets()[name]
    work = Path(folder, "work")
    work.mkdir()
    seeds = target.seeds()
    read = target.start(work)
    for each in seeds[:1] if number else ():  # what is loaded once counts for no case
        with contextlib.suppress(Exception):
            read(each)
    pages = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (pages + target.max_space,) * 2)

    def tell(**event: Any) -> None:
        os.write(results, json.dumps(event).encode() + b"\n")

    while cases is None or number < cases:
        data = target.case(seeds, seed, number)
        Path(folder, "case").write_bytes(data)
        before = _peak(reset=True)
        tell(begun=number)
        begun, event = time.monotonic(), {}
        signal.setitimer(signal.ITIMER_PROF, MAX_SECONDS)  # of work, of all threads: its signal ends the process
        try:
            read(data)
        except WherryError as error:
            event["refused"] = type(error).__name__
        except BaseException:  # noqa: BLE001 (whatever it is, it is the finding)
            event["error"] = traceback.format_exc()[-3000:]
        signal.setitimer(signal.ITIMER_PROF, 0)
        grown = _peak() - before
        if grown > MAX_GROWTH and number > 0 and "error" not in event:
            event["error"] = f"the process grew by {grown >> 20} MB, expected at most {MAX_GROWTH >> 20}"
        if "error" in event:
            Path(folder, f"failed-{number}").write_bytes(data)
        tell(number=number, seconds=time.monotonic() - begun, bytes=grown if number else 0, **event)
        number += 1


def _peak(*, reset: bool = False) -> int:
    """The most bytes of memory that the process has had since the last reset."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("target", nargs="*")
    parser.add_argument("--seconds", type=float, default=600.0, help="for each target")
    parser.add_argument("--cases", type=int, help="of each target, at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=ROOT / "build/fuzz", help="folder for the inputs of failures")
    parser.add_argument("--list", action="store_true", help="print the targets")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        _child(*json.loads(options.child))
        return
    if options.list:
        print("\n".join(targets()))
        return
    failed = False
    for name in options.target or targets():
        report = run(name, seed=options.seed, seconds=options.seconds, cases=options.cases, keep=options.keep)
        failed |= bool(report.failures)
        print(json.dumps({**vars(report), "cases": report.read + report.refused + len(report.failures)}), flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
