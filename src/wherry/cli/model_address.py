"""Where a command's MODEL is: what the engine's catalogue knows, and `oci://` addresses."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from wherry.cli.download_bars import download_progress
from wherry.engine.catalog import ModelFiles, default_cache, find_model
from wherry.errors import InputError, NotFoundError

_SCHEME = "oci://"
_NAMED = re.compile(r"([^=:/\\]+)=(.+)")


def named_models(texts: Sequence[str]) -> dict[str, str]:
    """[NAME=]MODEL, as --model takes it: what the app calls each model -> where it is. A file is called by its stem.

    Raises InputError for a name that is given twice, or that cannot be part of a preload.
    """
    found: dict[str, str] = {}
    for text in texts:
        named = _NAMED.fullmatch(text)
        model = named[2] if named else text
        name = named[1] if named else Path(model).stem if Path(model).exists() else model
        if name in found:
            raise InputError(f'--model: found the name "{name}" twice, expected each once', hint="NAME=MODEL gives another")
        if ":" in name or "/" in name or name in ("", ".", ".."):
            raise InputError(f'--model: found the name "{name}", expected one without : and /', hint="NAME=MODEL gives one")
        found[name] = model
    return found


def find_any_model(name: str, *, say: Callable[[str], None], policy: str = "missing", kind: str | None = None) -> ModelFiles:
    """As `find_model`; and `oci://IMAGE`, a model in a registry, fetched unless the store has it.

    policy     of fetching, as `wherry run --pull` has it: missing, always or never
    kind       speech, language or sentences, where the caller can use no other

    Raises NotFoundError, FormatError, DownloadError.
    """
    if not name.startswith(_SCHEME):
        with download_progress() as on_progress:
            return find_model(name, default_cache(), say=say, on_progress=on_progress, kind=kind)
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
