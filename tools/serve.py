"""Serve the built book with live cells: one server on this machine, for pages and kernels.

python -m tools.serve            the full edition
python -m tools.serve --quick    the quick one
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

from jupyter_server.serverapp import ServerApp
from tornado.routing import Rule
from traitlets.config import Config

from tools import assets, execution
from tools.door import LINK, Door, Reader, Refusal, Refused
from tools.pages import pages
from tools.served import Files, Opening, Pages

ROOT = Path(__file__).resolve().parent.parent
PORT = 8317
REST = 20 * 60  # seconds a kernel may rest before it is ended


class CannotServeError(Exception):
    """The server cannot start; the message says why, for the person at the terminal."""


def main(arguments: list[str] | None = None) -> int:
    """Serve the book until Ctrl-C; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.serve", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="serve the quick edition")
    parser.add_argument("--port", type=int, default=PORT, help=f"{PORT} if not given; 0: any free")
    parser.add_argument(
        "--rest", type=int, default=REST, help="seconds a kernel may rest before it is ended"
    )
    given = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory() as runtime:
            serve(ROOT, "quick" if given.quick else "full", given.port, given.rest, Path(runtime))
    except (CannotServeError, assets.NpmError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def serve(root: Path, edition: str, port: int, rest: int, runtime: Path) -> None:
    """Serve an edition of the book; return when a signal said so and every kernel has ended.

    Parameters
    ----------
    root
        The folder of the project.
    edition
        The edition to serve, "full" or "quick"; its kernels have that edition's sizes.
    port
        The port on the loopback address; 0 for any free one.
    rest
        Seconds that a kernel may rest before it is ended.
    runtime
        A folder for the files through which server and kernels find each other.

    Raises
    ------
    CannotServeError
        If the edition is not built, or the port cannot be had.
    """
    html = root / "_build" / edition / "html"
    if not (html / "index.html").is_file():
        target = {"full": "book", "quick": "quick"}[edition]
        raise CannotServeError(f"The {edition} edition is not built yet: run `make {target}`.")
    _try_port(port)
    assets.install(root)
    execution.prepare_environment(root, edition)
    os.environ.pop("COUPLED_FLOWS_BUILD", None)  # it says that nobody will move a slider
    os.environ["JUPYTER_NO_CONFIG"] = "1"  # a user's own settings do not belong to the book
    os.environ["JUPYTER_RUNTIME_DIR"] = str(runtime)
    _limit_memory()
    tempfile.tempdir = str(runtime)  # Jupyter leaves a folder behind in place of settings
    server = Server.instance(config=_settings(root, rest), port=port)
    server.initialize(argv=[], find_extensions=False)
    door = Door(lambda: server.port)
    Reader.door = door  # Jupyter makes the reader itself, and asks it about every request
    server.web_app.add_handlers(".*$", _handlers(root, html, door))
    server.web_app.default_router.rules.insert(0, Rule(Refused(door), Refusal))
    print(f"The book ({edition} edition), with live code. Open this link; it works once:\n")
    print(f"    {door.link}\n\nCtrl-C ends the server and what runs on it.", flush=True)
    server.start()
    print("\nThe server has ended, and so has every kernel.")


class Server(ServerApp):
    """A Jupyter server that has kernels, and none of what else such a server offers."""

    default_services: Any = ("api", "kernels", "kernelspecs", "sessions")

    def init_signal(self) -> None:
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # the last when a terminal is closed
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), self._end)

    def _end(self, number: int, frame: Any) -> None:
        if not self._stopping:
            self.stop(from_signal=True)


def _handlers(root: Path, html: Path, door: Door) -> list[Any]:
    own, first = root / "tools" / "live", f"/{pages(root)[0].name}.html"
    return [
        (LINK, Opening, {"door": door, "first": first}),
        (r"/live/thebe/([\w.]+)", Files, {"path": str(assets.thebe(root))}),
        (r"/live/(require\.js)", Files, {"path": str(assets.require_js(root))}),
        (r"/live/mathjax/([\w./-]+)", Files, {"path": str(assets.mathjax(root))}),
        (r"/live/([\w.]+)", Files, {"path": str(own)}),
        # in front of all that Jupyter itself would answer, but for these
        (
            r"/(?!api/(?:status|kernelspecs|kernels|sessions)(?:/|$))(.*)",
            Pages,
            {
                "path": str(html),
                "default_filename": "index.html",
            },
        ),
    ]


def _settings(root: Path, rest: int) -> Config:
    server = {
        "ip": "127.0.0.1",
        "port_retries": 0,
        "open_browser": False,
        "allow_root": True,  # it answers this machine alone, and in a container all is root's
        "root_dir": str(root),  # kernels start in the folder of their page
        "log_level": "ERROR",
        "no_browser_open_file": True,
        "max_body_size": 2**20,  # nobody sends more, and it is read before the sender is known
        "identity_provider_class": Reader,
        "tornado_settings": {"xsrf_cookie_kwargs": {"samesite": "Strict"}},
    }
    resting = {
        "cull_idle_timeout": rest,
        "cull_interval": min(60, max(1, rest // 2)),
        "cull_connected": True,  # an open page is read, and its cells can be run again
    }
    return Config(
        {
            "ServerApp": server,
            "MappingKernelManager": resting,
            # else another user of this machine could listen to what a kernel says
            "KernelManager": {"transport_encryption": "required"},
            "KernelRestarter": {"restart_limit": 0},  # the page says so, and asks for another
            "KernelSpecManager": {"allowed_kernelspecs": {"python3"}},
        }
    )


def _limit_memory() -> None:
    """Have a kernel raise MemoryError before the whole machine is without memory, where it can."""
    try:
        import resource

        most = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * 3 // 4
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    except (ImportError, ValueError, OSError):
        pass


def _try_port(port: int) -> None:
    try:
        with socket.socket() as probe:
            if os.name == "posix":  # a port that was just left can be had again
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
    except (OSError, OverflowError) as error:
        raise CannotServeError(
            f"Port {port} cannot be had ({error}). Is the book being served already? If not, take"
            f" any that is free: `make serve PORT=0`."
        ) from error


if __name__ == "__main__":
    raise SystemExit(main())
