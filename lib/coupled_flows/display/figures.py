"""Figures: one style, one palette, SVG in the page's own ink, and what is seen in words.

A plot function takes `ax` and returns it. `canvas` makes the axes, `Picture` puts the result on
a page.
"""

from __future__ import annotations

import hashlib
import html
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from cycler import cycler
from matplotlib.artist import Artist
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import LogFormatterSciNotation, NullLocator

from coupled_flows.display.page import typeset
from coupled_flows.display.panels import PANEL, SHEET, stack_alone
from coupled_flows.geometry.errors import check_array, check_integer, check_real, check_type

# Told apart by lightness too, so in grey and by colour-blind readers; each has at least 3:1
# contrast with a white and with a nearly black page.
PALETTE = ("#25679d", "#ec6d46", "#2b8b5a", "#895ca9", "#8c8c00")
MARKERS = ("o", "s", "^", "D", "v")
DASHES = ("-", (0, (5, 1.5)), (0, (1, 1.2)), (0, (5, 1.2, 1, 1.2)), (0, (8, 2)))
INK = "#010203"  # stands for the page's text colour
RAISED = str.maketrans("0123456789-\N{MINUS SIGN}", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁻")
ANONYMOUS = dict.fromkeys(("Date", "Creator", "Format", "Type"))  # an SVG's metadata
DECADES = 3  # from which ticks between powers of ten are left out

STYLE: dict[str, Any] = {
    "svg.fonttype": "path",
    "svg.hashsalt": "coupled-flows",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "axes.facecolor": "none",
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": "#8080804d",
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.prop_cycle": cycler(color=PALETTE, linestyle=DASHES),
    "axes.titlesize": 10,
    "axes.titleweight": "normal",
    "axes.labelsize": 9.5,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5,
    "legend.handlelength": 2.4,
    "font.family": "DejaVu Sans",
    "mathtext.fontset": "dejavusans",
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
}


def canvas(rows: int = 1, columns: int = 1, *, size: tuple[float, float] = (7.2, 3.2)) -> Any:
    """Return (figure, axes) in the book's style.

    Parameters
    ----------
    rows, columns : int
    size : tuple of float
        Width and height in inches; 7.2 fills the text's width.

    Returns
    -------
    tuple
        The figure, and one Axes or an array of them.

    Raises
    ------
    TypeError, ValueError
        If `rows` or `columns` is not an integer >= 1, or `size` not two positive numbers.

    Examples
    --------
    >>> figure, ax = canvas()
    >>> ax.get_xscale()
    'linear'
    """
    rows = check_integer("rows", rows, least=1)
    columns = check_integer("columns", columns, least=1)
    width, height = check_array("size", size, (2,))
    check_real("size", min(width, height), above=0)
    mpl.rcParams.update(STYLE)  # type: ignore[arg-type]
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns)


@dataclass(frozen=True)
class Picture:
    """A figure on a page: SVG that follows the page's text colour, and what is seen in words.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    alt : str
        What a reader who does not see the figure should know of it.

    Raises
    ------
    TypeError, ValueError
        If `figure` is not a Figure, or `alt` says less than a sentence.

    Examples
    --------
    >>> figure, ax = canvas()
    >>> Picture(figure, alt="Empty axes, drawn only to show how a picture is made.")
    Picture: Empty axes, drawn only to show how a picture is made.
    """

    figure: Figure
    alt: str

    def __post_init__(self) -> None:
        check_type("figure", self.figure, Figure, "a matplotlib Figure, such as canvas() makes")
        check_type("alt", self.alt, str, "a sentence that says what is seen")
        if len(self.alt.split()) < 6:
            raise ValueError(f"alt must be a sentence that says what is seen; got {self.alt!r}")

    def __repr__(self) -> str:
        return f"Picture: {self.alt}"

    def svg(self) -> str:
        """Return the figure as SVG for use inside a page."""
        return self._drawn()[0]

    def _repr_html_(self) -> str:
        return framed(*self._drawn())

    def _drawn(self) -> tuple[str, str]:
        """Return the figure as SVG, and the style of its frame."""
        figure, buffer = self.figure, io.StringIO()
        simplify(figure)
        for i, axes in enumerate(figure.axes):
            axes.set_gid(f"{PANEL}{i}")
        dpi = figure.dpi
        figure.set_dpi(72)  # as in SVG, so that text has one size in layout and drawing
        figure.savefig(buffer, format="svg", metadata=ANONYMOUS)
        on_phones = stack_alone(figure)
        figure.set_dpi(dpi)
        text = cleaned(buffer.getvalue())
        for key, style in on_phones.axes.items():
            text = text.replace(f'id="{key}"', f'class="picture-panel" style="{style}"')
        text = re.sub(f' id="{PANEL}[0-9]+"', "", text)
        return owned(text, self.alt, figure.get_size_inches()[0]), on_phones.frame


