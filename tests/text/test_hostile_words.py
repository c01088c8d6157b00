"""Chat templates, tokenizers and vocabularies that lie: a clear error or a result, never a hang, a crash or the host's memory."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from tests.text.test_language import FIELDS
from wherry.engine.catalog import default_cache, find_model
from wherry.errors import FormatError, InputError, NotFoundError, WherryError
from wherry.text import bounded, language
from wherry.text.language import gguf_vocabulary
from wherry.text.published import published_template, published_vocabulary
from wherry.text.sentences import SentenceTokenizer
from wherry.text.templates import render_chat, render_here
from wherry.text.workers import Limits
from wherry.weights import open_checkpoint

_MESSAGES = [{"role": "user", "content": "hello"}]
_GROWING = "{% set ns = namespace(s='x') %}{% for i in range(100) %}{% set ns.s = STEP %}{% endfor %}{{ ns.s }}"
_STEPS = [
    "ns.s ~ ns.s", "ns.s + ns.s", "[ns.s, ns.s] | join", "'%s%s' % (ns.s, ns.s)", "'{0}{0}'.format(ns.s)", "[ns.s, ns.s]",
    "(ns.s, ns.s) | string", "{'a': ns.s, 'b': ns.s} | tojson", "ns.s.replace('x', 'xx')", "ns.s | replace('x', 'xx')",
    "[ns.s, ns.s] | map('string') | list", "dict(a=ns.s, b=ns.s)", "namespace(a=ns.s ~ 'y' ~ ns.s).a", "ns.s.join([ns.s, ns.s])",
    "(ns.s | list) + (ns.s | list)",
]  # fmt: skip
_BOMBS = [
    *(_GROWING.replace("STEP", step) for step in _STEPS),
    "{% set ns = namespace(s='x') %}{% for i in range(100) %}{% set ns.s %}{{ ns.s }}{{ ns.s }}{% endset %}{% endfor %}",
    "{% macro two(s) %}{{ s }}{{ s }}{% endmacro %}" + _GROWING.replace("STEP", "two(ns.s)"),
    "{% set ns = namespace(n=3) %}{% for i in range(100) %}{% set ns.n = ns.n * ns.n %}{% endfor %}",
    "{{ 'x' * 10 ** 10 }}", "{{ [[1] * 1000] * 1000000 }}", "{{ 9 ** 9 ** 9 ** 9 }}", "{{ 'x'.center(9999999999) }}",
    "{{ 'x' | center(9999999999) }}", "{{ 'x'.ljust(9999999999) }}", "{{ '%9999999999d' % 1 }}", "{{ '%*d' % (9999999999, 1) }}",
    "{{ '{:9999999999}'.format(1) }}", "{{ '{:{}}'.format(1, 9999999999) }}", "{{ 'a\\nb' | indent(9999999999) }}",
    "{{ messages | tojson(indent=9999999999) }}", "{{ [1] | tojson(separators=('x' * 99999, 'y')) }}",
    "{{ 1.5 | round(9999999999, 'ceil') }}", "{{ strftime_now('%9999999999d') }}",
    "{% for a in [1] recursive %}{{ loop([1, 1]) }}{% endfor %}", "{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}",
    "{% for x in range(9) %}" * 30 + "{% endfor %}" * 30, "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "x" * (1 << 19),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(_BOMBS)))
def test_a_template_makes_no_more_than_it_may(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "MAX_SECONDS", 1.0)
    with pytest.raises(FormatError, match="chat template: found"):
        render_chat(_BOMBS[number], _MESSAGES, names={})


@pytest.mark.parametrize(
    "template",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
        "{% for a in [1, 2] recursive %}{% if loop.depth < 60 %}{{ loop([1, 2]) }}{% endif %}{% endfor %}",
    ],
)
def test_a_template_that_does_not_end_is_ended(template: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "MAX_SECONDS", 0.2)
    with pytest.raises(FormatError, match="does not end"):
        render_chat(template, _MESSAGES, names={})


def test_what_templates_do_is_as_in_jinja() -> None:
    template = (
        "{% set ns = namespace(n=0, s='') %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% set ns.s = ns.s ~ m.content ~ 1 %}"
        "{% endfor %}{{ ns.s }}{% set b %}[{{ messages[0]['role'] | upper }}]{% endset %}{{ b }}{{ '%s-%03d' % ('a', 7) }}"
        "{{ '{}{x}'.format(1, x=2) }}{{ (1, 2) | join(', ') }}{{ {'a': [1, 2.5, none]} | tojson }}{{ 'a\nb' | indent(2) }}"
        "{{ 'aXbX'.split('X')[1:] | length }}{{ 2 ** 10 }}{{ 'ab' * 2 }}{{ 'x' in 'xyz' }}{{ ['b', 'a'] | sort | first }}"
    )
    expected = 'hello1[USER]a-007121, 2{"a": [1, 2.5, null]}a\n  b21024ababTruea'
    assert render_chat(template, _MESSAGES, names={}) == expected


@pytest.mark.filterwarnings("ignore:invalid escape sequence")
def test_damaged_templates_are_errors_or_texts() -> None:
    file = find_model("smollm2-135m-instruct", default_cache()).weights
    whole = open_checkpoint(file).metadata["tokenizer.chat_template"]
    assert isinstance(whole, str)
    chosen = random.Random(3)
    for _ in range(300):
        try:
            render_here(_damaged(whole, chosen), _MESSAGES, {"bos_token": "<s>", "eos_token": "</s>"})
        except (FormatError, InputError) as error:
            names(error, "chat template", "messages")


_TOKENIZER: dict[str, Any] = {
    "version": "1.0", "truncation": None, "padding": None, "normalizer": None, "post_processor": None,
    "added_tokens": [{"id": 4, "content": "<s>", "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
                      "special": True}],
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
    "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
    "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
              "fuse_unk": False, "byte_fallback": False, "vocab": {"a": 0, "b": 1, "ab": 2, "c": 3}, "merges": ["a b"]},
}  # fmt: skip


def test_damaged_tokenizers_are_errors_or_vocabularies(tmp_path: Path) -> None:
    whole = json.dumps(_TOKENIZER)
    chosen = random.Random(4)
    (tmp_path / "tokenizer.json").write_text(whole)
    assert published_vocabulary(tmp_path, {}).encode("abc") == [2, 3]
    read = 0
    for _ in range(600):
        (tmp_path / "tokenizer.json").write_text(_damaged(whole, chosen))
        try:
            published_vocabulary(tmp_path, {}).encode("abc<s>")
            read += 1
        except FormatError as error:
            names(error, "tokenizer.json")
    assert 0 < read < 600


_WORDPIECE: dict[str, Any] = {
    **_TOKENIZER, "pre_tokenizer": {"type": "Whitespace"}, "decoder": None, "added_tokens": [],
    "post_processor": {"type": "TemplateProcessing", "pair": [],
                       "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                       "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [0], "tokens": ["[CLS]"]}}},
    "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
              "vocab": {"[CLS]": 0, "[UNK]": 1, "a": 2}},
}  # fmt: skip


@pytest.mark.parametrize("lacking", ["", "described token", "unknown token", "post-processor's sequence"])
def test_a_tokenizer_of_sentences_that_panics_is_a_format_error(lacking: str, tmp_path: Path) -> None:
    """What the library answers with a panic, which is no Exception, or with one of its own, and only when it reads a text."""
    document = json.loads(json.dumps(_WORDPIECE))
    if lacking == "described token":
        del document["post_processor"]["special_tokens"]["[CLS]"]
    elif lacking == "unknown token":
        document["model"]["unk_token"] = "[MISSING]"
    elif lacking:
        document["post_processor"]["single"] = [{"SpecialToken": {"id": "[SEP]", "type_id": 0}}]
    (tmp_path / "tokenizer.json").write_text(json.dumps(document))
    if not lacking:
        assert SentenceTokenizer.from_file(tmp_path / "tokenizer.json", 3).encode("a b") == [0, 2, 1]
        return
    with pytest.raises(FormatError, match=r"tokenizer\.json: .*found"):
        SentenceTokenizer.from_file(tmp_path / "tokenizer.json", 3)


def test_a_tokenizers_own_pattern_works_in_a_process_that_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each match of the pattern stays within the library's limit, one after the other."""
    monkeypatch.setattr(language, "_LIMITS", Limits(1.0, 2 << 30, 30.0))
    step = {"type": "Split", "pattern": {"Regex": r"(?:(a+)\1)+(?!a)b|(.*a){7}$(?<!!)"}, "behavior": "Isolated", "invert": False}
    steps = {"type": "Sequence", "pretokenizers": [step, _TOKENIZER["pre_tokenizer"]]}
    (tmp_path / "tokenizer.json").write_text(json.dumps({**_TOKENIZER, "pre_tokenizer": steps}))
    vocabulary = published_vocabulary(tmp_path, {})
    assert vocabulary.contained and vocabulary.encode("abc") == [2, 3]
    with pytest.raises(InputError, match=r"text: found 9000 characters|cannot read this text"):
        vocabulary.encode(("a" * 40 + "c!\n") * 200 + "a" * 400)
    step["pattern"] = {"Regex": r"\p{N}"}
    (tmp_path / "tokenizer.json").write_text(json.dumps({**_TOKENIZER, "pre_tokenizer": steps}))
    assert not published_vocabulary(tmp_path, {}).contained


