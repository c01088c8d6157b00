"""Weight files to named arrays, memory-mapped; one format, one file."""

from wherry.weights.blocks import Quantized
from wherry.weights.checkpoint import Checkpoint, open_checkpoint

__all__ = ["Checkpoint", "Quantized", "open_checkpoint"]
