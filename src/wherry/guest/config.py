"""The app's settings, by name: whoever runs it gives them."""

from collections.abc import Mapping

from wherry.guest import host


def get(name: str, default: str = "") -> str:
    """One setting. While a request is handled only: an app that is being compiled has none yet."""
    return host.current().settings().get(name, default)


def all_settings() -> Mapping[str, str]:
    return host.current().settings()
