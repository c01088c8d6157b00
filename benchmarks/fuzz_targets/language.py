"""Whole language models: fields and bytes of a GGUF file, and the files of a published folder. Loaded, and asked for little."""

import json
import random
import struct
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fuzz import Read, Target, damage_bytes, damage_json
from wherry.engine.language import Language, load_language
from wherry.text.sentences import SentenceTokenizer

_MEMORY = 256 << 20  # bytes that a model and its texts may take
_TEXT = "the hello <s> 日本 1234 'S\n\n"
_CHAT = [{"role": "user", "content": _TEXT}]
_FIELDS: dict[str, Any] = {
    "rope.scaling.type": "yarn", "rope.scaling.factor": 4.0, "rope.scaling.attn_factor": 1.5, "rope.scale_linear": 2.0,
    "rope.scaling.original_context_length": 32, "rope.freq_base": 5e5, "pooling_type": 1, "attention.key_length": 16,
    "attention.sliding_window": 16, "general.name": "fuzz", "general.sampling.temp": 0.5, "general.sampling.top_k": 5,
    "tokenizer.ggml.add_bos_token": True, "tokenizer.ggml.add_eos_token": True, "tokenizer.ggml.bos_token_id": 1,
    "tokenizer.ggml.eos_token_id": 2, "tokenizer.ggml.eot_token_id": 2, "tokenizer.ggml.add_space_prefix": False,
    "tokenizer.chat_template": "{{ bos_token }}{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}",
}  # fmt: skip
_WORDS = (
    b"llama", b"qwen2", b"qwen3", b"gemma2", b"phi3", b"gpt2", b"bert", b"none", b"linear", b"longrope", b"llama-bpe", b"gemma4",
    b"kimi-k2", b"mmbert", b"tokenizer.ggml.pre", b"tokenizer.ggml.merges", b"tokenizer.ggml.scores",
    b"llama.attention.head_count_kv", b"llama.feed_forward_length", b"<unk>", b"</s>", b"\xe2\x96\x81", b"<0x41>", b"\xff",
)  # fmt: skip
_CONFIG_WORDS = (
    b"rope_scaling", b"rope_parameters", b"full_attention", b"yarn", b"llama3", b"longrope", b"llama", b"gemma3", b"qwen3",
    b"layer_types", b"<s>", b"<|im_end|>", b"eos_token_id", b"temperature", b"do_sample", b"content", b"default",
)  # fmt: skip


def _ask(language: Language) -> None:
    tokens = language.text_prompt(_TEXT)[:16]
    language.marked_prompt(_TEXT)
    language.text(tokens)
    if language.template is not None:
        language.prompt(_CHAT)
    if tokens:
        vector = language.embed(tokens)
        if not np.isfinite(vector).all():
            raise AssertionError("a vector of something else than numbers")


@cache
def _sound() -> bytes:
    """The smallest model that tests have."""
    from tempfile import TemporaryDirectory

    from tests.references.llm_small import write_model

    with TemporaryDirectory() as folder:
        return write_model(Path(folder) / "small.gguf", "llama", _FIELDS).read_bytes()


@cache
def _tensors() -> tuple[int, bytes]:
    """How many there are, and their part of the file: announcements and data."""
    data = _sound()
    count = struct.unpack_from("<Q", data, 8)[0]
    first = data.index(struct.pack("<Q", len(b"token_embd.weight")) + b"token_embd.weight")
    return count, data[first:]


def _fields() -> Sequence[bytes]:
    from tests.references.llm_small import vocabulary

    said: dict[str, Any] = {
        "general.architecture": "llama", "llama.block_count": 2, "llama.context_length": 128, "llama.embedding_length": 64,
        "llama.feed_forward_length": [96, 96], "llama.attention.head_count": 4, "llama.attention.head_count_kv": [2, 2],
        "llama.attention.layer_norm_rms_epsilon": 1e-5, "llama.rope.dimension_count": 16,
    }  # fmt: skip
    said |= {f"tokenizer.ggml.{key}": value for key, value in vocabulary().items()}
    own = {key if key.startswith(("tokenizer.", "general.")) else f"llama.{key}": value for key, value in _FIELDS.items()}
    letters = [chr(byte) for byte in range(33, 127)]
    level = {
        **said, "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "llama-bpe", "tokenizer.ggml.merges": ["t h", "th e"],
        "tokenizer.ggml.tokens": [*letters, "th", "the", "<|im_end|>"], "tokenizer.ggml.token_type": [1] * 96 + [3],
    }  # fmt: skip
    return [json.dumps(value).encode() for value in (said | own, said, level)]


def _read_fields(folder: Path) -> Read:
    def read(data: bytes) -> None:
        try:
            said = json.loads(data)
        except (ValueError, RecursionError):
            return
        count, tensors = _tensors()
        fields = [_field(key, value) for key, value in said.items()] if isinstance(said, dict) else []
        head = b"GGUF" + struct.pack("<IQQ", 3, count, len(fields)) + b"".join(fields)
        _load(folder, _joined(head, tensors))

    return read


def _joined(head: bytes, tensors: bytes) -> bytes:
    """Data begin at a multiple of 32, counted from the file's beginning."""
    infos, data = _split(tensors)
    out = head + infos
    return out + bytes(-len(out) % 32) + data


