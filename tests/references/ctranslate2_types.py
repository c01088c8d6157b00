"""tiny.en in each of CTranslate2's number types, quantised by its own converter, and what faster-whisper hears with each.

Needs ctranslate2 4.8, faster-whisper 1.2.1 and numpy, and neither Wherry nor a network:

    python tests/references/ctranslate2_types.py FOLDER TARGET AUDIO      # a folder for each type below TARGET

FOLDER has CTranslate2's float16 tiny.en (`wherry models pull whisper-tiny.en`).
"""

import json
import shutil
import sys
from pathlib import Path

import ctranslate2
import numpy as np
from ctranslate2.specs import WhisperSpec

TYPES = ("float32", "float16", "bfloat16", "int16", "int8", "int8_float32", "int8_float16", "int8_bfloat16")


def variables(path: Path) -> dict[str, np.ndarray]:
    """The float16 and float32 variables of a version 6 model.bin, as float32."""
    data = path.read_bytes()
    at = 4

    def number(code: str) -> int:
        nonlocal at
        kind = np.dtype(code)
        at += kind.itemsize
        return int(np.frombuffer(data, kind, 1, at - kind.itemsize)[0])

    def text() -> str:
        nonlocal at
        size = number("<u2")
        at += size
        return data[at - size : at - 1].decode()

    text(), number("<u4")
    out = {}
    for _ in range(number("<u4")):
        name = text()
        shape = [number("<u4") for _ in range(number("u1"))]
        kind, size = number("u1"), number("<u4")
        if kind in (0, 4):
            out[name] = np.frombuffer(data[at : at + size], "<f4" if kind == 0 else "<f2").astype(np.float32).reshape(shape)
        at += size
    return out


def fill(spec: WhisperSpec, values: dict[str, np.ndarray]) -> None:
    for name, value in values.items():
        *path, last = name.split("/")
        part = spec
        for step in path:
            stem, _, index = step.rpartition("_")
            if stem == "layer" and index.isdigit():
                part = part.layer[int(index)]
            elif stem == "linear" and hasattr(part, "linear"):
                part = part.linear[int(index)]
            else:
                part = getattr(part, step)
        setattr(part, last, ctranslate2.specs.model_spec.NumpyVariable(value))


def convert(values: dict[str, np.ndarray], vocabulary: list[str], kind: str) -> WhisperSpec:
    spec = WhisperSpec(4, 6, 4, 6)
    fill(spec, values)
    spec.decoder.projection.weight = spec.decoder.embeddings.weight
    spec.decoder.scale_embeddings = False
    spec.register_vocabulary(vocabulary)
    spec.validate()
    spec.optimize(quantization=kind)
    return spec


def tokens(tokenizer: Path, count: int) -> list[str]:
    published = json.loads(tokenizer.read_text())
    names = {number: text for text, number in published["model"]["vocab"].items()}
    names |= {entry["id"]: entry["content"] for entry in published["added_tokens"]}
    first = next(number for number, name in names.items() if name == "<|notimestamps|>") + 1
    names |= {number: f"<|{(number - first) * 0.02:.2f}|>" for number in range(first, count)}
    return [names[number] for number in range(count)]


def main(source: Path, target: Path, audio: Path) -> None:
    from faster_whisper import WhisperModel

    values = variables(source / "model.bin")
    vocabulary = tokens(source / "tokenizer.json", len(values["decoder/embeddings/weight"]))
    for kind in TYPES:
        folder = target / kind
        folder.mkdir(parents=True, exist_ok=True)
        convert(variables(source / "model.bin"), vocabulary, kind).save(str(folder))
        for name in ("config.json", "tokenizer.json"):
            shutil.copy(source / name, folder)
        model = WhisperModel(str(folder), device="cpu", compute_type="default")
        segments, _ = model.transcribe(str(audio), beam_size=1, temperature=0.0, language="en")
        print(kind, (folder / "model.bin").stat().st_size, "".join(segment.text for segment in segments), flush=True)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
