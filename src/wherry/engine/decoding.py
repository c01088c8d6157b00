"""One window of sound to tokens: Whisper's rules, greedy, sampled or by beam search (openai-whisper, decoding.py)."""

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wherry.engine.network import Network
from wherry.errors import FormatError
from wherry.kernels.next_token import Rules as DeviceRules
from wherry.models.whisper import Sound
from wherry.text.whisper import SECONDS_PER_TIMESTAMP, WhisperTokenizer

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
_MAX_INITIAL_TIMESTAMP = round(1.0 / SECONDS_PER_TIMESTAMP)  # speech starts in the first second, or the window has none


@dataclass(frozen=True)
class DecodeOptions:
    """How one window is decoded; `prompt` are the tokens of the text before it, `prefix` those that its own begins with."""

    temperature: float = 0.0
    beam_size: int | None = None
    best_of: int | None = None
    patience: float | None = None
    length_penalty: float | None = None
    prompt: tuple[int, ...] = ()
    prefix: tuple[int, ...] = ()
    without_timestamps: bool = False
    suppress_tokens: tuple[int, ...] = (-1,)  # see `TranscribeOptions`


@dataclass(frozen=True)
class Decoded:
    tokens: tuple[int, ...]
    text: str
    avg_logprob: float
    no_speech_prob: float
    temperature: float
    compression_ratio: float


