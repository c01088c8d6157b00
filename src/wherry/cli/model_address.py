"""Where a command's MODEL is: what the engine's catalogue knows, and `oci://` addresses."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from wherry.engine.catalog import ModelFiles, default_cache, find_model
from wherry.errors import NotFoundError

_SCHEME = "oci://"


def find_any_model(name: str, *, say: Callable[[str], None], policy: str = "missing") -> ModelFiles:
    """As `find_model`; and `oci://IMAGE`, a model in a registry, fetched unless the store has it.

    policy     of fetching, as `wherry run --pull` has it: missing, always or never

    Raises NotFoundError, FormatError, DownloadError.
    """
    if not name.startswith(_SCHEME):
        return find_model(name, default_cache(), say=say)
    path = _fetch(name.removeprefix(_SCHEME), say, policy)
    found, config = find_model(str(path), default_cache(), say=say), path.with_name("config.json")
    return replace(found, config=config) if found.config is None and path.is_file() and config.is_file() else found


def _fetch(image: str, say: Callable[[str], None], policy: str) -> Path:
    """Only here is the HTTP client loaded: most models come from elsewhere."""
    from wherry.cli.moving import transfers
    from wherry.cli.store import open_store
    from wherry.oci.model import find_model_manifest, open_model
    from wherry.oci.reference import Reference
    from wherry.oci.store import StoredImage
    from wherry.oci.transfer import pull

    reference, store = Reference.parse(image), open_store()
    try:
        if policy == "always":
            raise NotFoundError("is asked for again")
        stored = StoredImage(reference, store.resolve(reference))
        store.require(stored.descriptor)
    except NotFoundError:
        if policy == "never":
            raise
        say(f"fetching {reference.familiar}")
        with transfers(quiet=False) as moving:
            stored = StoredImage(reference, pull(reference, moving).descriptor)
    return open_model(store, find_model_manifest(store, stored.descriptor), default_cache() / "oci-models")
