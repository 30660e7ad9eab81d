"""Panels side by side in a drawing, which on a phone stand one below the other.

The axes of a drawing are its groups. Each says in a property of its style where it goes there, and
the sheet of the page moves it: nothing is drawn twice, and no script is needed.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import RendererSVG
from matplotlib.figure import Figure
from numpy.typing import NDArray

PANEL = "\ue002"  # starts the id of an axes
AIR = 2.0, 5.0  # points, beside a panel and above and below it
LARGEST = 1.6  # CSS pixels for a point; at 4/3 letters have the size that they have on paper
SHEET = """<style>@media screen and (max-width: 38rem) {
.picture-frame[style] { max-width: var(--most); margin-inline: auto; }
.picture-frame[style] .picture { aspect-ratio: var(--rows); }
.picture-panel { transform: var(--at); }
}</style>"""


@dataclass(frozen=True)
class Stack:
    """Panels one below the other: what a page says of it.

    Parameters
    ----------
    axes : mapping of str to str
        By the id of an axes' group, its style there, for the class picture-panel.
    frame : str
        The style of the frame round the drawing; empty if the panels stay where they are.
    """

    axes: Mapping[str, str]
    frame: str


AS_DRAWN = Stack({}, "")


def extents(figure: Figure) -> NDArray[np.float64]:
    """Return what each axes of a figure takes with all its artists, and where its own box is.

    Left, top, right, bottom; left, right of the box; in dots from the upper left corner. NaN for an
    axes that is not seen, infinite if an artist is of no axes, or does not say what it takes.
    """
    known = {figure.patch, *figure.axes}
    loose = [artist for artist in figure.get_children() if artist not in known]
    for axes in figure.axes:
        loose += axes.findobj(lambda artist: artist not in known and not artist.get_in_layout())
    loose = [artist for artist in loose if artist.get_visible()]
    if loose:
        return np.full((len(figure.axes), 6), np.inf)
    found = np.full((len(figure.axes), 6), np.nan)
    high = figure.bbox.height
    # its letters are as wide as in the drawing
    renderer = RendererSVG(*figure.bbox.size, io.StringIO())  # type: ignore[no-untyped-call]
    for i, axes in enumerate(figure.axes):
        if (box := axes.get_tightbbox(renderer)) is not None:
            found[i] = box.x0, high - box.y1, box.x1, high - box.y0, *axes.bbox.intervalx
    return found


def stack(taken: Sequence[NDArray[np.float64]], columns: int, size: tuple[float, float]) -> Stack:
    """Return where the panels of a drawing go on a phone.

    Parameters
    ----------
    taken : sequence of arrays
        Of each of its frames, as `extents` returns, in points.
    columns : int
        The number of panels.
    size : tuple of float
        Of the figure, in inches.

    Returns
    -------
    Stack
        AS_DRAWN if the panels cannot be told apart.
    """
    low, high = np.fmin.reduce(taken), np.fmax.reduce(taken)
    if np.isinf(high).any():
        return AS_DRAWN
    low, left, high, right = low[:, :2], low[:, 4], high[:, 2:4], high[:, 5]
    panels: list[list[int]] = []
    for i in np.argsort(left).tolist():
        before = panels[-1] if panels else []
        # what reaches into another's box belongs to it; labels may reach into the gap between them
        if before and (low[i, 0] < right[before].max() or left[i] < high[before, 0].max()):
            before.append(i)
        elif not np.isnan(left[i]):
            panels.append([i])
    if columns == 1 or len(panels) != columns:
        return AS_DRAWN
    width, height = 72 * size[0], 72 * size[1]
    starts = np.array([low[panel].min(axis=0) for panel in panels]) - AIR
    wide, tall = (np.array([high[panel].max(axis=0) for panel in panels]) + AIR - starts).T
    # the same for all, so that letters have one size
    scale = width / wide.max()
    rows = max(scale * tall.sum(), height)
    # the viewBox stays, and lies in the middle of a drawing higher than it
    top = (height - rows) / 2
    where: dict[str, str] = {}
    for panel, start, own, down in zip(panels, starts, wide, tall, strict=True):
        x, y = (width - scale * own) / 2 - scale * start[0], top - scale * start[1]
        top += scale * down
        at = f"--at:translate({x:.1f}px,{y:.1f}px)scale({scale:.4g})"
        where |= {f"{PANEL}{i}": at for i in panel}
    return Stack(where, f"--rows:{width:.1f}/{rows:.1f};--most:{LARGEST * wide.max():.0f}px")


def stack_alone(figure: Figure) -> Stack:
    """Return where the panels of a figure go on a phone, if each has the labels to stand alone."""
    panels: dict[tuple[int, int], Axes] = {}
    for axes in figure.axes:
        if (spec := axes.get_subplotspec()) is not None:
            panels.setdefault((spec.rowspan.start, spec.colspan.start), axes)
    for (row, column), axes in panels.items():
        first = panels.get((row, 0), axes)
        if column > 0 and _labels(first) - _labels(axes):
            return AS_DRAWN
    columns = {column for _, column in panels}
    return stack([extents(figure)], len(columns), tuple(figure.get_size_inches()))


def _labels(axes: Axes) -> set[str]:
    """Return what the vertical axis of a panel has."""
    ticks = axes.yaxis.get_tick_params()["labelleft"]
    return {name for name, has in {"ticks": ticks, "label": axes.get_ylabel()}.items() if has}
