"""An app's page: its files as they lie in a folder, over those that all pages share.

page = Page(Path(__file__).parent / "page")
data, headers = page.find("index.html")

app = public(app, *page.paths)  # last in the file: without a key, where the server has some

Shared are `base.css` (colours of day and night, letters, buttons, fields, phones), `icon.svg`, `tongues.js` (a page that speaks
several languages), `wire.js` (OpenAI's API: errors, models, events) and `key.js` (a person is asked for the key). Of an
`openapi.json` among the files, `docs` is a page for people.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wherry.guest.reference import reference_page
from wherry.guest.wsgi import Wrapped

_SHARED = Path(__file__).parent / "page"
_TYPES = {
    ".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".json": "application/json",
}  # fmt: skip
# Nothing of the page's comes from elsewhere, and nothing that it learns goes there.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PATH = re.compile(r"/[^*?#\s]{0,1000}")
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
        if "openapi.json" in self._files:
            self._files = {**self._files, "docs": (reference_page(json.loads(self._files["openapi.json"][0])), "text/html")}

    @property
    def paths(self) -> tuple[str, ...]:
        """Where an app has its files that has them at its root, `/` too."""
        return ("/", *(f"/{name}" for name in sorted(self._files)))

    def find(self, name: str) -> tuple[bytes, dict[str, str]] | None:
        """A file's bytes and its headers; None where there is none."""
        if name not in self._files:
            return None
        data, kind = self._files[name]
        return data, {"Content-Type": f"{kind}; charset=utf-8", **_HEADERS}


class Public(Wrapped):
    """An app, and the paths that it answers without a key where the server has keys. In all else it is the app."""

    def __init__(self, app: Any, paths: tuple[str, ...]) -> None:
        super().__init__(app)
        self.paths = paths


def public(app: Any, *paths: str) -> Public:
    """`app`, whose `paths` (of PATH_INFO, to the letter) anybody may read: pages that hold nothing of anybody's.

    Raises ValueError.
    """
    for path in paths:
        if not _PATH.fullmatch(path):
            raise ValueError(f'page.public: found "{path}", expected a path such as /page.css')
    return Public(app, paths)


def public_paths(app: Any) -> tuple[str, ...]:
    """What an app answers without a key."""
    found: tuple[str, ...] = ()
    while isinstance(app, Wrapped):
        found += app.paths if isinstance(app, Public) else ()
        app = app.app
    return found
