"""Draw the README's picture: the opening figure of the book, on white.

Run ``python -m tools.opening`` after the figure on the first page has changed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jupytext

from coupled_flows.display.figures import INK, canvas

ROOT = Path(__file__).resolve().parent.parent
SIZE = (5.2, 2.6)  # as on the page


def main() -> None:
    """Run the first cell of the first page and save what its explorer shows at the start."""
    cell = next(c for c in jupytext.read(ROOT / "book/intro.md").cells if c.cell_type == "code")
    scope: dict[str, Any] = {}
    exec(compile(cell.source.rpartition("\nexplore(")[0], "book/intro.md", "exec"), scope)
    figure, axes = canvas(1, 2, size=SIZE)
    scope["draw"](axes, n=scope["counts"][0])
    for artist in figure.findobj():
        for name in ("color", "edgecolor"):
            read, write = (getattr(artist, f"{verb}_{name}", None) for verb in ("get", "set"))
            if read and write and isinstance(read(), str) and read() == INK:
                write("black")
    figure.savefig(ROOT / "book/_static/opening.png", dpi=200, facecolor="white")


if __name__ == "__main__":
    main()
