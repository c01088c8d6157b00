"""Makes tests/fixtures/llm_vocabularies.json: what llama.cpp makes of vocabularies in GGUF files, with every name of a splitter and
with all kinds of special tokens.

Needs tokenizers, gguf and xllamacpp 2026.10.11549:

    PYTHONPATH=. python tests/references/llm_vocabularies.py tests/fixtures
"""

import json
import random
import sys
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gguf
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer

from tests.references.llama_cpp import LlamaModel

# ruff: noqa: E501, SIM905
NAMES = (
    "llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano dbrx smaug-bpe glm4 glm5 chatglm-bpe qwen2 "
    "deepseek-r1-qwen kormo f2llmv2 megrez stablelm2 hunyuan solar-open grok-2 qwen35 gpt-2 phi-2 jina-es jina-de jina-v2-es "
    "jina-v2-de jina-v1-en jina-v2-code roberta-bpe gigachat a.x-4.0 mellum modern-bert mpt olmo jais trillion granite-docling "
    "exaone4 smollm starcoder refact command-r codeshell exaone minerva-7b mellum2 tekken gpt-4o llama4 kanana2 talkie "
    "minimax-m2 granite-embed-multi-97m deepseek-llm deepseek-coder deepseek-v3 hunyuan-dense joyai-llm hy_v4 spark2_5 falcon "
    "poro-chat bloom gpt3-finnish viking chameleon tiny_aya cohere2moe youtu kimi-k2 superbpe bailingmoe bailingmoe2 llada-moe "
    "seed-coder ufakzeka afmoe laguna exaone-moe minicpm5 k2-horizon jais-2 default"
).split()
SPACED_NAMES = ["gemma4", "granite-embed-multi-311m", "mmbert", "sarvam-moe"]
TEXTS = [
    "Hello, world! it's DON'T you'Ve  I'LL we'd 'sup 'twas rock'n'roll",
    "the 12345 hello DON'T 1234567890 3.14159 1,000,000 \xbd \xb2\xb3 \u2167 \uff11\uff12\uff13\uff14 \u0663\u0664\u0665 v2.0b7 abc123def45 1_000 12:30",
    "   three spaces\n\n\nthree lines\t\ttwo tabs \t \n x\r\n\r\n  y   \n  ",
    " leading and trailing  ",
    "tab\tx  y   z    w     v",
    "a\xa0b\u2003c\u3000d\x85e\u2028f \u200b\ufeff",
    "na\xefve caf\xe9 \xdcbergr\xf6\xdfe \xdf\xc9COLE \xc9cole iPhone\xc9clair CamelCaseWord HTTPServer \xc0\xc9\xce \u01c4\u01c5\u01c6 \u0294\u0295 \xb5m \xc5\xdf",
    "\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8\u3068\u6f22\u5b57\u3001\u3072\u3089\u304c\u306a\u3002\u30ab\u30bf\u30ab\u30ca123\u6f22\u5b57abc",
    "\u4e2d\u6587\uff1a\u4f60\u597d\uff0c\u4e16\u754c\uff01\u201c\u5f15\u53f7\u201d\u2026\u2014\u300a\u4e66\u300b",
    "\ud55c\uad6d\uc5b4 \ubb38\uc7a5\uc785\ub2c8\ub2e4. \u3131\u3134\u3137 \u3105\u3106",
    "\u041f\u0440\u0438\u0432\u0435\u0442, \u041c\u0418\u0420! \u0415\u0449\u0451\u0420\u0430\u0437 \u041f\u0420\u0418\u0412\u0415\u0422\u043c\u0438\u0440",
    "\u0627\u0644\u0639\u0631\u0628\u064a\u0629 \u0645\u0646 \u0627\u0644\u064a\u0645\u064a\u0646\u060c \u0625\u0644\u0649 \u0627\u0644\u064a\u0633\u0627\u0631\u06d4 \u06f1\u06f2\u06f3",
    "\u05e2\u05d1\u05e8\u05d9\u05ea \u05e9\u05c1\u05dc\u05d5\u05dd",
    "\u0939\u093f\u0928\u094d\u0926\u0940 \u092e\u0947\u0902 \u0932\u093f\u0916\u093e \u0939\u0941\u0906 \u0967\u0968\u0969 \u0915\u094d\u200d\u0937",
    "\u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22\u0e44\u0e21\u0e48\u0e21\u0e35\u0e0a\u0e48\u0e2d\u0e07\u0e27\u0e48\u0e32\u0e07 \u0ea5\u0eb2\u0ea7 \u1781\u17d2\u1798\u17c2\u179a \u1019\u103c\u1014\u103a\u1019\u102c",
    "emoji \U0001f600\U0001f469\u200d\U0001f469\u200d\U0001f467\U0001f1eb\U0001f1f7 and \u266a \u2713\u2713 \u263a\ufe0f",
    "e\u0301 combining a\u0300b n\u0303o",
    "def f(x):\n    return x**2  # square\n\n\n    if a!=b:\n\tpass",
    "<html>&amp;</html> <|x|> [y] {z} `w` ~t^u=v+w|q $100 \u20ac50 \xa320 50% #1 @home \\n",
    "https://example.org/a?b=c&d=%20 path/to/file.txt ../x//y\n/z",
    "...!!!??? --- ___ (a)(b) \"q\" 'r' ''s 'S 'lL",
    "A  B\n C \n\n D\n\n\n",
    "!abc ?def\n#include\n*bold*\n/ / /\n",
    "\U0001d518\U0001d52b\U0001d526 \U0001d11e \U00010400\U00010428 \u1c90 \u10d0 \u10a0",
    "IMGIMGABCZ <sentinel:12> IMGIMGJZ",
    "1 22 333 4444 55555 666666 7777777 88888888 999 99",
    "x\n\n  \n\t y \r z\r\r\nw",
    "                                                                      x         \n     ",
    "T\xfcrkiye'de 'den Ali'nin \u0130stanbul'un",
    "",
    " ",
    "\n",
    "  ",
    "\n\n",
    "a",
    "'",
    "1",
    "\uc548\ub155 \ud558\uc138\uc694 \uac00 \ub098 \ub2e4 word word  word",
    "mixed\u4e2d\u6587English\u65e5\u672c123\u6df7\u5408\uff14\uff15\uff16",
    "\u017f K \xc5 's '\u017f 'K",
    "\x00\x01\x1b[0m\x7f\x80\x9f",
    "a\uff0cb\u3002c\u3001d\uff01e\uff1ff\uff0eg",
    "\ufb01 \ufb02 \uff21\uff42\uff43",
]
_RANGES = [
    *[(0x20, 0x7E)] * 8, (9, 13), (0x20, 0x20), (0x30, 0x39), (0xA0, 0x24F), (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x4FF),
    (0x600, 0x6FF), (0x900, 0x97F), (0x2000, 0x206F), (0x3000, 0x30FF), (0x4E00, 0x4FFF), (0xAC00, 0xADFF), (0xFF00, 0xFFEF),
    (0x1F600, 0x1F640), (0x1D400, 0x1D4FF),
]  # fmt: skip
_CONTROL, _USER, _BYTE = 3, 4, 6
Extra = Sequence[tuple[str, int]]
# Tokens after the letters with their types, and what else the file says.
CASES: dict[str, tuple[str, Extra, Mapping[str, Any]]] = {
    "nothing said": ("gpt2", [], {}),
    "nothing said, SentencePiece": ("llama", [], {}),
    "no first token": ("llama", [], {"add_bos_token": False}),
    "a last token": ("gpt2", [("<e>", _CONTROL)], {"add_eos_token": True, "eos_token_id": 256}),
    "first and last": ("gpt2", [("<b>", _CONTROL), ("<e>", _CONTROL)], {"add_bos_token": True, "add_eos_token": True, "bos_token_id": 256, "eos_token_id": 257}),
    "a last token, SentencePiece": ("llama", [("<e>", _CONTROL)], {"add_eos_token": True}),
    "no space before": ("llama", [], {"add_space_prefix": False}),
    "no token of these numbers": ("llama", [], {"bos_token_id": 0xFFFFFFFF, "eos_token_id": 99999}),
    "no first token by name": ("gpt2", [], {"pre": "glm4"}),
    "first by the splitter's name": ("gpt2", [("<b>", _CONTROL)], {"pre": "llama-bpe", "bos_token_id": 256}),
    "not first whatever the splitter": ("gpt2", [("<b>", _CONTROL)], {"pre": "llama-bpe", "bos_token_id": 256, "add_bos_token": False}),
    "first, mistral's": ("gpt2", [("<b>", _CONTROL)], {"pre": "tekken", "bos_token_id": 256}),
    "ends by name": ("gpt2", [(name, kind) for name, kind in zip("<|eot_id|> <|im_end|> <|end|> <end_of_turn> <|endoftext|> </s> <|eom_id|> <EOT> _<EOT> [EOT] [EOS] <|end_of_text|> <end_of_utterance> <eos> <turn|> [e~[ <other>".split(), [3, 1, 4] * 6, strict=False)], {"eos_token_id": 256}),
    "ends that are text in others": ("gpt2", [("<|endofprompt|>", _CONTROL), ("<|fim_middle|>", 1), ("<|fim_pad|>", 1), ("<|repo_name|>", 1), ("<|file_sep|>", _USER)], {"eos_token_id": 256}),
    "ends by number": ("gpt2", [("<x>", _CONTROL), ("<y>", _CONTROL), ("<z>", _CONTROL)], {"eos_token_id": 256, "eot_token_id": 257, "eom_token_id": 258}),
    "fill-in by number": ("gpt2", [("<x>", _CONTROL), ("<y>", _CONTROL), ("<z>", _CONTROL)], {"fim_pad_token_id": 256, "fim_rep_token_id": 257, "fim_sep_token_id": 258, "eos_token_id": 256}),
    "harmony": ("gpt2", [(name, _CONTROL) for name in "<|start|> <|end|> <|message|> <|channel|> <|constrain|> <|return|> <|call|>".split()], {"eos_token_id": 261}),
    "flush and calls": ("gpt2", [(name, _CONTROL) for name in "<|end|> <|flush|> <|calls|> <|im_end|>".split()], {"eos_token_id": 259}),
    "HTML's end": ("gpt2", [("</s>", _CONTROL), ("<|tool_response>", _CONTROL), ("<turn|>", _CONTROL)], {"eos_token_id": 258}),
    "types of all sorts": ("gpt2", [("<u>", 2), ("<c>", _CONTROL), ("<d>", _USER), ("<n>", 5), ("<z>", 0)], {"eos_token_id": 257}),
    "types of all sorts, SentencePiece": ("llama", [("<u>", 2), ("<c>", _CONTROL), ("<d>", _USER), ("<n>", 5), ("<z>", 0), ("  ", _USER), ("\u2581the\u2581", _USER)], {}),
}  # fmt: skip
CASE_TEXTS = [
    "the hello",
    " <c><d> the<e>",
    "<s>the</s>",
    "the  hello\n<u>x<n>",
    "<|im_end|>the<|end|><EOT>",
    "\u2581the <d>",
    "",
]


