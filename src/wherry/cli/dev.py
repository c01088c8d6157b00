"""`wherry dev`."""

import io
import os
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from wherry.errors import InputError, StoppedError

if TYPE_CHECKING:
    from wherry.wasm.http.exchange import Request
    from wherry.wasm.http.upload import Upload


@click.command()
@click.argument("app", default="app.py", metavar="[APP]")
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="[NAME=]MODEL",
    default=["whisper-tiny.en"],
    show_default=True,
    help="A model the app finds, by its short name or a weight file; the first is the default. Repeatable.",
)
@click.option("--device", envvar="WHERRY_DEVICE", default="auto", show_default=True, help="auto, cpu, gpu, gpu:N, gpu:NAME.")
@click.option("--require-gpu", is_flag=True, help="Fail rather than run on the CPU.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A setting of the app's. Repeatable.")
@click.option("--listen", "address", metavar="IP", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--host",
    "hosts",
    multiple=True,
    metavar="NAME",
    help="A name under which clients reach the app, as of wherry run. Repeatable.",
)
@click.option("--metrics-key", metavar="KEY", help="A key that opens /metrics alone. Default: one of WHERRY_API_KEYS.")
@click.option("-p", "--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0: any that is free.")
def dev(
    app: str,
    models: tuple[str, ...],
    device: str,
    require_gpu: bool,
    settings: tuple[str, ...],
    address: str,
    hosts: tuple[str, ...],
    metrics_key: str | None,
    port: int,
) -> int:
    """Run a web app as ordinary Python next to its models, and load it again when a file is saved.

    APP is a Python file, by default app.py; the WSGI app in it is called `app`, or whatever APP.py:NAME says. It imports
    models, settings and graphs from `wherry.guest`. This is the way to write an app, not to run one for others: nothing keeps
    it in a sandbox. WHERRY_API_KEYS asks every client for one of its keys, WHERRY_ALLOW_ORIGINS lets pages of other sites ask.

    \b
    Examples:
      wherry dev
      wherry dev app.py --model whisper-base -p 9000
      wherry dev app.py:application --model mine=weights/model.safetensors --set greeting=hello
    """
    from wherry.cli.dev_app import ReloadingApp
    from wherry.cli.dev_host import EngineHost
    from wherry.cli.model_address import named_models
    from wherry.engine.session import check_device
    from wherry.guest import host, log, wsgi
    from wherry.wasm.http.access import Served
    from wherry.wasm.http.environment import read_options
    from wherry.wasm.http.exchange import Exchange
    from wherry.wasm.http.metrics import Metrics
    from wherry.wasm.http.options import ServerOptions
    from wherry.wasm.http.server import Server
    from wherry.wasm.scratch import scratch_folder

    check_device(device, require_gpu)

    def say(line: str) -> None:
        click.echo(line, err=True)

    serving = threading.local()

    def check() -> None:
        if serving.exchange.gone:
            raise StoppedError("the client has gone")

    _refuse_addresses(hosts)
    options = read_options(os.environ, ServerOptions(address, port, hosts=hosts, metrics_key=metrics_key))
    metrics = Metrics()
    engine = EngineHost(named_models(models), device, require_gpu, _settings(settings), say, check, metrics.heard, metrics.said)
    file, _, name = app.partition(":")
    web = ReloadingApp(Path(file), name or "app", say)

    def answer(exchange: Exchange) -> None:
        serving.exchange = exchange
        asked = exchange.request
        with _body(asked) as body:
            request = wsgi.Request(asked.method, asked.target, asked.headers, body, asked.size, asked.scheme, asked.client)
            try:
                wsgi.handle(web, request, exchange, threads=True)
            except _ClientsFaultError as fault:
                raise fault.reason from None

    def served(done: Served) -> None:
        say(f"{done.request.method} {done.request.target} {done.status} {done.seconds:.3f} s")

    with scratch_folder() as folder, host.use(engine):
        log.install()
        server = Server(answer, options, folder, served, metrics=metrics, streams=web.streams, is_public=web.is_public)
        click.echo(f"{server.url}/  {file} with {', '.join(engine.models)}; Ctrl-C ends it")
        server.run()
    return 0


def _body(asked: "Request") -> BinaryIO:
    from wherry.guest.upload import coming

    if asked.upload is not None:
        return coming(partial(_read, asked.upload))
    return asked.body.open("rb") if asked.body else io.BytesIO()


class _ClientsFaultError(BaseException):
    """What ends a guest in the sandbox, past all that an app catches."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason


def _read(upload: "Upload", size: int) -> bytes:
    from wherry.wasm.http.refusal import RefusedError

    try:
        return upload.read(size)
    except (RefusedError, StoppedError) as error:
        raise _ClientsFaultError(error) from error


def _settings(texts: tuple[str, ...]) -> dict[str, str]:
    for text in texts:
        if "=" not in text or text.startswith("="):
            raise InputError(f'--set: found "{text}", expected NAME=VALUE')
    return dict(text.split("=", 1) for text in texts)


def _refuse_addresses(hosts: tuple[str, ...]) -> None:
    """Elsewhere `--host 0.0.0.0` says where to listen: here it would open nothing, and nobody would see why."""
    for host in hosts:
        if host in ("0.0.0.0", "::", "[::]"):
            raise InputError(f"--host: found {host}, expected a name of this server", hint=f"--listen {host} listens there")