def decode_windows(
    network: Network,
    tokenizer: WhisperTokenizer,
    sound: Sound[object],
    initial: Ints,
    options: DecodeOptions,
    random: np.random.Generator,
) -> list[Decoded]:
    """Decode as many windows together as `sound` holds recordings; initial (windows, T), the `initial_tokens` of each.

    They may differ in language and prompt, but not in where <|startoftranscript|> stands.
    """
    windows, begin = initial.shape
    group = (options.beam_size if options.temperature == 0 else options.best_of) or 1
    state = network.start(sound, windows * group)
    tokens = np.repeat(initial, group, axis=0)
    rules = Rules(tokenizer, begin, options.without_timestamps, options.suppress_tokens)
    chooser: _Sampler | _Beams
    if options.beam_size is not None and options.temperature == 0:
        chooser = _Beams(options.beam_size, tokenizer.eot, options.patience or 1.0, windows)
    else:
        chooser = _Sampler(options.temperature, tokenizer.eot, random, windows * group)

    sot = initial[0].tolist().index(tokenizer.sot)
    if network.on_device and isinstance(chooser, _Sampler):
        found = network.sample(
            sound, tokens, sot, rules.on_device(network.dims.n_vocab), tokenizer.no_speech, options.temperature,
            int(random.integers(1 << 32)) if options.temperature > 0 else 0,
        )  # fmt: skip
        chooser.sums[:] = found.sums
        chosen = np.concatenate([tokens, found.tokens], axis=1)
        return _results(tokenizer, options, begin, chooser.finish(chosen, windows), found.no_speech[::group])
    first = network.prompt_logits(state, tokens, [sot, begin - 1])  # (rows, 2, vocab)
    no_speech = _softmax(first[::group, 0])[:, tokenizer.no_speech]
    logits = first[:, 1]
    for _ in range(network.dims.n_text_ctx // 2):
        rules.apply(logits, tokens)
        tokens, origins, done = chooser.choose(tokens, logits)
        if done or tokens.shape[1] > network.dims.n_text_ctx:
            break
        network.keep(state, origins)
        logits = network.next_logits(state, tokens[:, -1:])

    return _results(tokenizer, options, begin, chooser.finish(tokens, windows), no_speech)


def _results(
    tokenizer: WhisperTokenizer, options: DecodeOptions, begin: int, finished: "list[Candidates]", no_speech: Floats
) -> list[Decoded]:
    """The best of each window's candidates; their new tokens start at `begin`."""
    results = []
    for window, candidates in enumerate(finished):
        texts = [_until(sequence[begin:], tokenizer.eot) for sequence, _ in candidates]
        best = max(range(len(texts)), key=lambda i: _score(candidates[i][1], len(texts[i]), options.length_penalty))
        text = tokenizer.decode(texts[best]).strip()
        if not (np.isfinite(candidates[best][1]) and np.isfinite(no_speech[window])):
            raise FormatError(
                "weights: the model computes numbers that are not finite, expected those of a whole model",
                hint="the file is damaged, or was converted with numbers too large for its type: fetch it again",
            )
        results.append(
            Decoded(
                tuple(texts[best]),
                text,
                candidates[best][1] / (len(texts[best]) + 1),
                float(no_speech[window]),
                options.temperature,
                compression_ratio(text),
            )
        )
    return results


def detect_language(network: Network, tokenizer: WhisperTokenizer, sound: Sound[object]) -> tuple[dict[str, float], float]:
    """The first recording's probability of each language, likeliest first; and the probability that nobody speaks in it."""
    state = network.start(sound, 1)
    logits = network.prompt_logits(state, np.asarray([[tokenizer.sot]], np.int32), [0])[0, 0]
    ids = list(tokenizer.languages)
    probabilities = _softmax(logits[None, ids])[0]
    order = np.argsort(-probabilities, kind="stable")
    no_speech = float(_softmax(logits[None])[0, tokenizer.no_speech])
    return {tokenizer.languages[ids[i]]: float(probabilities[i]) for i in order}, no_speech


def compression_ratio(text: str) -> float:
    """Bytes over bytes after zlib: text that repeats itself compresses too well."""
    data = text.encode()
    return len(data) / len(zlib.compress(data))


class Rules:
    """Which tokens may come next: sets the logits (rows, vocab) of the others to -inf, in place."""

    def __init__(
        self, tokenizer: WhisperTokenizer, begin: int, without_timestamps: bool, suppress: tuple[int, ...] = (-1,)
    ) -> None:
        self.begin = begin  # where the sampled tokens start
        self.eot = tokenizer.eot
        self.timestamps = None if without_timestamps else tokenizer.timestamp_begin
        self.no_timestamps = tokenizer.no_timestamps
        self.blank = [*tokenizer.encode(" "), tokenizer.eot]
        specials = [tokenizer.special(n) for n in ("transcribe", "translate", "startoftranscript", "startofprev")]
        specials += [tokenizer.special("startoflm"), tokenizer.no_speech]
        chosen = {*suppress} - {-1} | (tokenizer.non_speech_tokens if -1 in suppress else set())
        self.never = np.asarray(sorted({*chosen, *specials}), np.int64)

    def on_device(self, vocab: int) -> DeviceRules:
        """The same rules for the device's own choice."""
        times = vocab if self.timestamps is None else self.timestamps
        never = [*self.never.tolist(), *([] if self.timestamps is None else [self.no_timestamps])]
        return DeviceRules(vocab, self.eot, times, _MAX_INITIAL_TIMESTAMP, tuple(never), tuple(self.blank))

    def apply(self, logits: Floats, tokens: Ints) -> None:
        first = tokens.shape[1] == self.begin
        if first:
            logits[:, self.blank] = -np.inf
        logits[:, self.never] = -np.inf
        if self.timestamps is None:
            return
        logits[:, self.no_timestamps] = -np.inf
        begin = self.timestamps
        if first:  # a window starts with a timestamp, and within its first second
            logits[:, :begin] = -np.inf
            logits[:, begin + _MAX_INITIAL_TIMESTAMP + 1 :] = -np.inf
        for row, sampled in zip(logits, tokens[:, self.begin :].tolist(), strict=True):
            self._pair_timestamps(row, sampled, begin)
            # When time as a whole is likelier than any word, it is time.
            top_text = row[:begin].max()
            times = row[begin:]
            top = times.max()
            if top > -np.inf and top + np.log(np.exp(times - top).sum()) > top_text:
                row[:begin] = -np.inf

    def _pair_timestamps(self, row: Floats, sampled: list[int], begin: int) -> None:
        """Timestamps come in pairs (end, start), and never go back."""
        last_is_time = len(sampled) >= 1 and sampled[-1] >= begin
        before_is_time = len(sampled) < 2 or sampled[-2] >= begin
        if last_is_time:
            if before_is_time:
                row[begin:] = -np.inf  # the pair is whole: words must follow
            else:
                row[: self.eot] = -np.inf  # the pair is open: time or the end must follow
        times = [t for t in sampled if t >= begin]
        if times:
            # A start may equal the end before it; an end must pass its start.
            floor = times[-1] if last_is_time and not before_is_time else times[-1] + 1
            row[begin:floor] = -np.inf


Candidates = list[tuple[list[int], float]]  # tokens and the sum of their log-probabilities


class _Sampler:
    """Greedy at temperature 0, else a draw from softmax(logits / temperature)."""

    def __init__(self, temperature: float, eot: int, random: np.random.Generator, rows: int) -> None:
        self.temperature = temperature
        self.eot = eot
        self.random = random
        self.sums = np.zeros(rows, np.float64)
        self._scratch: Floats | None = None

    def choose(self, tokens: Ints, logits: Floats) -> tuple[Ints, Ints, bool]:
        if self.temperature == 0:
            chosen = logits.argmax(axis=1)
        else:  # the Gumbel trick: the maximum of noisy logits is a draw
            noise = self.random.gumbel(size=logits.shape).astype(np.float32)
            chosen = (logits / np.float32(self.temperature) + noise).argmax(axis=1)
        rows = np.arange(len(logits))
        ended = tokens[:, -1] == self.eot
        if self._scratch is None:
            self._scratch = np.empty_like(logits)
        logprobs = logits[rows, chosen] - _log_sum_exp(logits, self._scratch)
        self.sums += np.where(ended, 0.0, logprobs)
        chosen = np.where(ended, self.eot, chosen).astype(np.int32)
        return (
            np.concatenate([tokens, chosen[:, None]], axis=1),
            rows.astype(np.int32),
            bool((chosen == self.eot).all()),
        )

    def finish(self, tokens: Ints, windows: int) -> list[Candidates]:
        rows = [(sequence, float(total)) for sequence, total in zip(tokens.tolist(), self.sums, strict=True)]
        group = len(rows) // windows
        return [rows[w * group : (w + 1) * group] for w in range(windows)]


class _Beams:
    """Beam search: a window is done when `beam_size * patience` texts have ended."""

    def __init__(self, size: int, eot: int, patience: float, windows: int) -> None:
        self.size = size
        self.eot = eot
        self.wanted = round(size * patience)
        self.sums = np.zeros(windows * size, np.float64)
        self.ended: list[dict[tuple[int, ...], float]] = [{} for _ in range(windows)]

    def choose(self, tokens: Ints, logits: Floats) -> tuple[Ints, Ints, bool]:
        logprobs = logits - _log_sum_exp(logits)[:, None]
        next_rows: list[tuple[int, ...]] = []
        origins: list[int] = []
        sums: list[float] = []
        for window, ended in enumerate(self.ended):
            scores: dict[tuple[int, ...], tuple[float, int]] = {}
            for row in range(window * self.size, (window + 1) * self.size):
                top = np.argpartition(-logprobs[row], self.size)[: self.size + 1]
                prefix = tuple(tokens[row].tolist())
                for token in top.tolist():
                    # Beams that still share one past (the first step) give the same text: counted once.
                    scores[(*prefix, token)] = (float(self.sums[row] + logprobs[row, token]), row)
            kept = 0
            newly: dict[tuple[int, ...], float] = {}
            for sequence, (score, row) in sorted(scores.items(), key=lambda item: -item[1][0]):
                if sequence[-1] == self.eot:
                    newly[sequence] = score
                    continue
                next_rows.append(sequence)
                origins.append(row)
                sums.append(score)
                kept += 1
                if kept == self.size:
                    break
            for sequence, score in sorted(newly.items(), key=lambda item: -item[1]):
                if len(ended) >= self.wanted:
                    break
                ended[sequence] = score
        self.sums = np.asarray(sums, np.float64)
        done = all(len(ended) >= self.wanted for ended in self.ended)
        return np.asarray(next_rows, np.int32), np.asarray(origins, np.int32), done

    def finish(self, tokens: Ints, windows: int) -> list[Candidates]:
        results = []
        for window, ended in enumerate(self.ended):
            rows = range(window * self.size, (window + 1) * self.size)
            for row in sorted(rows, key=lambda r: -self.sums[r]):
                if len(ended) >= self.size:
                    break
                ended[(*tokens[row].tolist(), self.eot)] = float(self.sums[row])
            results.append([(list(sequence), score) for sequence, score in ended.items()])
        return results


def initial_tokens(tokenizer: WhisperTokenizer, options: DecodeOptions, n_text_ctx: int) -> list[int]:
    """What a window's text begins with: the end of the text before it, the task, and the text that it must begin with."""
    tokens = list(tokenizer.sot_sequence)
    if options.without_timestamps:
        tokens.append(tokenizer.no_timestamps)
    tokens += options.prefix
    if options.prompt:
        tokens = [tokenizer.sot_prev, *options.prompt[-(n_text_ctx // 2 - 1) :], *tokens]
    return tokens


def _score(logprob: float, length: int, penalty: float | None) -> float:
    if penalty is None:
        return logprob / max(length, 1)
    return logprob / float(((5 + length) / 6) ** penalty)


def _until(tokens: list[int], eot: int) -> list[int]:
    return tokens[: tokens.index(eot)] if eot in tokens else tokens


def _log_sum_exp(x: Floats, scratch: Floats | None = None) -> Floats:
    """x (rows, n) -> (rows,); with scratch of x's shape nothing large is allocated: fresh pages cost more than the sums."""
    top = x.max(axis=1, keepdims=True)
    powers = np.subtract(x, top, out=scratch)
    return np.asarray(top[:, 0] + np.log(np.exp(powers, out=powers).sum(axis=1)), np.float32)


def _softmax(x: Floats) -> Floats:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True), np.float32)
