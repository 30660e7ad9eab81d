"""Open the book's pages in JupyterLab: as notebooks, on this machine, nobody else's settings.

python -m tools.lab                   a double click on a page opens it as a notebook
python -m tools.lab --port 9000       elsewhere than at the usual port; 0 for any that is free
python -m tools.lab --no-browser      only say the address
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from tools import execution

ROOT = Path(__file__).resolve().parent.parent
PORT = 8316

# What a reader would otherwise have to click together.
SETTINGS = {
    "@jupyterlab/docmanager-extension:plugin": {
        "defaultViewers": {"markdown": "Jupytext Notebook", "myst": "Jupytext Notebook"},
        # Saved when the reader says so: a page belongs to the book.
        "autosave": False,
    },
    # There is one kernel, so nobody need choose it.
    "@jupyterlab/notebook-extension:tracker": {"autoStartDefaultKernel": True},
    "@jupyterlab/apputils-extension:notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
    },
}


def main(arguments: list[str] | None = None) -> int:
    """Run JupyterLab until it is interrupted, and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.lab",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=PORT, help=f"{PORT} if not given; 0: any")
    parser.add_argument("--quick", action="store_true", help="small sizes, as in the quick edition")
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
    given = parser.parse_args(arguments)
    try:
        port = free_port(given.port)
    except (OSError, OverflowError) as error:
        print(
            f"Port {given.port} of 127.0.0.1 cannot be used ({error}).\n"
            "Is the book open in JupyterLab already? If not, take another port, or any: "
            "python -m tools.lab --port 0",
            file=sys.stderr,
        )
        return 1
    prepare(ROOT, "quick" if given.quick else "full")
    from jupyterlab.labapp import LabApp  # only now: it reads the environment when imported

    print("Opening the book in JupyterLab. Ctrl-C ends it.", flush=True)
    server = LabApp.initialize_server(
        [f"--ServerApp.port={port}", f"--ServerApp.open_browser={not given.no_browser}"]
    )
    # At once and without a question, wherever it was started from, and the kernels first.
    signal.signal(signal.SIGINT, lambda *_: server.stop(from_signal=True))
    server.start()
    print("JupyterLab and its kernels have ended.")
    return 0


def free_port(wanted: int) -> int:
    """Return the port, or one that is free if it is 0.

    Raises
    ------
    OSError
        If something listens there already.
    OverflowError
        If there is no such port.
    """
    with socket.socket() as probe:
        if os.name != "nt":  # there it would allow a port that is in use
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", wanted))
        number: int = probe.getsockname()[1]
        return number


def prepare(root: Path, edition: str) -> None:
    """Write JupyterLab's settings under `_build`, and set what it and its kernels inherit.

    The reader's own settings of Jupyter are neither read nor changed.
    """
    execution.prepare_environment(root, edition)
    os.environ.pop("COUPLED_FLOWS_BUILD", None)  # sliders compute, since there is a kernel
    home = root / "_build" / "lab"
    os.environ["JUPYTER_CONFIG_DIR"] = str(home / "config")
    os.environ["JUPYTER_DATA_DIR"] = str(home / "data")
    os.environ["JUPYTER_RUNTIME_DIR"] = str(home / "runtime")
    os.environ.pop("JUPYTER_TOKEN", None)  # each start has a token of its own
    os.environ.pop("JUPYTER_TOKEN_FILE", None)
    for name in ("config", "data", "runtime", "settings"):
        (home / name).mkdir(parents=True, exist_ok=True)
    (home / "runtime").chmod(0o700)  # where the server writes its token
    _write(home / "settings" / "overrides.json", SETTINGS)
    _write(home / "config" / "jupyter_server_config.json", configuration(root, home))


def configuration(root: Path, home: Path) -> dict[str, Any]:
    """Return the server's configuration: this machine only, this book only, no question outside."""
    return {
        "ServerApp": {
            "ip": "127.0.0.1",
            "port_retries": 0,
            "allow_root": True,  # in a container everybody is
            "log_level": "WARN",
            "root_dir": str(root / "book"),
            "contents_manager_class": "tools.saving.PageManager",
        },
        "LabApp": {
            "app_settings_dir": str(home / "settings"),
            "user_settings_dir": str(home / "user-settings"),
            "workspaces_dir": str(home / "workspaces"),
            "extension_manager": "readonly",
            "news_url": None,
            "check_for_updates_class": "jupyterlab.handlers.announcements.NeverCheckForUpdate",
        },
        # Copies of pages do not belong beside the pages.
        "FileCheckpoints": {"checkpoint_dir": str(home / "checkpoints")},
        # A notebook that was closed need not hold its kernel for long.
        "MappingKernelManager": {"cull_idle_timeout": 3600},
        # Else another user of this machine could listen to what a kernel says.
        "KernelManager": {"transport_encryption": "required"},
    }


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf8")


if __name__ == "__main__":
    raise SystemExit(main())
