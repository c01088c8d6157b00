"""Clients of every kind at once, for as long as is asked: `python benchmarks/soak.py [--seconds 600] [--clients 64]`.

Good requests in every format, bad ones, slow ones, and clients that leave in the middle, against an image of apps/speech that
`wherry run` serves on the CPU, with keys. It fails where an answer is wrong, where a status is another than what was due or 503,
where memory is not flat after the first minute (±5 %), and where anything is left at the end: requests, instances, files or
descriptors.
"""

import argparse
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from soak_clients import KEY, KINDS, WAIT_SECONDS, Answer, Site, WrongError

ROOT = Path(__file__).parents[1]
WHERRY = (sys.executable, "-m", "wherry")
WARM_SECONDS = 60.0
FLAT = 0.05


@dataclass
class Tally:
    """answers: (kind, status) -> how often; status 0: the client left before there was one."""

    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, kind: str, answer: Answer, seconds: float) -> None:
        with self.lock:
            self.answers[kind, answer.status] += 1
            if kind.startswith("good") and answer.status == 200:
                self.seconds.append(seconds)

    def fail(self, kind: str, problem: Exception) -> None:
        with self.lock:
            self.wrong.append(f"{kind}: {type(problem).__name__}: {problem}")


@contextmanager
def served(folder: Path, *arguments: str, **environment: str) -> Generator[tuple[Site, int]]:
    """`wherry run` with these arguments, its log beside `folder` -> the site and the server's process."""
    log = folder.parent / "log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [*WHERRY, "run", "-p", "127.0.0.1:0:8080", *arguments],
            env={**os.environ, "WHERRY_API_KEYS": KEY, **environment},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
    try:
        while not (said := re.search(r"http://[^\s/]+", log.read_text())):
            if process.poll() is not None:
                raise SystemExit(log.read_text())
            time.sleep(0.1)
        yield Site.parse(said[0]), process.pid
        print(f"log: {log.stat().st_size >> 10} KiB")
    finally:
        process.terminate()
        process.wait(60)
    if "Traceback" in (text := log.read_text()):
        raise SystemExit(text[text.index("Traceback") :][:4000])


def built(app: str, model: str) -> str:
    """An image of apps/NAME with its model -> its name."""
    image = f"wherry-soak/{app}"
    build = [*WHERRY, "build", "--quiet", str(ROOT / "apps" / app), "--model", model, "-t", image]
    subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
    return image


def warm(site: Site) -> None:
    """Every thread of the server has answered before the clock runs: what each keeps is no leak."""
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: site.expect_text(), range(32)))


def client(site: Site, tally: Tally, until: float, draw: random.Random) -> None:
    names, weights = zip(*((name, weight) for name, (weight, _) in KINDS.items()), strict=True)
    while time.monotonic() < until:
        (kind,) = draw.choices(names, weights)
        started = time.monotonic()
        try:
            answer = KINDS[kind][1](site, draw)
        except (WrongError, OSError, ValueError) as problem:
            tally.fail(kind, problem)
            time.sleep(0.1)
        else:
            tally.add(kind, answer, time.monotonic() - started)
            if answer.status == 503:
                time.sleep(answer.retry_after * draw.uniform(0.5, 1.5))


def resident_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) << 10
    raise ValueError(f"{pid}: found no VmRSS")


def metrics(site: Site) -> dict[tuple[str, ...], float]:
    text = site.get("/metrics").body.decode()
    return {(s.name, *s.labels.values()): s.value for family in text_string_to_metric_families(text) for s in family.samples}


def settled(condition: Callable[[], bool], seconds: float = 30.0) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.2)
    return condition()


