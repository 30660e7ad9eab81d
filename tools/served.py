"""What the server of live pages answers: its link, the pages with live code added, files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tornado.web import HTTPError, RequestHandler, StaticFileHandler

from tools.door import Door

# The files of the site know nothing of a server, so that a page that has none shows no button that
# cannot work, and loads nothing for it.
ADDED = b'<link rel="stylesheet" href="/live/live.css"><script defer src="/live/live.js"></script>'
# Nothing is loaded from another host, whatever a cell puts on the page.
POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; connect-src 'self' ws://{host};"
    " frame-ancestors 'none'; base-uri 'self'; form-action 'self'"
)


class Opening(RequestHandler):
    """Exchange the token of the link for the cookie, and leave the link behind."""

    def initialize(self, door: Door, first: str) -> None:
        self._door = door
        self._first = first

    def get(self) -> None:
        """Open the book at its first page."""
        self._door.open(self)
        self.set_header("Cache-Control", "no-store")
        self.redirect(self._first)


class Files(StaticFileHandler):
    """Files as they are; the browser asks each time whether they are new."""

    def parse_url_path(self, url_path: str) -> str:
        """Refuse what can be no name of a file."""
        if "\0" in url_path:
            raise HTTPError(404)
        return super().parse_url_path(url_path)

    def set_extra_headers(self, path: str) -> None:
        self.set_header("Cache-Control", "no-cache")
        self.set_header("X-Content-Type-Options", "nosniff")


class Pages(Files):
    """The site, its pages with live code added."""

    absolute_path: str | None = None  # for a page, which is more than its file

    async def get(self, path: str, include_body: bool = True) -> None:
        if path and not path.endswith(".html"):
            await super().get(path, include_body)
            return
        self.path = self.parse_url_path(path)
        found = self.get_absolute_path(self.root, self.path)
        file = self.validate_absolute_path(self.root, found)
        if file is not None:
            self._page(Path(file))

    def compute_etag(self) -> str | None:
        return super().compute_etag() if self.absolute_path else RequestHandler.compute_etag(self)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        missing = Path(self.root) / "404.html"
        if status_code == 404 and missing.is_file():
            self._page(missing)
        else:
            super().write_error(status_code, **kwargs)

    def _page(self, file: Path) -> None:
        self.xsrf_token  # noqa: B018  (sets the cookie that thebe sends back with each request)
        self.set_header("Content-Security-Policy", POLICY.format(host=self.request.host))
        self.set_header("Cache-Control", "no-cache")
        self.finish(file.read_bytes().replace(b"</head>", ADDED + b"</head>", 1))