@pytest.mark.parametrize("pattern", [r"(.*a){7}$", r"a*a*a*b", r" {2,}"])
def test_a_tokenizer_of_sentences_has_simple_patterns_or_is_refused(pattern: str, tmp_path: Path) -> None:
    normalizer = {"type": "Replace", "pattern": {"Regex": pattern}, "content": " "}
    (tmp_path / "tokenizer.json").write_text(json.dumps({**_WORDPIECE, "normalizer": normalizer}))
    if pattern == " {2,}":  # of multilingual models
        assert SentenceTokenizer.from_file(tmp_path / "tokenizer.json", 3).encode("a  b") == [0, 2, 1]
        return
    with pytest.raises(FormatError, match=r"tokenizer\.json: found the pattern"):
        SentenceTokenizer.from_file(tmp_path / "tokenizer.json", 3)


@pytest.mark.parametrize("count", [2, 5])
def test_a_tokenizer_that_makes_much_of_little_is_refused(count: int, tmp_path: Path) -> None:
    step = {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 1000}
    normalizer = {"type": "Sequence", "normalizers": [step] * count}
    (tmp_path / "tokenizer.json").write_text(json.dumps({**_TOKENIZER, "normalizer": normalizer}))
    with pytest.raises(FormatError, match=r"tokenizer\.json: found steps that make a text up to 10+ times as long"):
        published_vocabulary(tmp_path, {})


