"""An image that brings the runtime along: a `linux/amd64` entry that any engine runs as it runs every other image."""

from pathlib import Path, PurePosixPath

from wherry.container import layout
from wherry.container.install import Say, current_runtime
from wherry.oci.layer import Entry
from wherry.oci.recipe import Bundle


def bundle(prefix: Path, say: Say = lambda line: None) -> Bundle:
    """What an image carries: the runtime of this host, composed below `prefix` unless it is current there."""
    manifest = current_runtime(prefix, say)
    folder = prefix / "runtimes" / manifest.identity
    entries = [Entry(PurePosixPath(layout.HOME))]
    for path in (folder, *sorted(folder.rglob("*"))):
        inside = PurePosixPath(layout.RUNTIME) / path.relative_to(folder).as_posix()
        entries.append(Entry(inside) if path.is_dir() else Entry(inside, source=path))
    # For the NVIDIA Container Toolkit: without them it mounts no Vulkan driver. Others ignore them.
    environment = {"NVIDIA_DRIVER_CAPABILITIES": "compute,graphics,utility"}
    return Bundle(tuple(entries), tuple(layout.guest_command(manifest.loader)), environment)
