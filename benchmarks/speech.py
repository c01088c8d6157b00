"""Speech to text, Wherry and its peers side by side: one table in one run.

    python benchmarks/speech.py [--runs 5] [--engine NAME]… [--audio ../shared/audio]

Needs an environment that has Wherry and the peers (`make bench` makes one). Equal settings for all: whisper-tiny.en, the
same weights; English; greedy (beam 1, temperature 0, no fallback); windows in turn with timestamps, without the previous
window's text; no voice activity filter; 2 threads. Each engine has a process of its own for each recording; runs go round
all of them in turn, so that a noisy minute is everyone's. What a column means:

    cold   seconds from the start of the process to the first text, everything in the file cache
    wall   seconds a transcription, median of the runs after that first one; with the fastest
    cpu    processor seconds a transcription, all threads, median
    RTF    wall over the length of the recording
    peak   the most memory the process had resident, MiB
    WER    words wrong of those in the recording's transcript
"""

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
import wave
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from speech_models import prepare
from speech_row import ENGINES, THREADS

from wherry.audio.decode import decode_audio

HERE = Path(__file__).parent
_TOO_SLOW = 0.5  # an engine that needs more than this of the recording's length is not given the long file
_GAP_SECONDS = 1.0  # between the recordings of the long file


@dataclass(frozen=True)
class Recording:
    name: str
    path: Path
    seconds: float
    text: str  # what was said


@dataclass
class Row:
    """One engine on one recording, in a process of its own."""

    engine: str
    process: "subprocess.Popen[str]"
    started: float
    cold: float = 0.0
    device: str = ""
    text: str = ""
    not_run: str = ""
    walls: list[float] = field(default_factory=list)
    cpus: list[float] = field(default_factory=list)
    peak: float = 0.0

    def first(self) -> None:
        """Wait for the first text."""
        answer = self._answer()
        if "not_run" in answer:
            self.not_run = answer["not_run"]
        else:
            self.device, self.text, self.cold = answer["device"], answer["text"], answer["at"] - self.started

    def again(self) -> None:
        if self.not_run:
            return
        assert self.process.stdin is not None
        self.process.stdin.write("again\n")
        self.process.stdin.flush()
        answer = self._answer()
        if "not_run" in answer:
            self.not_run = answer["not_run"]
            return
        self.walls.append(answer["wall"])
        self.cpus.append(answer["cpu"])
        self.peak = answer["peak"]
        if answer["text"] != self.text:
            print(f"{self.engine}: two runs gave two texts", file=sys.stderr)

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            return {"not_run": f"its process ended with exit code {self.process.wait()}"}
        answer: dict[str, Any] = json.loads(line)
        return answer


def start(engine: str, models: Path, recording: Recording) -> Row:
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LP_NUM_THREADS")
    environment = os.environ | dict.fromkeys(names, str(THREADS))
    command = [sys.executable, str(HERE / "speech_row.py"), engine, str(models), str(recording.path)]
    log = models / f"{engine.replace(' ', '-')}.log"
    started = time.monotonic()
    with log.open("w") as stderr:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, env=environment, text=True
        )
    return Row(engine, process, started)


def measure(engines: list[str], models: Path, recording: Recording, runs: int) -> list[Row]:
    rows = []
    for engine in engines:
        row = start(engine, models, recording)
        row.first()
        rows.append(row)
    for _ in range(runs):
        for row in rows:
            row.again()
    for row in rows:
        row.process.communicate()
    return rows


def table(recording: Recording, rows: list[Row]) -> str:
    lines = [
        f"**{recording.name}**, {recording.seconds:.1f} s",
        "",
        "| engine | cold s | wall s (best) | cpu s | RTF | peak MiB | WER | runs on |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        if row.not_run:
            lines.append(f"| {row.engine} | not run: {row.not_run} | | | | | | |")
            continue
        wall = statistics.median(row.walls)
        wrong = word_error_rate(recording.text, row.text)
        lines.append(
            f"| {row.engine} | {row.cold:.2f} | {wall:.3f} ({min(row.walls):.3f}) | {statistics.median(row.cpus):.3f} "
            f"| {wall / recording.seconds:.4f} | {row.peak:.0f} | {100 * wrong:.1f} % | {row.device} |"
        )
    return "\n".join(lines)


def word_error_rate(said: str, heard: str) -> float:
    """Insertions, deletions and substitutions over the words said; case, punctuation and the spelling of digits are equal."""
    a, b = _words(said), _words(heard)
    row = list(range(len(b) + 1))
    for i, word in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (word != other))
    return row[-1] / max(1, len(a))


_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_SPELLED = {word: str(n) for n, word in enumerate(_DIGITS)}
_SPELLED |= {"mister": "mr", "missus": "mrs"}


def _words(text: str) -> list[str]:
    words = re.sub(r"[^\w\s]", " ", text.lower().replace("'", "")).split()
    return [_SPELLED.get(word, word) for word in words]


def recordings(audio: Path, folder: Path) -> list[Recording]:
    """The 11 s clip, and every English recording one after another."""
    entries = [e for e in json.loads((audio / "manifest.json").read_text()) if e["lang"] == "en"]
    short = next(e for e in entries if e["path"] == "jfk/jfk.wav")
    # The same clip in other containers is left out of the long file.
    chosen = [e for e in entries if e is short or not e["path"].startswith("jfk/")]
    gap = np.zeros(int(_GAP_SECONDS * 16_000), np.float32)
    samples = np.concatenate([piece for e in chosen for piece in (decode_audio(audio / e["path"]), gap)])
    long = folder / "long.wav"
    with wave.open(str(long), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return [
        Recording("jfk.wav", audio / short["path"], short["seconds"], short["text"]),
        Recording(f"{len(chosen)} recordings in a row", long, len(samples) / 16_000, " ".join(e["text"] for e in chosen)),
    ]


def machine() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor() or platform.machine()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=HERE, capture_output=True, text=True).stdout.strip()
    return (
        f"{time.strftime('%Y-%m-%d')}, {model}, {cores} cores, Python {platform.python_version()}, commit {commit or 'unknown'}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="measured runs of the short clip (the long file gets half of them)")
    parser.add_argument("--engine", action="append", choices=list(ENGINES), help="only this engine (may be repeated)")
    parser.add_argument("--audio", type=Path, default=HERE.parents[1] / "shared/audio", help="a folder with manifest.json")
    parser.add_argument("--only", choices=("short", "long"), help="only one of the two recordings")
    parser.add_argument("--models", type=Path, default=HERE.parent / "build/bench", help="where the peers' models are made")
    arguments = parser.parse_args()
    prepare(arguments.models)
    print(machine(), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        short, long = recordings(arguments.audio, Path(folder))
        chosen = {"short": [short], "long": [long], None: [short, long]}[arguments.only]
        engines = arguments.engine or list(ENGINES)
        for recording in chosen:
            runs = arguments.runs if recording is short else max(1, arguments.runs // 2)
            rows = measure(engines, arguments.models, recording, runs)
            print(f"\n{table(recording, rows)}", flush=True)
            slow = [row.engine for row in rows if row.walls and min(row.walls) > _TOO_SLOW * recording.seconds]
            if slow and recording is not chosen[-1]:
                print(f"\nToo slow for the long file: {', '.join(slow)}", flush=True)
            engines = [row.engine for row in rows if not row.not_run and row.engine not in slow]


if __name__ == "__main__":
    main()
