"""Wasserstein distances, through POT for point clouds, exact to rounding for laws of one angle.

`wasserstein` returns the distance itself, root taken, in the manifold's own units (radians on
circle and sphere). POT's conventions (p-th powers, turns on the circle, a silent 0 for bad
input) end in this room.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar

from coupled_flows.geometry.errors import (
    Array,
    check_integer,
    check_real,
    check_rng,
    check_type,
)
from coupled_flows.geometry.manifold import Manifold
from coupled_flows.geometry.manifolds import TURN, Euclidean, Torus
from coupled_flows.measure.angles import SmoothLaw
from coupled_flows.measure.laws import GaussianLaw, Law, PointLaw
from coupled_flows.measure.zonal import RingLaw


@dataclass(frozen=True)
class Estimate:
    """A value estimated from samples, with its standard error.

    Parameters
    ----------
    value : float
    error : float
        Standard error, >= 0.

    Raises
    ------
    TypeError, ValueError
        If either is not a finite number, or `error` negative.

    Examples
    --------
    >>> Estimate(0.5031, 0.0021)
    0.503 ± 0.002
    """

    value: float
    error: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", check_real("value", self.value))
        object.__setattr__(self, "error", check_real("error", self.error, least=0))

    def __repr__(self) -> str:
        if self.error == 0:
            return f"{self.value:g} ± 0"
        digits = max(0, -math.floor(math.log10(self.error)))
        return f"{self.value:.{digits}f} ± {self.error:.{digits}f}"


def wasserstein(
    a: Law | ArrayLike, b: Law | ArrayLike, p: float = 2, manifold: Manifold | None = None
) -> float:
    """Return the Wasserstein distance W_p of two laws, with the geodesic distance as cost.

    Parameters
    ----------
    a, b : Law, or array_like of shape (n, p)
        Laws, or points (equal weights) with `manifold`.
    p : float
        Power, >= 1. Gaussian laws: 2 only.
    manifold : Manifold, optional
        Where the points lie; needed only if both are points.

    Returns
    -------
    float
        (inf over couplings of E dist(X, Y)^p)^(1/p): the distance, not its power.

    Raises
    ------
    TypeError
        If `a` or `b` is neither law nor points.
    ValueError
        If the two live on different manifolds, a density is not resolved by its series, or
        there is no method for the pair (the message says what to do instead).

    Notes
    -----
    Two laws on the circle: the distance of the quantile functions, minimised over the rotation
    as a real number; the integrand is convex in it. Two laws on S^2 symmetric about the z axis:
    the distance of the polar-angle quantiles; exact for the geodesic distance, atoms included,
    since the polar angle is 1-Lipschitz and the coupling along meridians attains it. Two
    Gaussian laws: Bures' formula. Two point clouds: POT's exact solvers.

    Examples
    --------
    >>> from coupled_flows import Torus
    >>> round(wasserstein([[0.1]], [[6.2]], manifold=Torus(1)), 4)
    0.1832
    """
    p = check_real("p", p, least=1)
    law_a, law_b = _as_laws(a, b, manifold)
    if law_a.manifold != law_b.manifold:
        raise ValueError(
            f"a and b must live on one manifold; got {law_a.manifold!r} and {law_b.manifold!r}"
        )
    if isinstance(law_a, GaussianLaw) and isinstance(law_b, GaussianLaw):
        if p != 2:
            raise ValueError(f"p must be 2 for Gaussian laws; got {p:g}")
        return _bures(law_a, law_b)
    if isinstance(law_a, PointLaw) and isinstance(law_b, PointLaw):
        return _between_points(law_a, law_b, p)
    circle = law_a.manifold == Torus(1)
    one = _one_angle(law_a, circle)
    two = _one_angle(law_b, circle)
    if one is None or two is None:
        raise ValueError(
            f"a and b: there is no exact method for a {type(law_a).__name__} and a"
            f" {type(law_b).__name__}; compare samples of both, law.sample(n, rng), and their"
            " noise_floor"
        )
    return _between_angles(one, two, p, circle)


def noise_floor(
    law: Law, n: int, rng: np.random.Generator, p: float = 2, repeats: int = 20
) -> Estimate:
    """Estimate the mean W_p between two independent n-samples of one law.

    What a sampled distance cannot fall below, however close the two laws are.

    Parameters
    ----------
    law : Law
    n : int
        Points in each sample, >= 1.
    rng : numpy.random.Generator
    p : float
        Power, >= 1.
    repeats : int
        Number of pairs, >= 2.

    Returns
    -------
    Estimate
        Mean and standard error over the pairs, in the manifold's units.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above.

    Examples
    --------
    >>> from coupled_flows import CircleLaw
    >>> floor = noise_floor(CircleLaw([1.0]), 100, np.random.default_rng(1))
    >>> 0.15 < floor.value < 0.35
    True
    """
    check_type("law", law, Law, "a law, such as CircleLaw(moments)")
    n = check_integer("n", n, least=1)
    repeats = check_integer("repeats", repeats, least=2)
    check_rng(rng)
    values = [
        wasserstein(law.sample(n, rng), law.sample(n, rng), p, law.manifold) for _ in range(repeats)
    ]
    return Estimate(float(np.mean(values)), float(np.std(values, ddof=1) / math.sqrt(repeats)))


def _as_laws(a: Law | ArrayLike, b: Law | ArrayLike, manifold: Manifold | None) -> tuple[Law, Law]:
    known = [law.manifold for law in (a, b) if isinstance(law, Law)]
    if manifold is None:
        if not known:
            raise ValueError("manifold must be given when a and b are points; got None")
        manifold = known[0]
    check_type("manifold", manifold, Manifold, "a manifold, such as Sphere(2)")
    laws = []
    for name, law in (("a", a), ("b", b)):
        if isinstance(law, Law):
            if law.manifold != manifold:
                raise ValueError(f"{name} must live on {manifold!r}; got a law on {law.manifold!r}")
            laws.append(law)
        else:
            points = manifold.check_points(name, law)
            if not len(points):
                raise ValueError(f"{name} must hold at least one point; got none")
            laws.append(PointLaw(points, manifold=manifold))
    return laws[0], laws[1]


def _bures(a: GaussianLaw, b: GaussianLaw) -> float:
    # |m_a - m_b|^2 + min over orthogonal Q of |A^(1/2) - B^(1/2) Q|^2: the square is a sum of
    # squares, so that nearby laws keep their digits where the trace formula would cancel
    root_a, root_b = _root(a.covariance), _root(b.covariance)
    left, _, right = np.linalg.svd(root_b @ root_a)
    gap = root_a - root_b @ left @ right
    return math.hypot(float(np.linalg.norm(a.mean - b.mean)), float(np.linalg.norm(gap)))


def _root(covariance: Array) -> Array:
    scale, frame = np.linalg.eigh(covariance)
    return (frame * np.sqrt(np.maximum(scale, 0.0))) @ frame.T


# -- point clouds, by POT -----------------------------------------------------------------------


def _between_points(a: PointLaw, b: PointLaw, p: float) -> float:
    import ot  # here, since it loads scikit-learn and the laws of one angle do without

    weights = np.asarray(a.weights), np.asarray(b.weights)
    if a.manifold == Torus(1):
        # in turns; 1 - 1e-16 turns must not become 1
        turns = [np.minimum(x.points[:, 0] / TURN, np.nextafter(1, 0)) for x in (a, b)]
        power = _quietly(lambda: ot.wasserstein_circle(*turns, *weights, p=p))
        return float(np.ravel(power)[0]) ** (1 / p) * TURN
    if a.manifold == Euclidean(1):
        power = _quietly(lambda: ot.wasserstein_1d(a.points[:, 0], b.points[:, 0], *weights, p=p))
        return float(np.ravel(power)[0]) ** (1 / p)
    cost = a.manifold.pairwise(a.points, b.points) ** p
    power = _quietly(lambda: ot.emd2(*weights, cost, numItermax=10**7))
    return max(float(power), 0.0) ** (1 / p)


def _quietly(solve: Callable[[], float]) -> float:
    """Run one of POT's solvers; what it only warns of is an error here."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return solve()


