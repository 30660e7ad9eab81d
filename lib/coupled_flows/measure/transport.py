"""Transport in one angle: distances of quantile functions, on a line and around the circle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import minimize_scalar

from coupled_flows.geometry.errors import Array
from coupled_flows.geometry.manifolds import TURN
from coupled_flows.measure.angles import SmoothLaw
from coupled_flows.measure.laws import Law, PointLaw
from coupled_flows.measure.zonal import RingLaw


@dataclass(frozen=True)
class Atoms:
    """Finitely many positions on a line or a circle, ascending, with their masses."""

    angles: Array
    masses: Array

    @classmethod
    def of(cls, angles: Array, masses: Array | None) -> Atoms:
        """Return atoms sorted by angle."""
        order = np.argsort(angles, kind="stable")
        return cls(angles[order], np.asarray(masses)[order])

    @cached_property
    def below(self) -> Array:
        """Share of mass up to and including each atom; the last is exactly 1."""
        share = np.cumsum(self.masses)
        share[-1] = 1.0
        return share

    def angle_at(self, share: Array) -> Array:
        """Return the angle below which lies each share of the mass."""
        cell = np.searchsorted(self.below, share, side="right")
        return self.angles[np.minimum(cell, len(self.below) - 1)]


def atoms_on_line(a: Atoms, b: Atoms, p: float, rotation: float | None) -> float:
    """Return the distance of the quantile functions, those of b shifted by a rotation if given."""
    turn = 0.0 if rotation is None else rotation
    shifted = b.below if rotation is None else np.mod(b.below - turn, 1.0)
    cuts = np.unique(np.concatenate([[0.0, 1.0], a.below, shifted]))
    middle, share = (cuts[1:] + cuts[:-1]) / 2, np.diff(cuts)
    share[share <= len(cuts) * 2.0**-51] = 0.0  # made by the rounding of sums of masses
    return _mean_power(a.angle_at(middle) - _lifted(b, middle + turn), share, p)


def atoms_on_circle(a: Atoms, b: Atoms, p: float) -> float:
    """Return the least distance over all rotations, by bisection on its exact slope.

    The cost is convex and piecewise linear in the rotation r: it changes as shares of b pass
    from one atom to the next, at the shares below - r of a.
    """
    if len(a.masses) == len(b.masses) and np.ptp(a.masses) == np.ptp(b.masses) == 0:
        return _matched_on_circle(a.angles, b.angles, p)
    following = np.append(b.angles[1:], b.angles[0] + TURN)

    def slope(rotation: float) -> float:
        here = _lifted(a, np.nextafter(b.below - rotation, -np.inf))
        return _difference(here - following, here - b.angles, p)

    low, high = -1.5, 1.5
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return min(atoms_on_line(a, b, p, rotation) for rotation in (low, high))


def _matched_on_circle(x: Array, y: Array, p: float) -> float:
    """Return the least distance of n and n equal atoms: one to one, in order, from some place on.

    The cost is convex in that place: bisection on its difference.
    """
    n = len(x)
    unrolled = np.concatenate([y + TURN * turn for turn in (-2, -1, 0, 1, 2)])

    def apart(place: int) -> Array:
        return x - unrolled[2 * n + place : 3 * n + place]

    low, high = -2 * n, 2 * n
    while high > low:
        middle = (low + high) // 2
        further = _difference(apart(middle + 1), apart(middle), p) < 0
        low, high = (middle + 1, high) if further else (low, middle)
    return _mean_power(apart(low), np.full(n, 1 / n), p)


def _difference(x: Array, y: Array, p: float) -> float:
    """Return sum |x|^p - |y|^p in units of the largest of them: its sign outlives every power."""
    ahead, behind = np.abs(x), np.abs(y)
    scale = max(ahead.max(), behind.max()) or 1.0
    return float(np.sum((ahead / scale) ** p - (behind / scale) ** p))


def _lifted(law: SmoothLaw | Atoms, share: Array) -> Array:
    """Return the quantiles of a law on the circle, unrolled: a turn more for each unit of share."""
    turns = np.floor(share)
    return law.angle_at(share - turns) + TURN * turns


def _mean_power(difference: Array, weight: Array, p: float) -> float:
    """Return (sum weight |difference|^p)^(1/p), whatever the power does to small numbers."""
    size = np.abs(difference[weight > 0])
    scale = float(size.max(initial=0.0))
    return scale * float(weight[weight > 0] @ (size / scale) ** p) ** (1 / p) if scale else 0.0


def one_angle(law: Law, circle: bool) -> SmoothLaw | Atoms | None:
    """Return a law as one of a single angle, or None if it is not."""
    if isinstance(law, SmoothLaw):
        law.quantiles(1)  # says now if the density is not resolved
        return law
    if isinstance(law, RingLaw):
        return Atoms.of(np.arccos(law.heights), law.weights)
    if isinstance(law, PointLaw) and circle:
        return Atoms.of(law.points[:, 0], law.weights)
    return None


def between_angles(a: SmoothLaw | Atoms, b: SmoothLaw | Atoms, p: float, circle: bool) -> float:
    """Return the distance of two laws of one angle, with a rotation on the circle."""
    if isinstance(a, SmoothLaw):
        distance = _transport(a, b, p, circle)
    elif isinstance(b, SmoothLaw):
        distance = _transport(b, a, p, circle)
    else:  # rings: points on a circle have their own way
        return atoms_on_line(a, b, p, rotation=None)
    at_rest = distance(0.0)
    if not circle or at_rest == 0:
        return at_rest
    # the p-th power is convex in the rotation, so the distance has one minimum; squared it is a
    # parabola there
    best = minimize_scalar(
        lambda rotation: (distance(rotation) / at_rest) ** min(p, 2.0),
        bracket=(-1e-3, 1e-3),
        method="brent",
        options={"xtol": 1e-7},
    )
    return min(distance(float(best.x)), at_rest)


def _transport(
    a: SmoothLaw, b: SmoothLaw | Atoms, p: float, circle: bool
) -> Callable[[float], float]:
    """Return, as a function of r, the cost of sending each share u of `a` to u + r of `b`.

    Gauss panels in the angle of `a`. They are cut where a grid of `a` and a grid of `b` pass,
    so that start and target both move little in each: the map between them may be steep.
    """
    kinks: Array
    # |x|^p is smooth where start and target meet only if p is even
    finer = 1 if p % 2 == 0 else 16
    grid = a.grid(finer)
    if isinstance(b, SmoothLaw):
        marks, kinks = b.distribution(b.grid(finer)), np.empty(0)
    else:  # the target jumps from atom to atom, and |x|^p has a kink at the atom itself
        marks, kinks = np.append(0.0, b.below[:-1]), b.angles

    def distance(rotation: float) -> float:
        passed = np.mod(marks - rotation, 1.0) if circle else marks
        cuts = np.sort(np.concatenate([grid, kinks, a.angle_at(np.clip(passed, 0.0, 1.0))]))
        angle, share, weight = a.panels(cuts)
        share = share + rotation if circle else np.clip(share, 0.0, 1.0)
        target = _lifted(b, share) if circle else b.angle_at(share)
        return _mean_power(angle - target, weight, p)

    return distance
