"""What an executed page shows: its outputs, the numbers in a text, the cells of a table."""

from __future__ import annotations

import html
import re
from typing import Any

from bs4 import BeautifulSoup

from tools.execution import Executed

NUMBER = r"(-?\d+(?:\.\d+)?(?:e[-+]\d+)?)"
# one number; "1.001 [0.998, 1.004]", an Order; "0.503 ± 0.002", an Estimate; and
# "0.503 ± 0.002 (0.49 to 0.51)", a NoiseFloor
NUMBERS = re.compile(
    rf"{NUMBER}(?: \[{NUMBER}, {NUMBER}\]| ± {NUMBER}(?: \({NUMBER} to {NUMBER}\))?)?"
)


def outputs(run: Executed) -> list[Any]:
    return [output for cell in run.notebook.cells for output in cell.get("outputs", [])]


def numbers(text: str) -> list[float]:
    """Return the numbers of a text that is nothing else."""
    match = NUMBERS.fullmatch(text)
    assert match is not None, text
    return [float(part) for part in match.groups() if part is not None]


def table(run: Executed, caption: str, named: int = 1) -> dict[tuple[str, ...], list[str]]:
    """Return the cells of a table by the texts of its first `named` columns.

    `caption` is a part of its caption that no other table of the page has.
    """
    shown = [
        output["data"]["text/html"]
        for output in outputs(run)
        if html.escape(caption) in output.get("data", {}).get("text/html", "")
    ]
    assert len(shown) == 1, f"{len(shown)} tables have {caption!r}"
    rows = BeautifulSoup(shown[0], "html.parser").select("tbody tr")
    listed = [[cell.get_text() for cell in row.find_all(["th", "td"])] for row in rows]
    return {tuple(row[:named]): row[named:] for row in listed}
