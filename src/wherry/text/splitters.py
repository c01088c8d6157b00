r"""Where words end in byte-level vocabularies, by the names that GGUF's `tokenizer.ggml.pre` has for it.

The names and what each means are llama.cpp's (src/llama-vocab.cpp, src/unicode.cpp), which made them: a file that bears one was
converted for it. So a pattern is what llama.cpp makes of a text, also where its regular expressions know less than those of
the published tokenizer.json: `\p{Lu}` and its like are any letter there, and digits of `\d` are ASCII's. tests/fixtures/
llm_splitters.json holds llama.cpp's tokens for every name. Patterns apply one after the other, each to the pieces of the last.
"""

from dataclasses import dataclass

_CONTRACTION = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
_BLANK = r"\s*[\r\n]+|\s+(?!\S)|\s+"
_MARKS = r" ?[^\s\p{L}\p{N}]+"
_GPT2 = rf"'s|'t|'re|'ve|'m|'ll|'d| ?\p{{L}}+| ?\p{{N}}+|{_MARKS}|\s+(?!\S)|\s+"
_WORD = r"[^\r\n\p{L}\p{N}]?\p{L}+"
_LLAMA3 = rf"{_CONTRACTION}|{_WORD}|\p{{N}}{{1,3}}|{_MARKS}[\r\n]*|{_BLANK}"
_QWEN2 = rf"{_CONTRACTION}|{_WORD}|\p{{N}}|{_MARKS}[\r\n]*|{_BLANK}"
# A word in one case or the other, where letters beyond ASCII have both.
_UPPER, _LOWER = r"(?:(?=\p{L})[^a-z])", r"(?:(?=\p{L})[^A-Z])"
_CASED = rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+END|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*END"
_TEKKEN = rf"{_CASED.replace('END', '')}|\p{{N}}|{_MARKS}[\r\n/]*|{_BLANK}"
_GPT4O = rf"{_CASED.replace('END', _CONTRACTION + '?')}|\p{{N}}{{1,3}}|{_MARKS}[\r\n/]*|{_BLANK}"
_MARKED_WORD = rf"[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}\p{{M}}]+{_CONTRACTION}?"
_CJK = r"[一-\x{9FA5}\x{3040}-\x{309F}\x{30A0}-\x{30FF}]+"
_DEEPSEEK3 = (
    r"\p{N}{1,3}",
    _CJK,
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|" + _BLANK,
)
# Letters that have cases, but for scripts and signs that Unicode 9 had not or that DeepSeek left out.
_DEEPSEEK_LETTERS = (
    r"[[\p{Lu}\p{Ll}\p{Lt}]&&[^\x{560}-\x{588}\x{10C7}-\x{10FF}\x{1C80}-\x{1C8F}\x{2D00}-\x{2D2F}\x{A790}-\x{A7FF}"
    r"\x{AB30}-\x{AB6F}\x{10570}-\x{105BF}\x{10D50}-\x{10D8F}\x{16E40}-\x{16E7F}\x{1D400}-\x{1D7FF}\x{1DF00}-\x{1DFFF}]]"
)
_HAN = (
    r"[\x{3400}-\x{4DBF}\x{4E00}-\x{9FFF}\x{F900}-\x{FAFF}\x{20000}-\x{2A6DF}\x{2A700}-\x{2CEAF}\x{2CEB0}-\x{2EBEF}"
    r"\x{2F800}-\x{2FA1F}]"
)
_THREES = r"[0-9]{1,3}(?=(?:[0-9]{3})*(?![0-9]))"  # digits in threes from the right


@dataclass(frozen=True)
class Splitter:
    """`whole_words`: a piece that is a token is that token, whatever the merges say. `adds_bos`: where the file does not say.

    `byte_level`: tokens are written in the letters of bytes; else in UTF-8 with <0xXX> for other bytes, and `marks_spaces`: with
    U+2581 for a space, one before a line that `begins_spaced`. `line_tokens`: line feeds in a row are one token where there is
    such a token. `default_bos`: whether a file that names no first token has one all the same.
    """

    patterns: tuple[str, ...]
    whole_words: bool = False
    adds_bos: bool = False
    byte_level: bool = True
    marks_spaces: bool = False
    begins_spaced: bool = False
    line_tokens: bool = False
    default_bos: bool = True


