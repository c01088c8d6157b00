"""Makes tests/fixtures/llm_perplexity.json: llama.cpp's perplexity of SmolLM2 on the first 2,000 tokens of the licence's text.

Needs cyllama-vulkan 0.7.0 (Python 3.12), whose llama.cpp runs on the CPU too, and the GGUF file of SmolLM2:

    python tests/references/llm_perplexity.py LICENSE tests/fixtures FILE.gguf
"""

import json
import sys
from pathlib import Path

import cyllama.llama.llama_cpp as llama
import numpy as np

TOKENS, PIECE = 2000, 250


def main() -> None:
    text, folder, file = map(Path, sys.argv[1:])
    llama.disable_logging()
    llama.ggml_backend_load_all()
    settings = llama.LlamaModelParams()
    settings.n_gpu_layers = 0
    model = llama.LlamaModel(str(file), settings)
    tokens = model.get_vocab().tokenize(text.read_text(encoding="utf-8"), False, False)[:TOKENS]
    options = llama.LlamaContextParams()
    options.n_ctx, options.n_batch, options.n_ubatch = 2048, 512, 512
    context = llama.LlamaContext(model, options)
    batch = llama.LlamaBatch(n_tokens=512, embd=0, n_seq_max=1)
    found = []
    for start in range(0, TOKENS, PIECE):
        batch.clear()
        for i in range(PIECE):
            batch.add(tokens[start + i], start + i, [0], True)
        context.decode(batch)
        for i in range(PIECE):
            if start + i + 1 < TOKENS:
                logits = np.asarray(context.get_logits_ith(i), np.float64)
                found.append(float(np.log(np.exp(logits - logits.max()).sum()) + logits.max() - logits[tokens[start + i + 1]]))
    result = {"tokens": tokens, "perplexity": float(np.exp(np.mean(found)))}
    (folder / "llm_perplexity.json").write_text(json.dumps(result), encoding="utf-8")
    print(result["perplexity"])


if __name__ == "__main__":
    main()
