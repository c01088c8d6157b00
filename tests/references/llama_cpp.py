"""llama.cpp by its C interface, from the library in PyPI xllamacpp 2026.10.11549: tokens, ends, logits, vectors.

Structures go by value, so sizes and places of fields are those of that build (include/llama.h).
"""

import ctypes
from pathlib import Path
from typing import Any

import numpy as np
import xllamacpp
from numpy.typing import NDArray

Floats = NDArray[np.float32]
_CONTEXT, _BATCH, _FLASH, _KEYS, _VALUES = 0, 2, 13, 26, 27  # places of 4 bytes
_EMBEDS, _VOCABULARY_ONLY = 136, 72  # of 1


class _ModelParams(ctypes.Structure):
    _fields_ = (("bytes", ctypes.c_uint8 * 80),)


class _ContextParams(ctypes.Structure):
    _fields_ = (("bytes", ctypes.c_uint8 * 168),)


class _Batch(ctypes.Structure):
    _fields_ = (
        ("count", ctypes.c_int32),
        *((name, ctypes.c_void_p) for name in ("tokens", "embd", "pos", "counts", "ids", "logits")),
    )


_P, _I, _B = ctypes.c_void_p, ctypes.c_int32, ctypes.c_bool
_FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "llama_model_default_params": (_ModelParams, ()),
    "llama_context_default_params": (_ContextParams, ()),
    "llama_model_load_from_file": (_P, (ctypes.c_char_p, _ModelParams)),
    "llama_model_get_vocab": (_P, (_P,)),
    "llama_model_n_embd": (_I, (_P,)),
    "llama_model_free": (None, (_P,)),
    "llama_tokenize": (_I, (_P, ctypes.c_char_p, _I, _P, _I, _B, _B)),
    "llama_token_to_piece": (_I, (_P, _I, _P, _I, _I, _B)),
    "llama_vocab_is_eog": (_B, (_P, _I)),
    "llama_vocab_n_tokens": (_I, (_P,)),
    "llama_vocab_bos": (_I, (_P,)),
    "llama_vocab_eos": (_I, (_P,)),
    "llama_init_from_model": (_P, (_P, _ContextParams)),
    "llama_batch_get_one": (_Batch, (_P, _I)),
    "llama_decode": (_I, (_P, _Batch)),
    "llama_get_logits_ith": (_P, (_P, _I)),
    "llama_get_embeddings_seq": (_P, (_P, _I)),
    "llama_get_embeddings_ith": (_P, (_P, _I)),
    "llama_free": (None, (_P,)),
    "llama_log_set": (None, (_P, _P)),
}
_LOG: list[str] = []


@ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
def _on_log(level: int, text: bytes, _: object) -> None:
    _LOG.append(text.decode(errors="replace"))


def _library() -> Any:
    library = ctypes.CDLL(str(next(Path(xllamacpp.__file__).parent.glob("*.so"))))
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    library.llama_log_set(ctypes.cast(_on_log, _P), None)
    return library


_LLAMA = _library()


class LlamaModel:
    """A GGUF file; `vocabulary_only` for one without tensors. Raises ValueError, with llama.cpp's words, where it refuses it."""

    def __init__(self, path: Path, *, vocabulary_only: bool = False) -> None:
        _LOG.clear()
        params = _LLAMA.llama_model_default_params()
        params.bytes[_VOCABULARY_ONLY] = vocabulary_only
        self._model = _LLAMA.llama_model_load_from_file(str(path).encode(), params)
        if not self._model:
            raise ValueError("".join(_LOG[-4:]))
        self._vocabulary = _LLAMA.llama_model_get_vocab(self._model)

    def close(self) -> None:
        _LLAMA.llama_model_free(self._model)

    @property
    def count(self) -> int:
        return int(_LLAMA.llama_vocab_n_tokens(self._vocabulary))

    @property
    def bos(self) -> int:
        return int(_LLAMA.llama_vocab_bos(self._vocabulary))

    @property
    def eos(self) -> int:
        return int(_LLAMA.llama_vocab_eos(self._vocabulary))

    def ends(self) -> list[int]:
        return [token for token in range(self.count) if _LLAMA.llama_vocab_is_eog(self._vocabulary, token)]

    def tokens(self, text: str, *, add_special: bool = False, parse_special: bool = False) -> list[int]:
        data = text.encode()
        out = (ctypes.c_int32 * (2 * len(data) + 16))()
        count = _LLAMA.llama_tokenize(self._vocabulary, data, len(data), out, len(out), add_special, parse_special)
        return list(out[:count])

    def piece(self, token: int) -> bytes:
        """What it adds to an answer."""
        out = ctypes.create_string_buffer(1 << 12)
        count = _LLAMA.llama_token_to_piece(self._vocabulary, token, out, len(out), 0, False)
        return out.raw[:count]

    def logits(self, tokens: list[int]) -> Floats:
        """After each of them: (T, vocab)."""
        context = self._context()
        rows = []
        for token in tokens:
            self._decode(context, [token])
            rows.append(_floats(_LLAMA.llama_get_logits_ith(context, -1), self.count))
        _LLAMA.llama_free(context)
        return np.stack(rows)

    def vector(self, tokens: list[int]) -> Floats:
        """(state,), of length 1; of the last token where the file names no pooling."""
        context = self._context(embeds=True)
        self._decode(context, tokens)
        found = _LLAMA.llama_get_embeddings_seq(context, 0) or _LLAMA.llama_get_embeddings_ith(context, -1)
        vector = _floats(found, _LLAMA.llama_model_n_embd(self._model))
        _LLAMA.llama_free(context)
        return np.asarray(vector / np.linalg.norm(vector), np.float32)

    def _context(self, *, embeds: bool = False) -> Any:
        params = _LLAMA.llama_context_default_params()
        places = np.frombuffer(params, np.uint8)
        places.view(np.int32)[[_CONTEXT, _BATCH]] = 512
        places.view(np.int32)[[_FLASH, _KEYS, _VALUES]] = 0  # all in f32
        places[_EMBEDS] = embeds
        return _LLAMA.llama_init_from_model(self._model, params)

    def _decode(self, context: Any, tokens: list[int]) -> None:
        array = (ctypes.c_int32 * len(tokens))(*tokens)
        if _LLAMA.llama_decode(context, _LLAMA.llama_batch_get_one(array, len(tokens))):
            raise ValueError("".join(_LOG[-4:]))


def _floats(address: Any, count: int) -> Floats:
    return np.ctypeslib.as_array(ctypes.cast(address, ctypes.POINTER(ctypes.c_float)), (count,)).copy()
