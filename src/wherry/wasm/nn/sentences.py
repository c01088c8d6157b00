"""Models of sentences by wasi-nn: a text in, its vector as JSON out, as a GGML graph gives it with `embedding`."""

import json
from dataclasses import dataclass

from wherry.engine.embedding import Embedder
from wherry.engine.sentences import embed_texts
from wherry.errors import InputError
from wherry.wasm.nn.graph import Tensor
from wherry.wasm.stop import Check


@dataclass(frozen=True, eq=False)
class Sentences:
    """Input 0 is the text in UTF-8; output 0 {"n_embedding", "embedding"}."""

    embedder: Embedder

    def compute(self, inputs: dict[int, Tensor], check: Check) -> dict[int, bytes]:
        if 0 not in inputs:
            raise InputError("input 0: found none, expected set_input before compute")
        try:
            text = inputs[0].data.rstrip(b"\0").decode()
        except UnicodeDecodeError as error:
            raise InputError(f"input 0: found bytes that are not UTF-8 ({error.reason} at {error.start})") from error
        (vector,) = embed_texts(self.embedder, [text], check)
        numbers = [float(f"{number:.9g}") for number in vector.numbers]
        return {0: json.dumps({"n_embedding": len(numbers), "embedding": numbers}).encode()}

    def configured(self, config: bytes) -> "Sentences":
        if config.strip(b"\0 \r\n") not in (b"", b"{}"):
            raise InputError("configuration: found one, expected none: a model of sentences has nothing to set")
        return self
