"""A tokenizer made of Whisper's bare vocabulary: the bytes of each token, in the order in which they were merged."""

import itertools
from collections.abc import Sequence

from tokenizers import AddedToken, Regex, Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, Split
from tokenizers.pre_tokenizers import Sequence as Steps

from wherry.errors import FormatError
from wherry.text.faults import library_faults
from wherry.text.languages import LANGUAGES

_TIMESTAMPS = 1501  # <|0.00|> … <|30.00|>
_MAX_WORK = 1 << 24  # the sum of the tokens' squared lengths, which bounds the search for their merges; real ones: 2.5 million
# Where words end (openai-whisper, tokenizer.py; GPT-2's).
WORDS = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def build_tokenizer(vocabulary: Sequence[bytes], n_vocab: int) -> Tokenizer:
    """vocabulary: the bytes of tokens 0, 1, …, as ggml files hold it -> the whole tokenizer of a model of `n_vocab` tokens.

    Special tokens are placed by their order, which every Whisper shares. Raises FormatError where the vocabulary is not
    Whisper's.
    """
    special = _special_tokens(n_vocab)
    count = n_vocab - len(special)
    different = len(set(vocabulary[:count]))
    if different < count:
        raise FormatError(
            f"vocabulary: found {different} different tokens, expected {count}", hint="give the model's tokenizer.json"
        )
    if sum(len(token) ** 2 for token in vocabulary[:count]) > _MAX_WORK:
        raise FormatError("vocabulary: found many tokens of hundreds of bytes, expected parts of words")
    ranks = {token: i for i, token in enumerate(vocabulary[:count])}
    missing = [byte for byte in range(256) if bytes([byte]) not in ranks]
    if missing:
        raise FormatError(f"vocabulary: found no token for byte {missing[0]}, expected one for each of the 256")
    letters = letters_of_bytes()
    written = {"".join(letters[byte] for byte in token): i for token, i in ranks.items()}
    merges = [
        ("".join(letters[byte] for byte in left), "".join(letters[byte] for byte in right))
        for token in ranks
        if len(token) > 1
        for left, right in [_halves(token, ranks)]
    ]
    with library_faults("vocabulary", "one that cannot be"):
        tokenizer = Tokenizer(BPE(written, merges))
    tokenizer.pre_tokenizer = Steps([Split(Regex(WORDS), "isolated"), ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = ByteLevelDecoder()
    tokenizer.add_special_tokens([AddedToken(f"<|{name}|>", special=True, normalized=False) for name in special])
    return tokenizer


def _special_tokens(n_vocab: int) -> list[str]:
    """The names of the last tokens, in order."""
    multilingual = n_vocab >= 51865
    languages = n_vocab - 51765 - multilingual
    if not 0 < languages <= len(LANGUAGES):
        raise FormatError(f"vocabulary: found a model of {n_vocab} tokens, expected 51864, 51865 or 51866")
    names = ["endoftext", "startoftranscript", *itertools.islice(LANGUAGES, languages)]
    names += ["translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps"]
    return names + [f"{i * 0.02:.2f}" for i in range(_TIMESTAMPS)]


def _halves(token: bytes, ranks: dict[bytes, int]) -> tuple[bytes, bytes]:
    """The two tokens whose merge made this one."""
    last = ranks[token]
    cuts = [i for i in range(1, len(token)) if ranks.get(token[:i], last) < last and ranks.get(token[i:], last) < last]
    if len(cuts) == 1:
        return token[: cuts[0]], token[cuts[0] :]
    # Several pairs could have: the right one is left over when all earlier merges are made in their order.
    parts = [token[i : i + 1] for i in range(len(token))]
    while len(parts) > 2:
        pairs = [ranks.get(left + right, last) for left, right in itertools.pairwise(parts)]
        best = min(pairs)
        if best >= last:
            raise FormatError(f"vocabulary: found token {last} before its parts, expected tokens in the order of their merges")
        i = pairs.index(best)
        parts[i : i + 2] = [parts[i] + parts[i + 1]]
    return parts[0], parts[1]


def letters_of_bytes() -> list[str]:
    """GPT-2's printable letter for each byte: itself where it prints, else one from U+0100 on."""
    plain = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    shifted = itertools.count(0x100)
    return [chr(byte) if byte in plain else chr(next(shifted)) for byte in range(256)]
