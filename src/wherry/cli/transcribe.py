"""`wherry transcribe`."""

from pathlib import Path

import click

from wherry.cli.ending import report
from wherry.errors import InputError, WherryError


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option("--model", default="whisper-tiny.en", show_default=True, help="Short name, weight file, folder or oci://IMAGE.")
@click.option("--language", help="Code or English name of the language. Default: detected.")
@click.option(
    "--language-detection",
    type=click.Choice(["speech", "first-window"]),
    default="speech",
    show_default=True,
    help="Where the language is detected: where somebody first speaks, or on the first 30 s, as openai-whisper does.",
)
@click.option(
    "--task",
    type=click.Choice(["transcribe", "translate"]),
    default="transcribe",
    show_default=True,
    help="translate: into English, with a multilingual model.",
)
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(["txt", "srt", "vtt", "json", "tsv"]),
    help="Repeatable. Default: txt on stdout, all with --output-dir.",
)
@click.option("--word-timestamps", is_flag=True, help="Time each word (in json).")
@click.option("--temperature", type=float, default=0.0, show_default=True, help="Where decoding starts; 0 is greedy.")
@click.option("--temperature-step", type=float, default=0.2, show_default=True, help="Added while a window fails; 0: no retry.")
@click.option("--beam-size", type=int, help="Beams at temperature 0. Default: greedy.")
@click.option("--best-of", type=int, default=5, show_default=True, help="Samples at other temperatures.")
@click.option(
    "--batch-size",
    type=int,
    default=1,
    show_default=True,
    help="Windows of 30 s decoded together, cut at pauses.",
)
@click.option("--initial-prompt", help="Text that the first window is told came before it.")
@click.option("--device", envvar="WHERRY_DEVICE", default="auto", show_default=True, help="auto, cpu, gpu, gpu:N, gpu:NAME.")
@click.option("--require-gpu", is_flag=True, help="Fail rather than run on the CPU.")
@click.option("--profile", is_flag=True, help="Print the GPU's time by kernel on stderr at the end; needs a GPU.")
@click.option(
    "--output-dir", type=click.Path(path_type=Path, file_okay=False), help="Write STEM.FORMAT files here, made if need be."
)
@click.option("--overwrite", is_flag=True, help="Transcribe files again whose outputs exist.")
def transcribe(
    files: tuple[Path, ...],
    model: str,
    language: str | None,
    language_detection: str,
    task: str,
    formats: tuple[str, ...],
    word_timestamps: bool,
    temperature: float,
    temperature_step: float,
    beam_size: int | None,
    best_of: int,
    batch_size: int,
    initial_prompt: str | None,
    device: str,
    require_gpu: bool,
    profile: bool,
    output_dir: Path | None,
    overwrite: bool,
) -> int:
    """Transcribe audio FILEs of any format.

    Whatever FFmpeg decodes will do: wav, mp3, flac, ogg, opus, m4a, mp4, webm. Without --output-dir the text goes to
    stdout. With it, files are named and shaped as openai-whisper names and shapes them; a file whose outputs all exist is
    skipped, so an interrupted run goes on where it stopped.

    Several files: one that fails is reported, the others are done, and the exit code is 1. One file: the exit code tells
    what failed (`wherry --help` lists them).

    \b
    Examples:
      wherry transcribe talk.mp3
      wherry transcribe --language en --format srt --output-dir subtitles lesson-*.m4a
      wherry transcribe --batch-size 8 --word-timestamps --format json meeting.opus
    """
    from rich.console import Console
    from rich.progress import Progress

    from wherry.cli.model_address import find_any_model
    from wherry.engine.session import load_whisper
    from wherry.engine.transcribe import check_options
    from wherry.engine.transcript import TranscribeOptions
    from wherry.engine.writers import WRITERS

    steps = [temperature]
    while temperature_step > 0 and steps[-1] + temperature_step <= 1.0 + 1e-6:
        steps.append(round(steps[-1] + temperature_step, 6))
    options = TranscribeOptions(
        language=language,
        language_detection=language_detection,
        task=task,
        temperature=tuple(steps),
        beam_size=beam_size,
        best_of=best_of,
        batch_size=batch_size,
        initial_prompt=initial_prompt,
        word_timestamps=word_timestamps,
    )
    check_options(options)
    if output_dir is not None:
        _check_stems(files)
    wanted = list(dict.fromkeys(formats)) or (list(WRITERS) if output_dir else ["txt"])
    pending = [
        f
        for f in dict.fromkeys(files)
        if overwrite or output_dir is None or not all((output_dir / f"{f.stem}.{w}").exists() for w in wanted)
    ]
    stderr = Console(stderr=True)
    for file in (file for file in dict.fromkeys(files) if file not in pending):
        stderr.print(f"{file}: already transcribed", highlight=False)
    if not pending:
        return 0
    found = find_any_model(model, say=lambda line: click.echo(line, err=True))
    whisper = load_whisper(
        found.weights,
        config=found.config,
        tokenizer=found.tokenizer,
        device=device,
        require_gpu=require_gpu,
        profile=profile,
        say=lambda line: click.echo(line, err=True),
    )
    failed = 0
    with Progress(console=stderr, transient=True, disable=len(pending) < 2 or not stderr.is_terminal) as progress:
        bar = progress.add_task("transcribing", total=len(pending))
        for file in pending:
            try:
                transcript = whisper.transcribe(file, options)
                for name in wanted:
                    text = WRITERS[name](transcript)
                    if output_dir is None:
                        click.echo(text, nl=not text.endswith("\n"))
                    else:
                        _write(output_dir / f"{file.stem}.{name}", text)
            except WherryError as error:
                failed += 1
                if len(files) == 1:
                    raise
                report(error)
            progress.advance(bar)
    if profile:
        _print_profile(whisper.profile())
    return 1 if failed else 0


def _print_profile(rows: list[tuple[str, str, int, float]]) -> None:
    click.echo(f"{'kernel':16} {'workgroups':14} {'calls':>6} {'ms':>9} {'us a call':>10}", err=True)
    for kernel, grid, calls, seconds in rows:
        click.echo(f"{kernel:16} {grid:14} {calls:6} {1e3 * seconds:9.2f} {1e6 * seconds / calls:10.1f}", err=True)
    click.echo(f"{'all':16} {'':14} {sum(row[2] for row in rows):6} {1e3 * sum(row[3] for row in rows):9.2f}", err=True)


def _check_stems(files: tuple[Path, ...]) -> None:
    """Outputs are named by stem: two recordings of one stem would overwrite each other. Raises InputError."""
    seen: dict[str, Path] = {}
    for file in dict.fromkeys(files):
        other = seen.setdefault(file.stem, file)
        if other != file:
            raise InputError(
                f'FILE: found {other} and {file}, which both write "{file.stem}", expected names that differ',
                hint="give them --output-dir folders of their own, one run each",
            )


def _write(path: Path, text: str) -> None:
    """All or nothing: an interrupted run leaves no half file that the next one would skip."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
