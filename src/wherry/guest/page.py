"""An app's page: its files as they lie in a folder, over those that all pages share.

page = Page(Path(__file__).parent / "page")
data, headers = page.find("index.html")

Shared are `base.css` (colours of day and night, letters, buttons, fields, phones), `icon.svg`, `tongues.js` (a page that speaks
several languages) and `wire.js` (OpenAI's API: errors, models, events).
"""

from collections.abc import Mapping
from pathlib import Path

_SHARED = Path(__file__).parent / "page"
_TYPES = {
    ".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".json": "application/json",
}  # fmt: skip
# Nothing of the page's comes from elsewhere, and nothing that it learns goes there.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


class Page:
    """Made while the app is imported: inside the sandbox there are no files but the requests'."""

    def __init__(self, folder: Path, *others: Path) -> None:
        """others: files that lie elsewhere. Of two files of one name the later counts, of the shared ones none."""
        files = [*_SHARED.iterdir(), *folder.iterdir(), *others]
        self._files: Mapping[str, tuple[bytes, str]] = {
            path.name: (path.read_bytes(), _TYPES[path.suffix]) for path in files if path.suffix in _TYPES
        }

    def find(self, name: str) -> tuple[bytes, dict[str, str]] | None:
        """A file's bytes and its headers; None where there is none."""
        if name not in self._files:
            return None
        data, kind = self._files[name]
        return data, {"Content-Type": f"{kind}; charset=utf-8", **_HEADERS}