class _Powers(LogFormatterSciNotation):
    """Labels of a logarithmic axis in plain text, 2×10⁻³: mathematics takes most of a drawing."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        label = super().__call__(x, pos).removeprefix(r"$\mathdefault{").removesuffix("}$")
        label = label.replace(r"\times", "×")
        return re.sub(r"\^\{(.*?)\}", lambda power: power[1].translate(RAISED), label)


def simplify(figure: Figure) -> None:
    """Make a figure ready for a page: labels of axes plain text, their ticks few, minus signs."""
    for axes in figure.axes:
        _simplify(axes.xaxis)
        _simplify(axes.yaxis)
    for text in _texts(figure):
        parts = text.get_text().split("$")  # between two dollars is TeX, whose hyphens are signs
        parts[::2] = map(typeset, parts[::2])
        text.set_text("$".join(parts))


def cleaned(text: str) -> str:
    """Return matplotlib's SVG for use inside a page: short numbers, the page's ink, no prolog."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(r"-?\d+\.\d{3,}", _shorter, text)
    return text.replace(INK, "currentColor")


def owned(text: str, words: str, width: float) -> str:
    """Return a drawing that says `words`, and whose ids are no other drawing's of the page."""
    own = "p" + hashlib.sha256((text + words).encode()).hexdigest()[:8]
    text = re.sub(r'\bid="', f'id="{own}-', text)
    text = re.sub(r'href="#', f'href="#{own}-', text)
    text = re.sub(r"url\(#", f"url(#{own}-", text)
    text = re.sub(r'(<svg [^>]*?)width="[^"]*" height="[^"]*"', r"\1", text, count=1)
    return text.replace("<svg", f"<svg {opening(words, width)}", 1)


def opening(words: str, width: float) -> str:
    """Return the attributes of a drawing that says `words` and is at most `width` inches wide."""
    return (
        f'role="img" aria-label="{html.escape(words, quote=True)}" class="picture"'
        f' style="width:100%;max-width:{width * 96:.0f}px;height:auto"'
    )


def framed(svg: str, on_phones: str = "") -> str:
    """Return a drawing in a frame of its own.

    On a phone it scrolls there sideways, or else its panels stand as this style of the frame says.
    """
    svg = re.sub(r"\n\s*", " ", svg)  # Markdown would end an HTML block at an empty line
    style, sheet = (f' style="{on_phones}"', SHEET.replace("\n", "")) if on_phones else ("", "")
    return f'<div class="picture-frame" tabindex="0"{style}>{svg}{sheet}</div>'


def _simplify(axis: Axis) -> None:
    """Give a logarithmic axis plain labels, and no ticks between powers where they are many."""
    if axis.get_scale() != "log":
        return
    for which in ("major", "minor"):
        old = getattr(axis, f"get_{which}_formatter")()
        if type(old) is LogFormatterSciNotation:
            plain = _Powers(labelOnlyBase=old.labelOnlyBase, minor_thresholds=old.minor_thresholds)
            getattr(axis, f"set_{which}_formatter")(plain)
    low, high = sorted(axis.get_view_interval())
    if high > 10**DECADES * low:
        axis.set_minor_locator(NullLocator())


def _texts(artist: Artist) -> Iterator[Text]:
    """Name the texts in a figure, without the labels of ticks: no tick need be made for that."""
    if isinstance(artist, Text):
        yield artist
    elif isinstance(artist, Axis):
        yield artist.label
    else:
        for child in artist.get_children():
            yield from _texts(child)


def _shorter(number: re.Match[str]) -> str:
    """Return a coordinate to a hundredth of a point, a scale to four digits."""
    value = float(number[0])
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.4g}"
