"""A Whisper model from one weight format to another."""

import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np

from wherry.errors import InputError
from wherry.models.names import compact, whisper_tensors
from wherry.text.whisper import WhisperTokenizer
from wherry.weights import Quantized, open_checkpoint, safetensors
from wherry.weights.burn_writer import write_burn, write_config

_PRECISION = {"safetensors": "f16", "q8_0": "q8_0"}


def convert_whisper(source: Path, target: Path, form: str) -> None:
    """Write the weights of `source` to `target` as safetensors, q8_0 or burn; a `.cfg` and the tokenizer go with them.

    Raises InputError where the target is the source or `form` is unknown.
    """
    if target.exists() and target.samefile(source):
        raise InputError(f"{target}: found the source itself, expected another file")
    checkpoint = open_checkpoint(source)
    dims, tensors = whisper_tensors(checkpoint)
    if form == "burn":
        dense = {name: np.asarray(t.dequantize() if isinstance(t, Quantized) else t, np.float32) for name, t in tensors.items()}
        write_burn(target, dense, asdict(dims))
    elif form in _PRECISION:
        kept = compact(tensors) if form == "q8_0" else tensors
        safetensors.write(target, kept, asdict(dims), format=_PRECISION[form])
        write_config(target.with_suffix(".cfg"), asdict(dims))
    else:
        raise InputError(f'form: found "{form}", expected safetensors, q8_0 or burn')
    vocabulary = source.with_name("tokenizer.json")
    beside = target.with_name("tokenizer.json")
    inside = checkpoint.metadata.get("vocabulary")  # ggml files hold it
    if beside.exists():
        return
    if vocabulary.is_file():
        shutil.copyfile(vocabulary, beside)
    elif isinstance(inside, tuple):
        WhisperTokenizer.from_vocabulary(inside, dims.n_vocab).save(beside)
