"""The door to models of sentences: a text to a vector whose products with others' say how alike they are."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.engine.session import open_device
from wherry.engine.turns import Turns
from wherry.errors import FormatError, InputError, NotFoundError, TooLargeError
from wherry.models import bert, nomic_bert
from wherry.models.pooling import Pooling
from wherry.models.rotation import rotation_table
from wherry.models.sentences import (
    bert_weights,
    nomic_rotation,
    nomic_weights,
    sentence_dims,
    sentence_family,
    sentence_pooling,
)
from wherry.text.sentences import SentenceTokenizer
from wherry.weights import Checkpoint, open_checkpoint

Floats = NDArray[np.float32]
_TOGETHER = 2048  # tokens of a batch: texts of one length go at once


@dataclass(frozen=True)
class Embedder:
    """A model ready to read texts. Safe for several threads: they take turns, batch by batch."""

    name: str
    device: str  # what it runs on, for people
    dims: bert.BertDims
    tokenizer: SentenceTokenizer
    pooling: Pooling  # what stands for a text
    ops: Any
    encode: Callable[[Any, Any], Any]  # the network: tokens (B, T), offsets (B,) of zeros -> (B, T, state)
    turns: Turns

    @property
    def dimensions(self) -> int:
        """Numbers of a vector."""
        return self.dims.n_state

    @property
    def max_tokens(self) -> int:
        """Of a text."""
        return self.dims.n_ctx

    @property
    def longest_token(self) -> int:
        """Bytes of a text that one token may stand for."""
        return self.tokenizer.longest

    def gpu_bytes(self) -> int | None:
        """What its GPU holds for it; None on the CPU. Any thread may ask."""
        device = getattr(self.ops, "device", None)
        return None if device is None else int(device.bytes_in_use())

    @property
    def n_vocab(self) -> int:
        return self.dims.n_vocab

    def text_tokens(self, text: str, check: Callable[[], None] = lambda: None) -> list[int]:
        """With those that the model wants before and after."""
        return self.tokenizer.encode(text)

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """The tokens of each text. Raises TooLargeError for more than the model can read."""
        found = [self.tokenizer.encode(text) for text in texts]
        for index, tokens in enumerate(found):
            if len(tokens) > self.dims.n_ctx:
                raise TooLargeError(
                    f"text {index}: found {len(tokens)} tokens, expected at most the {self.dims.n_ctx} that {self.name} reads",
                    hint="cut it into parts",
                )
        return found

    def embed(self, tokens: Sequence[Sequence[int]], check: Callable[[], None] = lambda: None) -> Floats:
        """Tokens of each text -> (texts, state), each of length 1. `check` is called before each batch."""
        for text in tokens:
            if not text or not all(0 <= token < self.dims.n_vocab for token in text) or len(text) > self.dims.n_ctx:
                raise InputError(f"tokens: found {len(text)}, expected 1 to {self.dims.n_ctx} of the model's own")
        out = np.zeros((len(tokens), self.dims.n_state), np.float32)
        for batch in _batches(tokens):
            check()
            ids = np.asarray([tokens[index] for index in batch], np.int32)
            with self.turns:
                offsets = self.ops.array(np.zeros(len(batch), np.int32))
                hidden = np.asarray(self.ops.numpy(self.encode(self.ops.array(ids), offsets)))
            hidden = hidden.reshape(len(batch), -1, self.dims.n_state)
            vectors = _pooled(hidden, self.pooling)
            if not np.isfinite(vectors).all():
                raise FormatError(f"{self.name}: found weights that make no numbers of a text, expected sound ones")
            out[batch] = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return out


def _pooled(hidden: Floats, pooling: Pooling) -> Floats:
    """hidden (texts, T, state) -> (texts, state)."""
    if pooling is Pooling.MEAN:
        return np.asarray(hidden.mean(axis=1))
    return hidden[:, 0] if pooling is Pooling.CLS else hidden[:, -1]


def _batches(tokens: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Indices of texts of one length, as many as go at once: none is padded, so none depends on its neighbours."""
    order = sorted(range(len(tokens)), key=lambda index: len(tokens[index]))
    batch: list[int] = []
    for index in order:
        length = len(tokens[index])
        if batch and (len(tokens[batch[0]]) != length or (len(batch) + 1) * length > _TOGETHER):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def load_embedder(
    weights: Path,
    *,
    tokenizer: Path | None = None,
    device: str = "auto",
    require_gpu: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Embedder:
    """Load a model of sentences: a GGUF file, or what Hugging Face publishes, safetensors with config.json, tokenizer.json and,
    where it is there, 1_Pooling/config.json. device, require_gpu, say: as in `session.load_whisper`.
    """
    checkpoint = open_checkpoint(weights)
    dims = sentence_dims(checkpoint)
    folder = checkpoint.path.parent
    if checkpoint.format == "gguf":
        reader = SentenceTokenizer.from_gguf(checkpoint.path, checkpoint.metadata, dims.n_vocab)
    else:
        words = tokenizer or folder / "tokenizer.json"
        if not words.is_file():
            raise NotFoundError(f"{words}: found no such file, expected the model's tokenizer.json")
        reader = SentenceTokenizer.from_file(words, dims.n_vocab)
    ops, description = open_device(device, require_gpu, say)
    return Embedder(
        folder.name, description, dims, reader, sentence_pooling(checkpoint), ops, network(checkpoint, dims, ops), Turns()
    )


def network(checkpoint: Checkpoint, dims: bert.BertDims, ops: Any) -> Callable[[Any, Any], Any]:
    """The model on its device: tokens (B, T), offsets (B,) of zeros -> (B, T, state)."""
    if sentence_family(checkpoint) == "bert":
        return partial(bert.encode, ops, dims, bert_weights(checkpoint, dims, ops.weight))
    rotation = ops.array(rotation_table(nomic_rotation(checkpoint, dims), dims.n_ctx))
    return partial(nomic_bert.encode, ops, dims, nomic_weights(checkpoint, dims, ops.weight, rotation))
