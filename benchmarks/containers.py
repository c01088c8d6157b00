"""What a container costs under our runtime and under plain runc: one table in one run.

    python -m benchmarks.containers [--runs 15] [--engine docker26|docker20] [--first]

Wants root, and a network for the first time: the engine is unpacked, started beside the machine's own, then ended (tests).
With --first all of it, engine and containers, comes before the machine's other work: for a machine that is never quiet.
The rows take turns, so that a noisy minute is everyone's; the first round warms the caches and is not counted.

    static, runc        `docker run` of a static program that ends at once, the engine's own runtime
    static, ours        the same image, through our program
    guest, ours         a Wasm guest that ends at once
    first transcript    from `docker run` to the first text of an 11 s clip: whisper-tiny.en of the image, on the CPU

    wall     milliseconds from the command's start to its end (to the first text), median; with the fastest
    over     median of the differences to `static, runc` of the same round
    cpu      processor milliseconds of the client, the engine, the runtime and the container together, median
"""

import argparse
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.conftest import ROOT, SAMPLE, build_guest
from tests.container import engines, packages
from tests.container.images import LINUX, write_image
from wherry.engine.catalog import default_cache, find_model
from wherry.engine.convert import convert_whisper

_GROUPS = Path("/sys/fs/cgroup/cpuacct")  # version 1's; without it processor time is not told
_TEXT = "ferry"
_SUITES = {"docker26": packages.DOCKER_26, "docker20": packages.DOCKER_20}


@dataclass
class Row:
    """One way to start a container, and what it took, in seconds."""

    name: str
    words: list[str]
    until: str = ""  # the text to wait for; none: the end
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def cells(self, plain: "Row") -> list[str]:
        over = statistics.median(a - b for a, b in zip(self.wall, plain.wall, strict=True))
        cpu = f"{statistics.median(self.cpu) * 1000:.0f}" if self.cpu else "-"
        wall = f"{statistics.median(self.wall) * 1000:.0f} ({min(self.wall) * 1000:.0f})"
        return [self.name, wall, "" if self is plain else f"{over * 1000:+.0f}", cpu]


