"""Where things lie inside a container. Read by the wrapper at every start, so it imports nothing."""

HOME = "/.wherry"
RUNTIME = HOME + "/runtime"  # interpreter, libraries, packages; read-only
GPU = HOME + "/gpu"  # a driver, mounted by the engine (CDI) or by us
ROOT = HOME + "/root"  # the container's files once more, without /proc, /sys and /dev: what the guest sees as /
CACHE = HOME + "/cache"  # compiled modules; read-only
MODULES = CACHE + "/wherry"  # where Wherry looks for them below XDG_CACHE_HOME

GPU_KIND = "docker.com/gpu"


def python_command(runtime: str, loader: str, libraries: str) -> list[str]:
    """The interpreter of the composed runtime at `runtime`, which needs nothing of the root it runs in.

    The loader is named, so that neither the root's own nor its cache is used; `libraries` are its search path.
    """
    return [f"{runtime}/lib/{loader}", "--inhibit-cache", "--library-path", libraries, f"{runtime}/bin/python3", "-ISB"]


def guest_command(loader: str) -> list[str]:
    """What runs a guest in a container; the module's file, the guest's name for itself and its arguments follow."""
    return [*python_command(RUNTIME, loader, f"{RUNTIME}/lib:{GPU}/lib"), f"{RUNTIME}/start.py", "guest"]
