"""Explorers: a figure with one or two sliders, which works without a kernel and with one.

In the book every frame is drawn beforehand. The page holds one drawing, that of `start`, and a
table of what changes; without JavaScript, and in print, the drawing stands alone. In a live
kernel the same call gives widgets that draw at any value.
"""

from __future__ import annotations

import gzip
import hashlib
import html
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np

from coupled_flows.display.changes import OWN, Drawing
from coupled_flows.display.figures import framed, opening
from coupled_flows.display.live import LiveExplorer
from coupled_flows.display.page import typeset
from coupled_flows.display.panels import stack
from coupled_flows.display.studio import Scene, State, Studio
from coupled_flows.geometry.errors import check_array, check_integer, check_real, check_type

FRAMES = 400  # the most that two sliders may have between them
WEIGHT = 60_000  # bytes, gzipped
HERE = Path(__file__)


@dataclass(frozen=True)
class Explorer:
    """A figure that a page shows with its sliders, and that needs no kernel.

    Parameters
    ----------
    markup : str
        HTML.
    words : str
        What is seen at the start.
    """

    markup: str
    words: str

    def __repr__(self) -> str:
        return f"Explorer: {self.words}"

    def _repr_html_(self) -> str:
        return self.markup


def explore(
    draw: Callable[..., object],
    *,
    title: str,
    describe: Callable[..., str],
    start: Any = None,
    columns: int = 1,
    size: tuple[float, float] = (7.2, 3.2),
    labels: Mapping[str, str] | None = None,
    **values: Sequence[Any],
) -> Any:
    """Return a figure with a slider for each of one or two parameters.

    Parameters
    ----------
    draw : callable
        `draw(ax, **state)` draws one frame; `ax` is an Axes, or an array of them if `columns` > 1.
        Limits that it leaves to autoscaling are made common to all frames. The figure's size is
        `size`, and its axes are as many in every frame and stand where they do at the start.
    title : str
        What the figure is called.
    describe : callable
        `describe(**state)` returns a sentence that says what is seen, with its number. It stands
        under the figure, for those who do not see the figure too; a slider that moves speaks it.
    start : mapping or value, optional
        The state that is shown first, and alone in print; the first values unless given.
    columns : int
        Panels side by side.
    size : tuple of float
        Width and height in inches.
    labels : mapping of str to str, optional
        What a parameter's slider is called, in words (`"points n"`); its name unless given.
    **values : sequences
        One or two parameters: increasing numbers, which become a slider, or strings, which become
        a choice.

    Returns
    -------
    Explorer
        Or, in a live kernel, widgets that draw at any value between the first and the last.

    Raises
    ------
    TypeError, ValueError
        If an argument is of no use, or `describe` returns no sentence.

    Examples
    --------
    >>> def draw(ax, k):
    ...     ax.plot([0, 1], [0, k])
    >>> explore(draw, k=[1, 2], title="A line", describe=lambda k: f"It rises by {k}.")
    Explorer: A line. It rises by 1.
    """
    for name, given in (("draw", draw), ("describe", describe)):
        if not callable(given):
            raise TypeError(f"{name} must be a function; got {given!r}")
    if not isinstance(title, str) or not title.strip():
        raise ValueError(f"title must say what the figure shows; got {title!r}")
    columns = check_integer("columns", columns, least=1)
    width, height = map(float, check_array("size", size, (2,)))
    check_real("size", min(width, height), above=0)
    axes = {name: _values(name, given) for name, given in values.items()}
    if not 1 <= len(axes) <= 2:
        raise ValueError(
            f"values must name one or two parameters, such as h=[0.1, 0.2]; got {len(axes)}"
        )
    n_frames = int(np.prod([len(found) for found in axes.values()]))
    if n_frames > FRAMES:
        raise ValueError(f"values must make at most {FRAMES} frames; got {n_frames}")
    allowed = "a mapping of a parameter to its slider's name"
    names = {} if labels is None else check_type("labels", labels, Mapping, allowed)
    if not all(isinstance(name, str) and name.strip() for name in names.values()):
        raise TypeError(f"labels must be {allowed}; got {labels!r}")
    if unknown := [name for name in names if name not in axes]:
        raise ValueError(f"labels must be for {' or '.join(axes)}; got {unknown[0]!r}")
    scene = Scene(
        draw,
        describe,
        " ".join(title.split()),
        axes,
        {name: " ".join(names.get(name, name).split()) for name in axes},
        _start(axes, start),
        columns,
        (width, height),
    )
    if _is_live():
        return LiveExplorer(scene)
    states = [dict(zip(axes, state, strict=True)) for state in product(*axes.values())]
    markup = _markup(scene, states)
    weight = len(gzip.compress(markup.encode()))
    if weight > WEIGHT:
        raise ValueError(
            f"values and draw must make at most {WEIGHT} bytes of frames, compressed; got {weight}:"
            " take fewer values, or draw fewer points"
        )
    return Explorer(markup, scene.in_text(scene.start))


