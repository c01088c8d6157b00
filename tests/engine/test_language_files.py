"""What GGUF files say of a language model's positions, sizes, tokens and vectors, against llama.cpp."""

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.references.llm_small import LOGITS, STATE, TEXT, TOKENS, VECTORS, bytes_said, write_model
from wherry.engine.answers import complete
from wherry.engine.conversation import AnswerOptions
from wherry.engine.language import Language, load_language
from wherry.engine.sampling_defaults import SamplingDefaults
from wherry.engine.sentences import embed_texts
from wherry.errors import FormatError, InputError

# Made by tests/references/llm_small.py.
_FIXTURE = np.load(ROOT / "tests/fixtures/llm_small.npz")
_CHAT = [{"role": "user", "content": "the"}]


def load(folder: Path, family: str = "llama", **said: Any) -> Language:
    return load_language(write_model(folder / "small.gguf", family, said), device="cpu", memory=1 << 30)


@pytest.mark.parametrize("name", LOGITS)
def test_positions_and_sizes_are_read_as_llama_cpp_reads_them(name: str, tmp_path: Path) -> None:
    family, said = LOGITS[name]
    language = load(tmp_path, family, **said)
    found = language.logits(TOKENS)[[0, 40, 79], :64]
    np.testing.assert_allclose(found, _FIXTURE[f"logits {name}"], atol=2e-4)


def test_stretched_positions_differ_from_plain_ones() -> None:
    """The comparison above tells one way from another."""
    plain = _FIXTURE["logits plain"]
    for name in ("scale_linear", "factor alone", "yarn", "factors of frequencies", "linear, attn_factor"):
        assert np.abs(_FIXTURE[f"logits {name}"] - plain).max() > 0.02, name


@pytest.mark.parametrize("name", VECTORS)
def test_vectors_are_pooled_as_the_file_says(name: str, tmp_path: Path) -> None:
    family, said = VECTORS[name]
    vector = embed_texts(load(tmp_path, family, **said), [TEXT])[0]
    np.testing.assert_allclose(vector.numbers, _FIXTURE[f"vector {name}"], atol=1e-4)


def test_a_model_that_ranks_gives_no_vector(tmp_path: Path) -> None:
    language = load(tmp_path, pooling_type=4)
    with pytest.raises(InputError, match="ranks texts"):
        embed_texts(language, [TEXT])
    assert language.text_prompt(TEXT)


def test_a_model_that_reads_backwards_too_gives_no_vector(tmp_path: Path) -> None:
    """llama.cpp lets its tokens see later ones; a vector without that would be another, and nothing would say so."""
    language = load(tmp_path, **{"attention.causal": False})
    with pytest.raises(InputError, match="see later ones"):
        embed_texts(language, [TEXT])
    assert embed_texts(load(tmp_path, **{"attention.causal": True}), [TEXT])


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"pooling_type": 9}, "pooling_type"),
        ({"feed_forward_length": [96]}, r'"hidden": found \[96\], expected 1 to \d+ for each of 2 layers'),
        ({"feed_forward_length": [96, 0]}, '"hidden"'),
        ({"attention.head_count_kv": [2, 8]}, '"kv_heads"'),
        ({"attention.head_count_kv": [2, 2, 2]}, '"kv_heads"'),
        ({"rope.scaling.type": "elastic"}, 'rope scaling: found "elastic"'),
        ({"block_count": [2, 2]}, '"layers"'),
    ],
)
def test_sizes_that_cannot_be_are_named(said: dict[str, object], words: str, tmp_path: Path) -> None:
    tensors = write_model(tmp_path / "sound.gguf").stat().st_size
    assert tensors
    with pytest.raises(FormatError, match=words):
        load_language(_with_fields(tmp_path, said), device="cpu", memory=1 << 30)


