"""Where an explorer's frames are drawn: in the same places, with the same limits.

Most of a drawing's time goes into ticks and their labels, which seldom change from frame to
frame. The axes are therefore laid out and drawn once, and again only where they differ.
"""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axis import Axis, XAxis, YAxis
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from numpy.typing import NDArray

from coupled_flows.display.changes import SAME, plain
from coupled_flows.display.figures import ANONYMOUS, STYLE, canvas, cleaned, simplify
from coupled_flows.display.page import typeset
from coupled_flows.display.panels import PANEL, extents

State = Mapping[str, Any]
# a curve has as many points in every frame
RC: Any = STYLE | {"path.simplify": False}
# what says by itself how something looks; transforms and methods say it by their address
PLAIN = (
    str, int, float, tuple, list, np.ndarray, FontProperties, FunctionType, type(None),
)  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """What is explored: two functions of a state, and the values that its parameters take."""

    draw: Callable[..., object]
    describe: Callable[..., str]
    title: str
    values: Mapping[str, Sequence[Any]]
    labels: Mapping[str, str]
    start: State
    columns: int
    size: tuple[float, float]

    def words(self, state: State) -> str:
        """Return the sentence that says what is seen."""
        try:
            sentence = self.describe(**state)
        except Exception as error:
            error.add_note(f"explore was describing {_said(state)}")
            raise
        if not isinstance(sentence, str) or not sentence.strip():
            raise ValueError(f"describe must return a sentence; got {sentence!r} at {_said(state)}")
        return typeset(" ".join(sentence.split()))

    def in_text(self, state: State) -> str:
        """Return the title and the sentence, for where there is no drawing."""
        return f"{self.title}. {self.words(state)}"

    def drawn(self, state: State) -> Figure:
        """Return a figure on which the state is drawn."""
        with mpl.rc_context(RC):
            figure, axes = canvas(1, self.columns, size=self.size)
            try:
                self.draw(axes, **state)
            except Exception as error:
                error.add_note(f"explore was drawing {_said(state)}")
                raise
        width, height = figure.get_size_inches()
        if (width, height) != self.size:
            raise ValueError(
                f"draw must leave the figure's size, {self.size} inches; got ({width:g},"
                f" {height:g}) at {_said(state)}"
            )
        return figure

    def same_limits(self, figures: Sequence[Figure]) -> None:
        """Where `draw` sets no limits, give all figures those that hold what any of them shows."""
        counts = sorted({len(figure.axes) for figure in figures})
        if counts[0] == 0 or len(counts) > 1:
            raise ValueError(
                "draw must leave as many axes in the figure at every state, and at least one; got"
                f" {' or '.join(map(str, counts))}"
            )
        for i in range(counts[0]):
            every = [figure.axes[i] for figure in figures]
            for name in "xy":
                if any(getattr(axes, f"get_autoscale{name}_on")() for axes in every):
                    limits = np.array([getattr(axes, f"get_{name}lim")() for axes in every])
                    ends = float(limits.min()), float(limits.max())
                    ends = ends[::-1] if limits[0, 0] > limits[0, 1] else ends
                    for axes in every:
                        getattr(axes, f"set_{name}lim")(*ends)


