"""A Whisper network on a device: the model file joined with its operations and weights."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.engine.loop import Listener, Loop, Sampled
from wherry.kernels.next_token import Rules
from wherry.models import whisper
from wherry.models.whisper import (
    Attention,
    Block,
    Cache,
    Decoder,
    Encoder,
    LayerNorm,
    Linear,
    Sound,
    WhisperDims,
    WhisperWeights,
)

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
_FEW_ROWS = 32  # texts up to which the reading of the weights counts for more than the arithmetic
_LISTENERS, _LOOPS = 4, 8  # recordings kept: 1, 2 and 4 windows of callers, and one size of batch


@dataclass(frozen=True)
class Recorded:
    """One more token for each text of a state, recorded where the device gains by it: fill the inputs, run, read the logits."""

    program: Any  # a `kernels.cpu_step.CpuStep`
    tokens: Ints  # (B, 1)
    offsets: Ints  # (B,)
    lengths: Ints  # (B,)
    logits: Floats  # (B, n_vocab)

    def run(self, tokens: Ints, length: int) -> Floats:
        """tokens (B, 1) after `length` others -> their logits, until the next run."""
        self.tokens[:], self.offsets[:], self.lengths[:] = tokens, length, length + 1
        self.program.run()
        return self.logits


@dataclass
class State:
    """One text per row, in the making: its keys and values, and how many tokens they hold."""

    sound: Sound[Any]
    cache: Cache[Any]
    rows: int
    length: int = 0
    recorded: Recorded | None = None  # reads and writes this very cache


@dataclass(frozen=True)
class Network:
    """All that needs the device; what comes out is numpy. `ops` is a `kernels.operations.Operations`."""

    dims: WhisperDims
    ops: Any
    weights: WhisperWeights[Any]
    alignment_heads: tuple[tuple[int, int], ...] = field(default=())
    _listeners: OrderedDict[int, Listener] = field(default_factory=OrderedDict)
    _loops: OrderedDict[tuple[int, int, Rules], Loop] = field(default_factory=OrderedDict)

    @property
    def on_device(self) -> bool:
        """Whether the device chooses tokens itself."""
        return hasattr(self.ops, "choose")

    def sample(
        self, sound: Sound[Any], tokens: Ints, sot: int, rules: Rules, no_speech: int, temperature: float, seed: int
    ) -> Sampled:
        """tokens (B, T), the same prompt for each row -> the texts, chosen on the device (see `Loop`)."""
        key = (id(sound), len(tokens), rules)
        if key not in self._loops:
            while len(self._loops) >= _LOOPS:
                self._loops.popitem(last=False)[1].release()
            self._loops[key] = Loop(self.ops, self.dims, self.weights, sound, len(tokens), rules, no_speech)
        self._loops.move_to_end(key)
        return self._loops[key].run(tokens, sot, temperature=temperature, seed=seed)

    def listen(self, mel: Floats) -> Sound[Any]:
        """mel (A, 2 n_audio_ctx, n_mels) -> what the decoder reads of it, until the next call with as many recordings."""
        if self.on_device:
            if len(mel) not in self._listeners:
                while len(self._listeners) >= _LISTENERS:
                    self._forget(self._listeners.popitem(last=False)[1])
                self._listeners[len(mel)] = Listener.record(self.ops, self.dims, self.weights, len(mel))
            self._listeners.move_to_end(len(mel))
            return self._listeners[len(mel)].run(mel)
        audio = whisper.encode(self.ops, self.dims, self.weights.encoder, self.ops.array(np.ascontiguousarray(mel)))
        return whisper.listen(self.ops, self.weights.decoder, audio)

    def _forget(self, listener: Listener) -> None:
        """Give a recording back, and the loops that read its sound."""
        for key in [key for key in self._loops if key[0] == id(listener.sound)]:
            self._loops.pop(key).release()
        listener.release()

    def encode(self, mel: Floats) -> Floats:
        """mel (A, 2 n_audio_ctx, n_mels) -> (A, n_audio_ctx, state), for comparison with a reference."""
        audio = whisper.encode(self.ops, self.dims, self.weights.encoder, self.ops.array(np.ascontiguousarray(mel)))
        return np.asarray(self.ops.numpy(audio))

    def start(self, sound: Sound[Any], rows: int) -> State:
        """An empty text for each of `rows` rows."""
        shape = (rows, self.dims.n_text_ctx, self.dims.n_text_state)
        layers = range(self.dims.n_text_layer)
        return State(sound, Cache([self.ops.empty(shape) for _ in layers], [self.ops.empty(shape) for _ in layers]), rows)

    def step(self, state: State, tokens: Ints, queries: list[Any] | None = None) -> Any:
        """tokens (B, T) after those the state holds -> hidden states (B, T, state), on the device."""
        count = tokens.shape[1]
        offsets = np.full(state.rows, state.length, np.int32)
        state.length += count
        lengths = np.full(state.rows, state.length, np.int32)
        ops = self.ops
        return whisper.decode(
            ops,
            self.dims,
            self.weights.decoder,
            ops.array(tokens.astype(np.int32)),
            ops.array(offsets),
            ops.array(lengths),
            state.sound,
            state.cache,
            queries,
        )

    def logits(self, hidden: Floats) -> Floats:
        """hidden (rows, state) -> (rows, n_vocab)."""
        return np.asarray(self.ops.numpy(self.ops.logits(hidden, self.weights.decoder.tokens)))

    def next_logits(self, state: State, tokens: Ints) -> Floats:
        """tokens (B, 1) -> (B, n_vocab), until the next call."""
        if state.recorded is None and state.rows <= _FEW_ROWS and not self.on_device:
            state.recorded = self._record(state)
        if state.recorded is not None:
            state.length += 1
            return state.recorded.run(tokens, state.length - 1)
        hidden = self.step(state, tokens)
        return self.logits(hidden.reshape((state.rows, self.dims.n_text_state)))

    def _record(self, state: State) -> Recorded | None:
        """The next token's step, or None where the device has no use for a recording."""
        program = self.ops.step(self.dims.n_text_state // self.dims.n_text_head)
        if program is None:
            return None
        tokens, offsets = np.zeros((state.rows, 1), np.int32), np.zeros(state.rows, np.int32)
        lengths = np.ones(state.rows, np.int32)
        w = self.weights.decoder
        hidden = whisper.decode(program, self.dims, w, tokens, offsets, lengths, state.sound, state.cache)
        logits = program.logits(hidden.reshape(state.rows, -1), w.tokens)
        return Recorded(program, tokens, offsets, lengths, logits)

    def prompt_logits(self, state: State, tokens: Ints, positions: list[int]) -> Floats:
        """tokens (B, T) -> logits after each of `positions`: (B, len(positions), n_vocab)."""
        hidden = np.asarray(self.ops.numpy(self.step(state, tokens)))[:, positions]
        flat = np.ascontiguousarray(hidden.reshape(-1, hidden.shape[-1]))
        return self.logits(self.ops.array(flat)).reshape(state.rows, len(positions), -1)

    def alignment(self, sound: Sound[Any], tokens: list[int], begin: int, eot: int, frames: int) -> tuple[Floats, Floats]:
        """One known text, tokens (T,), over the first `frames` frames (20 ms) of its recording.

        -> attention of the alignment heads (heads, T, frames), and the probability of each token after `begin + 1`
        but the last (the text's). `begin` is where <|notimestamps|> stands; only tokens before `eot` count.
        """
        queries: list[Any] = []
        state = self.start(sound, 1)
        hidden = np.asarray(self.ops.numpy(self.step(state, np.asarray([tokens], np.int32), queries)))[0]
        text = tokens[begin + 1 : -1]
        logits = self.logits(self.ops.array(np.ascontiguousarray(hidden[begin : begin + len(text)])))[:, :eot]
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities = odds[np.arange(len(text)), text] / odds.sum(axis=1)
        width = self.dims.n_text_state // self.dims.n_text_head
        attended = []
        for layer, head in self.alignment_heads:
            columns = slice(head * width, (head + 1) * width)
            q = np.asarray(self.ops.numpy(queries[layer]))[0, :, columns]
            k = np.asarray(self.ops.numpy(sound.keys[layer]))[0, :frames, columns]
            scores = (q * np.float32(width**-0.5)) @ k.T  # (T, frames)
            weights = np.exp(scores - scores.max(axis=1, keepdims=True))
            attended.append(weights / weights.sum(axis=1, keepdims=True))
        return np.stack(attended), probabilities

    def recordings(self, sound: Sound[Any], rows: list[int]) -> Sound[Any]:
        """Some of the recordings of a batch."""
        chosen = self.ops.array(np.asarray(rows, np.int32))
        return Sound(
            tuple(self.ops.select(x, chosen) for x in sound.keys),
            tuple(self.ops.select(x, chosen) for x in sound.values),
        )

    def keep(self, state: State, rows: Ints) -> None:
        """Go on with rows (B,) of the batch: a beam may take over another's past."""
        if (rows == np.arange(state.rows)).all():
            return
        state.recorded = None
        chosen = self.ops.array(rows.astype(np.int32))
        state.cache.keys = [self.ops.select(x, chosen) for x in state.cache.keys]
        state.cache.values = [self.ops.select(x, chosen) for x in state.cache.values]


def build_weights(dims: WhisperDims, tensors: Mapping[str, Any], place: Callable[[Any], Any]) -> WhisperWeights[Any]:
    """OpenAI state-dict names -> the model's weights, each put on the device by `place`."""

    def linear(name: str, bias: bool = True) -> Linear[Any]:
        return Linear(place(tensors[f"{name}.weight"]), place(tensors[f"{name}.bias"]) if bias else None)

    def norm(name: str) -> LayerNorm[Any]:
        return LayerNorm(place(tensors[f"{name}.weight"]), place(tensors[f"{name}.bias"]))

    def attention(name: str) -> Attention[Any]:
        return Attention(
            linear(f"{name}.query"), linear(f"{name}.key", bias=False), linear(f"{name}.value"), linear(f"{name}.out")
        )

    def block(name: str, cross: bool) -> Block[Any]:
        return Block(
            norm(f"{name}.attn_ln"),
            attention(f"{name}.attn"),
            norm(f"{name}.cross_attn_ln") if cross else None,
            attention(f"{name}.cross_attn") if cross else None,
            norm(f"{name}.mlp_ln"),
            linear(f"{name}.mlp.0"),
            linear(f"{name}.mlp.2"),
        )

    return WhisperWeights(
        Encoder(
            linear("encoder.conv1"),
            linear("encoder.conv2"),
            place(np.asarray(tensors["encoder.positional_embedding"], np.float32)),
            tuple(block(f"encoder.blocks.{i}", cross=False) for i in range(dims.n_audio_layer)),
            norm("encoder.ln_post"),
        ),
        Decoder(
            place(tensors["decoder.token_embedding.weight"]),
            place(np.asarray(tensors["decoder.positional_embedding"], np.float32)),
            tuple(block(f"decoder.blocks.{i}", cross=True) for i in range(dims.n_text_layer)),
            norm("decoder.ln"),
        ),
    )
