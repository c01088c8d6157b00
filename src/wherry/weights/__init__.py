"""Weight files to named arrays, memory-mapped; one format, one file."""

from wherry.weights.checkpoint import Checkpoint, Quantized, open_checkpoint

__all__ = ["Checkpoint", "Quantized", "open_checkpoint"]