# WordPiece: what a file says besides, and texts. Its numbers 100 to 102 are BERT's.
SENTENCE_WORDS = ["[PAD]", *(f"[unused{i}]" for i in range(99)), "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SENTENCE_WORDS += "\u2581the \u2581he llo \u2581hello s \u2581a e \u2581e é \u2581é \u2581H H \u2581! \u2581中 \u2581don \u2581' \u2581t".split()
SENTENCE_TYPES = [_CONTROL, *[1] * 99, *[_CONTROL] * 4, *[1] * (len(SENTENCE_WORDS) - 104)]
SENTENCES: dict[str, Mapping[str, Any]] = {
    "nothing said": {},
    "upper case": {"normalizer.lowercase": False},
    "accents": {"normalizer.strip_accents": False},
    "first and last all the same": {"add_bos_token": False, "add_sep_token": False},
    "numbers": {"bos_token_id": 104, "seperator_token_id": 105, "unknown_token_id": 106},
    "a last token of another kind": {"eos_token_id": 104},
    "a number of no token": {"bos_token_id": 5000},
}
SENTENCE_TEXTS = ["the hello", "The HELLO s!", "hellos the", "É é e", "中the", "don't", "xyz the", "", "[CLS] the"]


def texts() -> list[str]:
    """Those above, and letters of many scripts in no order: what no corpus has."""
    chosen = random.Random(7)
    more = ["".join(chr(chosen.randint(*chosen.choice(_RANGES))) for _ in range(chosen.randint(5, 60))) for _ in range(60)]
    return TEXTS + more


def checksum(tokens: Sequence[int]) -> int:
    return zlib.crc32(json.dumps(list(tokens)).encode())


def _trained(lines: Sequence[str], size: int, letters: Sequence[str]) -> tuple[list[str], list[str]]:
    """Tokens and merges that cross every boundary: none is drawn while they are learned."""
    tokenizer = Tokenizer(BPE())
    if letters:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    trainer = BpeTrainer(vocab_size=size, show_progress=False, initial_alphabet=letters, min_frequency=2)
    tokenizer.train_from_iterator([*lines, *lines], trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return sorted(model["vocab"], key=model["vocab"].get), [" ".join(merge) for merge in model["merges"]]


def vocabularies() -> dict[str, dict[str, Any]]:
    """Fields of the files, by the kinds of the fixture."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    names, merges = _trained(texts(), 1800, alphabet)
    lines = [text.replace(" ", "\u2581") for text in texts() if text.isascii()]
    spaced, spaced_merges = _trained(lines, 700, ())
    spaced = [name for name in spaced if len(name) == 1 or "\n" not in name]
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    words = [
        "\u2581",
        *"thelox\n<>/sdc",
        "th",
        "he",
        "the",
        "\u2581the",
        "ll",
        "lo",
        "hello",
        "hel",
        "\u2581hello",
        "\u2581h",
        "lel",
        "llo",
        "hell",
    ]
    pieces = ["<unk>", "<s>", "</s>", *bytes_, *words]
    return {
        "words": {"model": "gpt2", "tokens": names, "merges": merges, "token_type": [1] * len(names)},
        "spaced": {
            "model": "gpt2",
            "tokens": [*spaced, "\n\n", "\n\n\n", *bytes_],
            "merges": [merge for merge in spaced_merges if "\n" not in merge],
            "token_type": [1] * (len(spaced) + 2) + [_BYTE] * 256,
        },
        "gpt2": {"model": "gpt2", "pre": "gpt-2", "tokens": alphabet, "merges": [], "token_type": [1] * 256},
        "llama": {
            "model": "llama",
            "tokens": pieces,
            "token_type": [2, _CONTROL, _CONTROL, *[_BYTE] * 256, *[1] * len(words)],
            "scores": [0.0] * 259 + [-float(place) for place in range(len(words))],
        },
    }


def write(path: Path, fields: Mapping[str, Any]) -> Path:
    """A file of one small layer, without tensors."""
    writer = gguf.GGUFWriter(None, "llama")
    writer.add_block_count(1)
    writer.add_context_length(64)
    writer.add_embedding_length(8)
    writer.add_feed_forward_length(8)
    writer.add_head_count(1)
    writer.add_layer_norm_rms_eps(1e-5)
    for key, value in fields.items():
        name = f"tokenizer.ggml.{key}"
        if isinstance(value, bool):
            writer.add_bool(name, value)
        elif isinstance(value, int):
            writer.add_uint32(name, value)
        elif isinstance(value, str):
            writer.add_string(name, value)
        elif value:
            writer.add_array(name, value)
        else:  # which the writer leaves out
            writer.add_key_value(name, [""], gguf.GGUFValueType.ARRAY)
    writer.write_header_to_file(path)
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def with_extra(fields: Mapping[str, Any], extra: Extra, said: Mapping[str, Any]) -> dict[str, Any]:
    found = {**fields, **said, "tokens": [*fields["tokens"], *(name for name, _ in extra)]}
    found["token_type"] = [*fields["token_type"], *(kind for _, kind in extra)]
    if "scores" in fields:
        found["scores"] = [*fields["scores"], *[0.0] * len(extra)]
    return found


def _case(folder: Path, fields: Mapping[str, Any], extra: int) -> dict[str, Any]:
    model = LlamaModel(write(folder / "case.gguf", fields), vocabulary_only=True)
    found = {
        "bos": model.bos,
        "eos": model.eos,
        "ends": model.ends(),
        "pieces": [model.piece(token).hex() for token in range(model.count - extra, model.count)],
        "texts": [model.tokens(text, add_special=True) for text in CASE_TEXTS],
        "marked": [model.tokens(text, parse_special=True) for text in CASE_TEXTS],
    }
    model.close()
    return found


def main(target: Path) -> None:
    kinds, lines = vocabularies(), texts()
    fixture: dict[str, Any] = {"vocabularies": kinds, "texts": lines, "splitters": {}, "cases": {}}
    with TemporaryDirectory() as folder:
        for kind, names in (("words", NAMES), ("spaced", SPACED_NAMES)):
            for name in names:
                fields = {**kinds[kind], "pre": name, "bos_token_id": 5, "eos_token_id": 6}
                model = LlamaModel(write(Path(folder) / "words.gguf", fields), vocabulary_only=True)
                adds = model.tokens("a", add_special=True) != model.tokens("a")
                tokens = [checksum(model.tokens(text)) for text in lines]
                model.close()
                fixture["splitters"][name] = {"vocabulary": kind, "adds_bos": adds, "checksums": tokens}
        for name, (kind, extra, said) in CASES.items():
            fields = with_extra(kinds[kind], extra, said)
            fixture["cases"][name] = {"kind": kind, "extra": extra, "said": said, **_case(Path(folder), fields, len(extra))}
        fixture["sentences"] = {"tokens": SENTENCE_WORDS, "token_type": SENTENCE_TYPES, "texts": SENTENCE_TEXTS, "cases": {}}
        for name, said in SENTENCES.items():
            fields = {"model": "bert", "tokens": SENTENCE_WORDS, "token_type": SENTENCE_TYPES, **said}
            model = LlamaModel(write(Path(folder) / "words.gguf", fields), vocabulary_only=True)
            tokens = [model.tokens(text, add_special=True) for text in SENTENCE_TEXTS]
            model.close()
            fixture["sentences"]["cases"][name] = {"said": said, "tokens": tokens}
    # Names of one splitter share its numbers.
    seen: dict[str, str] = {}
    for name, found in fixture["splitters"].items():
        same = seen.setdefault(json.dumps(found), name)
        fixture["splitters"][name] = found if same == name else same
    fixture["case_texts"] = CASE_TEXTS
    text = json.dumps(fixture, separators=(",", ":"), ensure_ascii=False)
    (target / "llm_vocabularies.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
