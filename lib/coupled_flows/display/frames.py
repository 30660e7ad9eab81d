"""Frames of an explorer: drawn one by one, then written as one drawing and a table of changes.

Most of a drawing's time goes into ticks and their labels, which seldom change from frame to
frame. The axes are therefore laid out and drawn once, and again only where they differ.
"""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axis import Axis
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from coupled_flows.display.figures import ANONYMOUS, canvas, cleaned, simplify

State = Mapping[str, Any]
Draw = Callable[..., object]

OWN = "\ue000"  # stands in ids for what tells this drawing's from another's
GAP = "~"  # stands in a template for a number that changes
SAME = "same-"  # the id of an axis that looks as it does in the first frame


class Studio:
    """Draws one frame after the other on the same axes: same places, same limits.

    Parameters
    ----------
    draw : callable
    columns : int
    size : tuple of float
    """

    def __init__(self, draw: Draw, columns: int, size: tuple[float, float]) -> None:
        self._draw, self._columns, self._size = draw, columns, size
        self._places: list[Any] = []
        self._looks: dict[str, object] = {}

    def prepare(self, state: State) -> Figure:
        """Return a figure on which `draw` has drawn the state."""
        figure, axes = canvas(1, self._columns, size=self._size)
        try:
            self._draw(axes, **state)
        except Exception as error:
            error.add_note(f"explore was drawing {said(state)}")
            raise
        return figure

    def render(self, figure: Figure) -> ET.Element:
        """Return the drawing as SVG; the first one lays the axes out and is drawn whole."""
        simplify(figure)
        first = not self._places
        if first:
            figure.draw_without_rendering()
            self._places = [axes.get_position(original=True) for axes in figure.axes]
        figure.set_layout_engine("none")
        for axes, place in zip(figure.axes, self._places, strict=False):
            axes.set_position(place)
        for i, axes in enumerate(figure.axes):
            for name, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
                key, look = f"{SAME}{i}{name}", _look(axis)
                if first:
                    self._looks[key] = look
                    axis.set_gid(key)
                elif self._looks.get(key) == look:
                    _leave_out(axis, key)
        buffer = io.StringIO()
        FigureCanvasSVG(figure).print_svg(buffer, metadata=ANONYMOUS)
        return _plain(cleaned(buffer.getvalue()))


def said(state: State) -> str:
    """Return a state in words."""
    return ", ".join(f"{name} = {value!r}" for name, value in state.items())


def common_limits(figures: Sequence[Figure], columns: int) -> None:
    """Give all frames the limits that hold what any of them shows, where `draw` sets none."""
    for i in range(columns):
        every = [figure.axes[i] for figure in figures]
        for name in "xy":
            if any(getattr(axes, f"get_autoscale{name}_on")() for axes in every):
                limits = np.array([getattr(axes, f"get_{name}lim")() for axes in every])
                ends = limits.min(), limits.max()
                wide = ends[::-1] if limits[0, 0] > limits[0, 1] else ends
                for axes in every:
                    getattr(axes, f"set_{name}lim")(*map(float, wide))


def _look(axis: Axis) -> object:
    """Return all that an axis shows, in a form that can be compared."""
    ticks = []
    for which in ("major", "minor"):
        at = getattr(axis, f"get_{which}ticklocs")()
        labels = getattr(axis, f"get_{which}_formatter")().format_ticks(at)
        ticks.append((tuple(at), tuple(labels), repr(axis.get_tick_params(which))))
    label = axis.get_label()
    return (
        axis.get_visible(),
        axis.get_scale(),
        tuple(axis.get_view_interval()),
        (label.get_text(), label.get_color(), label.get_fontsize()),
        axis.get_label_position(),
        ticks,
    )


def _leave_out(axis: Axis, key: str) -> None:
    """Let an axis draw only an empty group in its place."""

    def draw(renderer: Any) -> None:
        renderer.open_group("axis", gid=key)
        renderer.close_group("axis")

    axis.set_visible(False)
    axis.draw = draw  # type: ignore[method-assign]


# -- one drawing and a table ----------------------------------------------------------------------


def _plain(text: str) -> ET.Element:
    """Return the SVG as a tree without name spaces, white space and the sheet for all pages."""
    text = re.sub(r'\s+xmlns(:xlink)?="[^"]*"', "", text).replace("xlink:href", "href")
    root = ET.fromstring(text)
    for element in root.iter():
        element.text = element.tail = None
        if "d" in element.attrib:
            element.set("d", " ".join(element.attrib["d"].split()))
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    return root


