"""The door to language models: a model on a device, shared by its callers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.engine.sampling import Sampler, SamplingOptions
from wherry.engine.session import open_device
from wherry.engine.turns import Turns
from wherry.errors import FormatError, InputError, TooLargeError
from wherry.models import gemma, llama
from wherry.models.language import LanguageModel, gemma_weights, language_model, llama_weights
from wherry.models.rotation import rotation_table
from wherry.text.constraint import Constraint, Grammar, GrammarWords, grammar_words
from wherry.text.language import Pieces, Vocabulary, gguf_vocabulary
from wherry.text.templates import render_chat
from wherry.weights import open_checkpoint

Floats = NDArray[np.float32]
_CONTEXT = 4096  # tokens, where nobody asks for more: keys and values of all must fit the memory
_CHUNK = 256  # tokens of a prompt at once


@dataclass(frozen=True)
class Answer:
    """What a piece of an answer adds: `text` may be empty while a character is not whole. `end`: stop, length, or not yet."""

    token: int
    text: str
    end: str = ""


@dataclass
class _Text:
    """A text in the making: how many of its tokens the cache holds."""

    cache: llama.Cache[Any]
    tokens: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Language:
    """A language model ready to answer. Safe for several threads: they take turns, in order."""

    name: str
    device: str  # what it runs on, for people
    model: LanguageModel
    vocabulary: Vocabulary
    template: str | None
    context: int  # tokens
    ops: Any  # a device's `Operations` and `LanguageOperations`
    weights: llama.LlamaWeights[Any] | gemma.GemmaWeights[Any]
    turns: Turns

    @cached_property
    def words(self) -> GrammarWords:
        """The vocabulary as grammars see it."""
        return grammar_words(self.vocabulary, self.model.dims.n_vocab)

    def prompt(self, messages: Sequence[Mapping[str, Any]]) -> list[int]:
        """A conversation ({"role", "content"}, first to last) -> the tokens before the answer.

        Raises InputError where the model has no chat template, or its template refuses the messages.
        """
        if self.template is None:
            raise InputError(
                f"{self.name}: found no chat template in the model, expected one for a conversation",
                hint="give the text itself: the model goes on with it",
            )
        bos = self.vocabulary.names[self.vocabulary.bos] if self.vocabulary.bos is not None else ""
        eos = next((self.vocabulary.names[token] for token in sorted(self.vocabulary.ends)), "")
        text = render_chat(self.template, messages, names={"bos_token": bos, "eos_token": eos})
        tokens = self.vocabulary.encode(text, special=True)
        return tokens if not bos or tokens[:1] == [self.vocabulary.bos] else [self.vocabulary.bos or 0, *tokens]

    def text_prompt(self, text: str) -> list[int]:
        """A text that the model is to go on with -> its tokens, nothing in it read as special."""
        bos = self.vocabulary.bos
        return [*([] if bos is None else [bos]), *self.vocabulary.encode(text)]

    def generate(
        self, prompt: Sequence[int], options: SamplingOptions, most: int, grammar: Grammar | None = None
    ) -> Iterator[Answer]:
        """prompt (tokens) -> the answer, piece by piece, at most `most` tokens. Whoever stops taking pieces stops the work.

        With a grammar the whole answer fits it, unless `most` cuts it off. Raises InputError for an empty prompt and for a
        grammar that is too much work, TooLargeError for a prompt that leaves no room in the context.
        """
        if not prompt or not all(0 <= token < len(self.vocabulary.pieces) for token in prompt):
            raise InputError("prompt: found no tokens, expected at least one" if not prompt else "prompt: found unknown tokens")
        if len(prompt) >= self.context:
            raise TooLargeError(
                f"prompt: found {len(prompt)} tokens, expected fewer than the context of {self.context}",
                hint="shorten the prompt, or load the model with a larger context",
            )
        sampler, pieces = Sampler(options), Pieces(self.vocabulary)
        constraint = None if grammar is None else Constraint(self.words, grammar)
        text = self._start()
        logits = self._read(text, list(prompt))
        most = min(most, self.context - len(prompt))
        for count in range(1, most + 1):
            if constraint is not None:
                logits = np.where(constraint.mask(), logits, -np.inf)
            token = sampler.choose(logits, np.asarray(text.tokens[-64:], np.int64))
            if token in self.vocabulary.ends:
                yield Answer(token, pieces.end(), "stop")
                return
            if constraint is not None:
                constraint.take(token)
            yield Answer(token, pieces.add(token), "" if count < most else "length")
            if count < most:
                logits = self._read(text, [token])

    def logits(self, tokens: Sequence[int]) -> Floats:
        """tokens (T,) -> logits after each (T, vocab), for comparison with a reference."""
        text, found = self._start(), []
        for start in range(0, len(tokens), _CHUNK):
            with self.turns:
                found.append(self._logits(self._step(text, list(tokens[start : start + _CHUNK]))))
        return np.concatenate(found)

    def embed(self, tokens: Sequence[int]) -> Floats:
        """tokens (T,) -> what the network makes of the last one (state,), of length 1: a vector for the whole text."""
        text = self._start()
        for start in range(0, len(tokens), _CHUNK):
            with self.turns:
                hidden = self._step(text, list(tokens[start : start + _CHUNK]))
        with self.turns:
            vector = np.asarray(self.ops.numpy(hidden), np.float32)[-1]
        return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-12), np.float32)

    def _start(self) -> _Text:
        dims = self.model.dims
        shape = (1, self.context, dims.n_kv_head * dims.head_width)
        with self.turns:
            keys, values = ([self.ops.empty(shape) for _ in range(dims.n_layer)] for _ in range(2))
        return _Text(llama.Cache(keys, values))

    def _read(self, text: _Text, tokens: list[int]) -> Floats:
        """Take tokens into the text -> logits after the last (vocab,)."""
        for start in range(0, len(tokens), _CHUNK):
            with self.turns:  # others have their turn between two chunks of a long prompt
                hidden = self._step(text, tokens[start : start + _CHUNK])
        with self.turns:
            last = self.ops.select(hidden, self.ops.array(np.asarray([hidden.shape[0] - 1], np.int32)))
            found: Floats = self._logits(last)[0]
        return found

    def _step(self, text: _Text, tokens: list[int]) -> Any:
        """Hidden states of these tokens (T, state), on the device."""
        ops, dims, weights = self.ops, self.model.dims, self.weights
        place = [np.asarray([len(text.tokens) + count], np.int32) for count in (0, len(tokens))]
        where = ops.array(np.asarray([tokens], np.int32)), ops.array(place[0]), ops.array(place[1])
        if isinstance(dims, gemma.GemmaDims):
            assert isinstance(weights, gemma.GemmaWeights)
            hidden = gemma.decode(ops, dims, weights, *where, text.cache)
        else:
            assert isinstance(weights, llama.LlamaWeights)
            hidden = llama.decode(ops, dims, weights, *where, text.cache)
        text.tokens += tokens
        return hidden.reshape((len(tokens), dims.n_state))

    def _logits(self, hidden: Any) -> Floats:
        """hidden (rows, state) -> (rows, vocab), in numpy."""
        table = self.weights.output if isinstance(self.weights, llama.LlamaWeights) else self.weights.tokens
        logits = self.ops.logits(hidden, table)
        dims = self.model.dims
        if isinstance(dims, gemma.GemmaDims) and dims.logit_cap:
            logits = self.ops.cap(logits, dims.logit_cap)
        return np.asarray(self.ops.numpy(logits))


def load_language(
    weights: Path,
    *,
    device: str = "auto",
    context: int | None = None,
    require_gpu: bool = False,
    profile: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Language:
    """Load a language model from a GGUF file. context: tokens of a text, by default 4,096 or what the model was made for.

    Raises FormatError for a file that is damaged or of a family that Wherry does not know, InputError for a context that
    cannot be. device, require_gpu, profile, say: as in `session.load_whisper`.
    """
    checkpoint = open_checkpoint(weights)
    if checkpoint.format != "gguf":
        raise FormatError(f"{weights}: found a {checkpoint.format} file, expected a language model in GGUF")
    if context is not None and context < 2:
        raise InputError(f"context: found {context}, expected at least 2 tokens")
    model = language_model(checkpoint, context or _CONTEXT)
    if context is not None and context > model.dims.n_ctx:
        raise InputError(f"context: found {context}, expected at most the {model.dims.n_ctx} that {weights.name} was made for")
    vocabulary = gguf_vocabulary(weights, checkpoint.metadata)
    if len(vocabulary.pieces) > model.dims.n_vocab:
        raise FormatError(
            f'{weights}: field "tokenizer.ggml.tokens": found {len(vocabulary.pieces)} tokens, expected {model.dims.n_vocab}'
        )
    template = checkpoint.metadata.get("tokenizer.chat_template")
    ops, description = open_device(device, require_gpu or profile, say, profile=profile)
    tables = [ops.array(rotation_table(rotation, model.dims.n_ctx)) for rotation in model.rotations]
    made: Any
    if isinstance(model.dims, gemma.GemmaDims):
        made = gemma_weights(model, ops.weight, *tables)
    else:
        made = llama_weights(model, ops.weight, tables[0])
    name = checkpoint.metadata.get("general.name")
    return Language(
        str(name) if isinstance(name, str) else weights.stem,
        description,
        model,
        vocabulary,
        template if isinstance(template, str) else None,
        model.dims.n_ctx,
        ops,
        made,
        Turns(),
    )