def _with_fields(folder: Path, said: dict[str, object]) -> Path:
    """The sound model's tensors under other fields."""
    import gguf

    sound = gguf.GGUFReader(folder / "sound.gguf")
    writer = gguf.GGUFWriter(None, "llama")
    for name, field in sound.fields.items():
        key = name.removeprefix("llama.")
        if name.startswith("GGUF.") or name == "general.architecture" or key in said:
            continue
        item = field.types[1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(name, field.contents(), field.types[0], sub_type=item)
    for key, value in said.items():
        if isinstance(value, str):
            writer.add_string(f"llama.{key}", value)
        elif isinstance(value, list):
            writer.add_array(f"llama.{key}", value)
        else:
            writer.add_uint32(f"llama.{key}", value)  # type: ignore[arg-type]
    for tensor in sound.tensors:
        writer.add_tensor(tensor.name, tensor.data)
    path = folder / "changed.gguf"
    writer.write_header_to_file(path)
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_tokens_that_are_no_utf_8_are_llama_cpps(tmp_path: Path) -> None:
    language = load(tmp_path, **bytes_said())
    assert language.name == "caf\ufffd"
    assert language.text_prompt(TEXT) == _FIXTURE["bytes tokens"].tolist()
    assert [piece.hex() for piece in language.vocabulary.pieces] == _FIXTURE["bytes pieces"].tolist()
    assert "\ufffd" in language.vocabulary.names
    assert language.words.count == language.n_vocab  # as grammars see them


_TEMPLATE = "{{ bos_token }}{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}"


@pytest.mark.parametrize(
    ("said", "expected"),
    [  # llama.cpp: the template's own first token is not doubled, and stands where the file adds none; the last one is added
        ({}, ["<s>", "</s>"]),
        ({"tokenizer.ggml.add_bos_token": False}, ["<s>", "</s>"]),
        ({"tokenizer.chat_template": _TEMPLATE.replace("{{ bos_token }}", "")}, ["<s>", "</s>"]),
        (
            {"tokenizer.chat_template": _TEMPLATE.replace("{{ bos_token }}", ""), "tokenizer.ggml.add_bos_token": False},
            ["</s>"],
        ),
        (
            {"tokenizer.chat_template": _TEMPLATE.replace("{{ eos_token }}", ""), "tokenizer.ggml.add_eos_token": True},
            ["<s>", "</s>"],
        ),
        ({"tokenizer.ggml.add_eos_token": True}, ["<s>", "</s>"]),
    ],
)
def test_what_stands_around_a_chat_is_written_once(said: dict[str, object], expected: list[str], tmp_path: Path) -> None:
    language = load(tmp_path, **{"tokenizer.chat_template": _TEMPLATE, **said})
    names = [language.vocabulary.names[token] for token in language.prompt(_CHAT)]
    assert [name for name in names if name in ("<s>", "</s>")] == expected
    assert names[0] == ("<s>" if "<s>" in expected else "▁the")


def test_tokens_are_drawn_as_the_file_says_where_nobody_else_does(tmp_path: Path) -> None:
    said = {"temp": 0.25, "top_k": 7, "top_p": 0.5, "min_p": 0.125, "penalty_repeat": 1.5, "penalty_last_n": 9}
    language = load(tmp_path, **{f"general.sampling.{key}": value for key, value in said.items()})
    assert language.sampling == SamplingDefaults(0.25, 7, 0.5, 0.125, 1.5, 9)
    with closing(complete(language, "the", AnswerOptions(max_tokens=1, top_p=0.75))) as answer:
        options = answer.stream.options
    assert (options.temperature, options.top_k, options.top_p, options.min_p) == (0.25, 7, 0.75, 0.125)
    assert (options.repeat_penalty, options.penalty_last) == (1.5, 9)
    assert load(tmp_path, **{"general.sampling.top_k": 0}).sampling == SamplingDefaults(0.8, 0, 0.95, 0.05, 1.0, 64)
    with pytest.raises(FormatError, match=r'"general\.sampling\.top_p": found 1\.5, expected a number from 0 to 1'):
        load(tmp_path, **{"general.sampling.top_p": 1.5})


def test_names_of_special_tokens_in_a_text_are_these_tokens_unless_refused(tmp_path: Path) -> None:
    language = load(tmp_path)

    def prompt(**options: Any) -> int:
        with closing(complete(language, "<s>the</s>the", AnswerOptions(max_tokens=1, **options))) as answer:
            return answer.asked

    marked = [1, *language.vocabulary.encode("the"), 2, *language.vocabulary.encode("the")]
    assert prompt() == prompt(parse_special=True) == len(marked)  # and no second token that begins a text
    assert prompt(parse_special=False) == len(language.text_prompt("<s>the</s>the")) > len(marked)
    assert language.marked_prompt("<s>the</s>the") == marked


def test_a_gpu_pools_and_reads_layers_of_several_sizes_alike(tmp_path: Path) -> None:
    from tests.engine.test_gpu import DEVICE, need_adapter

    need_adapter()
    family, said = LOGITS["heads of keys of layers"]
    path = write_model(tmp_path / "small.gguf", family, {**said, "pooling_type": 1})
    on_gpu = load_language(path, device=DEVICE, require_gpu=True)
    np.testing.assert_allclose(on_gpu.logits(TOKENS)[[0, 40, 79], :64], _FIXTURE["logits heads of keys of layers"], atol=1e-2)
    on_cpu = load_language(path, device="cpu", memory=1 << 30)
    vectors = [embed_texts(language, [TEXT])[0].numbers for language in (on_gpu, on_cpu)]
    np.testing.assert_allclose(*vectors, atol=2e-3)


def test_weights_that_are_no_numbers_give_no_vector(tmp_path: Path) -> None:
    path = write_model(tmp_path / "small.gguf", "llama")
    data = bytearray(path.read_bytes())
    data[-STATE * 4 :] = np.full(STATE, np.nan, "<f4").tobytes()  # the last tensor's last row
    path.write_bytes(data)
    with pytest.raises(FormatError, match="weights that make no numbers"):
        embed_texts(load_language(path, device="cpu", memory=1 << 30), [TEXT])
