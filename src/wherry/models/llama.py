"""Llama (Touvron et al., 2023, "LLaMA: Open and Efficient Foundation Language Models") and the families that differ from it in
configuration alone: Mistral, SmolLM2, TinyLlama, Qwen 2 to 3, Phi-3.

The network alone: it is given its operations and its weights. B texts, T tokens of each at a time.
"""

from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

Array = TypeVar("Array")


@dataclass(frozen=True)
class DecoderDims:
    """The sizes that every family has."""

    n_vocab: int
    n_ctx: int
    n_state: int
    n_layer: int
    n_head: int
    n_kv_head: int
    head_width: int
    n_hidden: int
    eps: float
    # Of each layer, where layers differ; then the numbers above are the largest.
    layer_heads: tuple[int, ...] = field(default=(), kw_only=True)
    layer_kv_heads: tuple[int, ...] = field(default=(), kw_only=True)
    layer_hidden: tuple[int, ...] = field(default=(), kw_only=True)

    def heads(self, layer: int) -> int:
        return self.layer_heads[layer] if self.layer_heads else self.n_head

    def kv_heads(self, layer: int) -> int:
        return self.layer_kv_heads[layer] if self.layer_kv_heads else self.n_kv_head

    def hidden(self, layer: int) -> int:
        return self.layer_hidden[layer] if self.layer_hidden else self.n_hidden


@dataclass(frozen=True)
class LlamaDims(DecoderDims):
    """The sizes of one model. `window`: the keys that a query sees, itself the last; 0: all."""

    window: int = 0
    interleaved: bool = False  # a rotated pair lies side by side (GGUF's llama), not half a head apart


class Operations(Protocol[Array]):
    """What language models need of a device; the whole contract is `kernels/operations.py`."""

    def lookup(self, tokens: Array, table: Array, *, scale: float = 1.0) -> Array: ...
    def rms_norm(self, x: Array, weight: Array, eps: float) -> Array: ...
    def linear(self, x: Array, weight: Array, bias: Array | None = None, *, residual: Array | None = None) -> Array: ...
    def rotate(self, x: Array, table: Array, offsets: Array, heads: int, *, interleaved: bool = False) -> Array: ...
    def causal_attention(
        self,
        q: Array,
        k: Array,
        v: Array,
        heads: int,
        lengths: Array,
        *,
        window: int = 0,
        scale: float | None = None,
        cap: float = 0.0,
    ) -> Array: ...
    def gate(self, x: Array, y: Array, *, gelu: bool = False) -> Array: ...
    def add(self, x: Array, y: Array) -> Array: ...
    def append(self, cache: Array, x: Array, offsets: Array) -> None: ...


@dataclass(frozen=True)
class Linear(Generic[Array]):
    weight: Array  # (out, in)
    bias: Array | None = None  # (out,)


@dataclass(frozen=True)
class Attention(Generic[Array]):
    query: Linear[Array]  # (n_head * head_width, state)
    key: Linear[Array]  # (n_kv_head * head_width, state)
    value: Linear[Array]
    out: Linear[Array]
    query_norm: Array | None = None  # (head_width,), Qwen 3's
    key_norm: Array | None = None


@dataclass(frozen=True)
class Block(Generic[Array]):
    attn_norm: Array  # (state,)
    attn: Attention[Array]
    mlp_norm: Array
    gate: Linear[Array]  # (hidden, state)
    up: Linear[Array]
    down: Linear[Array]  # (state, hidden)


@dataclass(frozen=True)
class LlamaWeights(Generic[Array]):
    tokens: Array  # (n_vocab, state)
    blocks: tuple[Block[Array], ...]
    norm: Array
    output: Array  # (n_vocab, state); often the same as `tokens`
    rotation: Array  # (n_ctx, rotated / 2, 2): cosine and sine, see `rotation.py`


@dataclass
class Cache(Generic[Array]):
    """Keys and values of the text so far, one entry a layer: (B, n_ctx, n_kv_head * head_width)."""

    keys: list[Array]
    values: list[Array]


def decode(
    ops: Operations[Array],
    dims: LlamaDims,
    w: LlamaWeights[Array],
    tokens: Array,
    offsets: Array,
    lengths: Array,
    cache: Cache[Array],
) -> Array:
    """tokens (B, T) at positions offsets (B,) .. lengths (B,) = offsets + T -> (B, T, state), after the last norm.

    The keys and values of these tokens are appended to `cache`.
    """
    x = ops.lookup(tokens, w.tokens)  # (B, T, state)
    for layer, block in enumerate(w.blocks):
        y = ops.rms_norm(x, block.attn_norm, dims.eps)
        q, k = _linear(ops, y, block.attn.query), _linear(ops, y, block.attn.key)
        if block.attn.query_norm is not None and block.attn.key_norm is not None:
            q, k = ops.rms_norm(q, block.attn.query_norm, dims.eps), ops.rms_norm(k, block.attn.key_norm, dims.eps)
        q = ops.rotate(q, w.rotation, offsets, dims.heads(layer), interleaved=dims.interleaved)
        k = ops.rotate(k, w.rotation, offsets, dims.kv_heads(layer), interleaved=dims.interleaved)
        ops.append(cache.keys[layer], k, offsets)
        ops.append(cache.values[layer], _linear(ops, y, block.attn.value), offsets)
        y = ops.causal_attention(q, cache.keys[layer], cache.values[layer], dims.heads(layer), lengths, window=dims.window)
        x = _linear(ops, y, block.attn.out, residual=x)  # x + causal attention
        y = ops.rms_norm(x, block.mlp_norm, dims.eps)
        y = ops.gate(_linear(ops, y, block.gate), _linear(ops, y, block.up))  # silu(gate) * up: (B, T, hidden)
        x = _linear(ops, y, block.down, residual=x)  # x + mlp
    return ops.rms_norm(x, w.norm, dims.eps)


def _linear(ops: Operations[Array], x: Array, w: Linear[Array], *, residual: Array | None = None) -> Array:
    return ops.linear(x, w.weight, w.bias, residual=residual)