def test_a_tokenizer_that_panics_is_a_format_error(tmp_path: Path) -> None:
    document = {**_TOKENIZER, "post_processor": {**_WORDPIECE["post_processor"], "special_tokens": {}}}
    (tmp_path / "tokenizer.json").write_text(json.dumps(document))
    with pytest.raises(FormatError, match=r"tokenizer\.json: found"):
        published_vocabulary(tmp_path, {})


def test_values_that_cannot_be_in_a_tokenizer(tmp_path: Path) -> None:
    """Each value in turn is another: of another type, negative, huge."""
    chosen = random.Random(5)
    for path in _paths(_TOKENIZER):
        for value in (None, -1, 1 << 63, 1e300, "x", [], {}, [[]], True, 3000000000):
            changed = json.loads(json.dumps(_TOKENIZER))
            place = changed
            for step in path[:-1]:
                place = place[step]
            place[path[-1]] = value
            (tmp_path / "tokenizer.json").write_text(json.dumps(changed))
            try:
                published_vocabulary(tmp_path, {"eos_token_id": chosen.choice([0, 3])}).encode("abc<s>")
            except (FormatError, NotFoundError) as error:
                names(error, "tokenizer")


def test_values_that_cannot_be_in_its_companions(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(json.dumps(_TOKENIZER))
    for value in (None, -1, 1 << 63, 0.5, "x", [], {}, [[]], ["x"], True, [{"name": 1}], [{"name": []}], {"content": []}):
        for key in ("eos_token", "chat_template", "eos_token_id"):
            for name in ("tokenizer_config.json", "generation_config.json"):
                (tmp_path / name).write_text(json.dumps({key: value}))
                try:
                    published_vocabulary(tmp_path, {})
                    published_template(tmp_path)
                except FormatError as error:
                    names(error, name)
                (tmp_path / name).unlink()


def test_values_that_cannot_be_in_a_vocabulary() -> None:
    values: list[Any] = [None, -1, 1 << 63, 1.5, "x", (), ("x",), ("a b", "a b"), (1, 2, 3, 4), (1.5,) * 4, (True,) * 4]
    fields = {**FIELDS, "tokenizer.ggml.scores": (0.0, -1.0, -2.0, -3.0), "tokenizer.ggml.bos_token_id": 0}
    for kind in ("gpt2", "llama"):
        for key in fields:
            for value in values:
                try:
                    gguf_vocabulary(Path("model.gguf"), {**fields, "tokenizer.ggml.model": kind, key: value}).encode("ab")
                except FormatError as error:
                    names(error, "model.gguf", "tokenizer")


def names(error: WherryError, *words: str) -> None:
    """What is wrong is said with its place."""
    assert any(word in str(error) for word in words)


def _damaged(text: str, chosen: random.Random) -> str:
    """One to four pieces cut out, doubled, moved or written over."""
    for _ in range(chosen.randint(1, 4)):
        start = chosen.randrange(len(text) or 1)
        end = min(len(text), start + chosen.choice([1, 1, 2, 5, 20, 200]))
        piece = text[start:end]
        way = chosen.randrange(4)
        if way == 0:
            text = text[:start] + text[end:]
        elif way == 1:
            text = text[:end] + piece + text[end:]
        elif way == 2:
            text = text[:start] + "".join(chosen.choice("{}%[]()\"'0179-,:.|eE\\\0 nul\u00e9") for _ in piece) + text[end:]
        else:
            rest = text[:start] + text[end:]
            at = chosen.randrange(len(rest) + 1)
            text = rest[:at] + piece + rest[at:]
    return text


def _paths(value: Any, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path for key, part in inner for path in ((*before, key), *_paths(part, (*before, key)))]