def _is_live() -> bool:
    """Return whether a kernel is there to draw again, and not only for the length of a build."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None and "COUPLED_FLOWS_BUILD" not in os.environ


def _values(name: str, given: Any) -> list[Any]:
    allowed = "at least two increasing numbers, or different strings"
    try:
        if isinstance(given, str | bytes | Mapping | set | frozenset):
            raise TypeError  # a set has no order that lasts
        found = [value.item() if isinstance(value, np.generic) else value for value in given]
    except TypeError:
        raise TypeError(f"{name} must be {allowed}; got {given!r}") from None
    if all(isinstance(value, str) for value in found):
        shown = _shown(found)
        good = len(set(shown)) == len(found) and all(shown)
    else:
        if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in found):
            raise TypeError(f"{name} must be {allowed}; got {given!r}")
        good = all(abs(v) <= sys.float_info.max for v in found)
        good = good and all(v < w for v, w in pairwise(found))
    if len(found) < 2 or not good:
        raise ValueError(f"{name} must be {allowed}; got {given!r}")
    return found


def _start(axes: Mapping[str, Sequence[Any]], start: Any) -> dict[str, Any]:
    first = {name: found[0] for name, found in axes.items()}
    if start is None:
        return first
    if not isinstance(start, Mapping):
        if len(axes) > 1:
            raise TypeError(f"start must be a mapping with {', '.join(axes)}; got {start!r}")
        start = dict.fromkeys(axes, start)
    for name, value in start.items():
        if name not in axes:
            raise ValueError(f"start must name {' or '.join(axes)}; got {name!r}")
        kind = str | int | float | np.number
        if not isinstance(value, kind) or isinstance(value, bool) or value not in axes[name]:
            raise ValueError(f"start must be one of {name} = {axes[name]!r}; got {value!r}")
        first[name] = axes[name][axes[name].index(value)]
    return first


def _shown(values: Sequence[Any]) -> list[str]:
    """Return values as short as tells them apart, in full where six digits are enough."""
    if all(isinstance(value, str) for value in values):
        return [typeset(" ".join(value.split())) for value in values]
    for digits in (3, 6):
        short = [f"{v:.6g}" if float(f"{v:.6g}") == v else f"{v:.{digits}g}" for v in values]
        if len(set(short)) == len(values):
            return [*map(typeset, short)]
    return [typeset(str(value)) for value in values]


def _markup(scene: Scene, states: Sequence[State]) -> str:
    """Return the drawing at the start, the sliders, and the table of what they change."""
    start = states.index(scene.start)
    order = [start, *(i for i in range(len(states)) if i != start)]
    figures = {i: scene.drawn(states[i]) for i in order}
    words = [scene.words(state) for state in states]
    scene.same_limits(list(figures.values()))
    studio = Studio()
    frames = {i: studio.frame(figures.pop(i)) for i in order}
    on_phones = stack(studio.taken, scene.columns, scene.size)
    for group in (group for frame in frames.values() for group in frame.iter("g")):
        if (key := group.get("id", "")) in on_phones.axes:
            group.set("class", "picture-panel")
            group.set("style", on_phones.axes[key])
    drawing = Drawing([frames[i] for i in range(len(states))], start)
    if not drawing.moves:
        raise ValueError(
            f"draw must draw on ax what depends on {' and '.join(scene.values)}; got the same"
            f" picture at all {len(states)} states"
        )
    shown = [_shown(values) for values in scene.values.values()]
    table = {"start": start, "shown": shown, "words": words, "moves": drawing.moves}
    data = json.dumps(table, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    said = opening(scene.title, scene.size[0])
    svg = drawing.markup().replace("<svg", f"<svg {said}", 1)
    controls = "".join(
        _control(i, scene.labels[name], values, shown[i], scene.start[name])
        for i, (name, values) in enumerate(scene.values.items())
    )
    own = "e" + hashlib.sha256("".join([svg, data, controls]).encode()).hexdigest()[:8] + "-"
    return (
        f"<flow-explorer>{framed(svg, on_phones.frame)}"
        f'<p class="explorer-words" aria-live="off">{html.escape(words[start])}</p>'
        f'<div class="explorer-controls" hidden>{controls}</div>'
        f"<style>{_asset('css')}</style>"
        f'<script type="application/json">{data}</script></flow-explorer>'
        f"<script>{_asset('js')}</script>"
    ).replace(OWN, own)


def _control(i: int, label: str, values: Sequence[Any], shown: Sequence[str], start: Any) -> str:
    name, own, at = html.escape(label), f"{OWN}i{i}", values.index(start)
    if isinstance(start, str):
        buttons = "".join(
            f'<label><input type="radio" name="{own}" data-i="{i}" value="{k}" autocomplete="off"'
            f"{' checked' if k == at else ''}>{html.escape(value)}</label>"
            for k, value in enumerate(shown)
        )
        return f"<fieldset><legend>{name}</legend>{buttons}</fieldset>"
    return (
        f'<div><label for="{own}">{name}</label><input type="range" id="{own}" data-i="{i}"'
        f' min="0" max="{len(shown) - 1}" step="1" value="{at}" autocomplete="off"'
        f' aria-valuetext="{shown[at]}"><b aria-hidden="true">{shown[at]}</b></div>'
    )


def _asset(kind: str) -> str:
    lines = HERE.with_suffix(f".{kind}").read_text(encoding="utf8").splitlines()
    return "\n".join(line.strip() for line in lines if not line.strip().startswith("//"))
