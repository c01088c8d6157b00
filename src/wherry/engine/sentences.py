"""Vectors of texts, of a model of sentences or of a language model, whichever there is."""

from collections.abc import Callable, Sequence

from wherry.engine.conversation import Vector
from wherry.engine.embedding import Embedder
from wherry.engine.language import Language
from wherry.errors import InputError, TooLargeError


def embed_texts(
    model: Embedder | Language, texts: Sequence[str | Sequence[int]], check: Callable[[], None] = lambda: None
) -> list[Vector]:
    """A vector for each text, or for tokens as they are; `check` is called before each piece of the work.

    Raises InputError for a text without tokens and for tokens that are none, TooLargeError for one of too many: both say which.
    """
    tokens: list[list[int]] = []
    for index, text in enumerate(texts):
        check()
        if not isinstance(text, str):
            tokens.append(list(text))
            continue
        if (size := len(text.encode(errors="replace"))) > model.max_tokens * model.longest_token:
            raise _too_long(model, index, f"{size} bytes")
        tokens.append(model.text_tokens(text, check))
    for index, each in enumerate(tokens):
        if not each:
            raise InputError(f"texts[{index}]: found nothing, expected a text")
        if not all(0 <= token < model.n_vocab for token in each):
            raise InputError(f"texts[{index}]: found unknown tokens, expected them below {model.n_vocab}")
        if len(each) > model.max_tokens:
            raise _too_long(model, index, f"{len(each)} tokens")
    if isinstance(model, Embedder):
        vectors = list(model.embed(tokens, check))
    else:
        vectors = []
        for each in tokens:
            check()
            vectors.append(model.embed(each))
    return [Vector(tuple(vector.tolist()), len(each)) for vector, each in zip(vectors, tokens, strict=True)]


def _too_long(model: Embedder | Language, index: int, size: str) -> TooLargeError:
    return TooLargeError(
        f"texts[{index}]: found {size}, expected at most the {model.max_tokens} tokens that {model.name} reads",
        hint="cut it into parts",
    )
