"""BERT (Devlin et al., 2019, "BERT: Pre-training of Deep Bidirectional Transformers"): the encoder, as models of sentences use it
(MiniLM, BGE, E5).

The network alone: it is given its operations and its weights. B texts of T tokens each.
"""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

Array = TypeVar("Array")


@dataclass(frozen=True)
class BertDims:
    n_vocab: int
    n_ctx: int
    n_state: int
    n_layer: int
    n_head: int
    n_hidden: int
    eps: float


class Operations(Protocol[Array]):
    """What the network needs of a device; the whole contract is `kernels/operations.py`."""

    def embedding(self, tokens: Array, table: Array, positions_table: Array, offsets: Array) -> Array: ...
    def layer_norm(self, x: Array, weight: Array, bias: Array, eps: float = 1e-5) -> Array: ...
    def linear(
        self, x: Array, weight: Array, bias: Array | None = None, *, gelu: bool = False, residual: Array | None = None
    ) -> Array: ...
    def attention(self, q: Array, k: Array, v: Array, heads: int) -> Array: ...


@dataclass(frozen=True)
class Linear(Generic[Array]):
    weight: Array  # (out, in)
    bias: Array  # (out,)


@dataclass(frozen=True)
class LayerNorm(Generic[Array]):
    weight: Array  # (state,)
    bias: Array


@dataclass(frozen=True)
class Block(Generic[Array]):
    query: Linear[Array]  # (state, state)
    key: Linear[Array]
    value: Linear[Array]
    out: Linear[Array]
    attn_norm: LayerNorm[Array]
    up: Linear[Array]  # (hidden, state)
    down: Linear[Array]  # (state, hidden)
    mlp_norm: LayerNorm[Array]


@dataclass(frozen=True)
class BertWeights(Generic[Array]):
    tokens: Array  # (n_vocab, state)
    positions: Array  # (n_ctx, state), the segment's embedding added: a text has one segment
    norm: LayerNorm[Array]
    blocks: tuple[Block[Array], ...]


def encode(ops: Operations[Array], dims: BertDims, w: BertWeights[Array], tokens: Array, offsets: Array) -> Array:
    """tokens (B, T), offsets (B,) of zeros -> (B, T, state): every token has read all others."""
    x = _norm(ops, dims, ops.embedding(tokens, w.tokens, w.positions, offsets), w.norm)  # (B, T, state)
    for block in w.blocks:
        q, k, v = (ops.linear(x, part.weight, part.bias) for part in (block.query, block.key, block.value))
        y = ops.attention(q, k, v, dims.n_head)
        x = _norm(ops, dims, ops.linear(y, block.out.weight, block.out.bias, residual=x), block.attn_norm)  # of x + attention
        y = ops.linear(x, block.up.weight, block.up.bias, gelu=True)  # (B, T, hidden)
        x = _norm(ops, dims, ops.linear(y, block.down.weight, block.down.bias, residual=x), block.mlp_norm)  # of x + mlp
    return x


def _norm(ops: Operations[Array], dims: BertDims, x: Array, norm: LayerNorm[Array]) -> Array:
    return ops.layer_norm(x, norm.weight, norm.bias, dims.eps)
