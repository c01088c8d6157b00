"""`wherry run`."""

import click

from wherry.cli.guest import ANY_GPU, RunOptions, run_guest

_RUNTIMES = ("io.containerd.wasmedge.v1", "io.containerd.wherry.v1", "wasmedge", "wherry")


@click.command(context_settings={"allow_interspersed_args": False})
@click.argument("target", metavar="IMAGE|FILE.wasm")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("-p", "--publish", multiple=True, metavar="[IP:]HOST:GUEST", help="Let the guest serve this TCP port.")
@click.option(
    "--host",
    multiple=True,
    metavar="NAME",
    help="A name under which clients reach a web app, *.NAME for all below it; other names are refused. Repeatable.",
)
@click.option("--metrics-key", metavar="KEY", help="A key that opens /metrics alone. Default: one of WHERRY_API_KEYS.")
@click.option(
    "-e", "--env", multiple=True, metavar="NAME=VALUE", help="Set a variable of the guest; NAME alone copies the host's."
)
@click.option("-v", "--volume", multiple=True, metavar="HOST:GUEST[:ro]", help="Give the guest a folder; ro: to read only.")
@click.option("--dir", "folders", multiple=True, metavar="HOST:GUEST[:ro]", help="The same as --volume; WasmEdge's name for it.")
@click.option("--nn-preload", multiple=True, metavar="NAME:ENCODING:TARGET:PATH...", help="A model that the guest finds by name.")
@click.option("--device", help=f"auto, cpu, gpu, gpu:N, gpu:NAME, or {ANY_GPU} (any GPU).")
@click.option("--require-gpu", is_flag=True, help="Fail rather than run on the CPU.")
@click.option(
    "--preload/--lazy",
    default=None,
    help="Load a web app's models before it listens, or when a request needs them. Default: while it listens, /readyz waits.",
)
@click.option("--memory", metavar="SIZE", help="The most memory the guest may have, such as 512m. Default: 4g.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="End the guest after this time.")
@click.option(
    "--keep-alive",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Let a model go when nobody has asked for it so long; it is loaded again when it is asked for. Default: never.",
)
@click.option("--entrypoint", metavar="PATH", help="Another module of the image; of a file, the name that the guest sees.")
@click.option(
    "--network",
    type=click.Choice(["none", "host"]),
    help="host: a core module has all of this machine's network. Default: what -p and --allow-net give, and nothing else.",
)
@click.option(
    "--allow-net",
    multiple=True,
    metavar="HOST[:PORT]",
    help="A host that the guest may reach. One that is not public is given by its address. Default: none.",
)
@click.option("--coarse-clock", is_flag=True, help="The guest's clocks tell milliseconds apart, and nothing finer.")
@click.option("--platform", metavar="OS/ARCH", help="Of an image for several. Default: wasi/wasm, wasip1/wasm … linux/amd64.")
@click.option("--pull", type=click.Choice(["missing", "always", "never"]), default="missing", help="When to fetch the image.")
@click.option("--read-only", is_flag=True, help="The image's root cannot be written to.")
@click.option("--runtime", type=click.Choice(_RUNTIMES), help="Accepted as docker run does.")
@click.option("--name", help="Accepted as docker run does: the guest's name in messages.")
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    help="What Wherry writes to stderr: text, or a JSON object per line. Default: WHERRY_LOG_FORMAT, else text.",
)
@click.option("--rm", "remove", is_flag=True, help="Accepted as docker run does: a run leaves nothing behind.")
def run(
    target: str,
    arguments: tuple[str, ...],
    publish: tuple[str, ...],
    host: tuple[str, ...],
    metrics_key: str | None,
    env: tuple[str, ...],
    volume: tuple[str, ...],
    folders: tuple[str, ...],
    nn_preload: tuple[str, ...],
    device: str | None,
    require_gpu: bool,
    preload: bool | None,
    memory: str | None,
    timeout: float | None,
    keep_alive: float | None,
    entrypoint: str | None,
    network: str | None,
    allow_net: tuple[str, ...],
    coarse_clock: bool,
    platform: str | None,
    pull: str,
    read_only: bool,
    runtime: str | None,
    name: str | None,
    log_format: str | None,
    remove: bool,
) -> int:
    """Run IMAGE or FILE.wasm, sandboxed, next to its models.

    The guest sees the folders, variables and models that it is given, and nothing else. WASMEDGE_WASINN_PRELOAD (in --env
    or in the environment) is read as --nn-preload is; its paths are the guest's.

    Of an image, the guest has the root as /, to write to in this run alone, and the image says what to run and how: its
    entrypoint, command and variables, and its labels wherry.preload, wherry.publish, wherry.device, wherry.memory,
    wherry.timeout, wherry.requests and wherry.coarse-clock. The hosts of wherry.allow-net it only asks for. Options
    given here win, then variables of the environment. What is a file is run as a file.

    A file is a core module (wasm32-wasip1) or a component: a web app of `wherry build` or of wasi:http is served, on port
    8080 unless told otherwise, a command (wasi:cli) is run.

    Without -p a port is open to this machine alone, also one that the image names; -p 8080:8080 opens it on all
    interfaces, as docker does. A server for this machine alone answers to the names localhost and 127.0.0.1 and to those of
    --host; on other addresses --host turns that check on.

    The exit code is the guest's own; 6 when it trapped or ran out of time or memory, 130 after Ctrl-C, 143 after SIGTERM.

    \b
    Examples:
      wherry run -p 8080:8080 localhost:5000/speech:1
      wherry run --dir .:/ app.wasm argument
      wherry run --dir .:/ --nn-preload default:Burn:GPU:/tiny_en.mpk:/tiny_en.cfg:/tokenizer.json:en \\
          -p 8080:8080 whisper-api-server.wasm
    """
    options = RunOptions(
        publish=publish,
        host=host,
        metrics_key=metrics_key,
        env=env,
        volume=(*volume, *folders),
        nn_preload=nn_preload,
        device=device,
        require_gpu=require_gpu,
        load={True: "first", False: "lazily", None: "meanwhile"}[preload],
        memory=memory,
        timeout=timeout,
        keep_alive=keep_alive,
        entrypoint=entrypoint,
        network=network,
        allow_net=allow_net,
        coarse_clock=coarse_clock,
        platform=platform,
        pull=pull,
        read_only=read_only,
        name=name,
        log_format=log_format,
    )
    return run_guest(target, arguments, options)
