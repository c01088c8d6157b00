"""Makes tests/fixtures/llm_tokens.json: texts and their tokens, as llama.cpp's own tokenizers have them.

Needs xllamacpp 2026.10.11549 and the GGUF files of the catalogue's language models:

    python tests/references/llm_tokens.py tests/fixtures smollm2=FILE.gguf gemma3=FILE.gguf
"""

import json
import random
import sys
import urllib.request
from pathlib import Path
from typing import Any

import xllamacpp

TEXTS = [
    "Hello, world!",
    " leading and trailing ",
    "",
    " ",
    "   three spaces\n\n\nthree lines\t\ttwo tabs",
    "don't can't I'll we've DON'T",
    "1234567890 3.14159 1,000,000 ２０２４",
    "naïve café Übergröße ß ﬁ ¼",
    "日本語のテキストと漢字、ひらがな。",
    "中文：你好，世界！",
    "한국어 문장입니다.",
    "Привет, мир! Ещё раз.",
    "العربية من اليمين إلى اليسار",
    "עברית",
    "हिन्दी में लिखा हुआ",
    "ภาษาไทยไม่มีช่องว่าง",
    "emoji 😀👩\u200d👩\u200d👧\u200d👦🇫🇷 and ♪",
    "á combining, \u200bzero width, \ufeffmark",
    "def f(x):\n    return x**2  # square\n",
    "<html>&amp;</html>",
    "https://example.org/a?b=c&d=%20",
    "\x00\x01 control \x7f",
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 beyond the plane 𝄞",
    "The quick brown fox jumps over the lazy dog. " * 3,
    "\r\nwindows\r\nlines\r\n",
    "MixedCASE snake_case kebab-case CamelCase",
    "$100 €50 £20 ¥10 50% #1 @home",
    "▁ itself and ▁▁ twice",
]


def random_texts(count: int) -> list[str]:
    """Letters of many scripts in no order: what no corpus has."""
    chosen = random.Random(11)
    ranges = [(0x20, 0x7E)] * 6 + [(0xA0, 0x24F), (0x370, 0x3FF), (0x400, 0x4FF), (0x4E00, 0x4FFF), (0x1F600, 0x1F640)]
    return ["".join(chr(chosen.randint(*chosen.choice(ranges))) for _ in range(chosen.randint(1, 40))) for _ in range(count)]


def tokens_of(file: str, texts: list[str]) -> list[list[int]]:
    params = xllamacpp.CommonParams()
    params.model.path, params.n_ctx, params.n_parallel = file, 512, 1
    server = xllamacpp.Server(params)
    found: list[Any] = []
    for text in texts:
        body = json.dumps({"content": text, "add_special": False, "parse_special": False}).encode()
        request = urllib.request.Request(f"{server.listening_address}/tokenize", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            found.append(json.load(answer)["tokens"])
    return found


def main(target: Path, files: dict[str, str]) -> None:
    texts = TEXTS + random_texts(60)
    fixture: dict[str, Any] = {"made": f"llama.cpp by xllamacpp {xllamacpp.__version__}", "texts": texts}
    fixture |= {name: tokens_of(file, texts) for name, file in files.items()}
    (target / "llm_tokens.json").write_text(json.dumps(fixture, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), dict(item.split("=", 1) for item in sys.argv[2:]))
