"""`wherry transcribe`."""

import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wherry.cli.ending import report
from wherry.cli.outputs import OutputFolder, read_source
from wherry.cli.recordings import STDIN, Recording, check_stems, find_recording
from wherry.cli.transcribe_options import WhisperCommand, check_language, read_options, whisper_options
from wherry.cli.transcribe_progress import View, open_view, printable
from wherry.engine.cues import Layout
from wherry.engine.transcript import TranscribeOptions, Transcript
from wherry.errors import TooLargeError, WherryError

if TYPE_CHECKING:
    from wherry.engine.session import Whisper

_FORMATS = ("txt", "srt", "vtt", "tsv", "json")


@click.command(cls=WhisperCommand)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--model", "-m", default="whisper-tiny.en", show_default=True,
    help="Short name, openai-whisper's name (base.en, large-v3-turbo, …), weight file, folder, hf://OWNER/NAME or oci://IMAGE.",
)  # fmt: skip
@click.option("--track", type=click.IntRange(min=1), help="Audio track, counted from 1. Default: the one that ffmpeg takes.")
@click.option(
    "--format", "--output-format", "-f", "formats", multiple=True, type=click.Choice([*_FORMATS, "all"]),
    help="Repeatable. Default: txt on stdout, all with --output-dir.",
)  # fmt: skip
@click.option(
    "--output-dir", "-o", type=click.Path(path_type=Path, file_okay=False), help="Write STEM.FORMAT files here, made if need be."
)
@click.option("--overwrite", is_flag=True, help="Transcribe again, and write over files, whatever they were made of.")
@whisper_options
@click.option("--device", envvar="WHERRY_DEVICE", default="auto", show_default=True, help="auto, cpu, gpu, gpu:N, gpu:NAME.")
@click.option("--require-gpu", is_flag=True, help="Fail rather than run on the CPU.")
@click.option("--profile", is_flag=True, help="Print the GPU's time by kernel on stderr at the end; needs a GPU.")
def transcribe(
    files: tuple[str, ...],
    model: str,
    track: int | None,
    formats: tuple[str, ...],
    output_dir: Path | None,
    overwrite: bool,
    device: str,
    require_gpu: bool,
    profile: bool,
    **values: Any,
) -> int:
    """Transcribe audio FILEs of any format; - is stdin.

    Whatever FFmpeg decodes will do: wav, mp3, flac, ogg, opus, m4a, mp4, webm. Times are those that a player shows. Without
    --output-dir the text goes to stdout. With it, files are named and shaped as openai-whisper names and shapes them. A file
    whose outputs were made of it, with the same model and options, is skipped, so an interrupted run goes on where it
    stopped; .wherry.jsonl in the folder says what they were made of. The transcript of another recording is not written over.

    Several files: one that fails is reported, the others are done, and the exit code is 1. One file: the exit code tells
    what failed (`wherry --help` lists them). openai-whisper's options are taken with underscores, too.

    \b
    Examples:
      wherry transcribe talk.mp3
      wherry transcribe -l en -f srt -o subtitles lesson-*.m4a
      wherry transcribe --batch-size 8 --word-timestamps -f json meeting.opus
      curl -L https://example.org/talk.mp3 | wherry transcribe -
    """
    from wherry.cli.model_address import find_any_model
    from wherry.engine.catalog import check_model_kind, check_model_name
    from wherry.engine.session import check_device, load_whisper

    options, layout = read_options(values)
    known = model if model.startswith("oci://") else check_model_name(model, "speech")
    check_language(options, known)
    wanted = _wanted(formats, output_dir)
    names = list(dict.fromkeys(file if file == STDIN else str(Path(file)) if "://" not in file else file for file in files))
    log = _log
    with ExitStack() as stack:
        copies = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wherry-")))
        folder = None
        if output_dir is not None:
            check_stems(names)
            made_by = {"model": _identity(known), "options": asdict(options) | asdict(layout) | {"track": track}}
            folder = OutputFolder(output_dir, wanted, made_by, overwrite=overwrite)
        run = _Run(len(names) == 1)
        pending = [each for each in run.each(names, lambda name: _pending(find_recording(name, copies), folder)) if each]
        if not pending:
            return run.exit_code
        if folder is not None:
            folder.prepare()
        check_device(device, require_gpu)  # before a model is fetched for it
        found = find_any_model(model, say=log, kind="speech")
        check_model_kind(model, found, "speech")
        whisper = load_whisper(
            found.weights, config=found.config, tokenizer=found.tokenizer, device=device, require_gpu=require_gpu,
            profile=profile, say=log,
        )  # fmt: skip
        prints = folder is None and wanted == ["txt"] and sys.stdout.isatty()
        with open_view(len(pending), prints=prints) as view:
            work = _Work(whisper, options, layout, track, wanted, folder, view)
            run.each(pending, work.do)
    if profile:
        _print_profile(whisper.profile())
    return run.exit_code


