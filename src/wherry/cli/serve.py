"""What `wherry run` does with a component: what answers requests is served, until a signal ends it; a command is run."""

import atexit
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wherry.cli.ending import ended
from wherry.cli.publish import OF_THE_SERVER
from wherry.errors import InputError
from wherry.wasm.host import GuestOptions
from wherry.wasm.nn.loading import Loading
from wherry.wasm.scratch import scratch_folder

if TYPE_CHECKING:
    from wherry.wasm.component import Compiled
    from wherry.wasm.http.server import Server
    from wherry.wasm.nn.graph import Graph, SharedGraphs
    from wherry.wasm.pool import Pool

_PORT = 8080
_MEMORY = 512 << 20
_CONVERSATIONS = 32  # requests at once where there is a language model, which computes as many texts together


@dataclass(frozen=True)
class ServeOptions:
    """hosts: names under which clients reach the app. contained: an engine publishes the port, or does not. log_format: text or
    json, of the line for each request. load: models before the app listens ("first"), while it does ("meanwhile"), or when a
    request asks for one ("lazily").
    """

    hosts: Sequence[str] = ()
    metrics_key: str | None = None
    contained: bool = False
    log_format: str = "text"
    load: str = "meanwhile"


def serve(
    component: "Compiled",
    options: GuestOptions,
    kinds: Mapping[str, str],
    graphs: "SharedGraphs",
    say: Callable[[str], None],
    serving: ServeOptions = ServeOptions(),
) -> int:
    """kinds: of the preloaded graphs, the default first (`preload.kind_of`). Raises InputError for a component that answers no
    requests."""
    loading = Loading(list(kinds), graphs.find, say, lazy=serving.load == "lazily")
    if serving.load == "first":
        loading.load_all()
    with serving_app(component, options, kinds, graphs, say, serving, loading) as (server, app):
        say(f"{server.url}/  {', '.join(kinds) or 'no model'}")
        if not (serving.contained or server.is_loopback or server.asks_for_keys):
            say(
                "listens for other machines and asks nobody for a key: WHERRY_API_KEYS=KEY asks for one, "
                f"-p 127.0.0.1:{server.port}:{_guest_port(options)} is for this machine alone"
            )
        loading.start()
        code = ended(server.run)  # the signal is raised again when the last request is answered
        loading.stop()
    if app.left_work or loading.is_running:
        atexit.register(_leave, code)  # native code that runs while Python goes would crash
    return code


@contextmanager
def serving_app(
    component: "Compiled",
    options: GuestOptions,
    kinds: Mapping[str, str],
    graphs: "SharedGraphs",
    say: Callable[[str], None],
    serving: ServeOptions = ServeOptions(),
    loading: Loading | None = None,
) -> Iterator[tuple["Server", "Pool"]]:
    """A server that is ready to run, and its app, which is closed after it."""
    with scratch_folder() as folder:
        server, app = _ready(component, options, kinds, graphs, say, folder, serving, loading or Loading((), graphs.find, say))
        try:
            yield server, app
        finally:
            app.close()


def _ready(
    component: "Compiled",
    options: GuestOptions,
    kinds: Mapping[str, str],
    graphs: "SharedGraphs",
    say: Callable[[str], None],
    folder: Path,
    serving: ServeOptions,
    loading: Loading,
) -> tuple["Server", "Pool"]:
    """folder: for the bodies of requests and for the instances' own."""
    from wherry.wasm.host import Mount
    from wherry.wasm.http.access import Served, access_line, access_text
    from wherry.wasm.http.environment import read_options
    from wherry.wasm.http.metrics import Metrics
    from wherry.wasm.http.options import ServerOptions
    from wherry.wasm.http.server import Server
    from wherry.wasm.nn.language import PreloadedLanguages, gpu_bytes
    from wherry.wasm.nn.speech import PreloadedSpeech, default_name
    from wherry.wasm.pool import AppOptions, Pool, WebApp
    from wherry.wasm.wasi.proxy import HttpApp
    from wherry.wasm.wasi.world import INCOMING_HANDLER

    address, port = _address(options, serving.contained)
    mounts = [Mount(mount.host, mount.guest, mount.writable and mount.guest != "/") for mount in options.mounts]
    own = AppOptions(
        settings={name: value for name, value in options.env.items() if name not in OF_THE_SERVER},
        mounts=mounts,
        memory_bytes=min(options.memory_bytes, _MEMORY) if options.memory_bytes == 1 << 32 else options.memory_bytes,
        timeout=options.timeout or AppOptions.timeout,
        allowed=options.allowed,
        clock_step=options.clock_step,
        folder=folder,
    )

    line_of = access_line if serving.log_format == "json" else access_text

    def served(done: Served) -> None:
        print(line_of(done), file=sys.stderr, flush=True)

    def named(kind: str) -> list[str]:
        return [name for name, each in kinds.items() if each == kind]

    metrics = Metrics()
    threads = _CONVERSATIONS if named("language") else ServerOptions.threads
    defaults = ServerOptions(address, port, threads, hosts=tuple(serving.hosts), metrics_key=serving.metrics_key)
    server_options = read_options({**os.environ, **options.env}, defaults)

    def find(name: str) -> "Graph":
        return loading.find(default_name(name, list(kinds)))

    app: Pool
    if component.version_of(INCOMING_HANDLER) is not None:
        app = HttpApp(component, own, find, say=say)
    else:
        speech = PreloadedSpeech(named("speech"), loading.find, metrics.heard)
        languages = PreloadedLanguages(named("language"), named("sentences"), loading.find, metrics.said)
        app = WebApp(component, own, speech, find, languages=languages, say=say)
    metrics.watch_memory(lambda: gpu_bytes(graphs.in_memory()))
    metrics.watch_instances(lambda: app.started, lambda: app.live, lambda: app.left_behind)
    return Server(
        app,
        server_options,
        folder,
        served,
        metrics=metrics,
        not_ready=loading.not_ready,
        streams=app.streams,
        is_public=app.is_public,
    ), app


def _leave(code: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _address(options: GuestOptions, contained: bool) -> tuple[str, int]:
    published = options.network.published
    if published is None:
        return "0.0.0.0" if contained else "127.0.0.1", _PORT
    if len(published) != 1:
        raise InputError(f"--publish: found {len(published)} ports, expected one: a web app has no other")
    return next(iter(published.values()))


def _guest_port(options: GuestOptions) -> int:
    published = options.network.published
    return next(iter(published)) if published else _PORT
