"""Gemma 2 and 3 (Gemma Team, 2024 and 2025): norms on both sides of attention and of the mlp, layers that see only a window of
keys between layers that see all, and scores held within a cap (Gemma 2) or norms of queries and keys (Gemma 3).

The network alone: it is given its operations and its weights. B texts, T tokens of each at a time.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

from wherry.models.llama import Attention, Cache, DecoderDims, Linear, Operations

Array = TypeVar("Array")


@dataclass(frozen=True)
class GemmaDims(DecoderDims):
    """The sizes of one model. `windows`: for each layer the keys that a query sees, itself the last; 0: all."""

    windows: tuple[int, ...]
    scale: float  # of the scores
    score_cap: float = 0.0  # cap * tanh(score / cap); 0: none
    logit_cap: float = 0.0


@dataclass(frozen=True)
class Block(Generic[Array]):
    attn_norm: Array  # (state,); all norms with the 1 that the paper adds to their weights
    attn: Attention[Array]
    attn_post_norm: Array
    mlp_norm: Array
    gate: Linear[Array]  # (hidden, state)
    up: Linear[Array]
    down: Linear[Array]  # (state, hidden)
    mlp_post_norm: Array


@dataclass(frozen=True)
class GemmaWeights(Generic[Array]):
    tokens: Array  # (n_vocab, state), also the output projection
    blocks: tuple[Block[Array], ...]
    norm: Array
    rotation: Array  # (n_ctx, head_width / 2, 2): cosine and sine, see `rotation.py`
    window_rotation: Array  # of the layers with a window


def decode(
    ops: Operations[Array],
    dims: GemmaDims,
    w: GemmaWeights[Array],
    tokens: Array,
    offsets: Array,
    lengths: Array,
    cache: Cache[Array],
) -> Array:
    """tokens (B, T) at positions offsets (B,) .. lengths (B,) = offsets + T -> (B, T, state), after the last norm.

    The keys and values of these tokens are appended to `cache`.
    """
    x = ops.lookup(tokens, w.tokens, scale=dims.n_state**0.5)  # (B, T, state)
    for layer, (block, window) in enumerate(zip(w.blocks, dims.windows, strict=True)):
        y = ops.rms_norm(x, block.attn_norm, dims.eps)
        q, k = ops.linear(y, block.attn.query.weight), ops.linear(y, block.attn.key.weight)
        if block.attn.query_norm is not None and block.attn.key_norm is not None:
            q, k = ops.rms_norm(q, block.attn.query_norm, dims.eps), ops.rms_norm(k, block.attn.key_norm, dims.eps)
        table = w.window_rotation if window else w.rotation
        ops.append(cache.keys[layer], ops.rotate(k, table, offsets, dims.kv_heads(layer)), offsets)
        ops.append(cache.values[layer], ops.linear(y, block.attn.value.weight), offsets)
        y = ops.causal_attention(
            ops.rotate(q, table, offsets, dims.heads(layer)), cache.keys[layer], cache.values[layer], dims.heads(layer), lengths,
            window=window, scale=dims.scale, cap=dims.score_cap,
        )  # fmt: skip
        x = ops.add(ops.rms_norm(ops.linear(y, block.attn.out.weight), block.attn_post_norm, dims.eps), x)
        y = ops.rms_norm(x, block.mlp_norm, dims.eps)
        y = ops.gate(ops.linear(y, block.gate.weight), ops.linear(y, block.up.weight), gelu=True)  # (B, T, hidden)
        x = ops.add(ops.rms_norm(ops.linear(y, block.down.weight), block.mlp_post_norm, dims.eps), x)
    return ops.rms_norm(x, w.norm, dims.eps)
