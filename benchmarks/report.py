"""Tables in Markdown, and the report that is put together from the parts."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from benchmarks.clock import Spread
from tools.provenance import commit_of, versions_of

PARTS = {
    "walks": "Walk speed",
    "laws": "The law's error, noise-free and from samples",
    "data": "The data walk, against radius graphs",
    "poisson": "The Poisson equation on the sphere, and finite elements against pyamg alone",
    "weights": "Weight flows against solve_ivp, and slow weights against their walk alone",
    "coupled": "The coupled flow: particles, densities and agents",
    "build": "Build times",
}


@dataclass(frozen=True)
class Result:
    """The tables of one part as Markdown, and whether every row is there and right."""

    markdown: str
    sound: bool


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def spread(values: Spread, digits: int = 2) -> str:
    """Return a median with its range."""
    return f"{values.median:.{digits}f} ({values.low:.{digits}f}–{values.high:.{digits}f})"


def verdict(value: float, target: float, unit: str = "") -> str:
    """Say whether a target is reached."""
    said = "reached" if value <= target else "**not reached**"
    return f"≤ {target:g}{unit}: {said}"


def write(root: Path, folder: Path, part: str, result: Result, rounds: int) -> Path:
    """Keep one part's tables and put the report together from all parts that were ever run."""
    folder.mkdir(parents=True, exist_ok=True)
    section = "\n\n".join(
        [f"## {PARTS[part]}", f"{_machine(root)} {_medians(rounds)}", result.markdown]
    )
    (folder / f"{part}.md").write_text(section + "\n", encoding="utf8")
    kept = [folder / f"{name}.md" for name in PARTS if (folder / f"{name}.md").is_file()]
    report = folder / "report.md"
    texts = ["# Benchmarks\n"] + [path.read_text(encoding="utf8") for path in kept]
    report.write_text("\n".join(texts), encoding="utf8")
    return report


def _machine(root: Path) -> str:
    return (
        f"{date.today().isoformat()}, {commit_of(root)}; {versions_of(root)};"
        f" {platform.system()} {platform.machine()}, {os.cpu_count()} cores{_busy()}."
    )


def _busy() -> str:
    """Say how busy the machine was, which a reader of two-thread rows wants to know.

    Our own two threads count, too.
    """
    if not hasattr(os, "getloadavg"):
        return ""
    return f", load average {os.getloadavg()[0]:.1f} at the end"


def _medians(rounds: int) -> str:
    how = "one round" if rounds == 1 else f"{rounds} rounds, each contestant once in every round"
    return f"Medians (lowest–highest) of {how}; only ratios mean something on another machine."
