"""What a page of the book needs of the edition it is in, and tables."""

from __future__ import annotations

import html
import os
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from coupled_flows.geometry.errors import check_choice

_Size = TypeVar("_Size")

# A hyphen before a number or a symbol, but not between two words or numbers.
_MINUS = re.compile(r"(?<![\w.)\]-])-(?=[\w.])|(?<=\de)-(?=\d)")
_APOSTROPHE = re.compile(r"(?<=\w)'(?=\w)")
# Spaces at which no line may end: before a sign, before an error, in an interval.
_WITHIN = re.compile(
    r"(?<=\S) (?=[±%])|(?<=\d[ \xa0]±) (?=\d)|(?<=\d,) (?=[\d\N{MINUS SIGN}.e]+\])"
)
# In a cell of numbers and symbols lines end before an interval and after a row, nowhere else.
_WORD = re.compile(r"(?!\bto\b)\b[^\W\d_]{2}")
_IN_VALUE = re.compile(r"(?<!;) (?![\[(])")
# Among words they do not end in an equation or before the argument of a function.
_IN_EQUATION = re.compile(r" (?=[=→])|(?<=[=→]) |(?<=\bsin) |(?<=\bcos) ")

EDITION = check_choice(
    "the environment variable COUPLED_FLOWS_EDITION",
    os.environ.get("COUPLED_FLOWS_EDITION") or "full",
    ("quick", "full"),
)

if (ipython := sys.modules.get("IPython")) is not None and ipython.get_ipython() is not None:
    np.set_printoptions(legacy="1.25")  # a page shows 0.5, not np.float64(0.5)


def choose(*, quick: _Size, full: _Size) -> _Size:
    """Return one of two sizes, by the edition: the environment's COUPLED_FLOWS_EDITION.

    Parameters
    ----------
    quick, full : object
        What the quick and the full edition use; full unless the environment says otherwise.

    Returns
    -------
    object

    Raises
    ------
    TypeError
        If either is not given.

    Examples
    --------
    >>> choose(quick=10, full=1000) in (10, 1000)
    True
    """
    return full if EDITION == "full" else quick


def typeset(text: str) -> str:
    """Return a text with minus signs, apostrophes, and values that no line's end parts.

    Parameters
    ----------
    text : str
        What a reader is shown; nobody should copy it as code.

    Examples
    --------
    >>> typeset("a half-step from -0.5 to -1e-06")
    'a half-step from −0.5 to −1e−06'
    >>> typeset("the walk's law")
    'the walk’s law'
    """
    text = _APOSTROPHE.sub("\N{RIGHT SINGLE QUOTATION MARK}", text)
    return _WITHIN.sub("\N{NO-BREAK SPACE}", _MINUS.sub("\N{MINUS SIGN}", text))


def quote(**values: object) -> None:
    """Keep values by name, so that the page's prose can quote them: {glue:text}`name:.3f`.

    Where MyST-NB is not installed, as with a notebook taken from the book, there is no prose to
    quote them, and nothing happens.

    Parameters
    ----------
    **values : object
        Numbers (NumPy's too), or anything whose repr is fit to print, such as an Order.

    Examples
    --------
    >>> quote(slope=1.0)
    """
    try:
        from myst_nb import glue
    except ModuleNotFoundError:
        return
    for name, value in values.items():
        glue(name, value.item() if isinstance(value, np.generic) else value, display=False)


@dataclass(frozen=True)
class Table:
    """A table for a page: its first column names the rows.

    Parameters
    ----------
    header : sequence of str
    rows : iterable of sequences
        Cells are shown by `str`; round them first.
    caption : str

    Raises
    ------
    ValueError
        If there is no column, one has no name, or a row has another length than the header.

    Examples
    --------
    >>> Table(["walk", "order"], [["geodesic", "1.00"]], caption="Orders.")
    walk      order
    geodesic  1.00
    """

    header: Sequence[str]
    rows: Iterable[Sequence[object]]
    caption: str

    def __post_init__(self) -> None:
        if not self.header or not all(name.strip() for name in self.header):
            raise ValueError(f"header must name every column, at least one; got {self.header!r}")
        rows = [[str(cell) for cell in row] for row in self.rows]
        for row in rows:
            if len(row) != len(self.header):
                raise ValueError(f"rows must have {len(self.header)} cells; got {row}")
        object.__setattr__(self, "rows", rows)

    def __repr__(self) -> str:
        lines = [[str(cell) for cell in row] for row in [self.header, *self.rows]]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        )

    def _repr_html_(self) -> str:
        def shown(text: object) -> str:
            said = typeset(str(text))
            kept = _IN_EQUATION if _WORD.search(said) else _IN_VALUE
            return html.escape(kept.sub("\N{NO-BREAK SPACE}", said))

        def cells(tag: str, row: Sequence[object], scope: str = "") -> str:
            return "".join(f"<{tag}{scope}>{shown(cell)}</{tag}>" for cell in row)

        head = cells("th", self.header, ' scope="col"')
        body = "".join(
            f'<tr><th scope="row">{shown(row[0])}</th>{cells("td", row[1:])}</tr>'
            for row in self.rows
        )
        return (
            f'<div class="table-wrapper" tabindex="0" role="region"'
            f' aria-label="{shown(self.caption)}"><table class="table numbers">'
            f"<caption>{shown(self.caption)}</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        )
