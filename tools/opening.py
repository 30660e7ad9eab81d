"""Draw the README's picture: the opening figure of the book, on white.

Run ``python -m tools.opening`` after the figure on the first page has changed.
"""

from __future__ import annotations

from pathlib import Path

import jupytext

from coupled_flows.display.figures import INK, Picture

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Run the first cell of the first page and save its figure."""
    cell = next(c for c in jupytext.read(ROOT / "book/intro.md").cells if c.cell_type == "code")
    body, _, last = cell.source.rpartition("Picture(figure")
    scope: dict[str, object] = {}
    exec(compile(f"{body}picture = Picture(figure{last}", "book/intro.md", "exec"), scope)
    picture = scope["picture"]
    assert isinstance(picture, Picture)
    for artist in picture.figure.findobj():
        for name in ("color", "edgecolor"):
            read, write = (getattr(artist, f"{verb}_{name}", None) for verb in ("get", "set"))
            if read and write and isinstance(read(), str) and read() == INK:
                write("black")
    picture.figure.savefig(ROOT / "book/_static/opening.png", dpi=150, facecolor="white")


if __name__ == "__main__":
    main()
