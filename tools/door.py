"""Who may ask the server of live pages for anything: the browser that opened its link, no other.

Kernels run whatever they are sent, so each request is looked at before any handler sees it. A
browser sends cookies to every port of one host. The cookie alone is therefore not enough: the
request must come from a page of this very server too.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from jupyter_server.auth.identity import IdentityProvider, User
from tornado import httputil, web
from tornado.routing import Matcher

LINK = "/open"


class Door:
    """The link that opens once, and the cookie it is exchanged for.

    Parameters
    ----------
    port
        A function that gives the server's port, which is not known before the server has one.
    """

    def __init__(self, port: Callable[[], int]) -> None:
        self._port = port
        self._key = secrets.token_urlsafe(32)
        self._token: str | None = secrets.token_urlsafe(32)

    @property
    def origin(self) -> str:
        """The address of the server."""
        return f"http://127.0.0.1:{self._port()}"

    @property
    def link(self) -> str:
        """The address that the person at the terminal opens."""
        return f"{self.origin}{LINK}?token={self._token}"

    @property
    def cookie(self) -> str:
        """The name of the cookie; with the port, since servers of one host share their cookies."""
        return f"coupled-flows-{self._port()}"

    def knows(self, request: httputil.HTTPServerRequest) -> bool:
        """Tell whether a request carries the cookie."""
        carried = request.cookies.get(self.cookie)
        return carried is not None and secrets.compare_digest(
            carried.value.encode(), self._key.encode()
        )

    def refusal(self, request: httputil.HTTPServerRequest) -> str | None:
        """Say why a request is refused; None if it is not."""
        hosts = [f"{name}:{self._port()}" for name in ("127.0.0.1", "localhost")]
        if request.host not in hosts:
            # a name that somebody's name server made to mean this machine
            return f"This server is {self.origin}, and answers to no other name."
        origin = request.headers.get("Origin")
        site = request.headers.get("Sec-Fetch-Site", "none")
        if origin not in (None, f"http://{request.host}") or site not in ("same-origin", "none"):
            return "Only the pages of this book may ask this server for anything."
        if request.path != LINK and not self.knows(request):
            return (
                "This browser has not opened the book yet. Open the link that `make serve` printed;"
                " it works once, and after a new start of the server there is a new one."
            )
        return None

    def open(self, handler: web.RequestHandler) -> None:
        """Exchange the token of a link for the cookie."""
        given = handler.get_query_argument("token", "").encode()
        if self._token is not None and secrets.compare_digest(given, self._token.encode()):
            self._token = None
            handler.set_cookie(self.cookie, self._key, httponly=True, samesite="Strict")
        elif not self.knows(handler.request):
            raise web.HTTPError(403, reason="This link is spent, or of another start")


class Refused(Matcher):
    """Match the requests that the door refuses."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def match(self, request: httputil.HTTPServerRequest) -> dict[str, Any] | None:
        why = self._door.refusal(request)
        return None if why is None else {"target_kwargs": {"why": why}}


class Refusal(web.RequestHandler):
    """Answer a request that was refused, whatever it asked for."""

    def initialize(self, why: str) -> None:
        self._why = why

    def prepare(self) -> None:
        self.set_status(403)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"{self._why}\n")


class Reader(IdentityProvider):
    """Tell Jupyter who asks: the reader, who has the cookie. There is no token and no login."""

    door: Door
    token = ""
    login_available = False
    logout_available = False

    async def get_user(self, handler: web.RequestHandler) -> User | None:
        return User("reader") if self.door.knows(handler.request) else None
