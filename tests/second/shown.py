"""What an executed page shows: outputs, numbers in a text, tables, the words of an explorer."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Sequence
from itertools import product
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


def typed(text: str) -> str:
    """Return a text as code would have it: without minus signs and spaces that part no line."""
    plain = text.replace("\N{MINUS SIGN}", "-").replace("\N{NO-BREAK SPACE}", " ")
    return plain.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")


def numbers(text: str) -> list[float]:
    """Return the numbers of a text that is nothing else."""
    match = NUMBERS.fullmatch(typed(text))
    assert match is not None, text
    return [float(part) for part in match.groups() if part is not None]


def _only(run: Executed, text: str) -> str:
    """Return the one output in HTML that has a text."""
    every = [typed(output.get("data", {}).get("text/html", "")) for output in outputs(run)]
    found = [markup for markup in every if text in html.unescape(markup)]
    assert len(found) == 1, f"{len(found)} outputs have {text!r}"
    return found[0]


def table(run: Executed, caption: str, named: int = 1) -> dict[tuple[str, ...], list[str]]:
    """Return the cells of a table by the texts of its first `named` columns.

    `caption` is a part of its caption that no other table of the page has.
    """
    rows = BeautifulSoup(_only(run, caption), "html.parser").select("tbody tr")
    listed = [[cell.get_text() for cell in row.find_all(["th", "td"])] for row in rows]
    return {tuple(row[:named]): row[named:] for row in listed}


def spoken(run: Executed, title: str) -> dict[tuple[str, ...], list[str]]:
    """Return the numbers in an explorer's sentences, as texts, by what its sliders show."""
    markup = _only(run, f'aria-label="{title}"')
    data = re.search(r'<script type="application/json">(.*?)</script>', markup, re.DOTALL)
    assert data is not None
    frames = json.loads(data[1])
    states = product(*frames["shown"])
    return {
        state: re.findall(NUMBER, words)
        for state, words in zip(states, frames["words"], strict=True)
    }


def spoken_values(run: Executed, title: str) -> dict[tuple[str, ...], list[float]]:
    """Return the numbers in an explorer's sentences by what its sliders show."""
    return {state: [float(text) for text in texts] for state, texts in spoken(run, title).items()}


def prints(texts: list[str], values: Sequence[float], spec: str, tolerance: float) -> bool:
    """Are these the values in that format, if each may be off by the tolerance, relative?"""
    return all(
        text in {format(value * (1 + off), spec) for off in (-tolerance, 0, tolerance)}
        for text, value in zip(texts, values, strict=True)
    )
