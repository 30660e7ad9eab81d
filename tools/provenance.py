"""Where a page's numbers come from: commit, versions, seeds, edition, run time, date."""

from __future__ import annotations

import html
import platform
import subprocess
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tools.execution import Executed
from tools.pages import UnseededError, seeds

EDITIONS = {
    "full": "full edition",
    "quick": "quick edition (small sizes; make book gives the full one)",
}


def footers(root: Path, edition: str, executed: Mapping[str, Executed]) -> dict[str, str]:
    """Return the provenance footer of every executed page, as HTML, by page name.

    Raises
    ------
    UnseededError
        If a page draws random numbers without a seed.
    """
    commit = commit_of(root)
    versions = versions_of(root)
    found = {}
    for page, run in executed.items():
        try:
            found[page] = _footer(run, seeds(run.notebook), commit, versions, edition)
        except UnseededError as error:
            raise UnseededError(f"{page}: {error}") from error
    return found


def commit_of(root: Path) -> str:
    """Return the commit that `root` holds, and whether something was changed since."""
    top = _git(root, "rev-parse", "--show-toplevel")
    # A copy without history may lie inside somebody else's repository.
    if top is None or Path(top).resolve() != root.resolve():
        return "a copy without its history"
    commit = _git(root, "rev-parse", "--short=12", "HEAD")
    changed = bool(_git(root, "status", "--porcelain"))
    if commit is None:
        return "nothing committed yet"
    return f"commit {commit}" + (" + uncommitted changes" if changed else "")


def date_of(root: Path) -> datetime | None:
    """Return when the commit of `root` was made, in UTC; None for a copy without history."""
    if not commit_of(root).startswith("commit "):
        return None
    seconds = _git(root, "show", "-s", "--format=%ct", "HEAD")
    return None if seconds is None else datetime.fromtimestamp(int(seconds), UTC)


def full_commit_of(root: Path) -> str | None:
    """Return the name of the commit that `root` holds, if there is one."""
    return _git(root, "rev-parse", "HEAD")


def versions_of(root: Path) -> str:
    """Return the versions that a number on a page may depend on."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf8"))["project"]
    found = {
        "coupled_flows": project["version"],
        "Python": platform.python_version(),
        "NumPy": version("numpy"),
        "SciPy": version("scipy"),
        "POT": version("POT"),
    }
    return ", ".join(f"{name} {number}" for name, number in found.items())


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _footer(run: Executed, used: list[int], commit: str, versions: str, edition: str) -> str:
    lines = {
        "Source": commit,
        "Versions": versions,
        "Seeds": ", ".join(map(str, used)) if used else "none: nothing on this page is random",
        "Run": f"{EDITIONS[edition]}, {run.seconds:.1f} s on {run.date} (UTC)",
    }
    rows = "".join(
        f"<div><dt>{name}</dt><dd>{html.escape(text)}</dd></div>" for name, text in lines.items()
    )
    return (
        '<section class="provenance" aria-label="Where the numbers on this page come from">'
        f"<dl>{rows}</dl></section>"
    )
