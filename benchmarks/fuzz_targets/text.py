"""tokenizer.json, chat templates, and what an answer is to fit: schemas, regular expressions, grammars."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.fuzz import Read, Target, damage_json
from wherry.errors import InputError
from wherry.text.constraint import Constraint, Grammar, GrammarWords, gbnf, grammar_words, json_schema, regular_expression
from wherry.text.language import gguf_vocabulary
from wherry.text.published import published_vocabulary
from wherry.text.sentences import SentenceTokenizer
from wherry.text.templates import render_chat

_TEXT = "Hello, wörld! abc<s>[CLS]  12 \n <|im_end|>"
_ADDED = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
_BPE: dict[str, Any] = {
    "version": "1.0",
    "truncation": None,
    "padding": None,
    "normalizer": {"type": "NFC"},
    "added_tokens": [{"id": 4, "content": "<s>", **_ADDED}, {"id": 5, "content": "<|im_end|>", **_ADDED}],
    "pre_tokenizer": {
        "type": "Sequence",
        "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": r"\p{N}{1,3}| ?\p{L}+|\s+(?!\S)"}, "behavior": "Isolated", "invert": False},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
        ],
    },
    "post_processor": {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [4], "tokens": ["<s>"]}},
    },
    "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
    "model": {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": False,
        "vocab": {"a": 0, "b": 1, "ab": 2, "c": 3},
        "merges": ["a b"],
    },
}
_SPM: dict[str, Any] = {
    **_BPE,
    "normalizer": {
        "type": "Sequence",
        "normalizers": [{"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}],
    },
    "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False},
    "post_processor": None,
    "decoder": {
        "type": "Sequence",
        "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}],
    },
    "model": {
        "type": "BPE",
        "dropout": None,
        "unk_token": "<unk>",
        "fuse_unk": True,
        "byte_fallback": True,
        "vocab": {"<unk>": 0, "▁": 1, "a": 2, "▁a": 3},
        "merges": [["▁", "a"]],
    },
}
_WORDPIECE: dict[str, Any] = {
    **_BPE,
    "added_tokens": [{"id": i, "content": name, **_ADDED} for i, name in enumerate(("[PAD]", "[UNK]", "[CLS]", "[SEP]"))],
    "normalizer": {
        "type": "BertNormalizer",
        "clean_text": True,
        "handle_chinese_chars": True,
        "strip_accents": None,
        "lowercase": True,
    },
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
    "post_processor": {
        "type": "TemplateProcessing",
        "single": [
            {"SpecialToken": {"id": "[CLS]", "type_id": 0}},
            {"Sequence": {"id": "A", "type_id": 0}},
            {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
        ],
        "pair": [],
        "special_tokens": {name: {"id": name, "ids": [i], "tokens": [name]} for i, name in ((2, "[CLS]"), (3, "[SEP]"))},
    },
    "model": {
        "type": "WordPiece",
        "unk_token": "[UNK]",
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100,
        "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "hello": 4, "##llo": 5, "a": 6, "##b": 7},
    },
}
_TOKENIZER_WORDS = (
    b"Unigram", b"WordLevel", b"BPE", b"WordPiece", b"Precompiled", b"Replace", b"Regex", b"String", b"Split",
    b"Digits", b"Punctuation", b"CharDelimiterSplit", b"UnicodeScripts", b"RobertaProcessing", b"BertProcessing",
    b"Lowercase", b"NFKD", b"Strip", b"(a*)*$", b"[UNK]", b"CTC", b"\xe2\x96\x81", b"##", b"max_length",
    b"truncation", b"OnlySecond", b"stride", b"direction", b"strategy", b"Fixed", b"pad_id",
)  # fmt: skip

_TEMPLATES = (
    "{{ bos_token }}{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] | trim + '<|im_end|>' + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    "{%- set ns = namespace(i=0, s='') %}{%- macro one(m, n=1) -%}{{ m.role | upper ~ n }}{%- endmacro %}"
    "{%- if tools %}{%- for t in tools %}{{ t.function | tojson(indent=2) }}{%- endfor %}{%- endif %}"
    "{%- for m in messages if m.content is string %}{%- set ns.i = ns.i + 1 %}{%- set ns.s = ns.s ~ one(m, ns.i) %}"
    "{%- if loop.last and not m.tool_calls %}{{ m.content.split('</think>')[-1].lstrip('\\n') }}"
    "{%- else %}{{ m.content | replace('a', 'bb') }}{%- endif %}{%- endfor %}{{ ns.s }}"
    "{{ messages | selectattr('role', 'equalto', 'user') | list | length }}",
    "{% if messages[0]['role'] not in ['system', 'user'] %}{{ raise_exception('bad') }}{% endif %}{{ strftime_now('%d %b %Y') }}"
    "{% for m in messages[::-1] | sort(attribute='role') | unique(attribute='role') %}"
    "{{ loop.index0 % 2 ~ (m | items | list | string) }}{% endfor %}"
    "{{ [1, 2, 3] | sum ~ (range(9) | map('string') | join(',')) ~ ([3, 1] | max) ~ ('abc' * 3)[:4] ~ ('a' in 'abc') }}",
)
_TEMPLATE_WORDS = (
    b"{% for i in range(99999) %}", b"{% endfor %}", b"{{", b"}}", b"{%", b"%}", b" | sum(start=[])", b" | list",
    b" | groupby('role')", b" | batch(2)", b" | select('in', messages)", b" | reject('in', range(99999))",
    b" | map('list')", b" | join('x')", b" * 99999", b" ** 99", b"~", b"messages", b"loop", b"namespace()",
    b"recursive", b"{{ loop(messages) }}", b" in range(99999)", b".replace('a', 'aaaa')", b".format(1)", b" | tojson",
    b" | sort", b" | unique", b".split('')", b"['__class__']", b"self", b"caller()",
    b"{% macro f(x) %}{{ f(x) }}{% endmacro %}", b"{{ f(1) }}", b"% 99", b"'%9999d'", b"{% generation %}",
    b"{% endgeneration %}", b"{% set x = ", b"lipsum()", b"dict(", b"cycler(1)", b" | wordcount", b" | urlize",
    b" | xmlattr",
)  # fmt: skip

_SCHEMAS: tuple[dict[str, Any], ...] = (
    {
        "type": "object",
        "properties": {"a": {"type": "string", "minLength": 1, "maxLength": 9}, "b": {"enum": [1, "x", None]}},
        "required": ["a"],
    },
    {
        "$defs": {
            "n": {
                "type": "object",
                "properties": {"next": {"$ref": "#/$defs/n"}, "v": {"type": "integer", "minimum": -3, "maximum": 999}},
            }
        },
        "$ref": "#/$defs/n",
    },
    {
        "type": "array",
        "items": {"anyOf": [{"type": "number"}, {"type": "string", "pattern": "^[a-z]{2,5}$"}, {"const": {"k": [True]}}]},
        "minItems": 1,
        "maxItems": 4,
    },
    {"type": "string", "allOf": [{"pattern": "a.*"}, {"pattern": ".*b"}], "format": "date-time"},
)
_SCHEMA_WORDS = (
    b"allOf", b"anyOf", b"oneOf", b"not", b"pattern", b"patternProperties", b"additionalProperties", b"prefixItems",
    b"minItems", b"maxItems", b"uniqueItems", b"minLength", b"multipleOf", b"$ref", b"#", b"#/$defs/n",
    b"#/$defs/missing", b"format", b"date", b"uuid", b"email", b"(a|a)*b{9}", b"(.*a){12}", b"^(?=x)",
    b"[^\\d]{3,900}", b"dependentRequired", b"if", b"then", b"enum", b"const", b"x-guidance", b"required", b"type",
    b"propertyNames",
)  # fmt: skip
_PATTERNS = (b"[a-z]+@[a-z]+\\.(com|org)", b"(\\d{3}-){2}\\d{4}", b"(?i:yes|no)( \\p{L}+)*", b"\\x41[^\\n]{0,20}$")
_PATTERN_WORDS = (
    b"(.*a){9}", b"{0,999}", b"{1000}", b"*", b"+", b"?", b"(?:", b"(?=", b"\\b", b"\\p{Greek}", b"[^", b"&&",
    b"(?P<a>", b"\\1", b"|", b".",
)  # fmt: skip
_GRAMMARS = (
    b'root ::= "yes" | "no" ws list\nlist ::= "[" (item ("," item)*)? "]"\nitem ::= [a-z]+ | list\nws ::= [ \\t\\n]*\n',
    b'root ::= expr\nexpr ::= term ("+" term)*\nterm ::= [0-9]{1,3} | "(" expr ")" # note\n',
    b'start: "a" b\nb: /[a-z]{2,4}/ | "x" start\n%ignore /\\s+/\n',
)
_GRAMMAR_WORDS = (
    b"root ::= root root", b"a ::= a", b"::=", b"(", b")", b"*", b"{9999}", b"{1,99}", b"[^a]", b'"', b"\\x41",
    b"\\u00e9", b"| ", b"#", b"\n", b"%regex", b"/(.*a){9}/", b"%json {}", b"start:", b"[a-\\xff]", b"%ignore",
    b"<|end|>", b"root",
)  # fmt: skip


def _published(folder: Path) -> Read:
    def read(data: bytes) -> None:
        (folder / "tokenizer.json").write_bytes(data)
        vocabulary = published_vocabulary(folder, {})
        vocabulary.decode(vocabulary.encode(_TEXT))
        vocabulary.encode(_TEXT, special=True)

    return read


def _sentences(folder: Path) -> Read:
    def read(data: bytes) -> None:
        (folder / "tokenizer.json").write_bytes(data)
        SentenceTokenizer.from_file(folder / "tokenizer.json", 1 << 20).encode(_TEXT)

    return read


def _template(folder: Path) -> Read:
    messages = [{"role": role, "content": "A question\n\nabc" * 9} for role in ("system", "user", "assistant", "user")]
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]

    def read(data: bytes) -> None:
        render_chat(data.decode(errors="replace"), messages, names={"bos_token": "<s>", "eos_token": "</s>"}, tools=tools)

    return read


def _constrained(make: Callable[[bytes], Grammar]) -> Callable[[Path], Read]:
    """A grammar, and eight tokens of an answer under it."""

    def start(folder: Path) -> Read:
        words = _words()

        def read(data: bytes) -> None:
            constraint = Constraint(words, make(data))
            for _ in range(8):
                allowed = constraint.mask().nonzero()[0]
                if constraint.ended or not len(allowed):
                    return
                constraint.take(int(allowed[len(allowed) // 2]))

        return read

    return start


def _words() -> GrammarWords:
    letters = [chr(i) for i in range(33, 127)] + ["Ġ", "Ċ", "ab", '"}', '":', "Ġ[", "<|im_end|>"]
    count = len(letters)
    fields = {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.tokens": tuple(letters),
        "tokenizer.ggml.token_type": (*[1] * (count - 1), 3),
        "tokenizer.ggml.merges": ("a b",),
        "tokenizer.ggml.eos_token_id": count - 1,
    }
    return grammar_words(gguf_vocabulary(Path("words.gguf"), fields), count)


def _schema(data: bytes) -> Grammar:
    try:
        schema = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"schema: {error}") from error
    if not isinstance(schema, dict):
        raise InputError("schema: no object")
    return json_schema(schema)


def _documents(*values: Any) -> Callable[[], Sequence[bytes]]:
    return lambda: [json.dumps(value).encode() for value in values]


TARGETS = [
    Target("tokenizer-json", _documents(_BPE, _SPM), _published, _TOKENIZER_WORDS, damage_json),
    Target("tokenizer-json-of-sentences", _documents(_WORDPIECE, _BPE), _sentences, _TOKENIZER_WORDS, damage_json),
    Target("chat-template", lambda: [text.encode() for text in _TEMPLATES], _template, _TEMPLATE_WORDS),
    Target("json-schema", _documents(*_SCHEMAS), _constrained(_schema), _SCHEMA_WORDS, damage_json),
    Target(
        "regex", lambda: _PATTERNS, _constrained(lambda data: regular_expression(data.decode(errors="replace"))), _PATTERN_WORDS
    ),
    Target("gbnf", lambda: _GRAMMARS, _constrained(lambda data: gbnf(data.decode(errors="replace"))), _GRAMMAR_WORDS),
]
