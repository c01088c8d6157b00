"""Vectors of texts, whose products say how alike two are.

model = embeddings.open()
first, second = model.embed(["a ferry", "a boat"])
print(sum(x * y for x, y in zip(first.numbers, second.numbers)))
"""

from collections.abc import Sequence
from dataclasses import dataclass

from wherry.engine.conversation import Vector
from wherry.guest import host

__all__ = ["Model", "Text", "Vector", "names", "open"]

Text = str | Sequence[int]  # or its tokens


@dataclass(frozen=True)
class Model:
    """A loaded model; `open` makes one. Models of sentences serve, and language models too, which were not made for it."""

    _model: host.EmbeddingModel

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def device(self) -> str:
        """What it runs on, for people."""
        return self._model.device

    @property
    def dimensions(self) -> int:
        """Numbers of a vector."""
        return self._model.dimensions

    @property
    def max_tokens(self) -> int:
        """Of a text."""
        return self._model.max_tokens

    def embed(self, texts: Sequence[Text]) -> list[Vector]:
        """A vector for each text. Raises InputError for an empty one and for tokens that are none, TooLargeError for one of more
        tokens than the model reads; both say which: `texts[3]: found …`.
        """
        return self._model.embed(texts)


def names() -> Sequence[str]:
    """The models that `open` knows, the default first: those of sentences before language models."""
    return host.current().embedding_models()


def open(name: str = "default") -> Model:
    """The model of this name, loaded unless it is already. Raises NotFoundError."""
    return Model(host.current().open_embeddings(name))
