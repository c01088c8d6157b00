"""`wherry run`."""

import atexit
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from wherry.errors import GuestError, InputError, StoppedError
from wherry.wasm.host import Guest, GuestOptions, Mount

_RUNTIMES = ("io.containerd.wasmedge.v1", "io.containerd.wherry.v1", "wasmedge", "wherry")
_PLATFORMS = ("wasi/wasm", "wasi/wasm32", "wasip1/wasm", "linux/amd64")
_ANY_GPU = "docker.com/gpu=webgpu"
_GRACE_SECONDS = 2.0  # from a signal or the deadline until the guest is left behind
_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


@click.command(context_settings={"allow_interspersed_args": False})
@click.argument("target", metavar="IMAGE|FILE.wasm")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("-p", "--publish", multiple=True, metavar="[IP:]HOST:GUEST", help="Let the guest serve this port. Default: any.")
@click.option(
    "-e", "--env", multiple=True, metavar="NAME=VALUE", help="Set a variable of the guest; NAME alone copies the host's."
)
@click.option("-v", "--volume", multiple=True, metavar="HOST:GUEST[:ro]", help="Give the guest a folder; ro: to read only.")
@click.option("--dir", "folders", multiple=True, metavar="HOST:GUEST[:ro]", help="The same as --volume; WasmEdge's name for it.")
@click.option("--nn-preload", multiple=True, metavar="NAME:ENCODING:TARGET:PATH...", help="A model that the guest finds by name.")
@click.option("--device", help=f"auto, cpu, gpu, gpu:N, gpu:NAME, or {_ANY_GPU} (any GPU).")
@click.option("--require-gpu", is_flag=True, help="Fail rather than run on the CPU.")
@click.option("--memory", metavar="SIZE", help="The most memory the guest may have, such as 512m. Default: 4g.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="End the guest after this time.")
@click.option("--entrypoint", metavar="PATH", help="Another module of the image; of a file, the name that the guest sees.")
@click.option("--network", type=click.Choice(["host", "none"]), default="host", show_default=True, help="none: no sockets out.")
@click.option("--platform", type=click.Choice(_PLATFORMS), help="Of an image for several. Default: the first of these it has.")
@click.option("--pull", type=click.Choice(["missing", "always", "never"]), default="missing", help="When to fetch the image.")
@click.option("--read-only", is_flag=True, help="The image's root cannot be written to.")
@click.option("--runtime", type=click.Choice(_RUNTIMES), help="Accepted as docker run does.")
@click.option("--name", help="Accepted as docker run does: the guest's name in messages.")
@click.option("--rm", "remove", is_flag=True, help="Accepted as docker run does: a run leaves nothing behind.")
def run(
    target: str,
    arguments: tuple[str, ...],
    publish: tuple[str, ...],
    env: tuple[str, ...],
    volume: tuple[str, ...],
    folders: tuple[str, ...],
    nn_preload: tuple[str, ...],
    device: str | None,
    require_gpu: bool,
    memory: str | None,
    timeout: float | None,
    entrypoint: str | None,
    network: str,
    platform: str | None,
    pull: str,
    read_only: bool,
    runtime: str | None,
    name: str | None,
    remove: bool,
) -> int:
    """Run IMAGE or FILE.wasm, sandboxed, next to its models.

    The guest sees the folders, variables and models that it is given, and nothing else. WASMEDGE_WASINN_PRELOAD (in --env
    or in the environment) is read as --nn-preload is; its paths are the guest's.

    Of an image, the guest has the root as /, to write to in this run alone, and the image says what to run and how: its
    entrypoint, command and variables, and its labels wherry.preload, wherry.publish, wherry.device, wherry.memory and
    wherry.timeout. Options given here win, then variables of the environment. What is a file is run as a file.

    The exit code is the guest's own; 6 when it trapped or ran out of time or memory, 130 after Ctrl-C, 143 after SIGTERM.

    \b
    Examples:
      wherry run -p 8080:8080 localhost:5000/speech:1
      wherry run --dir .:/ app.wasm argument
      wherry run --dir .:/ --nn-preload default:Burn:GPU:/tiny_en.mpk:/tiny_en.cfg:/tokenizer.json:en \\
          -p 8080:8080 whisper-api-server.wasm
    """
    from wherry.cli.program import open_program
    from wherry.engine.catalog import default_cache
    from wherry.oci.settings import PRELOAD_VARIABLE, RunSettings, split_preloads
    from wherry.wasm.nn.graph import Graph, SharedGraphs
    from wherry.wasm.nn.preload import GuestPaths, parse_preloads
    from wherry.wasm.sockets import NetworkPolicy

    given = dict(_variable(text) for text in env)
    own = [_mount(text) for text in (*volume, *folders)]
    of_user = nn_preload or split_preloads(given.get(PRELOAD_VARIABLE) or os.environ.get(PRELOAD_VARIABLE) or "")
    with open_program(
        target, arguments, entrypoint=entrypoint, platform=platform, pull_policy=pull, read_only=read_only
    ) as program:
        variables = program.variables | given
        settings = RunSettings.of_image(program.labels, variables)
        preloads = parse_preloads(of_user or settings.preload)
        mounts = own if any(mount.guest == "/" for mount in own) else [*program.mounts, *own]
        root = [("/", program.models)] if program.models is not None else []
        paths = GuestPaths((*((mount.guest, mount.host) for mount in own), *root))
        resolve = paths.resolve if of_user else paths.resolve_mounted  # an image names its own files, none of the host's
        place = device or os.environ.get("WHERRY_DEVICE") or settings.device or "auto"
        if place in (_ANY_GPU, "all"):
            place = "auto"

        def say(line: str) -> None:
            click.echo(f"{name or Path(target).name}: {line}", err=True)

        def load(graph: str) -> Graph:
            from wherry.wasm.nn.backend import load_graph  # the engine: a guest without models does not wait for it

            return load_graph(preloads, graph, resolve, place, require_gpu, say)

        def load_passed(builders: Sequence[bytes], encoding: int, target: int) -> Graph:
            from wherry.wasm.nn.backend import load_bytes

            return load_bytes(builders, encoding, target, paths.resolve_mounted, place, require_gpu, say)

        for preload in preloads.values():
            for path in preload.paths:
                resolve(path)  # a missing model is told before the guest starts
        ports = publish or settings.publish
        size = memory or settings.memory
        options = GuestOptions(
            argv=program.argv,
            env=variables,
            mounts=mounts,
            network=NetworkPolicy(dict(_port(text) for text in ports) if ports else None, outgoing=network == "host"),
            memory_bytes=_size(size) if size else 1 << 32,
            timeout=timeout or settings.timeout,
        )
        shared = SharedGraphs(load)
        cache = default_cache()
        return _run(lambda: Guest(program.module, options, shared.find, load_graph=load_passed, cache=cache, say=say))


def _run(make: Callable[[], Guest]) -> int:
    """Compile and run a guest beside the main thread: only there can Python answer a signal meanwhile."""
    guests: list[Guest] = []
    outcome: list[int | BaseException] = []
    stopped: list[int] = []  # signals

    def work() -> None:
        try:
            guests.append(make())
            if stopped:
                guests[0].stop()
            outcome.append(guests[0].run())
        except BaseException as error:  # noqa: BLE001 - raised again below, in the main thread
            outcome.append(error)

    def stop(number: int, frame: object) -> None:
        stopped.append(number)
        for guest in guests:
            guest.stop(f"stopped by {signal.Signals(number).name}")

    thread = threading.Thread(target=work, name="guest", daemon=True)
    with contextlib.ExitStack() as stack:
        for number in (signal.SIGINT, signal.SIGTERM):
            stack.callback(signal.signal, number, signal.signal(number, stop))
        thread.start()
        while thread.is_alive() and not stopped and not any(guest.stopping for guest in guests):
            thread.join(0.2)
        thread.join(_GRACE_SECONDS)
    # Without an outcome it is where nothing wakes it: it compiles, or waits for the other end of a named pipe.
    result = outcome[0] if outcome else GuestError("the guest was left behind, in a call that does not end")
    if not outcome or (guests and guests[0].left_work):
        # Native code that runs while Python goes would crash: leave without it. Nothing is left to save.
        atexit.register(_leave, 128 + stopped[0] if stopped else GuestError.exit_code)
    if stopped and (not outcome or isinstance(result, StoppedError)):
        return 128 + stopped[0]
    if isinstance(result, BaseException):
        raise result
    return result


def _leave(code: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _variable(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not name or "\0" in text:
        raise InputError(f'--env: found "{text}", expected NAME=VALUE')
    return name, value if sign else os.environ.get(name, "")


def _mount(text: str) -> Mount:
    parts = text.split(":")
    if len(parts) == 1:
        parts = [text, text]
    if len(parts) not in (2, 3) or not all(parts) or (len(parts) == 3 and parts[2] not in ("ro", "rw")):
        raise InputError(f'--dir: found "{text}", expected HOST:GUEST or HOST:GUEST:ro')
    return Mount(Path(parts[0]), parts[1], parts[-1] != "ro" if len(parts) == 3 else True)


def _port(text: str) -> tuple[int, tuple[str, int]]:
    rest = text.split(":")
    address = ":".join(rest[:-2])
    try:
        host, guest = int(rest[-2]) if len(rest) > 1 else int(rest[0]), int(rest[-1].removesuffix("/tcp"))
    except ValueError as error:
        raise InputError(f'--publish: found "{text}", expected [IP:]HOST:GUEST port numbers') from error
    if not (0 <= host <= 65535 and 0 < guest <= 65535):
        raise InputError(f'--publish: found "{text}", expected ports from 1 to 65535')
    return guest, (address or "0.0.0.0", host)


def _size(text: str) -> int:
    number, unit = text.rstrip("bBkKmMgG"), text.lstrip("0123456789").lower().removesuffix("b") or ""
    if not number.isdigit() or unit not in _UNITS or int(number) < 1:
        raise InputError(f'--memory: found "{text}", expected a size such as 512m or 2g')
    return min(int(number) * _UNITS[unit], 1 << 32)
