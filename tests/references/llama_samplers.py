"""Makes tests/fixtures/llama_samplers.npz: which tokens llama.cpp's samplers leave of SmolLM2's, and how probable each is then.

Needs xllamacpp 2026.10.11549 (llama.cpp, CPU), numpy and SmolLM2's GGUF file:

    PYTHONPATH=. python tests/references/llama_samplers.py tests/fixtures FILE.gguf

Three texts, each a token longer: mirostat 1 drew those tokens, so that its bound is seen to move. Of each text the
logits of all tokens and of each way those that are left.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

TEXT = "The ferry leaves the harbour at seven, and the ferry comes back to the harbour at nine. The ferry leaves"
LEFT = 3000  # tokens that are told at most
# llama.cpp's names of options, and of the samplers in their order.
WAYS: dict[str, dict[str, Any]] = {
    "temperature": {"samplers": ["temperature", "top_k"], "temperature": 0.7, "top_k": 1000},
    "top-k": {"samplers": ["top_k", "temperature"], "temperature": 1.0, "top_k": 12},
    "top-p": {"samplers": ["top_p", "temperature"], "temperature": 0.8, "top_p": 0.8},
    "min-p": {"samplers": ["min_p", "temperature"], "temperature": 1.3, "min_p": 0.05},
    "typical": {"samplers": ["top_k", "typ_p", "temperature"], "temperature": 1.0, "top_k": 1000, "typical_p": 0.5},
    "typical of all": {"samplers": ["typ_p", "temperature"], "temperature": 1.0, "typical_p": 0.5},
    "repeated": {"samplers": ["penalties", "top_k", "temperature"], "temperature": 1.0, "top_k": 40, "repeat_penalty": 1.3},
    "penalties": {
        "samplers": ["penalties", "top_k", "temperature"], "temperature": 0.9, "top_k": 40, "repeat_penalty": 1.1,
        "frequency_penalty": 0.7, "presence_penalty": 0.4, "repeat_last_n": 20,
    },
    "all": {
        "samplers": ["penalties", "top_k", "typ_p", "top_p", "min_p", "temperature"], "temperature": 0.6, "top_k": 50,
        "typical_p": 0.95, "top_p": 0.9, "min_p": 0.02, "repeat_penalty": 1.2,
    },
    "mirostat 1, low": {"mirostat": 1, "mirostat_tau": 2.0, "mirostat_eta": 0.1, "temperature": 0.8},
    "mirostat 2": {"mirostat": 2, "mirostat_tau": 3.0, "mirostat_eta": 0.1, "temperature": 1.0},
}  # fmt: skip
MIROSTAT = {"mirostat": 1, "mirostat_tau": 3.0, "mirostat_eta": 0.5, "temperature": 1.0}
STEPS = 3


def main(target: Path, file: Path) -> None:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path, params.n_ctx, params.n_parallel, params.warmup = str(file), 512, 1, False
    params.cpuparams.n_threads = 1
    server = xllamacpp.Server(params)

    def ask(tokens: list[int], count: int, **options: Any) -> list[dict[str, Any]]:
        given = {"prompt": tokens, "n_predict": count, "seed": 1, "cache_prompt": False, "n_probs": LEFT} | options
        answer = server.handle_completions(given)
        answer = json.loads(answer) if isinstance(answer, str | bytes) else answer
        found: list[dict[str, Any]] = answer["choices"][0]["logprobs"]["content"]
        return found

    from wherry.engine.language import load_language  # for the text's tokens alone

    tokens = load_language(file, device="cpu").text_tokens(TEXT)
    out: dict[str, Any] = {"made": np.asarray(f"xllamacpp {xllamacpp.__version__}"), "tokens": np.asarray(tokens, np.int32)}

    def keep(name: str, told: dict[str, Any]) -> None:
        left = [one for one in told["top_probs"] if one["prob"] > 0]
        out[f"{name}.ids"] = np.asarray([one["id"] for one in left], np.int32)
        out[f"{name}.probs"] = np.asarray([one["prob"] for one in left], np.float32)

    drawn = ask(tokens, STEPS, post_sampling_probs=True, **MIROSTAT)
    out["drawn"] = np.asarray([told["id"] for told in drawn], np.int32)
    for step in range(STEPS):
        keep(f"mirostat 1.{step}", drawn[step])
        text = tokens + [told["id"] for told in drawn[:step]]
        before = ask(text, 1, n_probs=1 << 20)[0]["top_logprobs"]
        logprobs = np.zeros(len(before), np.float32)
        logprobs[[one["id"] for one in before]] = [one["logprob"] for one in before]
        # llama.cpp tells logits but for a constant; halving those of the text's tokens, where they are positive, shows it.
        halved = ask(text, 1, post_sampling_probs=True, samplers=["penalties", "temperature"], temperature=1, repeat_penalty=2)
        odds = {one["id"]: np.log(one["prob"]) for one in halved[0]["top_probs"]}
        said = max(set(text) & odds.keys(), key=odds.__getitem__)
        other = max(odds.keys() - set(text), key=odds.__getitem__)
        constant = 2 * (logprobs[said] / 2 - logprobs[other] - odds[said] + odds[other])
        assert logprobs[said] + constant > 0
        out[f"logits.{step}"] = (logprobs + constant).astype(np.float32)
        for way, options in WAYS.items():
            keep(f"{way}.{step}", ask(text, 1, post_sampling_probs=True, **options)[0])
    np.savez_compressed(target / "llama_samplers.npz", **out)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
