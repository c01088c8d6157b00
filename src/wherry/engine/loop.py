"""Decoding that stays on the device: the prompt, then token after token, chosen there; programs recorded once, replayed."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wherry.kernels.next_token import Choice, Rules
from wherry.models import whisper
from wherry.models.whisper import Cache, Sound, WhisperDims, WhisperWeights

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
_STEPS = 8  # tokens made between two looks at the result: a look costs as much as several steps
_PROMPTS = 4  # recordings of prompts kept: most windows have one of few lengths


@dataclass(frozen=True)
class Sampled:
    """What a loop chose for B rows: tokens (B, most), how many (B,), sums of log-probabilities (B,), no-speech (B,)."""

    tokens: Ints
    sums: Floats
    no_speech: Floats


@dataclass
class _Prompt:
    program: Any
    tokens: Any  # (B, T) int32
    silence: Any  # (B, 1): the probability of <|nospeech|>


@dataclass
class Loop:
    """B texts over A recordings. `ops` is a `kernels.gpu.GpuOperations`."""

    ops: Any
    dims: WhisperDims
    weights: WhisperWeights[Any]
    sound: Sound[Any]
    rows: int
    rules: Rules
    no_speech: int
    cache: Cache[Any] = field(init=False)
    choice: Choice = field(init=False)
    step: Any = field(init=False)
    prompts: OrderedDict[tuple[int, int], _Prompt] = field(default_factory=OrderedDict)

    def __post_init__(self) -> None:
        shape = (self.rows, self.dims.n_text_ctx, self.dims.n_text_state)
        layers = range(self.dims.n_text_layer)
        self.cache = Cache([self.ops.empty(shape) for _ in layers], [self.ops.empty(shape) for _ in layers])
        self.choice = self.ops.choices(self.rules, self.rows, self.dims.n_text_ctx // 2)
        with self.ops.record() as self.step:
            choice = self.choice
            hidden = self._decode(choice.tokens, choice.offsets, choice.lengths)
            hidden = hidden.reshape((self.rows, self.dims.n_text_state))
            self.ops.choose(choice, self.ops.logits(hidden, self.weights.decoder.tokens))

    def run(self, tokens: Ints, sot: int, *, temperature: float, seed: int) -> Sampled:
        """tokens (B, T), the prompt; <|startoftranscript|> at `sot` -> the texts, until all have ended or are full."""
        prompt = self._prompt(tokens.shape[1], sot)
        device = self.ops.device
        device.write(prompt.tokens, tokens.astype(np.int32))
        self.ops.restart(self.choice, tokens.shape[1], temperature=temperature, seed=seed)
        device.run(prompt.program)
        most = min(self.choice.history.shape[1], self.dims.n_text_ctx + 1 - tokens.shape[1])
        made = 1
        while made < most:
            steps = min(_STEPS, most - made)
            device.run(self.step, steps)
            made += steps
            if device.download(self.choice.state)[:, 4].all():
                break
        history, sums, silence = device.download_all([self.choice.history, self.choice.sums, prompt.silence])
        return Sampled(history[:, :made], sums, silence[:, 0])

    def release(self) -> None:
        """Give the recordings' memory back."""
        for program in [self.step, *(prompt.program for prompt in self.prompts.values())]:
            self.ops.device.release(program)
        self.prompts.clear()

    def _prompt(self, length: int, sot: int) -> _Prompt:
        """The recording for prompts of this length."""
        key = (length, sot)
        if key in self.prompts:
            self.prompts.move_to_end(key)
            return self.prompts[key]
        if len(self.prompts) >= _PROMPTS:
            _, oldest = self.prompts.popitem(last=False)
            self.ops.device.release(oldest.program)
        self.prompts[key] = self._record_prompt(length, sot)
        return self.prompts[key]

    def _record_prompt(self, length: int, sot: int) -> _Prompt:
        ops, rows, state = self.ops, self.rows, self.dims.n_text_state
        starts = np.arange(rows) * length
        tokens = ops.array(np.zeros((rows, length), np.int32))
        offsets, lengths = ops.array(np.zeros(rows, np.int32)), ops.array(np.full(rows, length, np.int32))
        at_sot, at_end = ops.array((starts + sot).astype(np.int32)), ops.array((starts + length - 1).astype(np.int32))
        at_silence = ops.array((np.arange(rows) * self.dims.n_vocab + self.no_speech).astype(np.int32))
        with ops.record() as program:
            hidden = self._decode(tokens, offsets, lengths).reshape((rows * length, state))
            table = self.weights.decoder.tokens
            odds = ops.softmax(ops.logits(ops.select(hidden, at_sot), table))
            silence = ops.select(odds.reshape((rows * self.dims.n_vocab, 1)), at_silence)
            ops.choose(self.choice, ops.logits(ops.select(hidden, at_end), table))
        return _Prompt(program, tokens, silence)

    def _decode(self, tokens: Any, offsets: Any, lengths: Any) -> Any:
        return whisper.decode(self.ops, self.dims, self.weights.decoder, tokens, offsets, lengths, self.sound, self.cache)


@dataclass
class Listener:
    """The encoder for A recordings, recorded once: each call overwrites the result of the one before."""

    ops: Any
    mel: Any  # (A, 2 n_audio_ctx, n_mels)
    program: Any
    sound: Sound[Any]

    @classmethod
    def record(cls, ops: Any, dims: WhisperDims, weights: WhisperWeights[Any], recordings: int) -> "Listener":
        mel = ops.empty((recordings, 2 * dims.n_audio_ctx, dims.n_mels))
        with ops.record() as program:
            audio = whisper.encode(ops, dims, weights.encoder, mel)
            sound = whisper.listen(ops, weights.decoder, audio)
        return cls(ops, mel, program, sound)

    def run(self, mel: Floats) -> Sound[Any]:
        """mel (A, 2 n_audio_ctx, n_mels) -> what the decoder reads of it, until the next call."""
        self.ops.device.write(self.mel, mel)
        self.ops.device.run(self.program)
        return self.sound

    def release(self) -> None:
        self.ops.device.release(self.program)
