"""Nomic BERT (Nussbaum et al., 2024, "Nomic Embed: Training a Reproducible Long Context Text Embedder"): BERT with rotary
positions and a gated MLP, and without biases.

The network alone: it is given its operations and its weights. B texts of T tokens each.
"""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from wherry.models.bert import BertDims, LayerNorm

Array = TypeVar("Array")


class Operations(Protocol[Array]):
    """What the network needs of a device; the whole contract is `kernels/operations.py`."""

    def embedding(self, tokens: Array, table: Array, positions_table: Array, offsets: Array) -> Array: ...
    def layer_norm(self, x: Array, weight: Array, bias: Array, eps: float = 1e-5) -> Array: ...
    def linear(self, x: Array, weight: Array, bias: Array | None = None, *, residual: Array | None = None) -> Array: ...
    def rotate(self, x: Array, table: Array, offsets: Array, heads: int, *, interleaved: bool = False) -> Array: ...
    def attention(self, q: Array, k: Array, v: Array, heads: int) -> Array: ...
    def gate(self, x: Array, y: Array, *, gelu: bool = False) -> Array: ...


@dataclass(frozen=True)
class Block(Generic[Array]):
    query: Array  # (state, state)
    key: Array
    value: Array
    out: Array
    attn_norm: LayerNorm[Array]
    gate: Array  # (hidden, state)
    up: Array
    down: Array  # (state, hidden)
    mlp_norm: LayerNorm[Array]


@dataclass(frozen=True)
class NomicWeights(Generic[Array]):
    tokens: Array  # (n_vocab, state)
    segment: Array  # (n_ctx, state), the first segment's embedding at every place: a text has one segment
    norm: LayerNorm[Array]
    rotation: Array  # (n_ctx, head width / 2, 2): cosine and sine, see `rotation.py`
    blocks: tuple[Block[Array], ...]


def encode(ops: Operations[Array], dims: BertDims, w: NomicWeights[Array], tokens: Array, offsets: Array) -> Array:
    """tokens (B, T), offsets (B,) of zeros -> (B, T, state): every token has read all others."""
    x = _norm(ops, dims, ops.embedding(tokens, w.tokens, w.segment, offsets), w.norm)  # (B, T, state)
    for block in w.blocks:
        q, k, v = (ops.linear(x, part) for part in (block.query, block.key, block.value))
        q, k = (ops.rotate(part, w.rotation, offsets, dims.n_head) for part in (q, k))
        y = ops.attention(q, k, v, dims.n_head)
        x = _norm(ops, dims, ops.linear(y, block.out, residual=x), block.attn_norm)  # of x + attention
        y = ops.gate(ops.linear(x, block.gate), ops.linear(x, block.up))  # silu(gate) * up: (B, T, hidden)
        x = _norm(ops, dims, ops.linear(y, block.down, residual=x), block.mlp_norm)  # of x + mlp
    return x


def _norm(ops: Operations[Array], dims: BertDims, x: Array, norm: LayerNorm[Array]) -> Array:
    return ops.layer_norm(x, norm.weight, norm.bias, dims.eps)
