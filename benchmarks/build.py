"""Build times: the book from nothing, full and quick, and again with nothing changed.

Each round builds a fresh copy of the folder with `python -m tools.build`, as the Makefile does.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.clock import Reading, Spread, timed
from benchmarks.report import Result, spread, table, verdict
from tools import assets
from tools.pages import notebook, pages

# What a copy leaves behind: what was built, what was installed, history.
LEFT = (".git", ".venv", "_build", "__pycache__", "*.egg-info", ".*_cache")
EDITIONS: dict[str, list[str]] = {"full": [], "quick": ["--quick"]}
TARGETS = {"cold": 300.0, "unchanged": 10.0}  # seconds, full edition, on two cores


@dataclass(frozen=True)
class Build:
    """One build of a copy: a contestant that is run once."""

    copy: Path
    edition: str

    def run(self) -> Reading:
        """Build, timed.

        Raises
        ------
        BuildError
            If the build failed.
        """
        return timed(self._build)

    def _build(self) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "tools.build", *EDITIONS[self.edition]],
            cwd=self.copy,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise BuildError(f"{done.stdout}\n{done.stderr}")


class BuildError(RuntimeError):
    """The book does not build; the message is what the build said."""


def run(root: Path, rounds: int) -> Result:
    """Build copies of the folder and return the table."""
    readings: dict[tuple[str, str], list[Reading]] = {
        (state, edition): [] for edition in EDITIONS for state in ("cold", "unchanged")
    }
    try:
        assets.install(root)  # npm's packages come with the copy: downloading is no building
        for r in range(rounds):
            print(f"  round {r + 1} of {rounds}", flush=True)
            _one_round(root, list(EDITIONS) if r % 2 == 0 else list(EDITIONS)[::-1], readings)
    except (BuildError, assets.NpmError) as error:
        print(error, file=sys.stderr)
        return Result("**The book does not build:** the terminal says why.", False)
    return Result(_table(root, readings), True)


def _one_round(
    root: Path, editions: list[str], readings: dict[tuple[str, str], list[Reading]]
) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "book"
        shutil.copytree(root, copy, symlinks=True, ignore=shutil.ignore_patterns(*LEFT))
        for state in ("cold", "unchanged"):
            for edition in editions:
                readings[state, edition].append(Build(copy, edition).run())


def _table(root: Path, readings: dict[tuple[str, str], list[Reading]]) -> str:
    every = pages(root)
    with_code = sum(notebook(page) is not None for page in every)
    base = Spread.of([reading.seconds for reading in readings["cold", "full"]]).median
    rows = []
    for (state, edition), those in readings.items():
        seconds = Spread.of([reading.seconds for reading in those])
        target = TARGETS[state] if edition == "full" else None
        said = "" if target is None else verdict(seconds.median, target, " s")
        rows.append([state, edition, spread(seconds, 1), f"{seconds.median / base:.2f}", said])
    return (
        f"{len(every)} pages, {with_code} of them with code, built in a fresh copy of the folder by"
        " `python -m tools.build`, after installation. *Cold*: nothing built before. *Unchanged*:"
        " the same again.\n\n"
        + table(["build", "edition", "seconds", "× cold full", "target"], rows)
    )
