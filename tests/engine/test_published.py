"""Language models as Hugging Face publishes them: safetensors, config.json, tokenizer.json, tokenizer_config.json."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import BPE, WordPiece
from tokenizers.trainers import BpeTrainer

from tests.conftest import ROOT
from tests.references.llm_families import TOKENS, random_weights
from wherry.engine.catalog import default_cache, find_model
from wherry.engine.language import Language, load_language
from wherry.engine.sampling import SamplingOptions
from wherry.engine.sampling_defaults import SamplingDefaults
from wherry.errors import FormatError, NotFoundError
from wherry.text.language import Pieces

_FIXTURE = np.load(ROOT / "tests/fixtures/llm_families.npz")
_PLACES = [0, 6, 20, 39]
_TEXT = "the ferry crosses the river and the ferry comes back over the river — naïve Überfahrt, 日本語 " * 4
_TEMPLATE = "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content }}<|im_end|>{% endfor %}"


def byte_level() -> Tokenizer:
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator([_TEXT], BpeTrainer(vocab_size=140, show_progress=False))
    return tokenizer


def sentence_pieces() -> Tokenizer:
    """As the Llama 2 and Gemma families have them: spaces as letters, bytes where there is no letter."""
    tokenizer = Tokenizer(BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Replace(" ", "\u2581")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()])
    special = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(0x80, 0x100))]
    tokenizer.train_from_iterator(
        ["the ferry crosses"], BpeTrainer(vocab_size=150, show_progress=False, special_tokens=["<unk>"])
    )
    whole = json.loads(tokenizer.to_str())
    for name in special[1:]:  # bytes stand in the vocabulary, and are no added tokens
        whole["model"]["vocab"][name] = len(whole["model"]["vocab"])
    return Tokenizer.from_str(json.dumps(whole))


def publish(folder: Path, name: str, tokenizer: Tokenizer, shards: int = 1, **settings: Any) -> Path:
    folder.mkdir()
    config = json.loads(str(_FIXTURE[f"{name}.config"]))
    size = tokenizer.get_vocab_size()
    tokenizer.add_special_tokens([AddedToken("<s>", special=True), AddedToken("<|im_end|>", special=True)])
    tokenizer.add_tokens([AddedToken("<tool>", special=False)])
    assert size + 3 <= config["vocab_size"]
    (folder / "config.json").write_text(json.dumps({**config, "eos_token_id": [size + 1], **settings}))
    tokenizer.save(str(folder / "tokenizer.json"))
    said = {"chat_template": [{"name": "default", "template": _TEMPLATE}], "eos_token": {"content": "<|im_end|>"}}
    (folder / "tokenizer_config.json").write_text(json.dumps(said))
    shapes = {key: tuple(shape) for key, shape in json.loads(str(_FIXTURE[f"{name}.shapes"])).items()}
    weights = list(random_weights(shapes).items())
    if shards == 1:
        save_file(dict(weights), folder / "model.safetensors")
        return folder
    places = {}
    for i in range(shards):
        file = f"model-{i + 1:05}-of-{shards:05}.safetensors"
        save_file(dict(weights[i::shards]), folder / file)
        places |= {key: file for key, _ in weights[i::shards]}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return folder


@pytest.fixture(scope="module", params=["qwen2", "gemma3"])
def published(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    name: str = request.param
    folder = tmp_path_factory.mktemp("published") / name
    if name == "qwen2":
        return name, publish(folder, name, byte_level(), shards=2)
    tokenizer = sentence_pieces()
    start = tokenizer.get_vocab_size()
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", start)])
    return name, publish(folder, name, tokenizer)


@pytest.fixture(scope="module")
def language(published: tuple[str, Path]) -> Language:
    return load_language(find_model(str(published[1]), default_cache()).weights, device="cpu")


def test_logits_are_those_of_transformers(published: tuple[str, Path], language: Language) -> None:
    found = language.logits(TOKENS)
    np.testing.assert_allclose(found[_PLACES], _FIXTURE[f"{published[0]}.logits"], atol=1e-4)
    assert language.name == published[0]


@pytest.mark.parametrize("text", ["the ferry", "  the  river\n", "naïve 日本語 🙂", "", "<|im_end|>", "<tool>x"])
def test_tokens_are_those_of_the_file(text: str, published: tuple[str, Path], language: Language) -> None:
    reference = Tokenizer.from_file(str(published[1] / "tokenizer.json"))
    reference.encode_special_tokens = True
    expected = reference.encode(text, add_special_tokens=False).ids
    vocabulary = language.vocabulary
    assert vocabulary.encode(text) == expected
    pieces = Pieces(vocabulary)
    said = "".join(pieces.add(token) for token in expected) + pieces.end()
    if "<unk>" not in reference.encode(text, add_special_tokens=False).tokens:
        assert said == reference.decode(expected, skip_special_tokens=True)


def test_what_begins_and_ends_a_text(published: tuple[str, Path], language: Language) -> None:
    vocabulary = language.vocabulary
    start = vocabulary.names.index("<s>")
    assert vocabulary.bos == (start if published[0] == "gemma3" else None)
    assert vocabulary.before == ((start,) if published[0] == "gemma3" else ())
    assert vocabulary.ends == {start + 1}
    assert vocabulary.names[start + 1] == "<|im_end|>"
    assert len(vocabulary.pieces) == language.model.dims.n_vocab  # the table is longer than the vocabulary: any token may come
    prompt = language.prompt([{"role": "user", "content": "the ferry<|im_end|>"}])
    assert prompt[-1] == start + 1
    assert len(list(language.generate(prompt, SamplingOptions(temperature=2.0), 4))) in range(1, 5)


def test_a_template_of_its_own_goes_first(published: tuple[str, Path], tmp_path: Path) -> None:
    folder = publish(tmp_path / "model", "qwen2", byte_level())
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }}")
    language = load_language(folder, device="cpu")
    assert language.prompt([{"content": "the river"}]) == language.vocabulary.encode("the river")


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("tokenizer.json", "{}", "expected a Hugging Face tokenizer.json"),
        ("tokenizer.json", Tokenizer(WordPiece({"a": 0}, unk_token="a")).to_str(), "found WordPiece, expected BPE"),
        ("tokenizer.json", None, "found no such file, expected it beside"),
        ("tokenizer_config.json", "[", "unreadable JSON"),
        ("tokenizer_config.json", '{"chat_template": 7}', "chat_template.*found int"),
        ("generation_config.json", '{"eos_token_id": 4096}', "found 4096, expected a token below"),
        ("config.json", '{"model_type": "qwen2"}', "expected a whole number"),
    ],
)
def test_what_cannot_be_is_named(file: str, content: str | None, words: str, tmp_path: Path) -> None:
    folder = publish(tmp_path / "model", "qwen2", byte_level())
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_text(content)
    with pytest.raises((FormatError, NotFoundError), match=words) as caught:
        load_language(folder, device="cpu")
    assert "model" in str(caught.value)


def test_more_tokens_than_rows_are_refused(tmp_path: Path) -> None:
    folder = publish(tmp_path / "model", "qwen2", byte_level())
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.add_tokens([f"<{i}>" for i in range(80)])
    tokenizer.save(str(folder / "tokenizer.json"))
    with pytest.raises(FormatError, match="expected the model's 160"):
        load_language(folder, device="cpu")


def test_tokens_are_drawn_as_the_generation_config_says(tmp_path: Path) -> None:
    folder = publish(tmp_path / "model", "qwen2", byte_level())
    assert load_language(folder, device="cpu").sampling == SamplingDefaults()
    config: dict[str, Any] = {"do_sample": True, "temperature": 0.7, "top_k": 20, "top_p": 0.8, "repetition_penalty": 1.05}
    (folder / "generation_config.json").write_text(json.dumps(config))
    assert load_language(folder, device="cpu").sampling == SamplingDefaults(0.7, 20, 0.8, 0.05, 1.05, 64)
    (folder / "generation_config.json").write_text(json.dumps({**config, "do_sample": False, "top_k": 5000}))
    found = load_language(folder, device="cpu").sampling
    assert (found.temperature, found.top_k) == (0.0, 1024)
    (folder / "generation_config.json").write_text(json.dumps({"temperature": "hot"}))
    with pytest.raises(FormatError, match=r'generation_config\.json: "temperature": found .hot., expected a number'):
        load_language(folder, device="cpu")


def test_what_stands_around_a_text_is_what_the_last_step_says(tmp_path: Path) -> None:
    """transformers 5: add_bos_token in tokenizer_config.json counts for nothing beside it, and a chat is the template's."""
    tokenizer = byte_level()
    start = tokenizer.get_vocab_size()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A <|im_end|>", special_tokens=[("<s>", start), ("<|im_end|>", start + 1)]
    )
    folder = publish(tmp_path / "model", "qwen2", tokenizer)
    said = json.loads((folder / "tokenizer_config.json").read_text())
    said |= {"add_bos_token": False, "add_eos_token": False, "bos_token": "<s>", "chat_template": "{{ messages[0].content }}"}
    (folder / "tokenizer_config.json").write_text(json.dumps(said))
    language = load_language(folder, device="cpu")
    plain = language.vocabulary.encode("the ferry")
    assert language.text_prompt("the ferry") == [start, *plain, start + 1]
    assert language.marked_prompt("<s>the ferry") == [start, *plain, start + 1]
    assert language.prompt([{"role": "user", "content": "the ferry"}]) == plain