def _log(line: str) -> None:
    click.echo(line, err=True)


def _wanted(formats: Sequence[str], output_dir: Path | None) -> list[str]:
    if "all" in formats or (not formats and output_dir is not None):
        return list(_FORMATS)
    return list(dict.fromkeys(formats)) or ["txt"]


def _identity(model: str) -> Any:
    """What tells a model from others without fetching it: its name or address; of a file also its size and time."""
    from wherry.engine.catalog import CATALOGUE, default_cache, find_model

    if model in CATALOGUE or "://" in model:
        return model
    weights = find_model(model, default_cache()).weights
    found = weights.stat()
    return [str(weights.absolute()), found.st_size, found.st_mtime_ns]


def _pending(recording: Recording, folder: OutputFolder | None) -> Recording | None:
    """None where it is done already."""
    if folder is None or not folder.is_done(recording):
        return recording
    _log(f"{printable(recording.name)}: already transcribed")
    return None


class _Run:
    """One input's failure is its own: it is reported, and the others are done. A single input's is the command's."""

    def __init__(self, single: bool) -> None:
        self._single = single
        self.exit_code = 0

    def each(self, inputs: Sequence[Any], work: Callable[[Any], Any]) -> list[Any]:
        """The results of those that do not fail."""
        results = []
        for each in inputs:
            try:
                results.append(work(each))
            except BrokenPipeError:  # nobody reads our stdout any more
                raise
            except (WherryError, OSError, MemoryError) as error:
                if self._single:
                    raise
                self.exit_code = 1
                report(error if isinstance(error, WherryError) else WherryError(_reason(each, error)))
        return results


def _reason(name: Any, error: OSError | MemoryError) -> str:
    if isinstance(error, MemoryError):
        return f"{name}: there is not enough memory for it"
    return f"{error.filename or name}: {error.strerror or error}"


class _Work:
    """A recording to its transcript, and that to where it belongs."""

    def __init__(
        self, whisper: "Whisper", options: TranscribeOptions, layout: Layout, track: int | None, formats: Sequence[str],
        folder: OutputFolder | None, view: View,
    ) -> None:  # fmt: skip
        self._whisper = whisper
        self._options = options
        self._layout = layout
        self._track = track
        self._formats = formats
        self._folder = folder
        self._view = view

    def do(self, recording: Recording) -> None:
        from wherry.engine.writers import WRITERS

        source = read_source(recording.path) if self._folder is not None else None
        try:
            transcript = self._transcript(recording)
        except MemoryError as error:
            raise TooLargeError(f"{recording.name}: found more sound than there is memory for") from error
        texts = {name: WRITERS[name](transcript, self._layout) for name in self._formats}
        if self._folder is not None and source is not None:
            self._folder.write(recording, source, texts)
        elif not self._view.prints:
            for text in texts.values():
                click.echo(text, nl=not text.endswith("\n"))

    def _transcript(self, recording: Recording) -> Transcript:
        from wherry.audio.decode import open_audio

        self._view.begin(recording.name)
        audio = open_audio(recording.path, name=recording.name, track=self._track)
        stream = self._whisper.stream(audio, self._options)
        self._view.found(stream.duration)
        segments = []
        for segment in stream.segments:
            segments.append(segment)
            self._view.advance(segment.end, segment.text.strip())
        return self._whisper.joined(stream, segments)


def _print_profile(rows: list[tuple[str, str, int, float]]) -> None:
    click.echo(f"{'kernel':16} {'workgroups':14} {'calls':>6} {'ms':>9} {'us a call':>10}", err=True)
    for kernel, grid, calls, seconds in rows:
        click.echo(f"{kernel:16} {grid:14} {calls:6} {1e3 * seconds:9.2f} {1e6 * seconds / calls:10.1f}", err=True)
    click.echo(f"{'all':16} {'':14} {sum(row[2] for row in rows):6} {1e3 * sum(row[3] for row in rows):9.2f}", err=True)
