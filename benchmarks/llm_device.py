"""Language models on a GPU, beside llama.cpp on Vulkan: `python benchmarks/llm_device.py FILE.xz|FILE.gguf …`.

For each model and each WebGPU implementation: what is right (logits beside float32 in numpy, 32 texts at once beside each alone),
then tokens a second of 1, 8 and 32 texts and of a prompt. A .xz is a model stripped by `llm_files.py`, filled anew here: the same work
with other numbers. Prints a line as soon as it knows one, a table last. --quick: as little of it as shows that it runs.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

PROMPT, MADE = 64, 256  # tokens
WORDS = [word for word in sys.argv[1:] if not word.startswith("--")]
QUICK = "--quick" in sys.argv


def ours(file: Path) -> dict[str, object]:
    from wherry.engine.device_rows import KEPT, DeviceRows
    from wherry.engine.language import load_language
    from wherry.kernels.pages import PAGE
    from wherry.kernels.sample import Options

    start = time.perf_counter()
    model = load_language(file, device=os.environ.get("WHERRY_DEVICE", "gpu"), context=512)
    found: dict[str, object] = {"on": model.device, "load s": round(time.perf_counter() - start, 2)}
    network = model.network
    device = network.ops.device
    rows, each = 4 if QUICK else 32, 512 // PAGE
    texts = DeviceRows(network, rows, rows * each, 512)
    random = np.random.default_rng(7)
    vocabulary = model.model.dims.n_vocab
    prompts = [random.integers(100, vocabulary, (8 if QUICK else PROMPT) - i % 7).tolist() for i in range(rows)]

    def begin(row: int, prompt: list[int], options: Options) -> None:
        pages = list(range(row * each, (row + 1) * each))
        texts.begin(row, prompt, pages, options, {}, texts.read(prompt, 0, pages))

    def go_on(count: int, tokens: int) -> list[list[int]]:
        """Rows that have their first token -> `tokens` tokens each."""
        kept = [[int(x)] for x in texts.made()[0][:count, 0]]
        while (done := len(kept[0])) < tokens:
            times = min(KEPT, tokens - done)
            texts.step(count, times)
            made = texts.made()[0]
            for i in range(count):
                kept[i] += [int(made[i, j % KEPT]) for j in range(done, done + times)]
        return kept

    # -- right?
    few = 3 if QUICK else 48
    kinds = [Options(), Options(temperature=0.8, top_k=40, top_p=0.95, seed=5), Options(temperature=1.0, seed=6)]
    options = [kinds[i % 3] for i in range(rows)]
    alone = []
    for i in range(rows):
        begin(0, prompts[i], options[i])
        alone.append(go_on(1, few)[0])
    texts.end(0)
    for i in range(rows):
        begin(i, prompts[i], options[i])
    together = go_on(rows, few)
    found["texts that are the same alone and among others"] = (
        f"{sum(a == b for a, b in zip(alone, together, strict=True))}/{rows}"
    )
    cpu = load_language(file, device="cpu", context=512)
    whole = prompts[0] + alone[0][:-1]
    expected = cpu.logits(whole)[len(prompts[0]) - 1 :]
    ranks = [int((row > row[token]).sum()) for row, token in zip(expected, alone[0], strict=True)]
    logits = np.asarray(network.ops.numpy(texts.read(prompts[0], 0, list(range(each)))))[0]
    error = float(np.sqrt(np.square(logits - expected[0]).mean() / np.square(expected[0]).mean()))
    found["logits, relative rms to float32"] = f"{error:.1e}"
    found["greedy tokens that are float32's best"] = f"{sum(rank == 0 for rank in ranks)}/{len(ranks)}"
    print(json.dumps(found), flush=True)

    # -- fast?
    for i in range(rows):
        texts.end(i)
    tokens = 8 if QUICK else MADE
    for count in (1, rows) if QUICK else (1, 8, 32):
        for name, kind in (("greedy", Options()), ("top-k 40, top-p 0.95", kinds[1])):
            for i in range(count):
                begin(i, prompts[i], kind)
            go_on(count, 17)
            best = 0.0
            for _ in range(1 if QUICK else 3):
                for i in range(count):
                    begin(i, prompts[i], kind)
                texts.made()
                start = time.perf_counter()
                go_on(count, tokens)
                best = max(best, count * (tokens - 1) / (time.perf_counter() - start))
            found[f"{count} texts, {name}, tokens/s"] = round(best)
        print(json.dumps(found), flush=True)
    long = random.integers(100, vocabulary, 16 if QUICK else 500).tolist()
    spent = []
    for _ in range(3):
        start = time.perf_counter()
        for place in range(0, len(long), 256):
            last = texts.read(long[place : place + 256], place, list(range(each)))
        network.ops.numpy(last)
        spent.append(time.perf_counter() - start)
    found["prompt, tokens/s"] = round(len(long) / min(spent))
    found["dispatches a step"] = len(texts._recorded(1)[0].dispatches)
    found["GPU memory MB"] = round(device.bytes_in_use() / 1e6)
    print(json.dumps(found), flush=True)
    if "timestamp-query" in device.features and not QUICK:
        from wherry.gpu.program import Profile

        for count in (1, 32):
            for i in range(count):
                begin(i, prompts[i], Options())
            go_on(count, 100)
            device.profile = Profile()
            texts.step(count, 8)
            texts.made()
            kernels: dict[str, list[float]] = {}
            for kernel, grid, calls, seconds in device.profile.table():
                entry = kernels.setdefault(f"{kernel} {grid}", [0, 0])
                entry[0] += calls / 8
                entry[1] += seconds * 1e6 / 8
            device.profile = None
            for name, (calls, spent_us) in sorted(kernels.items(), key=lambda item: -item[1][1])[:10]:
                print(f"#   step of {count:2d}: {name:32} {calls:5.1f} calls {spent_us:9.1f} us", flush=True)
    return found


def peer(file: Path) -> dict[str, object]:
    import cyllama.llama.llama_cpp as llama

    llama.disable_logging()
    llama.ggml_backend_load_all()
    settings = llama.LlamaModelParams()
    settings.n_gpu_layers = int(os.environ.get("PEER_LAYERS", "99"))
    model = llama.LlamaModel(str(file), settings)
    found: dict[str, object] = {"on": f"llama.cpp: {llama.ggml_backend_dev_info()}"[:90]}
    for count in (1, 2) if QUICK else (1, 8, 32):
        options = llama.LlamaContextParams()
        options.n_ctx, options.n_batch, options.n_ubatch, options.n_seq_max = 512 * count, 512, 512, count
        context = llama.LlamaContext(model, options)
        sampler = llama.LlamaSampler(llama.LlamaSamplerChainParams())
        sampler.add_greedy()
        batch = llama.LlamaBatch(n_tokens=512, embd=0, n_seq_max=count)
        length = 8 if QUICK else PROMPT
        tokens = [0] * count
        for i in range(count):
            batch.clear()
            for place in range(length):
                batch.add(100 + 7 * place + i, place, [i], place == length - 1)
            context.decode(batch)
            tokens[i] = sampler.sample(context, -1)
        best, steps = 0.0, 4 if QUICK else 64
        for _ in range(1 if QUICK else 3):
            start = time.perf_counter()
            for _ in range(steps):
                batch.clear()
                for i in range(count):
                    batch.add(tokens[i], length, [i], True)
                context.decode(batch)
                tokens = [sampler.sample(context, i) for i in range(count)]
                length += 1
            best = max(best, count * steps / (time.perf_counter() - start))
        found[f"{count} texts, greedy, tokens/s"] = round(best)
        print(json.dumps(found), flush=True)
        if count == 1:
            context.kv_cache_clear()
            spent = []
            for _ in range(3):
                context.kv_cache_clear()
                batch.clear()
                size = 16 if QUICK else 500
                for place in range(size):
                    batch.add(100 + place, place, [0], place == size - 1)
                start = time.perf_counter()
                context.decode(batch)
                sampler.sample(context, -1)
                spent.append(time.perf_counter() - start)
            found["prompt, tokens/s"] = round(size / min(spent))
        context.close()
    return found


def run(role: str, file: Path, **environment: str) -> dict[str, object]:
    """The last line of JSON that another process prints: an implementation, or a driver, may take the process with it."""
    command = [sys.executable, __file__, f"--{role}", str(file), *(["--quick"] if QUICK else [])]
    found: dict[str, object] = {}
    try:
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}) as process:
            assert process.stdout is not None
            for line in process.stdout:
                print(line.rstrip(), flush=True)
                if line.startswith("{"):
                    found = json.loads(line)
        if process.returncode:
            found["failed"] = process.returncode
    except OSError as error:
        found["failed"] = str(error)
    return found


def main() -> None:
    for role, work in (("ours", ours), ("peer", peer)):
        if f"--{role}" in sys.argv:
            work(Path(WORDS[0]))
            return
    sides = [word for word in os.environ.get("SIDES", "dawn wgpu llama.cpp").split(" ") if word]
    for source in map(Path, WORDS):
        with tempfile.TemporaryDirectory() as folder:
            file = source
            if source.suffix == ".xz":
                from llm_files import fill

                file = Path(folder) / f"{source.stem}.gguf"
                fill(source, file)
            table: dict[str, dict[str, object]] = {}
            for side in sides:
                print(f"# {source.stem}, {side}", flush=True)
                role = "peer" if side == "llama.cpp" else "ours"
                table[side] = run(role, file, **({} if role == "peer" else {"WHERRY_WEBGPU": side}))
        print(f"\n| {source.stem} | {' | '.join(sides)} |\n|{'---|' * (1 + len(sides))}")
        for name in dict.fromkeys(name for side in table.values() for name in side):
            print(f"| {name} | {' | '.join(str(table[side].get(name, '')) for side in sides)} |")
        print(flush=True)


if __name__ == "__main__":
    main()
