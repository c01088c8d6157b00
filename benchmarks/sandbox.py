"""What the sandbox costs: an app in its component beside the engine called directly, in turn, in one run.

python benchmarks/sandbox.py [RECORDING]
"""

import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from wherry.appbuild.componentize import AppSource, build_component
from wherry.engine.catalog import default_cache, find_model
from wherry.engine.session import load_whisper
from wherry.engine.transcript import TranscribeOptions
from wherry.wasm.http.exchange import Request
from wherry.wasm.nn.backend import BurnSpeech
from wherry.wasm.nn.speech import PreloadedSpeech, RecordedStream
from wherry.wasm.pool import AppOptions, WebApp

_APP = """
from wherry.guest import speech
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/empty":
        return [b"ok"]
    if environ["PATH_INFO"] == "/read":
        body = environ["wsgi.input"]
        size = 0
        while piece := body.read(65536):
            size += len(piece)
        return [b"%d" % size]
    return [speech.open().transcribe(environ["wsgi.input"]).text.encode()]
"""


class Recorded:
    """The engine's answer to the recording, given again at once: what is left is the sandbox's own."""

    def __init__(self, speech: PreloadedSpeech) -> None:
        self._model = speech.open("tiny")
        self.name, self.device, self.languages = "tiny", "none", {"en": "english"}
        self._records: list[tuple[object, ...]] = []

    def names(self) -> list[str]:
        return ["tiny"]

    def open(self, name: str) -> "Recorded":
        return self

    def stream(self, file: Path, options: list[object], check: Callable[[], None]) -> RecordedStream:
        if not self._records:
            found = self._model.stream(file, options, check)
            self._records, self._head = list(found.segments), (found.language, found.duration)
        return RecordedStream(*self._head, (record for record in self._records))


class Answer:
    """An exchange without a server: the sandbox alone is measured."""

    gone = False

    def __init__(self, target: str, body: Path | None) -> None:
        size = body.stat().st_size if body else 0
        self.request = Request("1", "POST", target, [("host", "localhost")], body, size, "http", "127.0.0.1")
        self.body = b""

    def when_gone(self, call: Callable[[], None]) -> None:
        pass

    def start(self, status: int, headers: object) -> None:
        assert status == 200, status

    def write(self, chunk: bytes) -> bool:
        self.body += chunk
        return True


def best(work: Callable[[], object], times: int) -> float:
    """Milliseconds of the fastest."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return min(taken) * 1000


def main() -> None:
    recording = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "src/wherry/cli/sample.wav"
    files = find_model("whisper-tiny.en", default_cache())
    whisper = load_whisper(files.weights, tokenizer=files.tokenizer, device="cpu")
    graph = BurnSpeech(whisper, TranscribeOptions())
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "app.py").write_text(_APP)
        component = build_component(AppSource(folder), [(folder / "app.py", "app.py")], default_cache(), say=print)
        speech = PreloadedSpeech(["tiny"], lambda name: graph)

        def make(of: object = speech) -> WebApp:
            return WebApp(component, AppOptions(), of, lambda name: graph, cache=default_cache())  # type: ignore[arg-type]

        app = make()

        def ask(target: str, body: Path | None = None, of: WebApp = app) -> bytes:
            answer = Answer(target, body)
            of(answer)  # type: ignore[arg-type]
            return answer.body

        beside = ThreadPoolExecutor(1)  # as the sandbox's is: a thread that is not the main one

        def directly() -> str:
            return beside.submit(lambda: whisper.transcribe(recording).text).result()

        assert ask("/speech", recording).decode() == directly()
        pairs = [(best(directly, 1), best(lambda: ask("/speech", recording), 1)) for _ in range(8)]
        direct, inside = min(pair[0] for pair in pairs), min(pair[1] for pair in pairs)
        again = make(Recorded(speech))
        ask("/speech", recording, again)
        alone = best(lambda: ask("/speech", recording, again), 50)
        again.close()
        big = folder / "big"
        big.write_bytes(bytes(25 << 20))
        ask("/read", big)
        cold = []
        for _ in range(20):
            fresh = make()
            cold.append(best(lambda: ask("/empty", of=fresh), 1))  # noqa: B023
            fresh.close()
        rows = [
            ("the recording, engine called directly", f"{direct:.1f} ms"),
            ("the recording, through the sandbox", f"{inside:.1f} ms ({inside - direct:+.1f})"),
            ("the same, the engine's answer given at once", f"{alone:.2f} ms"),
            ("an empty request", f"{best(lambda: ask('/empty'), 200):.2f} ms"),
            ("an upload of 25 MB, read whole in the app", f"{best(lambda: ask('/read', big), 5):.0f} ms"),
            ("an empty request to a cold instance", f"{min(cold):.1f} ms"),
        ]
        for name, value in rows:
            print(f"{name:45} {value}")
        app.close()


if __name__ == "__main__":
    main()
