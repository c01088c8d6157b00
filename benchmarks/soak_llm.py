"""Texts of every kind at once, for as long as is asked: `python benchmarks/soak_llm.py FILE.gguf|FILE.xz [--seconds 1800] [--streams 32]`.

Whole answers, greedy, drawn and by a grammar; answers that are left in the middle, at once or slowly; prompts that are too long, answers
that outgrow the context or shift in it, vectors in between. Each text is compared, token by token, with what the same request gave when it
was alone. It fails where one differs, where an error is another than was due, where memory (the process's, the GPU's) grows by
more than 5 % after the first minute, and where pages, rows or threads are held at the end. A .xz is a model stripped by `llm_files.py`.
"""

import argparse
import random
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from wherry.engine.language import Language, load_language
from wherry.engine.sampling import SamplingOptions
from wherry.errors import TooLargeError
from wherry.text.constraint import Grammar, json_schema

CONTEXT, JOBS, FLAT, WARM_SECONDS = 512, 40, 0.05, 60.0
_SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"enum": ["x", "y"]}}, "required": ["a", "b"],
           "additionalProperties": False}  # fmt: skip


@dataclass(frozen=True)
class Job:
    kind: str
    prompt: tuple[int, ...]
    options: SamplingOptions
    most: int
    grammar: Grammar | None = None
    shift: bool = False


@dataclass
class Tally:
    done: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    tokens: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


def jobs_of(model: Language, chosen: random.Random) -> list[Job]:
    """Some begin alike, so that they share pages; some end in the middle of one."""
    grammar = json_schema(_SCHEMA, spaced=False)
    vocabulary = min(model.n_vocab, 40_000)
    shared = [chosen.randrange(300, vocabulary) for _ in range(200)]
    found = []
    for i in range(JOBS):
        own = [chosen.randrange(300, vocabulary) for _ in range(chosen.randint(1, 90))]
        prompt = (shared[: chosen.choice([64, 128, 200])] if i % 2 else []) + own
        options = [
            SamplingOptions(),
            SamplingOptions(temperature=0.9, top_k=40, top_p=0.95, seed=i),
            SamplingOptions(temperature=1.0, min_p=0.02, repeat_penalty=1.1, frequency_penalty=0.2, seed=i),
            SamplingOptions(temperature=1.0, typical_p=0.9, logit_bias=((own[0], 3.0),), seed=i),
        ][i % 4]
        if i % 10 == 7:
            found.append(Job("by a grammar", tuple(prompt), options, 40, grammar))
        elif i % 10 == 8:
            long = [chosen.randrange(300, vocabulary) for _ in range(CONTEXT - chosen.randint(10, 40))]
            found.append(Job("outgrows the context", tuple(long), options, 200))
        elif i % 10 == 9:
            long = [chosen.randrange(300, vocabulary) for _ in range(CONTEXT - chosen.randint(1, 20))]
            found.append(Job("shifts", tuple(long), options, 40, shift=True))
        else:
            found.append(Job("whole", tuple(prompt), options, chosen.choice([1, 8, 40, 64])))
    return found


def made(model: Language, job: Job, most: int | None = None, pause: float = 0.0) -> list[int]:
    """The tokens of an answer; `most`: and then it is left."""
    found: list[int] = []
    with closing(model.generate(job.prompt, job.options, job.most, job.grammar, shift=job.shift)) as pieces:  # type: ignore[type-var]
        for piece in pieces:
            found.append(piece.token)
            if most is not None and len(found) >= most:
                break
            if pause:
                time.sleep(pause)
    return found


def client(
    model: Language, jobs: list[Job], alone: list[list[int]], vectors: list[np.ndarray], until: float, seed: int, tally: Tally
) -> None:
    chosen = random.Random(seed)
    while time.monotonic() < until:
        index = chosen.randrange(len(jobs))
        job, expected, kind = jobs[index], alone[index], jobs[index].kind
        way = chosen.random()
        try:
            if way < 0.05:
                kind, found, expected = "too long a prompt", [], []
                try:
                    made(model, Job(kind, (300,) * CONTEXT, SamplingOptions(), 8))
                    raise AssertionError("found an answer")
                except TooLargeError:
                    pass
            elif way < 0.10:
                kind, found, expected = "vector", [], []
                if not np.allclose(model.embed(job.prompt), vectors[index], atol=1e-5):
                    raise AssertionError("found another vector")
            elif way < 0.35:
                kind = f"{kind}, left"
                found = made(model, job, most=chosen.randint(1, 30))
                expected = expected[: len(found)]
            elif way < 0.40:
                kind, found = f"{kind}, slowly", made(model, job, pause=0.02)
            else:
                found = made(model, job)
            if found != expected:
                raise AssertionError(f"job {index}: found {found}, expected {expected}")
        except Exception as error:  # noqa: BLE001 (whatever it is, it was not due)
            with tally.lock:
                tally.wrong.append(f"{kind}: {type(error).__name__}: {error}"[:500])
        else:
            with tally.lock:
                tally.done[kind] += 1
                tally.tokens += len(found)