# -- laws of one angle, by quantiles ------------------------------------------------------------


@dataclass(frozen=True)
class _Atoms:
    """Finitely many angles, ascending, with their masses."""

    angles: Array
    masses: Array

    def angle_at(self, share: Array) -> Array:
        below = np.cumsum(self.masses)
        cell = np.searchsorted(below, share, side="right")
        return self.angles[np.minimum(cell, len(below) - 1)]


def _one_angle(law: Law, circle: bool) -> SmoothLaw | _Atoms | None:
    if isinstance(law, SmoothLaw):
        law.quantiles(1)  # says now if the density is not resolved
        return law
    if isinstance(law, RingLaw):
        return _Atoms(*law.atoms())
    if isinstance(law, PointLaw) and circle:
        order = np.argsort(law.points[:, 0], kind="stable")
        return _Atoms(law.points[order, 0], np.asarray(law.weights)[order])
    return None


def _between_angles(a: SmoothLaw | _Atoms, b: SmoothLaw | _Atoms, p: float, circle: bool) -> float:
    if isinstance(a, _Atoms) and isinstance(b, _Atoms):  # rings: points would have gone to POT
        import ot

        power = _quietly(lambda: ot.wasserstein_1d(a.angles, b.angles, a.masses, b.masses, p=p))
        return float(np.ravel(power)[0]) ** (1 / p)
    if isinstance(a, SmoothLaw):
        cost = _transport_cost(a, b, p, circle)
    else:
        assert isinstance(b, SmoothLaw)
        cost = _transport_cost(b, a, p, circle)
    if not circle:
        return cost(0.0) ** (1 / p)
    # convex in the rotation; a bracket of a thousandth of a turn, grown as needed, is refined
    # until the distance no longer changes
    best = minimize_scalar(cost, bracket=(-1e-3, 1e-3), method="brent", options={"xtol": 1e-9})
    return min(float(best.fun), cost(0.0)) ** (1 / p)


def _transport_cost(
    a: SmoothLaw, b: SmoothLaw | _Atoms, p: float, circle: bool
) -> Callable[[float], float]:
    """Return the cost of sending each share u of `a` to the share u + rotation of `b`."""

    def lifted(share: Array) -> Array:
        if not circle:
            return b.angle_at(np.clip(share, 0.0, 1.0))
        turns = np.floor(share)
        return b.angle_at(share - turns) + TURN * turns

    if isinstance(b, SmoothLaw):
        angle, share, weight = a.quadrature()
        return lambda rotation: float(weight @ np.abs(angle - lifted(share + rotation)) ** p)

    below = np.cumsum(b.masses)[:-1]

    def cost(rotation: float) -> float:
        # the target jumps where a share passes from one atom to the next
        shares = below - rotation
        if circle:
            shares = np.sort(np.append(shares, 1.0 - rotation) % 1.0)
        cuts = a.angle_at(np.clip(shares, 0.0, 1.0))
        angle, share, weight = a.panels(cuts)
        return float(weight @ np.abs(angle - lifted(share + rotation)) ** p)

    return cost