class Merged:
    """Frames as one drawing, that of the first frame, and a table of what changes.

    Parameters
    ----------
    frames : sequence of Element
        The first is the one that `Studio.render` drew whole.

    Attributes
    ----------
    root : Element
        The SVG of the first frame; what changes has the attribute data-v.
    moves : list
        For each change [data-v, attribute or "" for what is inside, template or "", values] and,
        where frames share values, the index of each frame's. A template's gaps are filled by the
        words of the value.
    """

    def __init__(self, frames: Sequence[ET.Element]) -> None:
        self.moves: list[list[Any]] = []
        self._marked = 0
        self._pool: dict[str, str] = {}
        self.root = frames[0]
        axes = {e.get("id"): e for e in self.root.iter() if e.get("id", "").startswith(SAME)}
        for frame in frames[1:]:
            _restore(frame, axes)
        for frame in frames:
            self._gather(frame)
        self._merge(frames)
        for element in self.root.iter():
            element.attrib.pop("id", None)
        shared = ET.Element("defs")
        for content, name in self._pool.items():
            element = ET.fromstring(content)
            element.set("id", name)
            shared.append(element)
        self.root.insert(0, shared)

    def _gather(self, frame: ET.Element) -> None:
        """Take out what is drawn by reference, and let the frame refer to the shared copies."""
        names = {}
        for parent in list(frame.iter()):
            for defs in parent.findall("defs"):
                parent.remove(defs)
                for element in defs:
                    if (old := element.attrib.pop("id", None)) is not None:
                        content = ET.tostring(element, encoding="unicode")
                        fresh = f"{OWN}{len(self._pool)}"
                        names[old] = self._pool.setdefault(content, fresh)
        for element in frame.iter():
            for key, value in element.items():
                if "#" in value:
                    value = re.sub(r"(?<=#)[\w.-]+", lambda m: names.get(m[0], m[0]), value)
                elif key in {"d", "x", "y"}:
                    value = re.sub(r"-?\d+\.\d+", _tenth, value)
                element.set(key, value)

    def _merge(self, same: Sequence[ET.Element]) -> None:
        """Fold one element of all frames into the first's."""
        first = same[0]
        if all(element is first for element in same):
            return
        changed = [k for k in first.keys() if k != "id" and len({e.get(k) for e in same}) > 1]
        if changed:
            number = self._mark(first)
            for key in changed:
                self._note(number, key, [element.attrib[key] for element in same])
        children = [list(element) for element in same]
        before, after = _ends(children)
        for i in range(before):
            self._merge([row[i] for row in children])
        for i in range(-after, 0):
            self._merge([row[i] for row in children])
        middles = [row[before : len(row) - after] for row in children]
        if any(middles):
            group = ET.Element("g")
            for element in middles[0]:
                first.remove(element)
            first.insert(before, group)
            self._note(self._mark(group), "", [_inside(middle) for middle in middles])
            group.extend(middles[0])

    def _mark(self, element: ET.Element) -> int:
        element.set("data-v", str(self._marked))
        self._marked += 1
        return self._marked - 1

    def _note(self, number: int, key: str, values: Sequence[str]) -> None:
        template, values = ("", values) if key == "" else _template(values)
        distinct = list(dict.fromkeys(values))
        move = [number, key, template, distinct]
        if len(distinct) < len(values):
            where = {value: i for i, value in enumerate(distinct)}
            move.append([where[value] for value in values])
        self.moves.append(move)


def _restore(frame: ET.Element, axes: Mapping[str | None, ET.Element]) -> None:
    """Put the axes that were left out in their places."""
    for parent in list(frame.iter()):
        for i, child in enumerate(list(parent)):
            if (key := child.get("id")) in axes and not len(child):
                parent[i] = axes[key]


def _tenth(number: re.Match[str]) -> str:
    return f"{float(number[0]):.1f}".removesuffix(".0")


def _kind(element: ET.Element) -> tuple[object, ...]:
    stem = re.sub(r"_?\d+$", "", element.get("id", ""))
    return element.tag, stem, tuple(sorted(element.attrib))


def _ends(children: Sequence[Sequence[ET.Element]]) -> tuple[int, int]:
    """Return how many children are alike in all frames from the first on, and from the last."""
    kinds = [[_kind(element) for element in row] for row in children]
    shortest = min(map(len, kinds))

    def alike(rows: Sequence[Sequence[object]], most: int) -> int:
        columns = enumerate(zip(*rows, strict=False))
        return min(next((i for i, row in columns if len(set(row)) > 1), shortest), most)

    before = alike(kinds, shortest)
    if before == max(map(len, kinds)):
        return before, 0
    return before, alike([row[::-1] for row in kinds], shortest - before)


def _inside(elements: Sequence[ET.Element]) -> str:
    copies = [ET.fromstring(ET.tostring(element)) for element in elements]
    for copy in copies:
        for element in copy.iter():
            element.attrib.pop("id", None)
    return "".join(ET.tostring(copy, encoding="unicode") for copy in copies)


def _template(values: Sequence[str]) -> tuple[str, list[str]]:
    """Return what is the same in all values, with gaps, and what fills the gaps."""
    words = [value.split(" ") for value in values]
    if len(words[0]) == 1 or len(set(map(len, words))) > 1 or GAP in values[0]:
        return "", list(values)
    changes = [len(set(column)) > 1 for column in zip(*words, strict=True)]
    template = " ".join(GAP if c else word for c, word in zip(changes, words[0], strict=True))
    return template, [
        " ".join(word for c, word in zip(changes, row, strict=True) if c) for row in words
    ]
