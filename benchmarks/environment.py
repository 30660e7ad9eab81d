"""Make the peers' environment, start the peers in it, and talk to them."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "requirements.txt"


class PeerError(RuntimeError):
    """The peers could not be installed or started, or one of them ended."""


def python_of_peers(folder: Path) -> Path:
    """Return the Python of the peers' environment in `folder`, made if need be.

    Raises
    ------
    PeerError
        If pip could not install what requirements.txt names.
    """
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp = folder / "installed"
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text(encoding="utf8") == wanted:
        return python
    print(f"  installing the peers of {REQUIREMENTS.name} (once, about 1.5 GB)", flush=True)
    pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    try:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([str(python), *pip, "-r", str(REQUIREMENTS)], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise PeerError(f"the peers could not be installed: {error}") from error
    stamp.write_text(wanted, encoding="utf8")
    return python


@dataclass(frozen=True)
class Family:
    """A process that holds a few peers, with a number of threads."""

    process: subprocess.Popen[str]
    name: str
    threads: int
    offers: list[dict[str, Any]] = field(default_factory=list)

    def ask(self, question: str) -> Any:
        """Send one line and return the answer.

        Raises
        ------
        PeerError
            If the process has ended.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            if question:
                print(question, file=self.process.stdin, flush=True)
            return json.loads(self.process.stdout.readline())
        except (OSError, ValueError) as error:
            status = self.process.wait()
            raise PeerError(
                f"the peers on {self.name} ended with status {status}; see the lines above"
            ) from error

    def end(self) -> None:
        """Let the process end: it does when there is nothing more to read."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def start(python: Path, family: str, threads: int, walkers: int, steps: int) -> Family:
    """Start a family of peers ("torch" or "jax").

    Raises
    ------
    PeerError
        If it cannot be imported or started.
    """
    process = subprocess.Popen(
        [str(python), str(HERE / "peers.py"), family, str(threads), str(walkers), str(steps)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=_environment(threads),
    )
    started = Family(process, family, threads)
    started.offers.extend(started.ask(""))
    return started


def _environment(threads: int) -> dict[str, str]:
    # The peers import nothing of this project, and start as many threads as the row says.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    pools = [f"{library}_NUM_THREADS" for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR")]
    # NPROC is how XLA is told the number of processors; JAX has no name for it.
    return kept | dict.fromkeys([*pools, "NPROC"], str(threads))
