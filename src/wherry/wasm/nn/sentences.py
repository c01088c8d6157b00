"""Models of sentences by wasi-nn: a text in, its vector as JSON out, in the conventions of WasmEdge's GGML plugin."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from wherry.engine.embedding import Embedder
from wherry.engine.sentences import embed_texts
from wherry.errors import InputError
from wherry.wasm.nn.ggml import NO_MATTER, config_object, usage
from wherry.wasm.nn.graph import PROMPT, Tensor
from wherry.wasm.stop import Check


@dataclass(frozen=True, eq=False)
class Sentences:
    """Input 0 is the text in UTF-8, input 1 JSON as for `configured`; output 0 {"n_embedding", "embedding"}, 1 the usage."""

    embedder: Embedder

    def compute(self, inputs: dict[int, Tensor], check: Check) -> dict[int, bytes]:
        if 1 in inputs:
            self.configured(inputs[1].data)
        (vector,) = embed_texts(self.embedder, [_text(inputs)], check)
        numbers = [float(f"{number:.9g}") for number in vector.numbers]
        data = {"n_embedding": len(numbers), "embedding": numbers}
        return {0: json.dumps(data).encode(), 1: usage(vector.tokens, 0)}

    def usage(self, inputs: dict[int, Tensor]) -> bytes:
        """Of the text before it is computed; all zeros before there is one."""
        return usage(len(self.embedder.text_tokens(_text(inputs))) if PROMPT in inputs else 0, 0)

    def configured(self, config: bytes) -> "Sentences":
        said = config_object(config)
        if unknown := sorted(said.keys() - NO_MATTER - {"embedding", "ctx-size"}):
            raise InputError(f"configuration: found {', '.join(unknown)}, expected nothing to set in a model of sentences")
        if said.get("embedding", True) is not True:
            raise InputError("configuration: embedding: found false, expected true: a model of sentences makes nothing else")
        return self


def _text(inputs: Mapping[int, Tensor]) -> str:
    if PROMPT not in inputs:
        raise InputError("input 0: found none, expected set_input before compute")
    try:
        return inputs[PROMPT].data.rstrip(b"\0").decode()
    except UnicodeDecodeError as error:
        raise InputError(f"input 0: found bytes that are not UTF-8 ({error.reason} at {error.start})") from error