def resident() -> float:
    """MiB of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("--seconds", type=float, default=1800.0)
    parser.add_argument("--streams", type=int, default=32)
    parser.add_argument("--device", default="auto")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file: Path = wanted.file
        if file.suffix == ".xz":
            from llm_files import fill

            file = Path(folder) / f"{file.stem}.gguf"
            fill(wanted.file, file)
        # Fewer pages than 32 whole contexts want: texts wait for each other's.
        model = load_language(file, device=wanted.device, context=CONTEXT, say=lambda line: print(line, flush=True))
        return soak(model, wanted.seconds, wanted.streams)


def soak(model: Language, seconds: float, streams: int) -> int:
    jobs = jobs_of(model, random.Random(7))
    book = model.scheduler.book
    start = time.monotonic()
    alone = [made(model, job) for job in jobs]
    vectors = [model.embed(job.prompt) for job in jobs]
    print(
        f"{model.name} on {model.device}: {book.count - 1} pages; {JOBS} requests alone took {time.monotonic() - start:.1f} s",
        flush=True,
    )
    tally = Tally()
    until = time.monotonic() + seconds
    threads = [threading.Thread(target=client, args=(model, jobs, alone, vectors, until, seed, tally)) for seed in range(streams)]
    for thread in threads:
        thread.start()
    host: list[float] = []
    gpu: list[float] = []
    begun = time.monotonic()
    while any(thread.is_alive() for thread in threads):
        time.sleep(min(10.0, max(seconds / 10, 0.5)))
        spent = time.monotonic() - begun
        if spent > min(WARM_SECONDS, seconds / 2):
            host.append(resident())
            gpu.append((model.gpu_bytes() or 0) / 2**20)
        if int(spent) % 60 < 10:
            with tally.lock:
                said = f"{sum(tally.done.values())} answers, {tally.tokens / spent:.0f} tokens/s, {len(tally.wrong)} wrong"
            print(
                f"{spent:5.0f} s: {said}, {resident():.0f} MiB, GPU {(model.gpu_bytes() or 0) / 2**20:.0f} MiB, {book.held} pages held",
                flush=True,
            )
    for thread in threads:
        thread.join()
    deadline = time.monotonic() + 30
    while (book.held or model.scheduler._worker is not None) and time.monotonic() < deadline:
        time.sleep(0.1)
    problems = list(tally.wrong)
    if book.held or book.available != book.count - 1:
        problems.append(
            f"found {book.held} pages held and {book.available} available at the end, expected 0 and {book.count - 1}"
        )
    if model.scheduler._streams or model.scheduler._worker is not None:
        problems.append(f"found {len(model.scheduler._streams)} texts at the end, expected none")
    for name, sizes in (("memory", host), ("GPU memory", gpu)):
        third = max(len(sizes) // 3, 1)  # single moments differ by what is being computed
        first, last = statistics.median(sizes[:third] or [0]), statistics.median(sizes[-third:] or [0])
        if last > first * (1 + FLAT):
            problems.append(f"{name}: found {first:.0f} and at the end {last:.0f} MiB, expected it flat after the first minute")
        elif sizes:
            print(f"{name}: {first:.0f} MiB in the first third after the first minute, {last:.0f} in the last")
    for kind, count in sorted(tally.done.items()):
        print(f"{count:7} {kind}")
    if host:
        print(f"memory {min(host):.0f} to {max(host):.0f} MiB, GPU {min(gpu):.0f} to {max(gpu):.0f} MiB after the first minute")
    print(f"{sum(tally.done.values())} answers, {tally.tokens} tokens, {len(problems)} problems")
    for problem in problems[:20]:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
