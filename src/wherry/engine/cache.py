"""Where models, images and compiled guests are kept."""

import os
from pathlib import Path


def default_cache() -> Path:
    """$XDG_CACHE_HOME/wherry, by default ~/.cache/wherry."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wherry"