@dataclass(frozen=True)
class Docker:
    """A daemon of the benchmark's own, all of whose processes lie in one control group."""

    command: list[str]
    group: str

    def start(self, row: Row) -> None:
        """Run one container and note what it took."""
        before, begin = self._cpu(), time.monotonic()
        process = subprocess.Popen(
            [*self.command, "run", "--rm", *row.words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: _enter(self.group),
        )
        assert process.stdout is not None
        if row.until:
            for line in process.stdout:
                if row.until in line:
                    row.wall.append(time.monotonic() - begin)
                    break
        out, error = process.communicate(timeout=120)
        if process.returncode or (row.until and not row.wall):
            sys.exit(f"{row.name}: found exit code {process.returncode}: {out}{error}")
        if not row.until:
            row.wall.append(time.monotonic() - begin)
        if before is not None:
            time.sleep(0.3)  # the engine clears away, which is its cost too
            row.cpu.append((self._cpu() or 0) - before)

    def _cpu(self) -> float | None:
        usage = _GROUPS / self.group / "cpuacct.usage"
        return int(usage.read_text()) / 1e9 if usage.exists() else None


def _enter(group: str) -> None:
    if _GROUPS.is_dir():
        (_GROUPS / group / "cgroup.procs").write_text(str(os.getpid()))


@contextmanager
def docker(name: str, folder: Path, *, first: bool) -> Iterator[Docker]:
    """The engine, with our runtime installed and the images loaded."""
    here, lower, group = packages.unpack(*_SUITES[name]), engines.lower_runtime(), f"wherry-bench-{os.getpid()}"
    namespace = group
    file = engines.write_docker_config(folder, {"cgroup-parent": f"/{group}"})
    more = ["--containerd-images"] if name == "docker26" else []
    engines.install_runtime("docker", ROOT / "build/engines/bench", file, lower, *more)
    if _GROUPS.is_dir():
        (_GROUPS / group).mkdir()
    if first:
        os.nice(-18)
        shares = Path("/sys/fs/cgroup/cpu") / group / "cpu.shares"
        shares.parent.mkdir(exist_ok=True)
        shares.write_text("262144")
    engines.network(namespace)
    words = ["sh", "-c", f'echo $$ > {_GROUPS / group}/cgroup.procs; exec "$@"', "sh"] if _GROUPS.is_dir() else []
    programs = [*engines.programs_of(here), lower.parent]
    daemon = engines.spawn([*words, "dockerd", "--config-file", str(file)], folder / "log", programs, namespace)
    command = [str(here / "usr/bin/docker"), "--host", f"unix://{folder}/docker.sock"]
    try:
        deadline = time.monotonic() + 60
        while subprocess.run([*command, "version"], capture_output=True, check=False).returncode:
            if time.monotonic() > deadline:
                sys.exit((folder / "log").read_text())
            time.sleep(0.1)
        for archive in images(folder / "images"):
            subprocess.run([*command, "load", "-i", archive], check=True, capture_output=True)
        yield Docker(command, group)
    finally:
        engines.stop(daemon, namespace)
        for _ in range(100):
            try:
                _remove_groups(group)
                break
            except OSError:
                time.sleep(0.1)


def _remove_groups(group: str) -> None:
    for kind in Path("/sys/fs/cgroup").iterdir():
        if (top := kind / group).is_dir():
            for path in sorted((path for path in top.rglob("*") if path.is_dir()), reverse=True):
                path.rmdir()
            top.rmdir()


def images(folder: Path) -> list[Path]:
    """A static program and a guest, both of which end at once, and speech with its model and a recording."""
    folder.mkdir(parents=True)
    source, program = folder / "end.c", folder / "end"
    source.write_text("int main(void) { return 0; }\n")
    target = ["--target=x86_64-linux-musl", "-static", "-O2"]
    subprocess.run([sys.executable, "-m", "ziglang", "cc", *target, "-o", program, source], check=True, capture_output=True)
    probe = build_guest(ROOT / "tests/guests/probe.c").read_bytes()
    model = folder / "model/tiny_en.safetensors"
    model.parent.mkdir()
    convert_whisper(find_model("whisper-tiny.en", default_cache()).weights, model, "q8_0")
    files = {f"/{file.name}": file.read_bytes() for file in model.parent.iterdir()}
    files |= {
        "/transcribe.wasm": build_guest(ROOT / "apps/transcribe/transcribe.c").read_bytes(),
        "/sample.wav": SAMPLE.read_bytes(),
    }
    preload = "default:Burn:GPU:/tiny_en.safetensors:/tiny_en.cfg:/tokenizer.json:en"
    speech = {"Entrypoint": ["/transcribe.wasm", "/sample.wav"], "Env": [f"WASMEDGE_WASINN_PRELOAD={preload}"]}
    return [
        write_image(folder / "static.tar", "static:latest", {"/end": program.read_bytes()}, {"Entrypoint": ["/end"]}, LINUX),
        write_image(folder / "guest.tar", "guest:latest", {"/end.wasm": probe}, {"Entrypoint": ["/end.wasm", "exit", "0"]}),
        write_image(folder / "speech.tar", "speech:latest", files, speech),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--engine", choices=_SUITES, default="docker26")
    parser.add_argument("--first", action="store_true")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))
    ours = [f"--runtime={engines.NAME}"]
    guest = [*ours, "--platform=wasi/wasm"] if options.engine == "docker26" else ours
    rows = [
        Row("static, runc", ["static"]),
        Row("static, ours", [*ours, "static"]),
        Row("guest, ours", [*guest, "guest"]),
        Row("first transcript", [*guest, "-e", "WHERRY_DEVICE=cpu", "speech"], _TEXT),
    ]
    folder = Path(tempfile.mkdtemp(prefix="wherry-bench-"))
    try:
        with docker(options.engine, folder, first=options.first) as engine:
            for number in range(options.runs + 1):
                for row in rows if number % 2 else reversed(rows):
                    engine.start(row)
                if number == 0:
                    for row in rows:
                        row.wall.clear()
                        row.cpu.clear()
            how = f"{options.runs} rounds{', first' if options.first else ''}, load {os.getloadavg()[0]:.1f}"
            print(f"{options.engine}, {how}, Python {platform.python_version()}\n")
            print("| container | wall ms (best) | over runc ms | cpu ms |\n|---|---|---|---|")
            for row in rows:
                print("| " + " | ".join(row.cells(rows[0])) + " |")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
