"""Preloaded graphs to the engine: the conventions of WasmEdge's Burn and Whisper plugins; `ggml.py` has those of GGML."""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from wherry.audio.decode import open_audio
from wherry.audio.log_mel import SAMPLE_RATE
from wherry.engine.catalog import ModelFiles, model_kind
from wherry.engine.embedding import load_embedder
from wherry.engine.language import load_language
from wherry.engine.session import Whisper, load_whisper
from wherry.engine.transcript import TranscribeOptions
from wherry.errors import FormatError, InputError, ModelNotFoundError, NotFoundError, TooLargeError, UnsupportedError
from wherry.wasm.nn.ggml import GgmlText, config_object, context_of
from wherry.wasm.nn.graph import Graph, Tensor
from wherry.wasm.nn.preload import ENCODINGS, TARGETS, Preload, Resolve, kind_of
from wherry.wasm.nn.sentences import Sentences
from wherry.wasm.scratch import scratch_folder
from wherry.wasm.stop import Check

Say = Callable[[str], None]
_F32 = 1
MAX_SECONDS = 3 * 3600.0  # of sound in one call: 700 MB of samples on the host
_GGUF = b"GGUF"
_BY_PATH = b"preload:"  # a builder that names a file instead of being one


@dataclass(frozen=True)
class BurnSpeech:
    """Encoding Burn: input 0 is F32 [1, samples], 16 kHz mono in [-1, 1]; output 0 the text in UTF-8."""

    whisper: Whisper
    options: TranscribeOptions

    def compute(self, inputs: dict[int, Tensor], check: Check) -> dict[int, bytes]:
        tensor = _only_input(inputs, 0)
        samples = int(np.prod(tensor.dims, dtype=np.uint64)) if tensor.dims else 0
        if tensor.kind != _F32 or len(tensor.dims) not in (1, 2) or (len(tensor.dims) == 2 and tensor.dims[0] != 1):
            raise InputError(f"input 0: found type {tensor.kind} of {list(tensor.dims)}, expected F32 (1) of [1, samples]")
        if samples * 4 != len(tensor.data):
            raise InputError(f"input 0: found {len(tensor.data)} bytes, expected {samples * 4} for {list(tensor.dims)}")
        if samples > MAX_SECONDS * SAMPLE_RATE:
            raise TooLargeError(f"input 0: found {samples} samples, expected at most {MAX_SECONDS:g} s of them")
        audio = np.frombuffer(tensor.data, "<f4").astype(np.float32, copy=False)
        return {0: self.whisper.transcribe(audio, self.options, check).text.encode()}

    def configured(self, config: bytes) -> "BurnSpeech":
        if config.strip(b"\0 \r\n") not in (b"", b"{}"):
            raise InputError("configuration: found one, expected none: a Burn graph takes its language from the preload")
        return self


@dataclass(frozen=True)
class WhisperSpeech:
    """Encoding Whisper: input 0 is an audio file's bytes, input 1 JSON; output 0 one line a segment.

    `config` is the JSON that came with the model; input 1 goes before it, key by key.
    """

    whisper: Whisper
    say: Say
    config: bytes = b"{}"

    def configured(self, config: bytes) -> "WhisperSpeech":
        _whisper_options([config], self.say)  # said now, not at the first compute
        return replace(self, config=config)

    def compute(self, inputs: dict[int, Tensor], check: Check) -> dict[int, bytes]:
        options = _whisper_options([self.config, *([inputs[1].data] if 1 in inputs else [])], self.say)
        audio = open_audio(io.BytesIO(_only_input(inputs, 0).data), name="input 0")
        lines = (
            f"[{_clock(s.start)} --> {_clock(s.end)}]  {s.text.strip()}\n"
            for s in self.whisper.transcribe(audio, options, check, max_seconds=MAX_SECONDS).segments
        )
        return {0: "".join(lines).encode()}


def load_graph(preloads: Mapping[str, Preload], name: str, resolve: Resolve, device: str, require_gpu: bool, say: Say) -> Graph:
    """Load a preloaded graph.

    Raises NotFoundError for an unknown name, ModelNotFoundError for a file that is not there, FormatError for an encoding
    without an engine.
    """
    if name not in preloads:
        known = ", ".join(preloads) or "none"
        raise NotFoundError(f'graph "{name}": found no such name, expected one of the preloads ({known})')
    preload = preloads[name]
    resolve = _of_models(resolve)
    place = "cpu" if preload.target == "cpu" else device
    if preload.encoding == "burn":
        weights, config, tokenizer = preload.found or map(resolve, preload.paths)
        whisper = load_whisper(weights, config=config, tokenizer=tokenizer, device=place, require_gpu=require_gpu, say=say)
        return BurnSpeech(whisper, TranscribeOptions(language=preload.options[0] if preload.options else None))
    if preload.encoding == "whisper":
        files = [resolve(path) for path in preload.paths]
        weights, config, tokenizer = preload.found or (files[0], None, files[1] if len(files) > 1 else None)
        whisper = load_whisper(weights, config=config, tokenizer=tokenizer, device=place, require_gpu=require_gpu, say=say)
        return WhisperSpeech(whisper, say)
    if (kind := kind_of(preload)) in ("language", "sentences"):
        file = _first(preload, resolve)
        if kind == "language" and not _of_sentences(file):
            return GgmlText(load_language(file, device=place, require_gpu=require_gpu, say=say), say)
        return Sentences(load_embedder(file, device=place, require_gpu=require_gpu, say=say))
    raise FormatError(
        f'preload "{name}": found encoding {preload.encoding}, expected burn, whisper, ggml or autodetect: Wherry has no engine '
        "for it"
    )


