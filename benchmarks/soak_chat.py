"""Conversations over HTTP, 32 at once, for as long as is asked: `python benchmarks/soak_chat.py [--seconds 1800] [--device gpu]`.

An image of apps/chat with SmolLM2 under `wherry run`; or, of a machine that cannot build one, `--app chat.wasm --model
FILE.gguf|FILE.xz` (a .xz is a model stripped by `llm_files.py`). Answers whole and in pieces, greedy and drawn, two at once,
of a JSON schema; clients that leave in the middle; prompts that are too long and requests that are wrong. Each text is
compared with what the same request gave when it was alone. It fails where one differs, where a status is another than was due
or 503, where memory (the server's, the GPU's) grows by more than 5 % after the first minute, and where requests or instances
are left at the end.
"""

import argparse
import http.client
import json
import random
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from soak import FLAT, WARM_SECONDS, built, metrics, resident_bytes, served, settled
from soak_clients import KEY, Site

WAIT_SECONDS = 300.0
_CHAT, _TEXT = "/v1/chat/completions", "/v1/completions"
_SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"enum": ["x", "y"]}}, "required": ["a", "b"],
           "additionalProperties": False}  # fmt: skip
_QUESTIONS = ("What is a ferry?", "Name a city of Norway.", "Count to twenty, in words.", "Write a poem on rivers.")


@dataclass(frozen=True)
class Job:
    kind: str
    path: str
    body: dict[str, Any]


@dataclass
class Tally:
    done: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


class BusyError(Exception):
    """503: the queue is full."""


def jobs() -> list[Job]:
    found = []
    for i in range(24):
        asked = [{"role": "system", "content": "You are a kind ferryman."}] if i % 3 else []
        asked.append({"role": "user", "content": _QUESTIONS[i % 4] + " Please." * (i % 7)})
        drawn: dict[str, Any] = [
            {"temperature": 0},
            {"temperature": 1.0, "seed": i},
            {"temperature": 0.8, "top_p": 0.9, "seed": i},
        ][i % 3]
        body = {"max_tokens": (8, 24, 64)[i % 3], **drawn}
        if i % 8 == 5:
            found.append(Job("text", _TEXT, {"prompt": f"Once upon a time, {i} boats", **body}))
        elif i % 8 == 6:
            form = {"type": "json_schema", "json_schema": {"name": "ab", "strict": True, "schema": _SCHEMA}}
            found.append(Job("of a schema", _CHAT, {"messages": asked, "response_format": form, **body}))
        elif i % 8 == 7:
            found.append(Job("two answers", _CHAT, {"messages": asked, "n": 2, **body}))
        else:
            found.append(Job("chat", _CHAT, {"messages": asked, **body}))
    return found


@contextmanager
def asked(site: Site, path: str, body: dict[str, Any]) -> Generator[http.client.HTTPResponse]:
    with closing(http.client.HTTPConnection(site.host, site.port, timeout=WAIT_SECONDS)) as connection:
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        connection.request("POST", path, json.dumps(body), headers)
        answer = connection.getresponse()
        if answer.status == 503:
            raise BusyError(answer.getheader("Retry-After", "1"))
        yield answer


def whole(site: Site, job: Job) -> list[str]:
    """The texts of its answers."""
    with asked(site, job.path, job.body) as answer:
        found = json.loads(answer.read())
    if answer.status != 200:
        raise AssertionError(f"found {answer.status}: {found}")
    return [choice["text"] if job.path == _TEXT else choice["message"]["content"] for choice in found["choices"]]


def pieces(site: Site, job: Job) -> Iterator[tuple[int, str]]:
    """(answer, piece of its text)."""
    with asked(site, job.path, {**job.body, "stream": True}) as answer:
        if answer.status != 200:
            raise AssertionError(f"found {answer.status}: {answer.read()[:300]!r}")
        while line := answer.readline():
            if line.startswith(b"data: {"):
                event = json.loads(line[6:])
                if "error" in event:
                    raise AssertionError(f"found {event}")
                for choice in event["choices"]:
                    yield choice["index"], (choice["text"] if job.path == _TEXT else choice["delta"].get("content") or "")
            elif line.startswith(b"data: [DONE]"):
                return
        raise AssertionError("found an answer that broke off")


def streamed(site: Site, job: Job, most: int | None = None) -> list[str]:
    texts = [""] * job.body.get("n", 1)
    with closing(pieces(site, job)) as stream:  # type: ignore[type-var]
        for count, (index, piece) in enumerate(stream):
            texts[index] += piece
            if most is not None and count >= most:
                break
    return texts


def refused(site: Site, body: dict[str, Any], code: str) -> None:
    with asked(site, _CHAT, body) as answer:
        found = json.loads(answer.read())
    if answer.status != 400 or found["error"]["code"] != code:
        raise AssertionError(f"found {answer.status} {found}, expected 400 {code}")


