"""Whisper (Radford et al., 2022, "Robust Speech Recognition via Large-Scale Weak Supervision").

The network alone: it is given its operations and its weights, and runs on whatever device those live on.
B rows of text may share A recordings (beams, best-of): row b listens to recording b // (B // A).
"""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

Array = TypeVar("Array")


@dataclass(frozen=True)
class WhisperDims:
    """The sizes of one Whisper model, named as in OpenAI's checkpoints."""

    n_mels: int
    n_audio_ctx: int
    n_audio_state: int
    n_audio_head: int
    n_audio_layer: int
    n_vocab: int
    n_text_ctx: int
    n_text_state: int
    n_text_head: int
    n_text_layer: int


class Operations(Protocol[Array]):
    """What the network needs of a device; the whole contract is `kernels/operations.py`."""

    def layer_norm(self, x: Array, weight: Array, bias: Array) -> Array: ...
    def linear(
        self, x: Array, weight: Array, bias: Array | None = None, *, gelu: bool = False, residual: Array | None = None
    ) -> Array: ...
    def conv1d(self, x: Array, weight: Array, bias: Array, *, stride: int) -> Array: ...
    def add(self, x: Array, y: Array) -> Array: ...
    def attention(self, q: Array, k: Array, v: Array, heads: int, *, lengths: Array | None = None) -> Array: ...
    def embedding(self, tokens: Array, table: Array, positions_table: Array, offsets: Array) -> Array: ...
    def append(self, cache: Array, x: Array, offsets: Array) -> None: ...


@dataclass(frozen=True)
class Linear(Generic[Array]):
    weight: Array  # (out, in)
    bias: Array | None  # (out,)


@dataclass(frozen=True)
class LayerNorm(Generic[Array]):
    weight: Array  # (state,)
    bias: Array  # (state,)


@dataclass(frozen=True)
class Attention(Generic[Array]):
    query: Linear[Array]
    key: Linear[Array]  # no bias
    value: Linear[Array]
    out: Linear[Array]


@dataclass(frozen=True)
class Block(Generic[Array]):
    attn_ln: LayerNorm[Array]
    attn: Attention[Array]
    cross_attn_ln: LayerNorm[Array] | None  # the decoder's
    cross_attn: Attention[Array] | None
    mlp_ln: LayerNorm[Array]
    mlp_in: Linear[Array]  # (4 state, state)
    mlp_out: Linear[Array]  # (state, 4 state)


@dataclass(frozen=True)
class Encoder(Generic[Array]):
    conv1: Linear[Array]  # weight (state, n_mels, 3)
    conv2: Linear[Array]  # weight (state, state, 3)
    positions: Array  # (n_audio_ctx, state)
    blocks: tuple[Block[Array], ...]
    ln_post: LayerNorm[Array]


@dataclass(frozen=True)
class Decoder(Generic[Array]):
    tokens: Array  # (n_vocab, state), also the output projection
    positions: Array  # (n_text_ctx, state)
    blocks: tuple[Block[Array], ...]
    ln: LayerNorm[Array]


@dataclass(frozen=True)
class WhisperWeights(Generic[Array]):
    encoder: Encoder[Array]
    decoder: Decoder[Array]


@dataclass(frozen=True)
class Sound(Generic[Array]):
    """What the decoder's cross-attention reads of A recordings, one entry a layer: keys and values (A, n_audio_ctx, state)."""

    keys: tuple[Array, ...]
    values: tuple[Array, ...]


@dataclass
class Cache(Generic[Array]):
    """Keys and values of the text so far, one entry a layer: (B, n_text_ctx, state)."""

    keys: list[Array]
    values: list[Array]


def encode(ops: Operations[Array], dims: WhisperDims, w: Encoder[Array], mel: Array) -> Array:
    """mel (A, 2 n_audio_ctx, n_mels) -> (A, n_audio_ctx, state)."""
    x = ops.conv1d(mel, w.conv1.weight, _bias(w.conv1), stride=1)  # (A, 2 n_audio_ctx, state)
    x = ops.conv1d(x, w.conv2.weight, _bias(w.conv2), stride=2)  # (A, n_audio_ctx, state)
    x = ops.add(x, w.positions)
    for block in w.blocks:
        y = _norm(ops, x, block.attn_ln)
        q, k, v = _linear(ops, y, block.attn.query), _linear(ops, y, block.attn.key), _linear(ops, y, block.attn.value)
        y = ops.attention(q, k, v, dims.n_audio_head)
        x = _linear(ops, y, block.attn.out, residual=x)  # x + attention
        x = _mlp(ops, x, block)  # x + mlp
    return _norm(ops, x, w.ln_post)


def listen(ops: Operations[Array], w: Decoder[Array], audio: Array) -> Sound[Array]:
    """audio (A, n_audio_ctx, state) -> the keys and values of every layer's cross-attention."""
    layers = [block.cross_attn for block in w.blocks if block.cross_attn is not None]
    return Sound(
        tuple(_linear(ops, audio, layer.key) for layer in layers),
        tuple(_linear(ops, audio, layer.value) for layer in layers),
    )


def decode(
    ops: Operations[Array],
    dims: WhisperDims,
    w: Decoder[Array],
    tokens: Array,
    offsets: Array,
    lengths: Array,
    sound: Sound[Array],
    cache: Cache[Array],
    queries: list[Array] | None = None,
) -> Array:
    """tokens (B, T) at positions offsets (B,) .. lengths (B,) = offsets + T -> (B, T, state), after the last norm.

    The keys and values of these tokens are appended to `cache`. Where `queries` is given, each layer's cross-attention
    queries (B, T, state) are appended to it: word timestamps are read from them.
    """
    x = ops.embedding(tokens, w.tokens, w.positions, offsets)  # (B, T, state)
    for layer, block in enumerate(w.blocks):
        y = _norm(ops, x, block.attn_ln)
        ops.append(cache.keys[layer], _linear(ops, y, block.attn.key), offsets)
        ops.append(cache.values[layer], _linear(ops, y, block.attn.value), offsets)
        q = _linear(ops, y, block.attn.query)
        y = ops.attention(q, cache.keys[layer], cache.values[layer], dims.n_text_head, lengths=lengths)
        x = _linear(ops, y, block.attn.out, residual=x)  # x + causal attention

        assert block.cross_attn is not None and block.cross_attn_ln is not None
        q = _linear(ops, _norm(ops, x, block.cross_attn_ln), block.cross_attn.query)
        if queries is not None:
            queries.append(q)
        y = ops.attention(q, sound.keys[layer], sound.values[layer], dims.n_text_head)
        x = _linear(ops, y, block.cross_attn.out, residual=x)  # x + cross-attention
        x = _mlp(ops, x, block)  # x + mlp
    return _norm(ops, x, w.ln)


def _mlp(ops: Operations[Array], x: Array, block: Block[Array]) -> Array:
    y = _linear(ops, _norm(ops, x, block.mlp_ln), block.mlp_in, gelu=True)  # (…, 4 state)
    return _linear(ops, y, block.mlp_out, residual=x)


def _norm(ops: Operations[Array], x: Array, w: LayerNorm[Array]) -> Array:
    return ops.layer_norm(x, w.weight, w.bias)


def _linear(ops: Operations[Array], x: Array, w: Linear[Array], *, gelu: bool = False, residual: Array | None = None) -> Array:
    return ops.linear(x, w.weight, w.bias, gelu=gelu, residual=residual)


def _bias(w: Linear[Array]) -> Array:
    assert w.bias is not None, "Whisper's convolutions have biases; the loader checked it"
    return w.bias