_DEFAULT = Splitter((r"[\p{P}\$\+<=>\^~\|]+", _GPT2, r"\p{N}+", "[0-9][0-9][0-9]"))
_SMOLLM = Splitter((r"\p{N}", _GPT2))
_LINES = r"[^\n]+|[\n]+"
# What has these splitters, and the names of each.
_FAMILIES: tuple[tuple[Splitter, str], ...] = (
    (_DEFAULT, "default"),
    (
        Splitter((_LLAMA3,), whole_words=True, adds_bos=True),
        "llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano",
    ),
    (Splitter((_LLAMA3,)), "dbrx smaug-bpe"),
    (Splitter((_LLAMA3,), default_bos=False), "glm4 glm5 chatglm-bpe"),
    (Splitter((_QWEN2,)), "qwen2 deepseek-r1-qwen kormo f2llmv2 megrez stablelm2 hunyuan solar-open grok-2"),
    (
        Splitter((_QWEN2.replace(r"\p{L}+", r"[\p{L}\p{M}]+").replace(r"[^\s\p{L}\p{N}]", r"[^\s\p{L}\p{M}\p{N}]"),)),
        "qwen35",
    ),
    (
        Splitter((_GPT2,)),
        "gpt-2 phi-2 jina-es jina-de jina-v2-es jina-v2-de jina-v1-en jina-v2-code roberta-bpe gigachat a.x-4.0 mellum "
        "modern-bert mpt olmo jais trillion granite-docling exaone4",
    ),
    (_SMOLLM, "smollm starcoder refact command-r codeshell exaone minerva-7b mellum2"),
    (Splitter((_TEKKEN,), whole_words=True, adds_bos=True), "tekken"),
    (Splitter((_GPT4O,)), "gpt-4o llama4 kanana2 talkie minimax-m2"),
    (
        Splitter((_GPT4O.replace(r"(?=\p{L})", r"(?=[\p{L}\p{M}])"),), whole_words=True),
        "granite-embed-multi-97m",
    ),
    (
        Splitter(
            (
                "[\r\n]",
                rf"\s?{_DEEPSEEK_LETTERS}+",
                r"\s?[!-/:-~！-／：-～‘-‟、。]+",
                r"\s+\z",
                r"[[ࠀ-龥가-퟿]&&[^\s]]+",
                r"\p{N}+",
            )
        ),
        "deepseek-llm",
    ),
    (Splitter(("[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", r"[[ࠀ-龥가-퟿]&&[^\s]]+", r"\p{N}")), "deepseek-coder"),
    (Splitter(_DEEPSEEK3), "deepseek-v3 hunyuan-dense joyai-llm hy_v4"),
    (
        Splitter((*_DEEPSEEK3[:2], _DEEPSEEK3[2].replace(r"[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+", r"[\p{P}\p{S}]+|[\r\n]"), r"\p{N}")),
        "spark2_5",
    ),
    (
        Splitter((r"[\p{P}\$\+<=>\^~\|`]+", _GPT2, "[0-9][0-9][0-9]")),
        "falcon",
    ),
    (Splitter((r" ?[^(\s|.,!?…。，、।۔،)]+",)), "poro-chat bloom gpt3-finnish"),
    (Splitter((r" ?[^(\s|.,!?…。，、।۔،)]+", r"\p{N}")), "viking"),
    (
        Splitter(
            (
                "<sentinel:[0-9]+>",
                "IMGIMG[A-I]{1,4}Z",
                r"[\t\n]|    |  ",
                r"\p{N}",
                r"[\p{P}!-/:-@\[-`{-~]",
                _GPT2,
            ),
            adds_bos=True,
        ),
        "chameleon",
    ),
    (
        Splitter(
            (rf"{_THREES.replace('(?![0-9])', '(?![0-9A-Za-z_])')}", rf"{_MARKED_WORD}|\p{{N}}{{1,3}}|{_MARKS}[\r\n/]*|{_BLANK}")
        ),
        "tiny_aya cohere2moe",
    ),
    (
        Splitter(
            (
                "[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|" + _CJK,
                rf"{_MARKED_WORD}|\p{{N}}|{_MARKS}[\r\n/]*|{_BLANK}",
            ),
            whole_words=True,
        ),
        "youtu",
    ),
    (
        Splitter(
            (rf"{_HAN}+|[^\r\n\p{{L}}\p{{N}}]?(?:(?!{_HAN})\p{{L}})+{_CONTRACTION}?|\p{{N}}{{1,3}}|{_MARKS}[\r\n]*|{_BLANK}",)
        ),
        "kimi-k2",
    ),
    (Splitter((r"\p{N}+", _THREES)), "superbpe"),
    (
        Splitter((rf"'(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])|{_WORD}|\p{{N}}|{_MARKS}[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",)),
        "bailingmoe bailingmoe2 llada-moe",
    ),
    (Splitter((rf"{_CONTRACTION}|{_WORD}|\p{{N}}| ?[^\s\p{{L}}\p{{N}}\r\n]+|{_BLANK}",)), "seed-coder"),
    (Splitter((_QWEN2.removeprefix(_CONTRACTION + "|"),)), "ufakzeka"),
    (
        Splitter(
            (
                r"\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))",
                "[一-鿿㐀-䶿\\x{8C48}-\\x{FAFF}\\x{3040}-\\x{309F}\\x{30A0}-\\x{30FF}\\x{FF65}-\\x{FF9F}\\x{2F00}-\\x{2FDF}"
                "\\x{E40}-\\x{EFF}\\x{1780}-\\x{17FF}\\x{1000}-\\x{109F}\\x{AA60}-\\x{AA7F}\\x{A9E0}-\\x{A9FF}"
                "\\x{AC00}-\\x{D7AF}\\x{1100}-\\x{11FF}]+",
                _DEEPSEEK3[2],
            )
        ),
        "afmoe",
    ),
    (Splitter((_LINES, _QWEN2)), "laguna"),
    (
        Splitter(
            (
                rf"{_CONTRACTION}|[^\r\n\p{{L}}\p{{N}}]?(?:\p{{L}}\p{{M}}*(?: \p{{L}}\p{{M}}*)*)+|\p{{N}}|{_MARKS}[\r\n/]?|"
                r"\s*[\r\n]|\s+(?!\S)|\s+",
            )
        ),
        "exaone-moe",
    ),
    (
        Splitter((_LINES,), adds_bos=True, byte_level=False, marks_spaces=True, line_tokens=True),
        "gemma4 granite-embed-multi-311m",
    ),
    (Splitter((_LINES,), byte_level=False, marks_spaces=True), "sarvam-moe"),
    (
        Splitter(
            ("\u2581[^\u2581\n]*|[^\u2581\n]+|\n+",), byte_level=False, marks_spaces=True, begins_spaced=True, line_tokens=True
        ),
        "mmbert",
    ),
    (Splitter((r"\p{N}{1,3}", _LLAMA3.replace("{1,3}", "+")), whole_words=True), "minicpm5"),
    (
        Splitter((_LLAMA3.replace(_WORD, r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}\x{200C}\x{200D}]+"),)),
        "k2-horizon",
    ),
    (
        Splitter(
            (
                _LLAMA3.removesuffix(r"\s+(?!\S)|\s+")
                + "".join(rf"\s{{{count}}}(?!\S)|" for count in (512, 256, 128, 64, 32, 16, 8, 4))
                + r"\s{1,2}(?!\S)|\s",
            )
        ),
        "jais-2",
    ),
)
SPLITTERS: dict[str, Splitter] = {name: splitter for splitter, names in _FAMILIES for name in names.split()}
