"""A Whisper model from one weight format to another."""

import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np

from wherry.errors import InputError
from wherry.models.names import whisper_tensors
from wherry.weights import Quantized, burn, open_checkpoint, safetensors

_PRECISION = {"safetensors": "f16", "q8_0": "q8_0"}


def convert_whisper(source: Path, target: Path, form: str) -> None:
    """Write the weights of `source` to `target` as safetensors, q8_0 or burn; the tokenizer goes with them.

    Raises InputError where the target is the source or `form` is unknown.
    """
    if target.exists() and target.samefile(source):
        raise InputError(f"{target}: found the source itself, expected another file")
    dims, tensors = whisper_tensors(open_checkpoint(source))
    if form == "burn":
        dense = {name: np.asarray(t.dequantize() if isinstance(t, Quantized) else t, np.float32) for name, t in tensors.items()}
        burn.write(target, dense, asdict(dims))
    elif form in _PRECISION:
        safetensors.write(target, tensors, asdict(dims), format=_PRECISION[form])
    else:
        raise InputError(f'form: found "{form}", expected safetensors, q8_0 or burn')
    vocabulary = source.with_name("tokenizer.json")
    beside = target.with_name("tokenizer.json")
    if vocabulary.is_file() and not beside.exists():
        shutil.copyfile(vocabulary, beside)
