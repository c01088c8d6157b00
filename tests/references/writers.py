"""Makes tests/fixtures/writers.json: transcripts, and the files that openai-whisper's command writes of them.

Needs openai-whisper 20250625 and neither Wherry nor a network:

    python tests/references/writers.py tests/fixtures
"""

import json
import sys
import tempfile
from pathlib import Path

import whisper
from whisper.utils import get_writer


def segment(number: int, start: float, end: float, text: str, words: list[tuple[float, float, str]] | None = None) -> dict:
    """With the fields, and in the order, that `transcribe` gives them."""
    found = {
        "id": number, "seek": int(start) * 100, "start": start, "end": end, "text": text, "tokens": [50363, 11 + number, 50388],
        "temperature": 0.0, "avg_logprob": -0.25 - number / 7, "compression_ratio": 1.2142857142857142, "no_speech_prob": 3e-5,
    }  # fmt: skip
    if words is not None:
        found["words"] = [{"word": w, "start": a, "end": b, "probability": 0.5 + i / 9} for i, (a, b, w) in enumerate(words)]
    return found


def result(*segments: dict, language: str = "en") -> dict:
    return {"text": "".join(each["text"] for each in segments), "segments": list(segments), "language": language}


RESULTS = {
    "nothing": result(),
    "plain": result(
        segment(0, 0.0, 4.36, " A ferry is a light boat."),
        segment(1, 4.36, 59.9995, " This one --> carries\tsmall programs."),
        segment(2, 61.0004, 3599.9996, "  To any  processor, she said: \"now\". "),
        segment(3, 3600.0, 36000.5, " Ça va ? 渡し船 — 🚣"),
        segment(4, 36000.5, 36000.5, ""),
        language="fr",
    ),
    "timed": result(
        segment(0, 0.0, 4.36, " A ferry is light.", [(0, 0.5, " A"), (0.5, 1, " ferry"), (1, 1.2, " is"), (1.5, 4, " light.")]),
        segment(1, 4.36, 4.36, "", []),
        segment(
            2, 5.0, 3725.02, " Well-known, isn't it",
            [(5.12, 5.5, " Well"), (5.5, 5.7, "-known,"), (5.9, 6, " isn't"), (6, 3724.981, " it")],
        ),
    ),
}  # fmt: skip


def main(target: Path) -> None:
    cases = {}
    for name, given in RESULTS.items():
        with tempfile.TemporaryDirectory() as folder:
            get_writer("all", folder)(given, "talk.mp3")
            files = {file.suffix[1:]: file.read_text(encoding="utf-8") for file in sorted(Path(folder).iterdir())}
        cases[name] = {"result": given, "files": files}
    made = {"made": f"openai-whisper {whisper.__version__}", "cases": cases}
    (target / "writers.json").write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
