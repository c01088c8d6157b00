"""Makes tests/fixtures/llm_grammars.json: which texts llama.cpp's grammars (GBNF) let through, and which grammars it refuses.

Needs gguf and xllamacpp 2026.10.11549:

    PYTHONPATH=. python tests/references/llm_grammars.py tests/fixtures
"""

import ctypes
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.references.llama_cpp import LlamaModel
from tests.references.llm_vocabularies import write

# Grammars and texts: let through or not.
GRAMMARS: list[tuple[str, Sequence[str]]] = [
    (r'root ::= "\x41\x2d\x5A"', ["A-Z", "A-z", "x41"]),
    (r'root ::= "\u00e9" "\u65e5"', ["é日", "e日", "u00e9"]),
    (r'root ::= "\U0001F600"', ["😀", "x"]),
    (r'root ::= "\"\\\n\t\r"', ['"\\\n\t\r', '"\\n']),
    (r'root ::= "a\-b\[c\]"', ["a-b[c]", "a\\-b"]),
    (r"root ::= [\x41-\x43\u00e0-\u00ff]+", ["ABC", "éàÿ", "D", "x", ""]),
    (r"root ::= [a\-c]+", ["a-c", "b"]),
    (r"root ::= [a-]+", ["a-a", "b"]),
    (r"root ::= [-a]+", ["a-a", "b"]),
    (r"root ::= [\]\[]+", ["[]][", "a"]),
    (r"root ::= [^\]\\]+", ["ab\n", "a]", "a\\"]),
    (r"root ::= [^\x00-\x1f\x7f]+", ["ab é", "a\nb"]),
    (r"root ::= [a&&b~~c--d]+", ["a&b~c-d", "e"]),
    (r"root ::= [a^b]+", ["a^b", "c"]),
    (r"root ::= [/.*+?(){}|$]+", ["/.*+?(){}|$", "a"]),
    (r"root ::= [0-9]{2,4}", ["12", "1234", "1", "12345"]),
    (r"root ::= [0-9]{3}", ["123", "12", "1234"]),
    (r'root ::= "ab"{2,} "c"', ["ababc", "abababc", "abc"]),
    (r'root ::= ("a" | "b"){ 1 , 2 }', ["a", "ba", "", "aba"]),
    (r'root ::= "a"{0,2}', ["", "aa", "aaa"]),
    (r'root ::= .+ "!"', ["a\nb!", "日本!", "!", "a"]),
    (r'root ::= "x" . "y"', ["x\ny", "xéy", "xy"]),
    ('root ::= "a" # a comment "with" [brackets\n# another\nroot2 ::= "b"', ["a", "b"]),
    ('root ::= (\n  "a" # one\n  | "b"\n)\n', ["a", "b", "c"]),
    ('root ::= "a" |\n  "b"', ["a", "b"]),
    ('root ::= "#" "::=" "//" "|"', ["#::=//|", "a"]),
    ('root ::= foo-bar foo\nfoo-bar ::= "x"\nfoo ::= "y"', ["xy", "yx"]),
    ('root ::= fooBar foo-bar Start\nfooBar ::= "x"\nfoo-bar ::= "y"\nStart ::= "z"', ["xyz", "xxz"]),
    ('start ::= "no"\nroot ::= "yes" start?', ["yes", "yesno", "no"]),
    ('root ::= 1st 2\n1st ::= "a"\n2 ::= "b"', ["ab", "a"]),
    ('root ::= "" | "a"', ["", "a", "b"]),
    ('root ::= "a" "" []', ["a", "b"]),
    ('root ::= "(" root ")" | "x"', ["x", "((x))", "((x)"]),
    ('root ::= [a-z]+ "=" [0-9]+ ("," root)?', ["ab=1", "a=1,b=22", "a=", "=1"]),
    ('root ::= "a"\r\nb ::= "c"\r\n', ["a", "c"]),
    ('root ::= "\u00e9\u65e5"', ["é日", "e"]),
    ('root ::= [\u0430-\u044f]+', ["привет", "abc"]),
    ('root ::= "a"\nroot ::= "b"', ["a", "b"]),
    (
        r"""root ::= value
value ::= object | list | text | number | ("true" | "false" | "null") ws
object ::= "{" ws (text ":" ws value ("," ws text ":" ws value)*)? "}" ws
list ::= "[" ws (value ("," ws value)*)? "]" ws
text ::= "\"" ([^"\\\x7F\x00-\x1F] | "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}))* "\"" ws
number ::= "-"? ([0-9] | [1-9] [0-9]{0,15}) ("." [0-9]+)? ([eE] [-+]? [0-9]{1,3})? ws
ws ::= | " " | "\n" [ \t]{0,20}
""",
        ['{"a": [1, -2.5e+3, "x\\n\\u00e9\\"", {}], "é": null}', '{"a" 1}', "[01]", "[1,]", '"\x01"', "[\n\t1]", "-0.5"],
    ),
    (
        r"""root ::= (sum "=" [ \t\n]* name "\n")+
sum ::= part ([-+*/] part)*
part ::= name | number | "(" sum ")"
name ::= [a-z] [a-z0-9_]* [ \t\n]*
number ::= [0-9]+ [ \t\n]*""",
        ["a+1=b\n", "(a*2)/c = d\n", "a=1\n", "a+=b\n", "a=b"],
    ),
    ("root ::= \"it's\" 'x'", ["it's"]),
    (r'root ::= "\x4"', ["a"]),
    (r'root ::= "\u12"', ["a"]),
    (r'root ::= "\q"', ["q"]),
    ('root ::= "a', ["a"]),
    ("root ::= [a-z", ["a"]),
    ('root ::= ("a"', ["a"]),
    ('root ::= "a")', ["a"]),
    ('root ::= missing', ["a"]),
    ('other ::= "a"', ["a"]),
    ('root = "a"', ["a"]),
    ('root ::= *', ["a"]),
    ('root ::= "a"{}', ["a"]),
    ('root ::= "a"{,2}', ["a"]),
    ('root ::= "a"{2001}', ["a"]),
    ('root ::= "a" }', ["a"]),
    ("", ["a"]),
]  # fmt: skip


