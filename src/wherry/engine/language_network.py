"""A language model's network on a device: the model file joined with its operations and weights."""

from dataclasses import dataclass
from typing import Any

from wherry.models import gemma, llama
from wherry.models.language import LanguageModel


@dataclass(frozen=True)
class LanguageNetwork:
    """All that needs the device. `ops` is a device's `Operations` and `LanguageOperations`."""

    model: LanguageModel
    ops: Any
    weights: llama.LlamaWeights[Any] | gemma.GemmaWeights[Any]

    def hidden(self, tokens: Any, offsets: Any, lengths: Any, cache: llama.Cache[Any], ops: Any = None) -> Any:
        """tokens (B, T) at positions offsets (B,) .. lengths (B,) -> hidden states (B, T, state), on the device.

        ops: in place of the device's, to record.
        """
        ops, dims, weights = ops or self.ops, self.model.dims, self.weights
        if isinstance(dims, gemma.GemmaDims):
            assert isinstance(weights, gemma.GemmaWeights)
            return gemma.decode(ops, dims, weights, tokens, offsets, lengths, cache)
        assert isinstance(weights, llama.LlamaWeights)
        return llama.decode(ops, dims, weights, tokens, offsets, lengths, cache)

    def logits(self, hidden: Any, ops: Any = None) -> Any:
        """hidden (rows, state) -> (rows, vocab), on the device."""
        ops, dims = ops or self.ops, self.model.dims
        table = self.weights.output if isinstance(self.weights, llama.LlamaWeights) else self.weights.tokens
        logits = ops.logits(hidden, table)
        if isinstance(dims, gemma.GemmaDims) and dims.logit_cap:
            logits = ops.cap(logits, dims.logit_cap)
        return logits
