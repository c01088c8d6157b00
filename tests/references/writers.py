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


# A talk of three segments with pauses, for the options that lay out lines.
TALK = [
    (0.5, " The"), (0.8, " quick"), (1.2, " brown"), (1.6, " fox"), (2.0, " jumps"), (2.4, " over"), (2.8, " the"),
    (3.0, " lazy"), (3.4, " dog,"), (4.0, " twice."), (5.0, " And"), (5.3, " extraordinarily"), (6.4, " uncomplicated"),
    (7.4, " things"), (7.9, " well-"), (8.2, "known"), (12.5, " happened."), (13.0, " Then"), (13.2, " it"), (13.4, " was"),
    (13.6, " over."),
]  # fmt: skip
WORDS = [(start, round(start + 0.3, 2), word) for start, word in TALK]
RESULTS_IN_LINES = {
    **RESULTS,
    "talk": result(
        segment(0, 0.5, 4.3, " The quick brown fox jumps over the lazy dog, twice.", WORDS[:10]),
        segment(1, 5.0, 12.8, " And extraordinarily uncomplicated things well-known happened.", WORDS[10:17]),
        segment(2, 13.0, 13.9, " Then it was over.", WORDS[17:]),
    ),
    "blocks": result(segment(0, 0.0, 2.0, "渡し船です。", [(0.0, 0.5, "渡し"), (0.5, 1.0, "船"), (1.0, 2.0, "です。")])),
}
LINES = [
    {"highlight_words": True},
    {"max_line_width": 20},
    {"max_line_width": 20, "max_line_count": 2},
    {"max_line_width": 1, "max_line_count": 1},
    {"max_line_width": 42, "max_line_count": 3},
    {"max_line_count": 2},
    {"max_words_per_line": 1},
    {"max_words_per_line": 3},
    {"max_words_per_line": 3, "max_line_width": 12},
    {"max_line_width": 16, "max_line_count": 1, "highlight_words": True},
    {"max_words_per_line": 4, "highlight_words": True},
]


def laid_out() -> list[dict]:
    """The subtitles of each result with each set of options."""
    rows = []
    for name, given in RESULTS_IN_LINES.items():
        for options in LINES:
            with tempfile.TemporaryDirectory() as folder:
                for form in ("srt", "vtt"):
                    get_writer(form, folder)(given, "talk.mp3", **options)
                files = {file.suffix[1:]: file.read_text(encoding="utf-8") for file in sorted(Path(folder).iterdir())}
            rows.append({"name": name, "options": options, "files": files})
    return rows


def main(target: Path) -> None:
    cases = {}
    for name, given in RESULTS.items():
        with tempfile.TemporaryDirectory() as folder:
            get_writer("all", folder)(given, "talk.mp3")
            files = {file.suffix[1:]: file.read_text(encoding="utf-8") for file in sorted(Path(folder).iterdir())}
        cases[name] = {"result": given, "files": files}
    lines = {"results": RESULTS_IN_LINES, "rows": laid_out()}
    made = {"made": f"openai-whisper {whisper.__version__}", "cases": cases, "lines": lines}
    (target / "writers.json").write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
