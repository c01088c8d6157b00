"""A segment that reaches over a hole in the recording, in two: the words before the hole and those behind it."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from wherry.audio.log_mel import FRAMES_PER_SECOND, N_FRAMES
from wherry.engine.network import Network
from wherry.engine.timeline import is_before
from wherry.engine.timing import align
from wherry.engine.transcript import Segment
from wherry.text.whisper import WhisperTokenizer


def split_segment(
    network: Network, tokenizer: WhisperTokenizer, mel: NDArray[np.float32], segment: Segment, hole: float
) -> list[Segment]:
    """mel (frames, n_mels), hole in seconds within the segment -> one or two segments; whoever calls has the device.

    Where the model cannot tell when words were said, the segment stays whole.
    """
    text = [token for token in segment.tokens if token < tokenizer.eot]
    first = round(segment.start * FRAMES_PER_SECOND)
    frames = min(N_FRAMES, round(segment.end * FRAMES_PER_SECOND) - first, len(mel) - first)
    if not network.alignment_heads or not text or frames < 2:
        return [segment]
    window = np.zeros((1, N_FRAMES, mel.shape[1]), np.float32)
    window[0, :frames] = mel[first : first + frames]
    words = align(network, tokenizer, text, network.listen(window), frames)
    before = [word for word in words if is_before(segment.start + word.end, hole)]
    if not words or len(before) == len(words):
        return [replace(segment, end=min(segment.end, hole))]
    if not before:
        return [replace(segment, start=max(segment.start, hole))]
    cut = _cut(segment.tokens, sum(len(word.tokens) for word in before), tokenizer.eot)
    end = min(hole, round(segment.start + before[-1].end, 2))
    start = max(hole, round(segment.start + words[len(before)].start, 2))
    return [
        replace(
            segment,
            end=max(segment.start, end),
            tokens=segment.tokens[:cut],
            text=tokenizer.decode(segment.tokens[:cut]),
            words=tuple(word for word in segment.words if is_before(word.end, hole)),
        ),
        replace(
            segment,
            start=min(segment.end, start),
            tokens=segment.tokens[cut:],
            text=tokenizer.decode(segment.tokens[cut:]),
            words=tuple(word for word in segment.words if not is_before(word.end, hole)),
        ),
    ]


def _cut(tokens: tuple[int, ...], count: int, eot: int) -> int:
    """Where the text token number `count`, from 0, stands."""
    return [index for index, token in enumerate(tokens) if token < eot][count]
