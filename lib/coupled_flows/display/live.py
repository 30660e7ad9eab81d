"""Explorers in a live kernel: widgets that draw at any value, not only at a frame's."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from itertools import pairwise
from traceback import format_exception_only
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from coupled_flows.display.figures import framed, owned
from coupled_flows.display.studio import Scene, State, Studio

STOPS = 200  # of a slider of real numbers


class LiveExplorer:
    """A figure whose widgets draw it anew.

    Parameters
    ----------
    scene : Scene

    Attributes
    ----------
    controls : dict of str to Widget
        By parameter; to set a value is to draw.
    """

    def __init__(self, scene: Scene) -> None:
        try:
            import ipywidgets
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "explore needs ipywidgets in a live kernel: install coupled-flows[display]",
                name=error.name,
            ) from error
        self._scene, self._studio = scene, Studio()
        self._before: Figure | None = None
        self.controls = {
            name: _control(ipywidgets, scene.labels[name], values, scene.start[name])
            for name, values in scene.values.items()
        }
        self._shown = ipywidgets.HTML()
        self._box = ipywidgets.VBox([self._shown, *self.controls.values()])
        self._shown.value = self._drawn()
        for control in self.controls.values():
            control.observe(self._follow, names="value")

    def __repr__(self) -> str:
        return f"Explorer: {self._scene.in_text(self._state())}"

    def _repr_html_(self) -> str:
        return str(self._shown.value)  # where a saved notebook is read without widgets

    def _repr_mimebundle_(self, **options: Any) -> Any:
        # what the widgets would say of themselves is the whole drawing
        return self._box._repr_mimebundle_(**options) | {"text/plain": repr(self)}

    def _state(self) -> State:
        values = self._scene.values
        return {name: _exact(c.value, values[name]) for name, c in self.controls.items()}

    def _drawn(self) -> str:
        state = self._state()
        words = self._scene.words(state)
        figure = self._scene.drawn(state)
        # limits grow where they are not set, and do not shrink: a picture compares with the last
        self._scene.same_limits([figure] if self._before is None else [self._before, figure])
        self._before = figure
        svg = owned(self._studio.svg(figure), self._scene.title, self._scene.size[0])
        return f'{framed(svg)}<p class="explorer-words" role="status">{html.escape(words)}</p>'

    def _follow(self, change: object) -> None:
        try:
            self._shown.value = self._drawn()
        except Exception as error:  # an observer's error would go into a log that nobody reads
            text = "".join(format_exception_only(error))
            self._shown.value = f'<pre role="alert">{html.escape(text)}</pre>'


def _control(ipywidgets: Any, label: str, values: Sequence[Any], start: Any) -> Any:
    """Return the widget that takes every value between the first and the last."""
    look: dict[str, Any] = {"description": label, "style": {"description_width": "initial"}}
    first, last = values[0], values[-1]
    if isinstance(first, str):
        return ipywidgets.ToggleButtons(options=list(values), value=start, **look)
    look["layout"] = {"width": "95%", "max_width": "40rem"}
    if all(isinstance(value, int) for value in values):
        return ipywidgets.IntSlider(start, first, last, 1, **look)
    look["readout_format"] = ".4g"
    if first > 0 and len(values) > 2 and np.ptp(steps := np.diff(np.log10(values))) < 1e-6:
        low, high = math.log10(first), math.log10(last)
        step = float(steps.sum()) / STOPS
        return ipywidgets.FloatLogSlider(start, base=10, min=low, max=high, step=step, **look)
    return ipywidgets.FloatSlider(start, min=first, max=last, step=(last - first) / STOPS, **look)


def _exact(value: Any, values: Sequence[Any]) -> Any:
    """Return the value that a slider stands at; rounded, its end would lie beyond the last."""
    if not isinstance(value, float):
        return value
    nearest = min(values, key=lambda known: abs(known - value))
    gap = min(high - low for low, high in pairwise(values))
    return nearest if math.isclose(value, nearest, rel_tol=1e-9, abs_tol=1e-9 * gap) else value