@cache
def _split(tensors: bytes) -> tuple[bytes, bytes]:
    """The announcements of the tensors, and their data."""
    at, count = 0, _tensors()[0]
    for _ in range(count):
        size = struct.unpack_from("<Q", tensors, at)[0]
        rank = struct.unpack_from("<I", tensors, at + 8 + size)[0]
        at += 8 + size + 4 + 8 * rank + 12
    start = len(_sound()) - len(tensors) + at
    return tensors[:at], tensors[at + -start % 32 :]


def _field(key: str, value: Any) -> bytes:
    name = _string(str(key))
    if isinstance(value, dict) or value is None:
        value = json.dumps(value)
    if isinstance(value, list):
        kind = _kind(value[0]) if value else 4
        items = [each for each in value if _kind(each) == kind and not isinstance(each, list | dict)]
        return name + struct.pack("<IIQ", 9, kind, len(items)) + b"".join(_value(kind, each) for each in items)
    kind = _kind(value)
    return name + struct.pack("<I", kind) + _value(kind, value)


def _kind(value: Any) -> int:
    if isinstance(value, bool):
        return 7
    if isinstance(value, int):
        return 4 if 0 <= value < 1 << 32 else 11 if value < 0 else 10
    return 6 if isinstance(value, float) else 8


def _value(kind: int, value: Any) -> bytes:
    if kind == 8:
        return _string(str(value))
    if kind == 6:
        return struct.pack("<f", value if abs(value) < 3e38 else float("inf"))
    if kind in (4, 10, 11):
        return struct.pack({4: "<I", 10: "<Q", 11: "<q"}[kind], max(-(1 << 63), min(value, (1 << 64) - 1)))
    return struct.pack("<?", value)


def _string(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    return struct.pack("<Q", len(data)) + data


def _load(folder: Path, data: bytes) -> None:
    path = folder / "model.gguf"
    path.unlink(missing_ok=True)  # the last one may still be mapped
    path.write_bytes(data)
    _ask(load_language(path, device="cpu", memory=_MEMORY, texts=1))


def _read_bytes(folder: Path) -> Read:
    return lambda data: _load(folder, data)


def _damage_head(data: bytes, words: Sequence[bytes], chosen: random.Random) -> bytes:
    """Fields and announcements of tensors, not the numbers."""
    head = data[: chosen.choice([200, 2000, 12_000])]
    return damage_bytes(head, words, chosen) + data[len(head) :]


def _folder() -> Sequence[bytes]:
    from tests.engine.test_published import _FIXTURE

    config = json.loads(str(_FIXTURE["qwen2.config"]))
    stretched = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32}
    documents = {
        "config.json": {**config, "rope_scaling": stretched, "eos_token_id": [3]},
        "tokenizer_config.json": {
            "bos_token": "<s>", "eos_token": {"content": "<|im_end|>"}, "add_bos_token": True,
            "chat_template": [{"name": "default", "template": "{{ bos_token }}{{ messages[0].content }}"}],
        },
        "special_tokens_map.json": {"bos_token": "<s>"},
        "generation_config.json": {"eos_token_id": [3, 4], "temperature": 0.5, "top_k": 9, "do_sample": True},
        "1_Pooling/config.json": {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False},
    }  # fmt: skip
    return [json.dumps(documents).encode(), json.dumps({"config.json": config}).encode()]


def _read_folder(folder: Path) -> Read:
    from tests.engine.test_published import byte_level, publish

    model = publish(folder / "model", "qwen2", byte_level())
    (model / "1_Pooling").mkdir()
    kept = ("config.json", "tokenizer_config.json", "special_tokens_map.json", "generation_config.json", "1_Pooling/config.json")

    def read(data: bytes) -> None:
        try:
            documents = json.loads(data)
        except (ValueError, RecursionError):
            documents = {"config.json": data.decode("utf-8", "replace")}
        for name in kept:
            (model / name).unlink(missing_ok=True)
            if isinstance(documents, dict) and name in documents:
                (model / name).write_text(json.dumps(documents[name]))
        _ask(load_language(model, device="cpu", memory=_MEMORY, texts=1))

    return read


def _sentences() -> Sequence[bytes]:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "\u2581a", "\u2581the", "b", "##c", "\u2581"]
    said: Mapping[str, Any] = {
        "model": "bert", "tokens": words, "token_type": [3, 3, 3, 3, 1, 1, 1, 1, 1], "unknown_token_id": 1, "bos_token_id": 2,
        "cls_token_id": 2, "seperator_token_id": 3, "normalizer.lowercase": True, "normalizer.strip_accents": False,
    }  # fmt: skip
    return [json.dumps({f"tokenizer.ggml.{key}": value for key, value in said.items()}).encode()]


def _read_sentences(folder: Path) -> Read:
    def read(data: bytes) -> None:
        try:
            said = json.loads(data)
        except (ValueError, RecursionError):
            return
        if isinstance(said, dict):
            fields = {key: tuple(value) if isinstance(value, list) else value for key, value in said.items()}
            SentenceTokenizer.from_gguf(folder / "m.gguf", fields, 1 << 20).encode(_TEXT)

    return read


TARGETS = [
    Target("language-gguf-fields", _fields, _read_fields, _WORDS, damage_json, suite_cases=40),
    Target("language-gguf-bytes", lambda: [_sound()], _read_bytes, _WORDS, _damage_head, suite_cases=40),
    Target("language-folder", _folder, _read_folder, _CONFIG_WORDS, damage_json, suite_cases=40),
    Target("sentences-gguf-fields", _sentences, _read_sentences, _WORDS, damage_json, suite_cases=150),
]
