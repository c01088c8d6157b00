"""The door to language models: a model on a device, shared by its callers."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.engine.device_rows import DeviceRows
from wherry.engine.host_rows import HostRows
from wherry.engine.language_network import LanguageNetwork
from wherry.engine.memory import MemoryPlan, host_memory, plan_memory
from wherry.engine.sampling import SamplingOptions
from wherry.engine.sampling_defaults import SamplingDefaults, read_sampling_defaults
from wherry.engine.scheduler import Scheduler, Stream
from wherry.engine.session import open_device
from wherry.errors import FormatError, InputError, PromptTooLongError
from wherry.models import gemma
from wherry.models.language import LanguageModel, gemma_weights, language_model, llama_weights
from wherry.models.pooling import Pooling, is_causal, read_pooling
from wherry.models.rotation import rotation_table
from wherry.text.constraint import Constraint, Grammar, GrammarWords, grammar_words
from wherry.text.language import Pieces, Vocabulary, gguf_vocabulary
from wherry.text.published import published_template, published_vocabulary
from wherry.text.said import Said
from wherry.text.templates import knows_tools, render_chat
from wherry.text.workers import Check, no_check
from wherry.weights import Checkpoint, open_checkpoint

Floats = NDArray[np.float32]
_CONTEXT = 4096  # tokens, where nobody asks for more: keys and values of all must fit the memory
_TEXTS = 32  # at once, where nobody asks for fewer or more; others wait
_WHOLE = 8  # contexts for which there are pages, if the memory has them: few texts are as long as they may be


@dataclass(frozen=True)
class Answer:
    """What a piece of an answer adds: `text` may be empty while a character is not whole. `end`: stop, length, or not yet.

    logprob: the logarithm of the token's probability, before penalties, bias and temperature.
    """

    token: int
    text: str
    end: str = ""
    logprob: float = 0.0


@dataclass(frozen=True)
class Language:
    """A language model ready to answer. Safe for several threads: what they ask for is computed together."""

    name: str
    device: str  # what it runs on, for people
    model: LanguageModel
    vocabulary: Vocabulary
    template: str | None
    context: int  # tokens
    network: LanguageNetwork
    scheduler: Scheduler
    memory: MemoryPlan
    pooling: Pooling  # what stands for a text in `embed`
    causal: bool  # whether it was trained so that a token sees those before it alone
    sampling: SamplingDefaults  # how tokens are drawn where a caller says nothing of it

    @cached_property
    def words(self) -> GrammarWords:
        """The vocabulary as grammars see it."""
        return grammar_words(self.vocabulary, self.model.dims.n_vocab)

    @cached_property
    def _said(self) -> Said:
        return Said(self.vocabulary)

    @cached_property
    def supports_tools(self) -> bool:
        """Whether its template knows tools."""
        return self.template is not None and knows_tools(self.template)

    @property
    def dimensions(self) -> int:
        """Numbers of a vector that `embed` gives."""
        return self.model.dims.n_state

    @property
    def max_tokens(self) -> int:
        """Of a text that `embed` reads."""
        return self.context

    @property
    def longest_token(self) -> int:
        """Bytes of a text that one token may stand for."""
        return self.vocabulary.longest

    def gpu_bytes(self) -> int | None:
        """What its GPU holds for it; None on the CPU. Any thread may ask."""
        device = getattr(self.network.ops, "device", None)
        return None if device is None else int(device.bytes_in_use())

    @property
    def n_vocab(self) -> int:
        return len(self.vocabulary.pieces)

    def text(self, tokens: Sequence[int]) -> str:
        """What tokens say. Raises InputError for one that is none."""
        if not all(0 <= token < self.n_vocab for token in tokens):
            raise InputError(f"tokens: found unknown ones, expected them below {self.n_vocab}")
        return self.vocabulary.decode(tokens)

    def text_tokens(self, text: str, check: Check = no_check) -> list[int]:
        """As `text_prompt`."""
        return self.text_prompt(text, check)

    def check_size(self, place: str, texts: Iterable[str]) -> None:
        """Raises PromptTooLongError for texts that cannot fit the context, whatever their tokens are. It reads none of them."""
        size = sum(len(text.encode(errors="replace")) for text in texts)
        least = -(-size // self.vocabulary.longest)
        if least > self.context:
            raise PromptTooLongError(
                f"{place}: found {size} bytes, which are at least {least} tokens, expected fewer than the model's maximum "
                f"context length of {self.context}",
                hint="shorten it, or load the model with a larger context",
            )

    def prompt(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]] = (),
        begin: str = "",
        *,
        begun: str = "",
        answer: bool = True,
        options: Mapping[str, Any] | None = None,
        shift: bool = False,
        check: Check = no_check,
    ) -> list[int]:
        """A conversation ({"role", "content"}, first to last) -> the tokens before the answer, which begins with `begun`, as
        the caller has it, and then with `begin`, which may name special tokens. Names of special tokens in what was said are
        text: nobody can end a turn that way. answer, options: as `render_chat` has them.

        Raises InputError where the model has no chat template, or its template refuses the messages, PromptTooLongError for
        a conversation that cannot fit the context, unless it is to `shift`. What `check` raises meanwhile ends the work.
        """
        if self.template is None:
            raise _no_template(self.name)
        if not shift:
            self.check_size("messages", _texts(messages))
        vocabulary = self.vocabulary
        names = {
            "bos_token": "" if vocabulary.bos is None else vocabulary.names[vocabulary.bos],
            "eos_token": "" if vocabulary.eos is None else vocabulary.names[vocabulary.eos],
        }
        asked, known = self._said.aside(list(messages)), self._said.aside(list(tools))
        text = render_chat(
            self.template,
            asked,
            names=names,
            answer=answer,
            tools=known or None,
            options=self._said.aside(options or {}),
            check=check,
        )
        tokens = self._said.encode(text + self._said.aside(begun) + begin, check)
        return self._framed(tokens) if vocabulary.frames_chats else tokens

    def marked_prompt(self, text: str, check: Check = no_check) -> list[int]:
        """A text that names special tokens, as guests write it by templates of their own -> its tokens, between those that
        stand around texts."""
        return self._framed(self.vocabulary.encode(text, special=True, check=check))

    def _framed(self, tokens: list[int]) -> list[int]:
        """With the tokens that stand around texts, unless they are there."""
        before, after = list(self.vocabulary.before), list(self.vocabulary.after)
        before = [] if tokens[: len(before)] == before else before
        after = [] if after and tokens[-len(after) :] == after else after
        return [*before, *tokens, *after]

    def text_prompt(self, text: str, check: Check = no_check, *, shift: bool = False) -> list[int]:
        """A text that the model is to go on with -> its tokens, nothing in it read as special. Raises as `prompt`."""
        if not shift:
            self.check_size("prompt", [text])
        return [*self.vocabulary.before, *self.vocabulary.encode(text, check=check), *self.vocabulary.after]

    def generate(
        self,
        prompt: Sequence[int],
        options: SamplingOptions,
        most: int,
        grammar: Grammar | None = None,
        *,
        shift: bool = False,
    ) -> Iterator[Answer]:
        """prompt (tokens) -> the answer, piece by piece, at most `most` tokens. Whoever stops taking pieces stops the work.

        With a grammar the whole answer fits it, unless `most` cuts it off. shift: where the context is full, go on with its
        latter half. Raises InputError for an empty prompt and for a grammar that is too much work, TooLargeError for a prompt
        that leaves no room in the context.
        """
        pieces = Pieces(self.vocabulary)
        stream = self.submit(prompt, options, most, grammar, shift=shift)
        for made in stream:
            if made.token in self.vocabulary.ends:
                yield Answer(made.token, pieces.end(), "stop", made.logprob)
            else:
                yield Answer(made.token, pieces.add(made.token), "length" if made.last else "", made.logprob)

    def submit(
        self,
        prompt: Sequence[int],
        options: SamplingOptions,
        most: int,
        grammar: Grammar | None = None,
        *,
        shift: bool = False,
        top: int = 0,
        check: Check = no_check,
    ) -> Stream:
        """As `generate`, but the work begins now, and what comes are bare tokens, each with the `top` likeliest in its place.
        What `check` raises while the grammar is prepared ends that."""
        options.check()
        if not all(0 <= token < self.n_vocab for token in prompt):
            raise InputError("prompt: found unknown tokens")
        if not all(0 <= token < self.n_vocab for token, _ in options.logit_bias):
            raise InputError("logit_bias: found unknown tokens")
        return self.scheduler.submit(
            prompt,
            options,
            most if shift else min(most, self.context - len(prompt)),
            ends=self.vocabulary.ends,
            biases=dict(options.logit_bias),
            shift=shift,
            guide=None if grammar is None else Constraint(self.words, grammar, check),
            top=top,
        )

    def score(self, tokens: Sequence[int], top: int = 0) -> Stream:
        """Those after the first, each with its log-probability after those before it and the `top` likeliest in its place."""
        if not all(0 <= token < self.n_vocab for token in tokens):
            raise InputError("prompt: found unknown tokens")
        return self.scheduler.score(tokens, top)

    def logits(self, tokens: Sequence[int]) -> Floats:
        """tokens (T,) -> logits after each (T, vocab), for comparison with a reference."""
        return self.scheduler.call(lambda rows, pages: rows.logits(tokens, 0, pages), len(tokens))

    def embed(self, tokens: Sequence[int]) -> Floats:
        """tokens (T,) -> what the network makes of them (state,), of length 1: a vector for the whole text, as `pooling` says.

        Raises InputError for a model that ranks texts or whose tokens see later ones too, FormatError for damaged weights.
        """
        if not self.causal:
            raise InputError(f"{self.name}: found a model whose tokens see later ones too, expected one that reads forwards")
        if self.pooling is Pooling.RANK:
            raise InputError(f"{self.name}: found a model that ranks texts, expected one that gives vectors")
        tokens = tokens[:1] if self.pooling is Pooling.CLS else tokens
        if self.pooling is Pooling.MEAN:
            vector = self.scheduler.call(lambda rows, pages: rows.mean_hidden(tokens, 0, pages), len(tokens))
        else:
            vector = self.scheduler.call(lambda rows, pages: rows.hidden(tokens, 0, pages), len(tokens))
        if not np.isfinite(vector).all():
            raise FormatError(f"{self.name}: found weights that make no numbers of a text, expected sound ones")
        return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-12), np.float32)


def _texts(value: object) -> Iterator[str]:
    """Every text in messages."""
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, Mapping):
            left.extend(each.values())
        elif isinstance(each, list | tuple):
            left.extend(each)


def _no_template(name: str) -> InputError:
    return InputError(
        f"{name}: found no chat template in the model, expected one for a conversation",
        hint="give a text to go on with instead: `wherry chat --raw MODEL TEXT`, or /v1/completions",
    )


def _words(checkpoint: Checkpoint) -> tuple[Vocabulary, object]:
    """The vocabulary and the chat template, if there is one."""
    if checkpoint.format == "gguf":
        return gguf_vocabulary(checkpoint.path, checkpoint.metadata), checkpoint.metadata.get("tokenizer.chat_template")
    config = checkpoint.metadata.get("config")
    folder = checkpoint.path.parent
    return published_vocabulary(folder, config if isinstance(config, dict) else {}), published_template(folder)


def load_language(
    weights: Path,
    *,
    device: str = "auto",
    context: int | None = None,
    require_gpu: bool = False,
    profile: bool = False,
    texts: int = _TEXTS,
    memory: int | None = None,
    for_chat: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Language:
    """Load a language model from a GGUF file, or from safetensors as Hugging Face publishes them, with config.json,
    tokenizer.json and what else lies beside. context: tokens of a text, by default 4,096 or what the model was made for.

    texts: how many are computed at once; memory: bytes that weights and texts may take, by default what the host has left.
    Raises FormatError for a file that is damaged or of a family that Wherry does not know, InputError for a context that
    cannot be, OutOfMemoryError before anything is loaded where it would not fit.
    device, require_gpu, profile, say: as in `session.load_whisper`. for_chat: refuse a model without a chat template before its
    weights are placed, with InputError.
    """
    checkpoint = open_checkpoint(weights)
    if checkpoint.format not in ("gguf", "safetensors"):
        raise FormatError(f"{weights}: found a {checkpoint.format} file, expected a language model in GGUF or safetensors")
    if not 1 <= texts <= 256:
        raise InputError(f"texts: found {texts}, expected 1 to 256")
    if context is not None and context < 2:
        raise InputError(f"context: found {context}, expected at least 2 tokens")
    model = language_model(checkpoint, context or _CONTEXT)
    if context is not None and context > model.dims.n_ctx:
        raise InputError(f"context: found {context}, expected at most the {model.dims.n_ctx} that {weights.name} was made for")
    vocabulary, template = _words(checkpoint)
    if for_chat and not isinstance(template, str):
        raise _no_template(weights.name)
    if len(vocabulary.pieces) > model.dims.n_vocab:
        raise FormatError(f"{checkpoint.path}: found {len(vocabulary.pieces)} tokens, expected the model's {model.dims.n_vocab}")
    for remark in vocabulary.remarks:
        say(remark)
    vocabulary = vocabulary.padded(model.dims.n_vocab)
    ops, description = open_device(device, require_gpu or profile, say, profile=profile)
    host = hasattr(ops, "takes_text")
    plan = plan_memory(
        weights.name,
        model.dims,
        model.tensors,
        context=model.dims.n_ctx,
        texts=min(texts, _WHOLE),
        number=4 if host else 2,
        available=host_memory() if memory is None and host else memory,
        binding=None if host else ops.device.info.limits["max-storage-buffer-binding-size"],
    )
    tables = [ops.array(rotation_table(rotation, model.dims.n_ctx)) for rotation in model.rotations]
    place = ops.language_weight if host and ops.takes_text(model.dims) else ops.weight
    made: Any
    if isinstance(model.dims, gemma.GemmaDims):
        made = gemma_weights(model, place, *tables)
    else:
        made = llama_weights(model, place, tables[0])
    name = checkpoint.metadata.get("general.name")
    network = LanguageNetwork(model, ops, made)
    rows = (HostRows if host else DeviceRows)(network, texts, plan.pages, model.dims.n_ctx)
    return Language(
        str(name) if isinstance(name, str) else checkpoint.path.parent.name if checkpoint.format != "gguf" else weights.stem,
        description,
        model,
        vocabulary,
        template if isinstance(template, str) else None,
        model.dims.n_ctx,
        network,
        Scheduler(rows),
        plan,
        read_pooling(checkpoint, model.family, Pooling.LAST),
        is_causal(checkpoint, model.family),
        read_sampling_defaults(checkpoint),
    )
