"""A guest from the words of a command line: what `wherry run` does, and the first process of a container.

A container waits for what is imported here: no command line's library, and the rest where it is needed.
"""

import atexit
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from wherry.cli.publish import of_server, published_ports, refuse_arguments, without_grants
from wherry.errors import GuestError, InputError, NotFoundError, StoppedError, WherryError
from wherry.wasm.allowed import AllowedHost
from wherry.wasm.host import Guest, GuestOptions, Mount

if TYPE_CHECKING:
    from wherry.wasm.nn.preload import Preload, Resolve

ANY_GPU = "docker.com/gpu=webgpu"
_GRACE_SECONDS = 2.0  # from a signal or the deadline until the guest is left behind
_COARSE = 1_000_000  # nanoseconds
_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


@dataclass(frozen=True)
class RunOptions:
    """The options of `wherry run`, as they are written there."""

    publish: Sequence[str] = ()
    env: Sequence[str] = ()
    volume: Sequence[str] = ()
    nn_preload: Sequence[str] = ()
    device: str | None = None
    require_gpu: bool = False
    load: str = "meanwhile"
    memory: str | None = None
    timeout: float | None = None
    keep_alive: float | None = None
    entrypoint: str | None = None
    network: str | None = None  # none, host, or engine: what the container has, whose engine decided
    allow_net: Sequence[str] = ()
    host: Sequence[str] = ()
    metrics_key: str | None = None
    coarse_clock: bool = False
    platform: str | None = None
    pull: str = "missing"
    read_only: bool = False
    name: str | None = None
    log_format: str | None = None  # text or json; WHERRY_LOG_FORMAT, else text


def run_guest(target: str, arguments: Sequence[str], options: RunOptions) -> int:
    """Run an image, a file or an artifact -> the exit code. Raises WherryError where the log is text."""
    from wherry.cli.run_log import message_writer, read_log_format, write_error

    name, log_format = options.name or Path(target).name, read_log_format(options.log_format, os.environ)
    try:
        return _run_target(target, arguments, replace(options, log_format=log_format), message_writer(name, log_format))
    except WherryError as error:
        if log_format == "text":
            raise
        write_error(name, error)
        return error.exit_code


def _run_target(target: str, arguments: Sequence[str], options: RunOptions, say: Callable[[str], None]) -> int:
    from wherry.cli.program import open_program
    from wherry.engine.cache import default_cache
    from wherry.oci.settings import PRELOAD_VARIABLE, RunSettings, split_preloads
    from wherry.wasm.module import is_component
    from wherry.wasm.network_policy import NetworkPolicy
    from wherry.wasm.nn.graph import Graph, SharedGraphs
    from wherry.wasm.nn.preload import GuestPaths, parse_preloads

    given = dict(_variable(text) for text in options.env)
    own = [_mount(text) for text in options.volume]
    for mount in own:
        mount.check()  # for apps too, whose instances would each fail; and before an image is fetched
    published_ports(options.publish, ())
    for text in options.allow_net:
        AllowedHost.parse(text)
    if options.memory:
        _size(options.memory)
    of_user = options.nn_preload or split_preloads(given.get(PRELOAD_VARIABLE) or os.environ.get(PRELOAD_VARIABLE) or "")

    with open_program(
        target,
        arguments,
        entrypoint=options.entrypoint,
        platform=options.platform,
        pull_policy=options.pull,
        read_only=options.read_only,
    ) as program:
        variables = without_grants(program.variables, say) | given
        settings = RunSettings.of_image(program.labels, variables)
        variables |= of_server(settings.requests, given, os.environ)
        if settings.allow_net and not options.allow_net:
            hosts = " ".join(f"--allow-net {host}" for host in settings.allow_net)
            say(f"the image asks for hosts that it is not given: {hosts} would")
        preloads = _fetched(parse_preloads(of_user or settings.preload), bool(of_user), options.pull, say)
        mounts = own if any(mount.guest == "/" for mount in own) else [*program.mounts, *own]
        root = [("/", program.models)] if program.models is not None else []
        paths = GuestPaths((*((mount.guest, mount.host) for mount in own), *root))
        resolve = paths.resolve if of_user else paths.resolve_mounted  # an image names its own files, none of the host's
        place = options.device or os.environ.get("WHERRY_DEVICE") or settings.device or "auto"
        if place in (ANY_GPU, "all"):
            place = "auto"
        if options.require_gpu or place not in ("auto", "cpu"):  # told now, not to the first request
            from wherry.engine.session import check_device

            check_device(place, options.require_gpu)

        def load(graph: str) -> Graph:
            from wherry.wasm.nn.backend import load_graph  # the engine: a guest without models does not wait for it

            return load_graph(preloads, graph, resolve, place, options.require_gpu, say)

        def load_passed(builders: Sequence[bytes], encoding: int, target: int) -> Graph:
            from wherry.wasm.nn.backend import load_bytes

            return load_bytes(builders, encoding, target, paths.resolve_mounted, place, options.require_gpu, say)

        missing = _missing(preloads, resolve)
        published = published_ports(options.publish, settings.publish)
        size = options.memory or settings.memory
        everything = options.network in ("host", "engine")
        if options.allow_net and options.network:
            raise InputError(f"--allow-net: found --network {options.network} beside it, expected one of them")
        given_to_it = GuestOptions(
            argv=program.argv,
            env=variables,
            mounts=mounts,
            network=NetworkPolicy(published, everything, everything),
            allowed=[AllowedHost.parse(text) for text in options.allow_net],
            clock_step=_COARSE if options.coarse_clock or settings.coarse_clock else 1,
            memory_bytes=_size(size) if size else 1 << 32,
            timeout=options.timeout or settings.timeout,
        )
        shared = SharedGraphs(load, options.keep_alive)
        cache = default_cache()
        if is_component(program.module):
            if options.network == "host":
                raise InputError(
                    f"{program.module}: --network host: found a component, expected a core module",
                    hint="--allow-net HOST names what a component may reach, -p the port that it serves",
                )
            from wherry.cli.activity import activity
            from wherry.cli.serve import ServeOptions, serve
            from wherry.wasm.arguments import check_unicode
            from wherry.wasm.component import Compiled
            from wherry.wasm.wasi.command import Command
            from wherry.wasm.wasi.world import RUN

            check_unicode(program.module, program.argv, variables)
            with activity(f"preparing {program.module.name} for this machine, once", say, shown=options.network != "engine"):
                compiled = Compiled(program.module, cache, say)
            if compiled.version_of(RUN) is None:
                if missing:  # a server without its model answers nobody
                    raise missing[0]
                contained = options.network == "engine"
                if arguments and not contained:
                    refuse_arguments(target, arguments)
                kinds = _kinds(preloads, resolve)
                serving = ServeOptions(options.host, options.metrics_key, contained, options.log_format or "text", options.load)
                return serve(compiled, given_to_it, kinds, shared, say, serving)
            _warn_of(missing, say)
            return _run(lambda: Command(compiled, given_to_it, shared.find, load_passed, say))
        _warn_of(missing, say)
        return _run(lambda: Guest(program.module, given_to_it, shared.find, load_graph=load_passed, cache=cache, say=say))