def soak(site: Site, pid: int, folder: Path, seconds: float, clients: int) -> list[str]:
    """What is wrong, in lines."""
    site.expect_text()  # loads the model
    warm(site)
    idle = descriptors(pid)
    tally = Tally()
    until = time.monotonic() + seconds
    threads = [
        threading.Thread(target=client, args=(site, tally, until, random.Random(number)), daemon=True)
        for number in range(clients)
    ]
    for thread in threads:
        thread.start()
    started, memory = time.monotonic(), []
    while time.monotonic() < until:
        time.sleep(1)
        memory.append((time.monotonic() - started, resident_bytes(pid)))
        if len(memory) % 30 == 0:
            print(f"{memory[-1][0]:5.0f} s  {sum(tally.answers.values())} answers  {memory[-1][1] >> 20} MiB", flush=True)
    for thread in threads:
        thread.join(WAIT_SECONDS)
    problems = list(tally.wrong[:20])
    if any(thread.is_alive() for thread in threads):
        problems.append("clients wait for answers that do not come")
    report(tally, seconds)
    problems += [f"{kind}: {status}" for kind, status in tally.answers if status >= 500 and status != 503]
    problems += flat(memory, seconds)
    problems += accounted(site, pid, folder, idle)
    return problems


def report(tally: Tally, seconds: float) -> None:
    print(f"{'what':28} {'status':>6} {'times':>7}")
    for (kind, status), times in sorted(tally.answers.items()):
        print(f"{kind:28} {status or 'left':>6} {times:7}")
    if tally.seconds:
        ordered = sorted(tally.seconds)
        print(f"{len(ordered)} transcripts, {len(ordered) / seconds:.2f} a second; median {statistics.median(ordered):.2f} s, "
              f"95 of 100 within {ordered[int(len(ordered) * 0.95)]:.2f} s")  # fmt: skip
    print(f"wrong: {len(tally.wrong)}")


def flat(memory: list[tuple[float, int]], seconds: float) -> list[str]:
    """Medians of half a minute each, after the first minute, beside the first of them."""
    windows: dict[int, list[int]] = {}
    for at, size in memory:
        if at >= WARM_SECONDS:
            windows.setdefault(int((at - WARM_SECONDS) / 30), []).append(size)
    medians = [statistics.median(sizes) for sizes in windows.values() if len(sizes) >= 15]
    if len(medians) < 2:
        print(f"memory: {max(size for _, size in memory) >> 20} MiB at most; {seconds:g} s are too few to say whether it grows")
        return []
    change = max(abs(median / medians[0] - 1) for median in medians)
    print(
        f"memory: {int(medians[0]) >> 20} MiB after a minute, {int(medians[-1]) >> 20} MiB at the end, {change:.1%} apart at most"
    )
    return [f"memory: found {change:.1%} of change after the first minute, expected at most {FLAT:.0%}"] if change > FLAT else []


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def accounted(site: Site, pid: int, folder: Path, idle: int) -> list[str]:
    """What clients left behind: nothing may run, wait or lie about once they have gone."""
    problems = []
    if not settled(lambda: (m := metrics(site))["wherry_http_running",] + m["wherry_http_waiting",] == 0):
        problems.append("requests run or wait though nobody asks")
    found = metrics(site)
    if ("wherry_instances_live",) in found:
        started, live = found["wherry_instances_started",], found["wherry_instances_live",]
        print(f"instances: {started:.0f} started, {live:.0f} live, {found['wherry_instances_left_behind',]:.0f} left behind")
        if found["wherry_instances_left_behind",]:
            problems.append("instances were left behind")
    if not settled(lambda: not list(folder.rglob("body-*")) and not list(folder.rglob("upload-*"))):
        problems.append(f"files were left: {[path.name for path in folder.rglob('*')][:5]}")
    if not settled(lambda: descriptors(pid) <= idle + 8):  # a connection or two of ours, and instances that are kept
        problems.append(f"descriptors: found {descriptors(pid)}, expected about {idle}, as before")
    return problems


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--clients", type=int, default=64)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        folder = Path(name) / "tmp"
        folder.mkdir()
        image = built("speech", "whisper-tiny.en")
        with served(folder, "--device", "cpu", image, TMPDIR=str(folder)) as (site, pid):
            problems = soak(site, pid, folder, asked.seconds, asked.clients)
    for problem in problems:
        print(problem, file=sys.stderr)
    print(json.dumps({"seconds": asked.seconds, "clients": asked.clients, "problems": len(problems)}))
    raise SystemExit(1 if problems else 0)


if __name__ == "__main__":
    main()