def kind_in(preload: Preload, resolve: Resolve) -> str:
    """`kind_of`, but a GGUF file says itself whether its model is one of sentences."""
    kind = kind_of(preload)
    return "sentences" if kind == "language" and _of_sentences(_first(preload, resolve)) else kind


def _of_sentences(file: Path) -> bool:
    return _begins(file, _GGUF) and model_kind(ModelFiles(file, None, None)) == "sentences"


def _first(preload: Preload, resolve: Resolve) -> Path:
    return preload.found[0] if preload.found else resolve(preload.paths[0])


def load_bytes(
    builders: Sequence[bytes], encoding: int, target: int, resolve: Resolve, device: str, require_gpu: bool, say: Say
) -> Graph:
    """A graph of what a guest passes: builder 0 a GGUF or whisper.cpp file or `preload:PATH`, builder 1 its JSON configuration.

    `resolve` finds the path among the guest's own files. Raises UnsupportedError for Burn, whose plugin has no such call
    either, FormatError for an encoding without an engine and for bytes that are no model, ModelNotFoundError for a path.
    """
    if encoding == ENCODINGS["burn"]:
        raise UnsupportedError("load: found Burn's encoding, expected load_by_name", hint="name the model with --nn-preload")
    if encoding not in (ENCODINGS["whisper"], ENCODINGS["ggml"], ENCODINGS["autodetect"]):
        raise FormatError(
            f"load: found encoding {encoding}, expected {ENCODINGS['ggml']} (GGML) or {ENCODINGS['whisper']} (Whisper)",
            hint="Wherry has no engine for others",
        )
    if len(builders) > 2:
        raise InputError(f"load: found {len(builders)} builders, expected a model, and perhaps its configuration")
    place = "cpu" if target == TARGETS["cpu"] else device
    model, *config = builders
    with scratch_folder() as folder:  # the mapping outlives the name
        if model.startswith(_BY_PATH):
            path = _named_by_guest(model.removeprefix(_BY_PATH).rstrip(b"\0").decode(errors="replace"), encoding, resolve)
        else:
            path = folder / "model"
            path.write_bytes(model)
        graph: Graph
        if encoding == ENCODINGS["ggml"] or (encoding == ENCODINGS["autodetect"] and _begins(path, _GGUF)):
            context = context_of(config[0]) if config else None
            if _of_sentences(path):
                graph = Sentences(load_embedder(path, device=place, require_gpu=require_gpu, say=say))
            else:
                graph = GgmlText(load_language(path, device=place, context=context, require_gpu=require_gpu, say=say), say)
        else:
            graph = WhisperSpeech(load_whisper(path, device=place, require_gpu=require_gpu, say=say), say)
    return graph.configured(config[0]) if config else graph


def _named_by_guest(path: str, encoding: int, resolve: Resolve) -> Path:
    """GGML's `load` has an errno of its own for a file that is not there."""
    return (_of_models(resolve) if encoding == ENCODINGS["ggml"] else resolve)(path)


def _of_models(resolve: Resolve) -> Resolve:
    """`resolve` that says of a missing file that it is a model's: guests know that by its errno."""

    def resolved(path: str) -> Path:
        try:
            return resolve(path)
        except NotFoundError as error:
            raise ModelNotFoundError(error.message, hint=error.hint) from error

    return resolved


def _begins(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic


_KEYS = {
    "language",
    "translate",
    "temperature",
    "prompt",
    "best-of",
    "beam-size",
    "offset-t",
    "duration",
    "detect-language",
}


def _whisper_options(configs: Sequence[bytes], say: Say) -> TranscribeOptions:
    """whisper.cpp's keys in JSON objects, the last first; those that are not honoured are named in the log."""
    said: dict[str, Any] = {}
    for raw in configs:
        said |= config_object(raw)
    if ignored := sorted(said.keys() - _KEYS - {"enable-log"}):
        say(f"wasi-nn whisper: not honoured: {', '.join(ignored)}")
    language = said.get("language")
    try:
        return TranscribeOptions(
            language=None if language in (None, "auto") or said.get("detect-language") else str(language),
            task="translate" if said.get("translate") else "transcribe",
            temperature=(float(said.get("temperature", 0.0)),),
            initial_prompt=str(said["prompt"]) if said.get("prompt") else None,
            best_of=int(said.get("best-of", 5)),
            beam_size=int(said["beam-size"]) if int(said.get("beam-size", -1)) > 0 else None,
            clip_start=float(said.get("offset-t", 0)) / 1000,
            clip_seconds=float(said["duration"]) / 1000 if said.get("duration") else None,
        )
    except (TypeError, ValueError) as error:
        raise InputError(f"configuration: found a value of the wrong type ({error}), expected whisper.cpp's") from error


def _only_input(inputs: dict[int, Tensor], index: int) -> Tensor:
    if index not in inputs:
        raise InputError(f"input {index}: found none, expected set_input before compute")
    return inputs[index]


def _clock(seconds: float) -> str:
    minutes, milliseconds = divmod(round(seconds * 1000), 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{milliseconds // 1000:02d}.{milliseconds % 1000:03d}"