def _kinds(preloads: dict[str, "Preload"], resolve: "Resolve") -> dict[str, str]:
    """What each graph is for; the engine, which tells GGUF files apart, is there for a server with models alone."""
    if not preloads:
        return {}
    from wherry.wasm.nn.backend import kind_in

    return {name: kind_in(preload, resolve) for name, preload in preloads.items()}


def _missing(preloads: dict[str, "Preload"], resolve: "Resolve") -> list[NotFoundError]:
    """What is wrong with preloads whose files are not there."""
    found = []
    for preload in preloads.values():
        for path in preload.paths:
            try:
                resolve(path)
            except NotFoundError as error:
                found.append(error)
    return found


def _warn_of(missing: Sequence[NotFoundError], say: Callable[[str], None]) -> None:
    """A guest that loads its models itself hears of a missing one when it does: it may have others."""
    for error in missing:
        say(f"warning: {error.message}" + (f" ({error.hint})" if error.hint else ""))


def _fetched(preloads: dict[str, "Preload"], of_user: bool, policy: str, say: Callable[[str], None]) -> dict[str, "Preload"]:
    """Models in registries as files of this host.

    Raises InputError where an image asks for one: the user's logins are not its own.
    """
    found = dict(preloads)
    for name, preload in preloads.items():
        if preload.address is None:
            continue
        if not of_user:
            raise InputError(
                f'image: preload "{name}": found {preload.address}, expected files of the image',
                hint=f"if you want that model fetched for it, say so: --nn-preload {name}:{preload.encoding}:{preload.target}:"
                + ":".join((preload.address, *preload.options)),
            )
        from wherry.cli.model_address import find_any_model

        files = find_any_model(preload.address, say=say, policy=policy)
        found[name] = replace(preload, found=(files.weights, files.config, files.tokenizer))
    return found


class _Runs(Protocol):
    """A guest that is run once."""

    def run(self) -> int: ...
    def stop(self, reason: str = ...) -> None: ...
    @property
    def stopping(self) -> bool: ...
    @property
    def left_work(self) -> bool: ...


def _run(make: Callable[[], _Runs]) -> int:
    """Compile and run a guest beside the main thread: only there can Python answer a signal meanwhile."""
    guests: list[_Runs] = []
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
    try:
        parts[1].encode()
    except UnicodeEncodeError as error:
        hint = "name the folder for the guest: HOST:GUEST"
        raise InputError(f"--dir: found {parts[1]!a} for the guest, expected UTF-8", hint=hint) from error
    return Mount(Path(parts[0]), parts[1], parts[-1] != "ro" if len(parts) == 3 else True)


def _size(text: str) -> int:
    number, unit = text.rstrip("bBkKmMgG"), text.lstrip("0123456789").lower().removesuffix("b") or ""
    if not number.isdigit() or unit not in _UNITS or int(number) < 1:
        raise InputError(f'--memory: found "{text}", expected a size such as 512m or 2g')
    return min(int(number) * _UNITS[unit], 1 << 32)