class Studio:
    """Renders figures; the first one is laid out, and the others take its places.

    Attributes
    ----------
    taken : list of arrays
        What the axes of each frame take.
    """

    def __init__(self) -> None:
        self._places: list[Any] = []
        self._looks: dict[str, object] = {}
        self.taken: list[NDArray[np.float64]] = []

    def svg(self, figure: Figure) -> str:
        """Return the whole drawing as SVG."""
        buffer = io.StringIO()
        with mpl.rc_context(RC):  # ticks are made as late as this
            simplify(figure)
            svg = FigureCanvasSVG(figure)
            figure.set_dpi(72)  # as in SVG, so that text has one size in layout and drawing
            if not self._places:
                if (layout := figure.get_layout_engine()) is not None:
                    layout.execute(figure)
                self._places = [axes.get_position(original=True) for axes in figure.axes]
            figure.set_layout_engine("none")
            for axes, place in zip(figure.axes, self._places, strict=True):
                axes.set_position(place)
            svg.print_svg(buffer, metadata=ANONYMOUS)  # type: ignore[no-untyped-call]
        return cleaned(buffer.getvalue())

    def frame(self, figure: Figure) -> ET.Element:
        """Return the drawing, without the axes that look as they do in the first frame."""
        with mpl.rc_context(RC):
            simplify(figure)
            first = not self._looks
            for i, axes in enumerate(figure.axes):
                axes.set_gid(f"{PANEL}{i}")
                for name, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
                    key, look = f"{SAME}{i}{name}", _look(axis)
                    if first:
                        self._looks[key] = look
                        axis.set_gid(key)
                    elif look is not None and self._looks[key] == look:
                        _leave_out(axis, key)
            drawn = plain(self.svg(figure))
            self.taken.append(extents(figure))
        return drawn


def _said(state: State) -> str:
    return ", ".join(f"{name} = {value!r}" for name, value in state.items())


def _look(axis: Axis) -> object:
    """Return all that decides how an axis looks, to be compared; None if that is not known."""
    axes = axis.axes
    if type(axis) not in {XAxis, YAxis} or not (axis.get_visible() and axes.get_visible()):
        return None  # one in three dimensions or round the circle turns with more than its ticks
    ticks: list[object] = []
    in_the_way = axis.get_label_position() == "top"
    for which in ("major", "minor"):
        at = getattr(axis, f"get_{which}ticklocs")()
        formatter = getattr(axis, f"get_{which}_formatter")()
        locator = getattr(axis, f"get_{which}_locator")()
        labels, offset = formatter.format_ticks(at), formatter.get_offset()
        look = axis.get_tick_params(which)
        # there are ticks already where `draw` asked for some, maybe to change them
        made = vars(axis).get(f"{which}Ticks", ())
        parts = [_plain(part) for tick in made for part in (tick, *tick.get_children())]
        ticks += [tuple(at), tuple(labels), offset, repr(look), parts]
        # elsewhere than at these ticks too: there may be others after the layout
        ticks += [_plain(formatter), _plain(locator)]
        in_the_way |= bool(offset or look.get("top") or look.get("labeltop"))
    titles = [a.get_title(side) for a in axes.figure.axes for side in ("left", "center", "right")]
    if in_the_way and any(titles):
        return None  # a title makes way for it, so it must be there
    places = [axes.spines[side].get_position() for side in ("left", "right", "bottom", "top")]
    held = axes.get_aspect() != "auto" or any(place != ("outward", 0.0) for place in places)
    return (
        _plain(axis),
        _plain(axis.label),
        _plain(axis.offsetText),
        axis.get_scale(),
        tuple(axis.get_view_interval()),
        axes.axison,
        axes.get_box_aspect(),
        axes.get_anchor(),
        repr((axes.get_aspect(), axes.get_adjustable(), places, axes.viewLim)) if held else None,
        ticks,
    )


def _plain(part: Any) -> object:
    """Return what an artist, a formatter or a locator says of its looks."""
    held = [
        (name, str(value))
        for name, value in vars(part).items()
        if isinstance(value, PLAIN) and name not in {"majorTicks", "minorTicks"}
    ]
    patch = getattr(part, "_bbox_patch", None)
    return type(part), held, None if patch is None else _plain(patch)


def _leave_out(axis: Axis, key: str) -> None:
    """Let an axis draw only an empty group in its place."""

    def draw(renderer: Any) -> None:
        renderer.open_group("axis", gid=key)
        renderer.close_group("axis")

    axis.set_visible(False)
    axis.draw = draw  # type: ignore[method-assign]
