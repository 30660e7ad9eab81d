"""What the pages plot: orders of convergence, laws of one angle, paths on the sphere.

Each function takes `ax` and returns it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import (
    FuncFormatter,
    LogFormatterSciNotation,
    LogLocator,
    NullFormatter,
    NullLocator,
)

from coupled_flows.display.figures import DASHES, INK, MARKERS, PALETTE
from coupled_flows.geometry.errors import Array, check_array, check_integer, check_real, check_type
from coupled_flows.geometry.manifolds import Sphere
from coupled_flows.measure.angles import SmoothLaw
from coupled_flows.measure.convergence import Order


def orders(
    ax: Axes,
    fitted: Mapping[str, Order],
    *,
    xlabel: str = "step $h$",
    ylabel: str = "$W_2$ (radians)",
) -> Axes:
    """Plot errors against steps on logarithmic axes, with fitted lines, slopes in the legend.

    Parameters
    ----------
    ax : Axes
    fitted : mapping of str to Order
    xlabel, ylabel : str
        With units.

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        If a value is not an Order, or there is none.

    Examples
    --------
    >>> from coupled_flows import fit_order
    >>> from coupled_flows.display.figures import canvas
    >>> figure, ax = canvas()
    >>> orders(ax, {"walk": fit_order([0.2, 0.1], [0.02, 0.01])}).get_xscale()
    'log'
    """
    _some("fitted", fitted)
    for i, (label, order) in enumerate(fitted.items()):
        check_type(f"fitted[{label!r}]", order, Order, "an Order, from fit_order")
        color, marker = PALETTE[i % len(PALETTE)], MARKERS[i % len(MARKERS)]
        ax.plot(order.steps, order.errors, marker, color=color, label=f"{label}:\nslope {order!r}")
        ends = order.steps[[0, -1]]
        ax.plot(ends, order.constant * ends**order.slope, "-", color=color, linewidth=1)
    ax.set(xscale="log", yscale="log", xlabel=xlabel, ylabel=ylabel)
    ax.yaxis.set_minor_formatter(NullFormatter())
    low, high = ax.get_ylim()
    if high < 100 * low:  # powers of ten alone would leave an axis with one label
        steps = (1, 2, 5) if high > 5 * low else range(1, 10)
        ax.yaxis.set_major_locator(LogLocator(subs=steps))
        ax.yaxis.set_major_formatter(
            LogFormatterSciNotation(labelOnlyBase=False, minor_thresholds=(np.inf, np.inf))
        )
    halvings(ax, np.concatenate([order.steps for order in fitted.values()]))
    ax.legend(loc="upper left")
    return ax


def _some(name: str, shown: Mapping[str, object]) -> None:
    if not shown:
        raise ValueError(f"{name} must have at least one entry; got {shown!r}")


def halvings(ax: Axes, steps: Array) -> Axes:
    """Label the x axis at steps, as fractions 1/k where they are.

    Parameters
    ----------
    ax : Axes
    steps : ndarray, shape (n,)
        Positive; at most five of them get a label.

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        If `steps` is not an array of at least one positive number.

    Examples
    --------
    >>> from coupled_flows.display.figures import canvas
    >>> figure, ax = canvas()
    >>> [float(tick) for tick in halvings(ax, np.array([0.5, 0.25])).get_xticks()]
    [0.25, 0.5]
    """
    ticks = np.unique(check_array("steps", steps, ("n",)))
    if not len(ticks) or ticks[0] <= 0:
        raise ValueError(f"steps must be positive numbers, at least one; got {steps!r}")
    ax.set_xticks(ticks[:: -(-len(ticks) // 5)])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(_as_fraction))
    return ax


def _as_fraction(step: float, position: int | None = None) -> str:
    if step < 1 and abs(round(1 / step) * step - 1) < 1e-9:
        return f"1/{round(1 / step)}"
    return f"{step:g}"


def laws(ax: Axes, shown: Mapping[str, SmoothLaw], *, samples: int = 400) -> Axes:
    """Plot the densities of laws of one angle, with respect to that angle.

    Parameters
    ----------
    ax : Axes
    shown : mapping of str to SmoothLaw
        The first is filled.
    samples : int
        Points on each curve, >= 2.

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        If a value is not a law with a smooth density, there is none, or `samples` < 2.

    Examples
    --------
    >>> from coupled_flows import CircleLaw
    >>> from coupled_flows.display.figures import canvas
    >>> figure, ax = canvas()
    >>> len(laws(ax, {"uniform": CircleLaw([1.0])}).lines)
    1
    """
    _some("shown", shown)
    samples = check_integer("samples", samples, least=2)
    for i, (label, law) in enumerate(shown.items()):
        check_type(f"shown[{label!r}]", law, SmoothLaw, "a law of one angle with a density")
        angle = np.linspace(0.0, law.end, samples)
        density = law.angle_density(angle)
        if i == 0:
            ax.fill_between(angle, density, color=PALETTE[0], alpha=0.25, linewidth=0)
        ax.plot(angle, density, label=label, color=PALETTE[i % 5], linestyle=DASHES[i % 5])
    end = max(law.end for law in shown.values())
    names = {2: "angle (radians)", 1: "polar angle (radians)"}
    ax.set(xlim=(0, end), ylim=(0, None), xlabel=names[round(end / np.pi)], ylabel="density")
    parts = np.linspace(0, end, 5)
    ax.set_xticks(parts, [_as_multiple_of_pi(part) for part in parts])
    ax.legend()
    return ax


def _as_multiple_of_pi(angle: float) -> str:
    quarters = round(4 * angle / np.pi)
    top, bottom = (
        (quarters // 4, 1)
        if quarters % 4 == 0
        else (quarters // 2, 2)
        if quarters % 2 == 0
        else (quarters, 4)
    )
    if top == 0:
        return "0"
    return ("π" if top == 1 else f"{top}π") + ("" if bottom == 1 else f"/{bottom}")


def globe(ax: Axes, paths: Mapping[str, Array], *, tilt: float = 0.5, turn: float = 0.0) -> Axes:
    """Draw paths on the unit sphere, seen from afar; what lies behind is faint.

    Parameters
    ----------
    ax : Axes
    paths : mapping of str to ndarray, shape (time, 3)
    tilt, turn : float
        Elevation of the eye above the equator and its azimuth, in radians.

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        If a path is not made of unit vectors, or an angle is not finite.

    Examples
    --------
    >>> from coupled_flows.display.figures import canvas
    >>> figure, ax = canvas()
    >>> globe(ax, {"a point": np.array([[0.0, 0.0, 1.0]])}).get_aspect()
    1.0
    """
    tilt, turn = check_real("tilt", tilt), check_real("turn", turn)
    eye = np.array([np.cos(tilt) * np.cos(turn), np.cos(tilt) * np.sin(turn), np.sin(tilt)])
    right = np.array([-np.sin(turn), np.cos(turn), 0.0])
    frame = np.column_stack([right, np.cross(eye, right), eye])
    around = np.linspace(0, 2 * np.pi, 181)
    ax.fill(np.cos(around), np.sin(around), color="#80808018", linewidth=0)
    ax.plot(np.cos(around), np.sin(around), color=INK, linewidth=0.8, linestyle="-")
    for height in np.sin(np.radians([-60, -30, 0, 30, 60])):
        circle = np.sqrt(1 - height**2)
        ring = np.column_stack(
            [circle * np.cos(around), circle * np.sin(around), 0 * around + height]
        )
        _on_globe(ax, ring @ frame, color="#808080", linewidth=0.5, linestyle="-")
    for i, (label, given) in enumerate(paths.items()):
        path = Sphere(2).check_points(f"paths[{label!r}]", given)
        _on_globe(ax, path @ frame, color=PALETTE[i % 5], linestyle="-", label=label, linewidth=1.1)
    ax.set(aspect=1, xlim=(-1.04, 1.04), ylim=(-1.04, 1.04))
    ax.axis("off")
    return ax


def _on_globe(ax: Axes, seen: Array, label: str | None = None, **style: Any) -> None:
    front = np.where(seen[:, 2:] >= 0, seen[:, :2], np.nan)
    back = np.where(seen[:, 2:] < 0, seen[:, :2], np.nan)
    ax.plot(*back.T, alpha=0.3, **style)
    ax.plot(*front.T, label=label, **style)


def arcs(points: Array, samples: int = 12) -> Array:
    """Return the geodesic arcs between successive unit vectors, sampled for drawing.

    Parameters
    ----------
    points : ndarray, shape (time, 3)
    samples : int
        Points drawn on each arc, >= 1.

    Returns
    -------
    ndarray, shape ((time - 1) * samples + 1, 3)

    Raises
    ------
    TypeError, ValueError
        If `points` are not unit vectors, two in succession are antipodes, or `samples` < 1.

    Examples
    --------
    >>> arcs(np.eye(3)).shape
    (25, 3)
    """
    points = Sphere(2).check_points("points", points)
    samples = check_integer("samples", samples, least=1)
    apart = np.linalg.norm(points[:-1] + points[1:], axis=1)
    if apart.min(initial=1.0) < 1e-9:
        row = int(np.argmin(apart))
        raise ValueError(
            f"points must not be antipodes in succession; got {points[row]} and its antipode in"
            f" row {row}"
        )
    share = np.linspace(0, 1, samples, endpoint=False)[None, :, None]
    chord = points[:-1, None] * (1 - share) + points[1:, None] * share
    chord /= np.linalg.norm(chord, axis=2, keepdims=True)
    return np.concatenate([chord.reshape(-1, points.shape[1]), points[-1:]])
