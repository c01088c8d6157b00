"""Language models on the CPU, Wherry beside llama.cpp: `python benchmarks/llm.py [MODEL …] [--runs N] [--threads N]`.

Needs `pip install xllamacpp` beside Wherry. Both engines are loaded, and in each run take turns: a prompt that neither has seen, then
48 greedy tokens, no text ending early. llama.cpp's rates are those that it measures itself. Prints medians, the best, and the median of
each pair's ratio: on a busy machine that says more than either.
"""

import argparse
import os
import statistics
import time

import numpy as np
import xllamacpp

from wherry.engine.catalog import default_cache, find_model
from wherry.engine.language import Language, load_language
from wherry.engine.sampling import SamplingOptions

PROMPT, MADE = 500, 48  # tokens


def ours(model: Language, prompt: list[int]) -> tuple[float, float]:
    """-> tokens a second of the prompt, and of the answer."""
    endless = SamplingOptions(logit_bias=tuple((token, -1000.0) for token in sorted(model.vocabulary.ends)))
    times = [time.perf_counter()]
    for _ in model.generate(prompt, endless, MADE):
        times.append(time.perf_counter())
    return len(prompt) / (times[1] - times[0]), (MADE - 1) / (times[-1] - times[1])


def theirs(server: xllamacpp.Server, prompt: list[int]) -> tuple[float, float]:
    found = server.handle_completions(
        {"prompt": prompt, "n_predict": MADE, "temperature": 0, "cache_prompt": False, "ignore_eos": True}
    )["timings"]
    return found["prompt_per_second"], found["predicted_per_second"]


def compare(name: str, runs: int, threads: int) -> None:
    file = find_model(name, default_cache()).weights
    params = xllamacpp.CommonParams()
    params.model.path = str(file)
    params.n_ctx, params.n_parallel = 1024, 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    server = xllamacpp.Server(params)
    model = load_language(file, device="cpu", context=1024, texts=1)
    random = np.random.default_rng(1)
    rates: list[tuple[tuple[float, float], tuple[float, float]]] = []
    for _ in range(runs + 1):
        prompt = random.integers(1000, min(40000, model.model.dims.n_vocab), PROMPT).tolist()
        rates.append((ours(model, prompt), theirs(server, prompt)))
        print("# " + ", ".join(f"{side[0]:.0f} and {side[1]:.0f} tokens/s" for side in rates[-1]), flush=True)
    del rates[0]  # the first of each compiles, and touches its memory
    print(f"| {name}, load {os.getloadavg()[0]:.1f} | Wherry | llama.cpp | Wherry / llama.cpp |\n|---|---|---|---|")
    for i, what in enumerate(("prompt", "answer")):
        sides = [[pair[side][i] for pair in rates] for side in (0, 1)]
        ratio = statistics.median(a / b for a, b in zip(*sides, strict=True))
        cells = [f"{statistics.median(side):.0f} ({max(side):.0f})" for side in sides]
        print(f"| {what}, tokens/s | {' | '.join(cells)} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="*", default=["smollm2-135m-instruct"])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    wanted = parser.parse_args()
    for each in wanted.models:
        compare(each, wanted.runs, wanted.threads)