class _Datum(ctypes.Structure):
    _fields_ = (("token", ctypes.c_int32), ("logit", ctypes.c_float), ("p", ctypes.c_float))


class _Data(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.POINTER(_Datum)),
        ("count", ctypes.c_size_t),
        ("selected", ctypes.c_int64),
        ("sorted", ctypes.c_bool),
    )


def lets_through(library: Any, vocabulary: Any, grammar: str, tokens: Sequence[int], end: int) -> bool | None:
    """None: the grammar is refused."""
    library.llama_sampler_init_grammar.restype = ctypes.c_void_p
    library.llama_sampler_init_grammar.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p)
    library.llama_sampler_apply.argtypes = (ctypes.c_void_p, ctypes.POINTER(_Data))
    library.llama_sampler_accept.argtypes = (ctypes.c_void_p, ctypes.c_int32)
    sampler = library.llama_sampler_init_grammar(vocabulary, grammar.encode(), b"root")
    if not sampler:
        return None
    for token in [*tokens, end]:
        datum = _Datum(token, 0.0, 0.0)
        data = _Data(ctypes.pointer(datum), 1, -1, False)
        library.llama_sampler_apply(sampler, ctypes.byref(data))
        if datum.logit < -1e30:
            return False
        if token != end:
            library.llama_sampler_accept(sampler, token)
    return True


def main(target: Path) -> None:
    from tests.references import llama_cpp

    alphabet = json.loads((target / "llm_vocabularies.json").read_text(encoding="utf-8"))["vocabularies"]["gpt2"]["tokens"]
    fields = {"model": "gpt2", "pre": "gpt-2", "tokens": [*alphabet, "<e>"], "merges": [], "token_type": [1] * 256 + [3]}
    fixture = []
    with TemporaryDirectory() as folder:
        model = LlamaModel(write(Path(folder) / "letters.gguf", {**fields, "eos_token_id": 256}), vocabulary_only=True)
        for grammar, texts in GRAMMARS:
            passed = [
                lets_through(llama_cpp._LLAMA, model._vocabulary, grammar, model.tokens(text), 256) if grammar else None
                for text in texts
            ]
            fixture.append({"grammar": grammar, "texts": dict(zip(texts, passed, strict=True))})
    text = json.dumps(fixture, ensure_ascii=False, indent=0)
    (target / "llm_grammars.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
