"""Makes tests/fixtures/openai_whisper_tiny_en.json.gz: what openai-whisper says of the recordings, with the same weights.

Needs openai-whisper 20250625, torch 2.13.0 (CPU), av and numpy, and neither Wherry nor a network:

    python tests/references/openai_whisper.py MODEL.bin ../shared/audio tests/fixtures

MODEL.bin is CTranslate2's float16 tiny.en (`wherry models pull whisper-tiny.en`), read here by a reader of its own.
"""

import gzip
import json
import struct
import sys
from pathlib import Path

import av
import numpy as np
import torch
import whisper
from whisper.model import ModelDimensions, Whisper

TINY_EN = ModelDimensions(80, 1500, 384, 6, 4, 51864, 448, 384, 6, 4)
HEADS = [(1, 0), (2, 0), (2, 5), (3, 0), (3, 1), (3, 2), (3, 3), (3, 4)]


def variables(path: Path) -> dict[str, torch.Tensor]:
    """Every float16 variable of a version 6 model.bin as float32."""
    data = path.read_bytes()
    at = 4

    def take(code: str) -> int:
        nonlocal at
        (value,) = struct.unpack_from("<" + code, data, at)
        at += struct.calcsize(code)
        return value

    def name() -> str:
        nonlocal at
        size = take("H")
        at += size
        return data[at - size : at - 1].decode()

    name(), take("I")
    out = {}
    for _ in range(take("I")):
        key = name()
        shape = [take("I") for _ in range(take("B"))]
        kind, size = take("B"), take("I")
        if kind == 4:
            out[key] = torch.from_numpy(np.frombuffer(data, "<f2", size // 2, at).astype(np.float32).reshape(shape))
        at += size
    return out


def state(v: dict[str, torch.Tensor], layers: int = 4, width: int = 384) -> dict[str, torch.Tensor]:
    """openai-whisper's state dict, for a model of so many layers a side, each so wide."""
    out: dict[str, torch.Tensor] = {}

    def pair(target: str, source: str, weight: str = "weight", bias: str = "bias") -> None:
        out[f"{target}.weight"], out[f"{target}.bias"] = v[f"{source}/{weight}"], v[f"{source}/{bias}"]

    for side, mask in (("encoder", False), ("decoder", True)):
        out[f"{side}.positional_embedding"] = v[f"{side}/position_encodings/encodings"]
        pair(f"{side}.ln" + ("" if mask else "_post"), f"{side}/layer_norm", "gamma", "beta")
        for i in range(layers):
            s, t = f"{side}/layer_{i}", f"{side}.blocks.{i}"
            for n, part in enumerate(("query", "key", "value")):
                rows = slice(n * width, (n + 1) * width)
                out[f"{t}.attn.{part}.weight"] = v[f"{s}/self_attention/linear_0/weight"][rows]
                if part != "key":
                    out[f"{t}.attn.{part}.bias"] = v[f"{s}/self_attention/linear_0/bias"][rows]
            pair(f"{t}.attn.out", f"{s}/self_attention/linear_1")
            pair(f"{t}.attn_ln", f"{s}/self_attention/layer_norm", "gamma", "beta")
            if mask:
                pair(f"{t}.cross_attn.query", f"{s}/attention/linear_0")
                kv, bias = v[f"{s}/attention/linear_1/weight"], v[f"{s}/attention/linear_1/bias"]
                out[f"{t}.cross_attn.key.weight"], out[f"{t}.cross_attn.value.weight"] = kv[:width], kv[width:]
                out[f"{t}.cross_attn.value.bias"] = bias[width:]
                pair(f"{t}.cross_attn.out", f"{s}/attention/linear_2")
                pair(f"{t}.cross_attn_ln", f"{s}/attention/layer_norm", "gamma", "beta")
            pair(f"{t}.mlp.0", f"{s}/ffn/linear_0")
            pair(f"{t}.mlp.2", f"{s}/ffn/linear_1")
            pair(f"{t}.mlp_ln", f"{s}/ffn/layer_norm", "gamma", "beta")
    pair("encoder.conv1", "encoder/conv1")
    pair("encoder.conv2", "encoder/conv2")
    out["decoder.token_embedding.weight"] = v["decoder/embeddings/weight"]
    return out


def samples(path: Path) -> np.ndarray:
    """As openai-whisper's `ffmpeg -ac 1` mixes: to integers, channels averaged (to floats, FFmpeg would add them up)."""
    resampler = av.AudioResampler(format="s32", layout="mono", rate=16000)
    with av.open(str(path)) as container:
        frames = [*container.decode(audio=0), None]
        parts = [p.to_ndarray().reshape(-1) for f in frames for p in resampler.resample(f)]
        return np.concatenate(parts).astype(np.float32) / 2**31


def main(weights: Path, audio: Path, target: Path) -> None:
    torch.set_num_threads(2)
    model = Whisper(TINY_EN)
    model.load_state_dict(state(variables(weights)), strict=False)
    heads = torch.zeros(4, 6, dtype=torch.bool)
    for layer, head in HEADS:
        heads[layer, head] = True
    model.register_buffer("alignment_heads", heads.to_sparse(), persistent=False)
    model.eval()
    recordings = {}
    activations = {}
    for entry in json.loads((audio / "manifest.json").read_text()):
        if entry["lang"] != "en":
            continue
        sound = samples(audio / entry["path"])
        timed = entry["path"].startswith(("jfk/jfk.", "leopard", "asterisk/demo-e"))
        result = model.transcribe(sound, temperature=0.0, fp16=False, language="en", word_timestamps=False)
        found = {"greedy": result}
        if timed:
            found["words"] = model.transcribe(sound, temperature=0.0, fp16=False, language="en", word_timestamps=True)
            found["beam"] = model.transcribe(sound, temperature=0.0, fp16=False, language="en", beam_size=5)
        recordings[entry["path"]] = found
        if entry["path"] in ("jfk/jfk.wav", "leopard/test_en.flac"):
            with torch.no_grad():
                mel = whisper.log_mel_spectrogram(sound, 80, padding=480000)[:, :3000]
                encoded = model.encoder(mel[None])[0]
                logits = model.decoder(torch.tensor([[50257]]), encoded[None])[0, -1]
            pick = np.random.default_rng(0).integers(0, encoded.numel(), 4000)
            activations[entry["path"]] = {
                "mel": mel.T.reshape(-1).numpy()[np.arange(0, 240000, 97)].tolist(),
                "encoder_index": pick.tolist(),
                "encoder": encoded.reshape(-1).numpy()[pick].tolist(),
                "logits": logits.numpy()[::13].tolist(),
            }
        print(entry["path"], result["text"], flush=True)
    made = f"openai-whisper {whisper.__version__}, torch {torch.__version__}, float32, greedy unless said otherwise"
    fixture = {"made": made, "recordings": recordings, "activations": activations}
    (target / "openai_whisper_tiny_en.json.gz").write_bytes(gzip.compress(json.dumps(fixture).encode(), 9, mtime=0))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
