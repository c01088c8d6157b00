"""Makes tests/fixtures/torch/: files of torch.save with the arrays that PyTorch reads from them, and what openai-whisper's
network makes of small random weights, in the shapes of tiny.en and of large-v3-turbo.

Needs torch 2.13.0 (CPU), openai-whisper 20250625, gguf and msgpack, and not Wherry; from the repository's root:

    PYTHONPATH=. python tests/references/torch_files.py tests/fixtures/torch
"""

import gzip
import io
import sys
from collections import OrderedDict
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from whisper.model import ModelDimensions, Whisper

from tests.weights.files import random_whisper

SMALL = {
    "whisper_80": ModelDimensions(80, 12, 128, 2, 2, 200, 16, 128, 2, 2),
    "whisper_128": ModelDimensions(128, 12, 128, 2, 4, 200, 16, 128, 2, 1),
    "whisper_file": ModelDimensions(80, 4, 64, 1, 1, 60, 8, 64, 1, 1),
}


def tensors() -> dict[str, torch.Tensor]:
    """One of each kind of number, and of each way to lie in a storage."""
    base = torch.arange(24.0).reshape(4, 6) / 7
    return {
        "f32": base,
        "f16": torch.linspace(-3, 3, 11).half(),
        "f64": torch.linspace(-1, 1, 5).double(),
        "bf16": torch.linspace(-3, 3, 10).bfloat16().reshape(2, 5),
        "i64": torch.tensor([-(2**40), 0, 2**40]),
        "i32": torch.arange(-3, 3, dtype=torch.int32),
        "i16": torch.tensor([-5, 7], dtype=torch.int16),
        "i8": torch.tensor([-128, 127], dtype=torch.int8),
        "u8": torch.tensor([0, 255], dtype=torch.uint8),
        "bool": torch.tensor([True, False]),
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 3),
        "transposed": base.t(),
        "part": base[1:3, 2:5],
    }


def save(model: object, path: Path, *, legacy: bool = False) -> None:
    torch.save(model, path, _use_new_zipfile_serialization=not legacy)


def main(target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    found = tensors()
    checkpoint = {"dims": {"n_mels": 80}, "model_state_dict": found}
    save(checkpoint, target / "zip.pt")
    save(checkpoint, target / "legacy.pt", legacy=True)
    module = torch.nn.Linear(3, 2)
    save(OrderedDict(module.state_dict()), target / "state_dict.pt")
    save(module.state_dict(), target / "metadata.pt")
    save({"weight": module.weight, "bias": module.bias}, target / "parameters.pt")
    save(module, target / "module.pt")
    arrays = {name: (x.float() if x.dtype == torch.bfloat16 else x).numpy() for name, x in found.items()}
    linear = {f"linear.{name}": x.detach().numpy() for name, x in module.named_parameters()}
    np.savez_compressed(target / "expected.npz", **arrays, **linear)

    outputs = {}
    for name, dims in SMALL.items():
        model = Whisper(dims)
        weights = {key: torch.from_numpy(x) for key, x in random_whisper(asdict(dims)).items()}
        model.load_state_dict(weights, strict=True)
        model.eval()
        mel = np.random.default_rng(1).standard_normal((2 * dims.n_audio_ctx, dims.n_mels)).astype(np.float32)
        tokens = [3, 47, 50, 9]
        with torch.no_grad():
            audio = model.encoder(torch.from_numpy(mel.T[None].copy()))
            outputs[f"{name}.audio"] = audio[0].numpy()
            outputs[f"{name}.logits"] = model.decoder(torch.tensor([tokens]), audio)[0].numpy()
        if name == "whisper_file":
            stream = io.BytesIO()
            torch.save({"dims": asdict(dims), "model_state_dict": model.half().state_dict()}, stream)
            (target / "whisper.pt.gz").write_bytes(gzip.compress(stream.getvalue(), 9, mtime=0))
    np.savez_compressed(target / "whisper_outputs.npz", **outputs)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