def client(site: Site, known: list[Job], alone: list[list[str]], until: float, seed: int, tally: Tally) -> None:
    draw = random.Random(seed)
    while time.monotonic() < until:
        index, way = draw.randrange(len(known)), draw.random()
        job, kind = known[index], known[index].kind
        try:
            if way < 0.04:
                kind = "too long a prompt"
                refused(site, {"messages": [{"role": "user", "content": "word " * 9000}]}, "context_length_exceeded")
            elif way < 0.08:
                kind = "wrong field"
                refused(site, {"messages": [{"role": "user", "content": "a"}], "temperature": 9}, "invalid_value")
            elif way < 0.3:
                kind = f"{kind}, left"
                found = streamed(site, job, most=draw.randint(1, 20))
                if not all(text.startswith(part) for text, part in zip(alone[index], found, strict=True)):
                    raise AssertionError(f"job {index}: found {found}, expected beginnings of {alone[index]}")
            else:
                kind = f"{kind}, {'in pieces' if way < 0.7 else 'whole'}"
                found = streamed(site, job) if way < 0.7 else whole(site, job)
                if found != alone[index]:
                    raise AssertionError(f"job {index}: found {found}, expected {alone[index]}")
        except BusyError as busy:
            kind = "503"
            time.sleep(float(str(busy)) * draw.uniform(0.5, 1.5))
        except Exception as error:  # noqa: BLE001 (whatever it is, it was not due)
            with tally.lock:
                tally.wrong.append(f"{kind}: {type(error).__name__}: {error}"[:600])
            time.sleep(0.1)
            continue
        with tally.lock:
            tally.done[kind] += 1


def what_runs(folder: Path, app: Path | None, model: Path | None) -> list[str]:
    """Arguments of `wherry run`."""
    if app is None or model is None:
        return [built("chat", "smollm2-135m-instruct")]
    if model.suffix == ".xz":
        from llm_files import fill

        filled = folder / f"{model.stem}.gguf"
        fill(model, filled)
        model = filled
    return ["--dir", f"{model.parent}:/model:ro", "--nn-preload", f"smollm2:GGML:AUTO:/model/{model.name}", str(app)]


def soak(site: Site, pid: int, seconds: float, streams: int) -> list[str]:
    """What is wrong, in lines."""
    known = jobs()
    start = time.monotonic()
    alone = [whole(site, job) for job in known]
    print(f"{len(known)} requests alone took {time.monotonic() - start:.1f} s, loading and compiling included", flush=True)
    tally = Tally()
    until = time.monotonic() + seconds
    threads = [threading.Thread(target=client, args=(site, known, alone, until, seed, tally)) for seed in range(streams)]
    for thread in threads:
        thread.start()
    sizes: dict[str, list[float]] = {"memory": [], "GPU memory": []}
    begun = time.monotonic()
    while any(thread.is_alive() for thread in threads):
        time.sleep(min(10.0, max(seconds / 10, 0.5)))
        spent = time.monotonic() - begun
        on_gpu = sum(size for key, size in metrics(site).items() if key[0] == "wherry_gpu_memory_bytes") / 2**20
        resident = resident_bytes(pid) / 2**20
        if spent > min(WARM_SECONDS, seconds / 2):
            sizes["memory"].append(resident)
            sizes["GPU memory"].append(on_gpu)
        if int(spent) % 60 < 10:
            said = f"{sum(tally.done.values())} answers, {len(tally.wrong)} wrong"
            print(f"{spent:5.0f} s: {said}, {resident:.0f} MiB, GPU {on_gpu:.0f} MiB", flush=True)
    problems = tally.wrong[:20]
    for kind, count in sorted(tally.done.items()):
        print(f"{count:7} {kind}")
    if not settled(lambda: (m := metrics(site))["wherry_http_running",] + m["wherry_http_waiting",] == 0):
        problems.append("requests run or wait though nobody asks")
    if metrics(site)["wherry_instances_left_behind",]:
        problems.append("instances were left behind")
    for name, found in sizes.items():
        third = max(len(found) // 3, 1)  # single moments differ by what is being computed
        first, last = statistics.median(found[:third] or [0]), statistics.median(found[-third:] or [0])
        print(f"{name}: {first:.0f} MiB in the first third after the first minute, {last:.0f} in the last")
        if last > first * (1 + FLAT):
            problems.append(f"{name}: found {first:.0f} and at the end {last:.0f} MiB, expected it flat after the first minute")
    counted = {key: size for key, size in metrics(site).items() if key[0] == "wherry_graph_tokens_total"}
    print(f"{sum(counted.values()):.0f} tokens, {sum(counted.values()) / (time.monotonic() - start):.0f} a second")
    if [whole(site, job) for job in known] != alone:
        problems.append("the requests alone have other answers at the end")
    return problems


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1800.0)
    parser.add_argument("--streams", type=int, default=32)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--app", type=Path)
    parser.add_argument("--model", type=Path)
    wanted = parser.parse_args()
    if (wanted.app is None) != (wanted.model is None):
        parser.error("--app and --model belong together")
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        folder = Path(name) / "model"
        folder.mkdir()
        arguments = what_runs(folder, wanted.app, wanted.model)
        with served(folder, "--device", wanted.device, *arguments) as (site, pid):
            problems = soak(site, pid, wanted.seconds, wanted.streams)
    for problem in problems:
        print(problem)
    print(json.dumps({"seconds": wanted.seconds, "streams": wanted.streams, "problems": len(problems)}))
    raise SystemExit(1 if problems else 0)


if __name__ == "__main__":
    main()
